/**
 * The page of Shards of Eternity: comes in as a guest or with a character, walks, talks. This file ties the parts together
 * and holds what happens when: the `Door` says who comes in, packets go into the `World`, hands move the `Walker`, each frame
 * is drawn by the `Scene`.
 *
 * A game of your own needs none of this but `evertick.js`.
 */

import { Account, Evertick, EvertickError } from './evertick.js';
import { Chat } from './eternity/chat.js';
import { listen } from './eternity/controls.js';
import { Characters } from './eternity/characters.js';
import { Door } from './eternity/door.js';
import { factionColour } from './eternity/figures.js';
import { Hud, describe, seconds } from './eternity/hud.js';
import { Inspector } from './eternity/inspector.js';
import { Scene } from './eternity/scene.js';
import { Walker } from './eternity/walker.js';
import { World } from './eternity/world.js';
import { showLink, whyItEnded } from './link.js';
import { byId } from './page.js';

/** How often the latency is measured. */
const PING_MS = 2000;
/** How often the words around the map are brought up to date. */
const HUD_MS = 200;
/** Of an exit's reach: from closer than this a walker who means to leave goes through. */
const GATE_SHARE = 0.7;
const TITLE = document.title;
/** What is seen before the door: a wood that is on no map. */
const OUTSIDE = { id: 7, name: '', terrain: 'forest', width: 256, height: 256, safe: false, exit_reach: 0, exits: [] };

const map = byId('map');
const world = new World();
const walker = new Walker();
const server = new Evertick();
const account = new Account();
const door = new Door(account, enter, (wishes) => new Characters(account, wishes));
const scene = new Scene(map, byId('minimap'), world, walker);
const hud = new Hud();
const inspector = new Inspector();
const chat = new Chat(
  (channel, message) => server.request('chat', { channel, message }),
  describe,
  () => { scene.inset = chat.covers; },
);

/** Who is inside, or was and is coming back: a guest's name or a character. @type {{guest?: string, character?: object}} */
let playing = {};
/** Counts what was begun to come in: one that was given up stays out. */
let entrances = 0;
/** The way out that the walk leads to, or null. */
let goal = null;
let isTravelling = false;
/** Whether the next `game_state` tells afresh what one was in the middle of. */
let isAfresh = false;

// --- packets ---------------------------------------------------------------------------------------------------------

server.on('*', (data, origin) => {
  world.hear(origin.time, performance.now());
  inspector.received(origin.type, data, origin, Date.now());
});
server.on('client:sent', ({ type, data, id }) => inspector.sent(type, data, id, Date.now()));
showLink(server);

server.on('game_state', (state, { time }) => {
  const walksOn = isAfresh && state.location.id === world.location?.id;
  isAfresh = false;
  const [aim, { target }] = [goal, walker];
  world.enter(state, time);
  stand(state.location, state.you.position);
  if (!walksOn) return;
  // The same way out, as it is told now.
  goal = state.location.exits.find((exit) => exit.to_location_id === aim?.to_location_id) ?? null;
  if (target) walker.walkTo(target);
});
server.on('location_update', ({ location, position }) => {
  world.arrive(location);
  stand(location, position);
});
server.on('player_joined_area', ({ players }, { time }) => world.join(players, time));
server.on('player_left_area', ({ players }) => world.part(players));
server.on('positions', ({ moves }, { time }) => world.move(moves, time));
server.on('position_correction', ({ position }) => {
  goal = null;
  walker.correct(position);
});
server.on('chat', (said) => {
  const { you, others } = world;
  const speaker = said.from.id === you?.id ? you : others.get(said.from.id);
  chat.hear(said, factionColour(speaker?.faction), speaker === you);
  if (said.channel === 'local') scene.say(said.from.id, said.message, performance.now());
});
for (const type of ['error', 'invalid_message']) {
  // An answer to a request goes to whoever asked.
  server.on(type, (data, { re }) => (re ?? null) === null && hud.notice(describe(EvertickError.fromPacket(data))));
}

function stand(location, position) {
  goal = null;
  walker.place(position, location, world.you.max_speed);
  scene.show(location);
  hud.place(location, walkToExit);
}

// --- coming and going ------------------------------------------------------------------------------------------------

/** Comes in; rejects with why not. */
async function enter(who) {
  playing = who;
  entrances += 1;
  const entrance = entrances;
  const credentials = await credentialsOf(who);
  if (entrance !== entrances) return;
  await server.connect({ ...credentials, pingMs: PING_MS });
  welcome();
}

/** A guest has a name; a character is chosen first, and then comes in with its account's token. */
async function credentialsOf({ guest, character }) {
  if (!character) return { guest };
  await account.selectCharacter(character.id);
  return { token: account.token };
}

function welcome() {
  door.close(playing);
  setPhase('world');
  hud.notice('');
  const isTouch = window.matchMedia('(pointer: coarse)').matches;
  hud.hint(isTouch ? 'Tap to walk, hold to steer' : 'W A S D or a click to walk, Enter to talk, ? for help');
  map.focus();
}

// The walk stands still meanwhile, and goes on where it was.
server.on('client:lost', ({ reason: { code, message }, attempt, attempts, delayMs }) => {
  setPhase('lost');
  hud.notice(`${describe({ code, message })} Coming back in ${seconds(delayMs)}: try ${attempt} of ${attempts}.`, Infinity);
});
server.on('client:resumed', ({ session }) => {
  isAfresh = session.full_state;
  setPhase('world');
  hud.notice('You are back.');
});
server.on('client:ended', ({ reason }) => {
  const { phase } = document.body.dataset;
  // Until one is inside, the promise of `connect` has the reason.
  if (phase === 'door') return;
  goOut(reason.code === 'closed' ? null : whyItEnded(reason, phase === 'lost'));
});

/** Leaves the world, or gives up coming back. */
function leave() {
  server.close();
}

/** To the door: nobody is inside any more, and this is why, where it was not one's own wish. */
function goOut(error) {
  entrances += 1;
  world.leave();
  scene.show(OUTSIDE);
  document.title = TITLE;
  hud.notice('');
  hud.hint('');
  hud.gate(null);
  openPanel('around', false);
  setPhase('door');
  door.open(error);
}

/** `door`: not inside. `world`: inside. `lost`: was inside and is coming back. */
function setPhase(phase) {
  document.body.dataset.phase = phase;
  byId('stage').inert = phase === 'door';
}

// --- walking ---------------------------------------------------------------------------------------------------------

listen(map, {
  steer(x, y) {
    if (x !== 0 || y !== 0) begun();
    walker.steer(x, y);
  },
  pointAt(x, y, isNew) {
    if (!isInside()) return;
    begun();
    const exit = isNew ? scene.gateAt(x, y) : null;
    if (exit) walkToExit(exit);
    else walker.walkTo(scene.placeAt(x, y));
  },
  release: () => walker.stop(),
  halt,
  commands: {
    e: () => takeGate(),
    enter: () => isInside() && chat.open(),
    n: () => isInside() && openPanel('around'),
    p: () => openPanel('packets'),
    '?': () => byId('help').showModal(),
    escape() {
      halt();
      openPanel('around', false);
    },
  },
});

byId('minimap').addEventListener('click', ({ offsetX, offsetY }) => {
  if (!isInside()) return;
  begun();
  walker.walkTo(scene.placeOnMinimap(offsetX, offsetY));
});

/** The first step of a walk that one chose: what was meant before no longer counts. */
function begun() {
  goal = null;
  hud.hint('');
}

/** Stops, and says so at once: a hidden page draws no frame in which it could. */
function halt() {
  goal = null;
  walker.stop();
  report(performance.now());
}

/** Tells the server of one's steps, where it is time to. */
function report(now) {
  if (!isInside() || isTravelling) return;
  const update = walker.report(now);
  if (update) server.send('position_update', update);
}

function isInside() {
  return document.body.dataset.phase === 'world' && world.you !== null;
}

function walkToExit(exit) {
  if (!isInside()) return;
  begun();
  goal = exit;
  walker.walkTo(exit.position);
}

function takeGate() {
  const exit = isInside() ? world.exitAt(walker.position) : null;
  if (exit) travel(exit);
}

async function travel(exit) {
  if (isTravelling) return;
  isTravelling = true;
  goal = null;
  walker.stop();
  try {
    // The server goes by the last position it was told, and passes over those that come before its answer.
    server.send('position_update', walker.reportNow(performance.now()));
    await server.request('move', { to_location_id: exit.to_location_id, from_location_id: world.location.id });
  } catch (error) {
    // A connection that ended says so in its own place.
    if (server.state === 'connected') hud.notice(describe(error));
  } finally {
    isTravelling = false;
  }
}

// --- each frame ------------------------------------------------------------------------------------------------------

let drawnAt = performance.now();
let toldAt = 0;

function frame(now) {
  const elapsedMs = Math.max(now - drawnAt, 0);
  drawnAt = now;
  if (isInside()) walk(now, elapsedMs);
  world.advance(now, elapsedMs);
  scene.draw(now, elapsedMs);
  if (world.you && now - toldAt > HUD_MS) {
    toldAt = now;
    hud.around(world.you, walker.position, world.others);
  }
  requestAnimationFrame(frame);
}

function walk(now, elapsedMs) {
  if (isTravelling) return;
  walker.step(elapsedMs);
  report(now);
  const exit = world.exitAt(walker.position);
  hud.gate(exit);
  if (!goal || exit !== goal) return;
  const distance = Math.hypot(goal.position.x - walker.position.x, goal.position.y - walker.position.y);
  if (distance <= world.location.exit_reach * GATE_SHARE) travel(goal);
}

// --- panels ----------------------------------------------------------------------------------------------------------

/** Opens, closes or, without a wish, turns over a panel. */
function openPanel(name, isOpen = byId(name).hidden) {
  if (name === 'packets') inspector.isOpen = isOpen;
  else byId(name).hidden = !isOpen;
  byId(`${name}-button`).setAttribute('aria-expanded', String(isOpen));
  document.body.classList.toggle(`has-${name}`, isOpen);
}

byId('around-button').addEventListener('click', () => openPanel('around'));
byId('packets-button').addEventListener('click', () => openPanel('packets'));
byId('packets-close').addEventListener('click', () => {
  openPanel('packets', false);
  byId('packets-button').focus();
});
byId('help-button').addEventListener('click', () => byId('help').showModal());
byId('help-close').addEventListener('click', () => byId('help').close());
byId('leave-button').addEventListener('click', leave);
byId('gate-button').addEventListener('click', () => {
  takeGate();
  map.focus();
});

// --- the beginning ---------------------------------------------------------------------------------------------------

scene.show(OUTSIDE);
requestAnimationFrame(frame);
if (door.comesBack) comeBackIn(door.comesBack);
else goOut(null);

/** After a reload: this tab was in the world with that character. */
async function comeBackIn(character) {
  setPhase('door');
  door.showReturn();
  try {
    await enter({ character });
  } catch (error) {
    goOut(error);
  }
}
