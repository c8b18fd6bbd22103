/**
 * Hands to wishes: keys, mouse and touch on the map become directions, places to walk to and commands. It decides
 * nothing; `eternity.js` hands it what to call. Keys are known by where they are on the board (`code`), so that W A S D
 * is the same shape on every layout.
 */

const DIRECTIONS = {
  KeyW: [0, -1], ArrowUp: [0, -1],
  KeyS: [0, 1], ArrowDown: [0, 1],
  KeyA: [-1, 0], ArrowLeft: [-1, 0],
  KeyD: [1, 0], ArrowRight: [1, 0],
};

/** A press longer than this steers and ends with the release; a shorter one is a click to walk to. */
const HOLD_MS = 280;

/**
 * @typedef {object} Wishes
 * @property {(x: number, y: number) => void} steer a direction, each axis -1 to 1, zero for none
 * @property {(x: number, y: number, isNew: boolean) => void} pointAt a point of the canvas, CSS pixels: walk there
 * @property {() => void} release a pointer that steered was let go
 * @property {() => void} halt stop walking
 * @property {Record<string, () => void>} commands by `event.key`, lower case
 */

/**
 * @param {HTMLCanvasElement} map
 * @param {Wishes} wishes
 */
export function listen(map, wishes) {
  listenToKeys(wishes);
  listenToPointer(map, wishes);
}

function listenToKeys({ steer, halt, commands }) {
  const held = new Set();
  const tell = () => steer(...sum([...held].map((code) => DIRECTIONS[code])));
  const letGo = () => {
    held.clear();
    tell();
  };
  window.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target) || isOutside(event.target)) return;
    if (event.code in DIRECTIONS && !usesArrows(event)) {
      event.preventDefault();
      held.add(event.code);
      return tell();
    }
    const command = commands[event.key.toLowerCase()];
    if (!command || event.repeat || (event.key === 'Enter' && isControl(event.target))) return;
    event.preventDefault();
    command();
  });
  window.addEventListener('keyup', (event) => held.delete(event.code) && tell());
  // A key let go in another window, or in the chat, is never heard of.
  window.addEventListener('blur', letGo);
  window.addEventListener('focusin', (event) => isWriting(event.target) && letGo());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) return;
    letGo();
    halt();
  });
}

function listenToPointer(map, { pointAt, release }) {
  let pressed = null;
  map.addEventListener('pointerdown', (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    pressed = { at: event.timeStamp, steers: false };
    map.setPointerCapture(event.pointerId);
    pointAt(event.offsetX, event.offsetY, true);
  });
  map.addEventListener('pointermove', (event) => {
    if (!pressed || !event.isPrimary || event.timeStamp - pressed.at < HOLD_MS) return;
    pressed.steers = true;
    pointAt(event.offsetX, event.offsetY, false);
  });
  const end = () => {
    if (pressed?.steers) release();
    pressed = null;
  };
  map.addEventListener('pointerup', end);
  map.addEventListener('pointercancel', end);
  // A long press steers: it opens no menu.
  map.addEventListener('contextmenu', (event) => event.preventDefault());
}

function sum(directions) {
  return directions.reduce(([x, y], [right, down]) => [x + right, y + down], [0, 0]);
}

function isWriting(target) {
  return target instanceof Element && target.matches('input:not([type=radio]):not([type=checkbox]), textarea');
}

/** At the door and in a dialog keys have the browser's meaning. */
function isOutside(target) {
  return document.querySelector('dialog[open]') !== null || (target instanceof Element && target.closest('#door') !== null);
}

function isControl(target) {
  return target instanceof Element && target.matches('button, a, summary, input');
}

/** In a list or among radio buttons the arrows move there. */
function usesArrows({ code, target }) {
  return code.startsWith('Arrow') && target instanceof Element && target.matches('ol, input');
}
