/**
 * Draws the world on the map and the mini-map, once a frame: the ground, the gates, whoever is in sight, what they
 * say. It follows oneself with the camera and turns points of the screen into points of the place. It changes nothing
 * of the world; `world.js` and `walker.js` have what it draws, `terrain.js` the ground, `figures.js` the figures.
 */

import * as figures from './figures.js';
import { TILE, Terrain } from './terrain.js';

/** Pixels a unit may take, least and most; between them the width of the view decides. */
const SCALE = { least: 12, most: 24, unitsAcross: 52 };
/** Pixels of the screen's own that a unit of the ground is drawn with at most: memory, not looks, is the bound. */
const GROUND_SCALE_MOST = 36;
/** Time that one frame may give to tiles drawn anew, milliseconds; the others show the wash until their turn comes. */
const TILES_MS = 6;
/** How fast the camera follows: what is left of the way after this time is 1/e. */
const CAMERA_MS = 110;
/** How long spoken words stand over a head. */
const WORDS_MS = 6000;
/** CSS pixels around the place on the mini-map, and the width that the sizes of its dots are meant for. */
const MINIMAP_MARGIN = 9;
const MINIMAP_SIDE = 160;
/** Radians of a walker's stride in a unit of way, about. */
const STRIDE = 0.0125;

export class Scene {
  #map;
  #minimap;
  #world;
  #walker;
  #camera = null;
  #terrain = null;
  #words = new Map();
  #size = { width: 1, height: 1, pixels: 1, scale: SCALE.least };
  #inset = 0;
  #theme = 'light';
  #colours = {};
  #calm = false;
  #gateBoxes = [];
  #facing = 1;

  /**
   * @param {HTMLCanvasElement} map
   * @param {HTMLCanvasElement} minimap
   * @param {import('./world.js').World} world
   * @param {import('./walker.js').Walker} walker
   */
  constructor(map, minimap, world, walker) {
    this.#map = map;
    this.#minimap = minimap;
    this.#world = world;
    this.#walker = walker;
    new ResizeObserver(() => this.#measure()).observe(map);
    watch('(prefers-color-scheme: dark)', (isDark) => this.#dress(isDark ? 'dark' : 'light'));
    watch('(prefers-reduced-motion: reduce)', (isCalm) => { this.#calm = isCalm; });
    this.#measure();
  }

  /** Pixels at the bottom that something else covers: the camera keeps oneself above them. */
  set inset(pixels) {
    this.#inset = pixels;
  }

  /** Shows another place; without one, the land before the door. */
  show(location) {
    this.#terrain = new Terrain(location);
    this.#camera = null;
    this.#words.clear();
  }

  /** Somebody says something that is seen over their head. */
  say(id, words, now) {
    this.#words.set(id, { words, until: now + WORDS_MS });
  }

  /** The point of the place under a point of the canvas, CSS pixels. */
  placeAt(x, y) {
    const { scale } = this.#size;
    const origin = this.#origin();
    return { x: (x - origin.x) / scale, y: (y - origin.y) / scale };
  }

  /** The gate whose arch or label is under a point of the canvas, or null. */
  gateAt(x, y) {
    const box = this.#gateBoxes.find(({ left, top, width, height }) => x >= left && x <= left + width && y >= top && y <= top + height);
    return box?.exit ?? null;
  }

  /** The point of the place under a point of the mini-map, CSS pixels. */
  placeOnMinimap(x, y) {
    const { width, height } = this.#world.location;
    const side = this.#minimap.clientWidth;
    const scale = (side - 2 * MINIMAP_MARGIN) / Math.max(width, height);
    return { x: (x - side / 2) / scale + width / 2, y: (y - side / 2) / scale + height / 2 };
  }

  /** Draws one frame. */
  draw(now, elapsedMs) {
    if (!this.#terrain) return;
    this.#follow(now, elapsedMs);
    const context = this.#map.getContext('2d', { alpha: false });
    const { pixels, width, height } = this.#size;
    context.setTransform(pixels, 0, 0, pixels, 0, 0);
    context.fillStyle = this.#colours.void;
    context.fillRect(0, 0, width, height);
    this.#drawGround(context);
    this.#drawTarget(context, now);
    this.#drawStanding(context, now);
    if (!this.#world.you) return;
    this.#drawPointers(context);
    this.#drawWords(context, now);
    this.#drawMinimap();
  }

  #measure() {
    const { clientWidth: width, clientHeight: height } = this.#map;
    const pixels = Math.min(window.devicePixelRatio || 1, 3);
    const scale = Math.round(Math.min(Math.max(width / SCALE.unitsAcross, SCALE.least), SCALE.most));
    this.#size = { width, height, pixels, scale };
    this.#map.width = Math.round(width * pixels);
    this.#map.height = Math.round(height * pixels);
    const side = this.#minimap.clientWidth * pixels;
    if (side > 0) this.#minimap.width = this.#minimap.height = side;
  }

  #dress(theme) {
    this.#theme = theme;
    const style = getComputedStyle(document.documentElement);
    const names = ['void', 'edge', 'name', 'halo', 'plate', 'plate-text', 'plate-line', 'accent', 'gate', 'gate-ink', 'gate-light', 'safe', 'shard'];
    this.#colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  get #plate() {
    return { plate: this.#colours.plate, text: this.#colours['plate-text'], line: this.#colours['plate-line'] };
  }

  /** Before the door the land drifts by; inside, the camera follows oneself and stays on the land where it can. */
  #follow(now, elapsedMs) {
    if (!this.#world.you) {
      const drift = this.#calm ? 0 : now / 1400;
      this.#camera = { x: 128 + Math.sin(drift / 9) * 60, y: 128 + Math.cos(drift / 13) * 60 };
      return;
    }
    const goal = this.#walker.shown;
    if (!this.#camera || this.#calm) this.#camera = { ...goal };
    const share = 1 - Math.exp(-elapsedMs / CAMERA_MS);
    this.#camera.x += (goal.x - this.#camera.x) * share;
    this.#camera.y += (goal.y - this.#camera.y) * share;
  }

  /** Where the place's origin is on the canvas. */
  #origin() {
    const { width, height, scale } = this.#size;
    const camera = this.#camera ?? { x: 0, y: 0 };
    return { x: Math.round(width / 2 - camera.x * scale), y: Math.round((height - this.#inset) / 2 - camera.y * scale) };
  }

  #onScreen({ x, y }) {
    const { scale } = this.#size;
    const origin = this.#origin();
    return { x: origin.x + x * scale, y: origin.y + y * scale };
  }

  #isVisible({ x, y }, margin = 80) {
    return x > -margin && y > -margin && x < this.#size.width + margin && y < this.#size.height + margin;
  }

  #drawGround(context) {
    const { width, height, pixels, scale } = this.#size;
    const place = this.#terrain.location;
    const origin = this.#origin();
    const land = { width: place.width * scale, height: place.height * scale };
    context.save();
    context.beginPath();
    context.rect(origin.x, origin.y, land.width, land.height);
    context.clip();
    context.drawImage(this.#terrain.wash(this.#theme), origin.x, origin.y, land.width, land.height);
    const groundScale = Math.min(scale * pixels, GROUND_SCALE_MOST);
    const side = TILE * scale;
    const until = performance.now() + TILES_MS;
    for (let row = Math.max(0, Math.floor(-origin.y / side)); row * side < Math.min(height - origin.y, land.height); row += 1) {
      for (let column = Math.max(0, Math.floor(-origin.x / side)); column * side < Math.min(width - origin.x, land.width); column += 1) {
        const tile = this.#terrain.tile(column, row, groundScale, this.#theme, performance.now() < until);
        if (tile) context.drawImage(tile, origin.x + column * side, origin.y + row * side, side, side);
      }
    }
    context.restore();
    this.#drawEdge(context, origin, land, place.safe);
  }

  /** The double line of a drawn map; on safe ground the inner one is a dotted green. */
  #drawEdge(context, origin, land, isSafe) {
    context.strokeStyle = this.#colours.edge;
    context.lineWidth = 3;
    context.strokeRect(origin.x - 1.5, origin.y - 1.5, land.width + 3, land.height + 3);
    context.lineWidth = 1;
    context.strokeRect(origin.x - 8.5, origin.y - 8.5, land.width + 17, land.height + 17);
    if (!isSafe) return;
    context.strokeStyle = this.#colours.safe;
    context.lineWidth = 3;
    context.setLineDash([3, 9]);
    context.strokeRect(origin.x + 6, origin.y + 6, land.width - 12, land.height - 12);
    context.setLineDash([]);
  }

  /** Where the click leads. */
  #drawTarget(context, now) {
    const { target } = this.#walker;
    if (!target) return;
    const { x, y } = this.#onScreen(target);
    const pulse = this.#calm ? 0 : Math.sin(now / 160) * 2;
    context.strokeStyle = this.#colours.accent;
    context.lineWidth = 2.5;
    context.beginPath();
    context.ellipse(x, y, 12 + pulse, 5 + pulse * 0.4, 0, 0, Math.PI * 2);
    context.stroke();
    context.beginPath();
    context.arc(x, y, 2, 0, Math.PI * 2);
    context.fillStyle = this.#colours.accent;
    context.fill();
  }

  /** Everything that stands, from the far to the near, so that the near covers the far. */
  #drawStanding(context, now) {
    const standing = [...this.#gates(now), ...this.#shards(now), ...this.#people(now)].sort((a, b) => a.y - b.y);
    for (const { draw } of standing) draw(context);
    for (const { drawLabel } of standing) drawLabel?.(context);
  }

  #gates(now) {
    this.#gateBoxes = [];
    const { exits, exit_reach: reach } = this.#terrain.location;
    const size = this.#size.scale * 3.2;
    const here = this.#world.you && this.#walker.position;
    return exits.map((exit) => ({ exit, at: this.#onScreen(exit.position) })).filter(({ at }) => this.#isVisible(at)).map(({ exit, at }) => {
      const distance = here ? Math.hypot(exit.position.x - here.x, exit.position.y - here.y) : Infinity;
      const beat = this.#calm ? 0 : Math.sin(now / 500) * 0.12;
      const glow = distance <= reach ? 1 : 0.25 + beat;
      this.#gateBoxes.push({ exit, left: at.x - size / 2, top: at.y - size, width: size, height: size + 34 });
      return {
        // Who stands in a gate stands before it: only what is above its top is behind it.
        y: at.y - size,
        draw: (context) => {
          this.#drawReach(context, at, reach, distance);
          figures.drawGate(context, at.x, at.y, size, glow, { stone: this.#colours.gate, ink: this.#colours['gate-ink'], light: this.#colours['gate-light'] });
        },
        drawLabel: (context) => this.#drawGateLabel(context, exit, at),
      };
    });
  }

  #drawGateLabel(context, exit, at) {
    context.font = '600 13px system-ui, sans-serif';
    const half = context.measureText(exit.to_name).width / 2 + 20;
    // A gate stands at the edge of its place: the label moves in so far that it can be read.
    const x = Math.min(Math.max(at.x, half), this.#size.width - half);
    const box = figures.drawPlate(context, exit.to_name, x, at.y + 20, this.#plate);
    this.#gateBoxes.push({ exit, ...box });
  }

  /** How close one must be, shown to who comes near. */
  #drawReach(context, at, reach, distance) {
    if (distance > reach * 3) return;
    context.beginPath();
    context.arc(at.x, at.y, reach * this.#size.scale, 0, Math.PI * 2);
    context.setLineDash([5, 6]);
    context.strokeStyle = this.#colours.accent;
    context.globalAlpha = 0.7;
    context.lineWidth = 1.5;
    context.stroke();
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  #shards(now) {
    const { shard } = this.#world;
    if (!shard) return [];
    const at = this.#onScreen(shard.position);
    if (!this.#isVisible(at)) return [];
    const sway = this.#calm ? 0 : Math.sin(now / 700) * 4;
    return [{
      y: at.y,
      draw: (context) => figures.drawShard(context, at.x, at.y, this.#size.scale * 2.6, sway, this.#shardColour(shard)),
      drawLabel: (context) => figures.drawName(context, shard.name, at.x, at.y + 8, { text: this.#colours.name, halo: this.#colours.halo }),
    }];
  }

  #shardColour({ holder }) {
    return holder ? figures.factionColour(holder) : this.#colours.shard;
  }

  #people(now) {
    const { you, others } = this.#world;
    if (!you) return [];
    const { velocity, shown, isMoving } = this.#walker;
    // Who walks straight up or down goes on looking where they looked.
    if (velocity.x !== 0) this.#facing = Math.sign(velocity.x);
    const self = { ...you, shown, isMoving, facing: this.#facing };
    return [...others.values(), self].map((who) => this.#person(who, who.id === you.id, now));
  }

  #person(who, isSelf, now) {
    const at = this.#onScreen(who.shown);
    const size = this.#bodySize;
    const stride = who.isMoving && !this.#calm ? now * STRIDE + who.id : null;
    if (!this.#isVisible(at)) return { y: at.y, draw: () => {} };
    return {
      y: at.y,
      draw: (context) => {
        if (isSelf) figures.drawSelfRing(context, at.x, at.y, size, this.#colours.accent);
        figures.drawWalker(context, who, at.x, at.y, size, stride);
      },
      drawLabel: (context) => figures.drawName(context, who.name, at.x, at.y + 7, {
        text: isSelf ? this.#colours.accent : this.#colours.name, halo: this.#colours.halo, weight: isSelf ? 700 : 600,
      }),
    };
  }

  get #bodySize() {
    return Math.min(Math.max(this.#size.scale * 1.9, 32), 44);
  }

  /** Where the ways out are that are out of the picture: an arrow and a name at its edge. */
  #drawPointers(context) {
    const { width, height } = this.#size;
    const isNarrow = width < 700;
    const frame = { left: 26, right: width - 26, top: isNarrow ? 84 : 92, bottom: height - this.#inset - (isNarrow ? 84 : 26) };
    const me = this.#onScreen(this.#walker.shown);
    for (const { position, to_name: name } of this.#world.location.exits) {
      const at = this.#onScreen(position);
      if (this.#isVisible(at, -10)) continue;
      const angle = Math.atan2(at.y - me.y, at.x - me.x);
      const tip = onFrame(me, angle, frame);
      this.#drawArrow(context, tip, angle);
      if (!isNarrow) this.#drawPointerName(context, name, tip, angle);
    }
  }

  #drawArrow(context, { x, y }, angle) {
    context.save();
    context.translate(x, y);
    context.rotate(angle);
    context.beginPath();
    context.moveTo(10, 0);
    context.lineTo(-6, 8);
    context.lineTo(-2, 0);
    context.lineTo(-6, -8);
    context.closePath();
    context.fillStyle = this.#colours.accent;
    context.strokeStyle = this.#colours.halo;
    context.lineWidth = 3;
    context.lineJoin = 'round';
    context.stroke();
    context.fill();
    context.restore();
  }

  #drawPointerName(context, name, tip, angle) {
    context.font = '600 13px system-ui, sans-serif';
    const away = context.measureText(name).width / 2 + 18;
    figures.drawName(context, name, tip.x - Math.cos(angle) * away, tip.y - Math.sin(angle) * 24 - 7, {
      text: this.#colours.name, halo: this.#colours.halo,
    });
  }

  #drawWords(context, now) {
    for (const [id, { words, until }] of this.#words) {
      const who = id === this.#world.you.id ? this.#walker : this.#world.others.get(id);
      if (now > until || !who) {
        this.#words.delete(id);
        continue;
      }
      const at = this.#onScreen(who.shown);
      if (!this.#isVisible(at, 0)) continue;
      figures.drawWords(context, words, at.x, at.y - this.#bodySize - 8, Math.min(1, (until - now) / 500), this.#plate);
    }
  }

  #drawMinimap() {
    const { pixels } = this.#size;
    const context = this.#minimap.getContext('2d');
    const { location, you, others, shard } = this.#world;
    const margin = MINIMAP_MARGIN * pixels;
    const dotScale = this.#minimap.width / MINIMAP_SIDE;
    const scale = (this.#minimap.width - 2 * margin) / Math.max(location.width, location.height);
    const land = { width: location.width * scale, height: location.height * scale };
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = this.#colours.void;
    context.fillRect(0, 0, this.#minimap.width, this.#minimap.height);
    context.translate((this.#minimap.width - land.width) / 2, (this.#minimap.height - land.height) / 2);
    context.drawImage(this.#terrain.wash(this.#theme), 0, 0, land.width, land.height);
    context.strokeStyle = location.safe ? this.#colours.safe : this.#colours.edge;
    context.lineWidth = 1.5 * pixels;
    context.strokeRect(0, 0, land.width, land.height);
    this.#drawView(context, scale);
    const dot = (at, radius, colour) => mark(context, at.x * scale, at.y * scale, radius * dotScale, colour, this.#colours.halo);
    for (const exit of location.exits) dot(exit.position, 3.5, this.#colours.accent);
    if (shard) dot(shard.position, 3.5, this.#shardColour(shard));
    for (const other of others.values()) dot(other.shown, 3, figures.factionColour(other.faction));
    dot(this.#walker.shown, 4.5, figures.factionColour(you.faction));
  }

  /** What of the place the map shows. */
  #drawView(context, scale) {
    const { width, height } = this.#size;
    const from = this.placeAt(0, 0);
    const to = this.placeAt(width, height - this.#inset);
    context.strokeStyle = this.#colours.name;
    context.globalAlpha = 0.45;
    context.lineWidth = this.#size.pixels;
    context.strokeRect(from.x * scale, from.y * scale, (to.x - from.x) * scale, (to.y - from.y) * scale);
    context.globalAlpha = 1;
  }
}

/** Calls back now and whenever a media query changes. */
function watch(query, callback) {
  const media = window.matchMedia(query);
  media.addEventListener('change', () => callback(media.matches));
  callback(media.matches);
}

/** Where a ray from a point leaves a frame. */
function onFrame(from, angle, { left, right, top, bottom }) {
  const way = { x: Math.cos(angle), y: Math.sin(angle) };
  const across = way.x > 0 ? (right - from.x) / way.x : way.x < 0 ? (left - from.x) / way.x : Infinity;
  const down = way.y > 0 ? (bottom - from.y) / way.y : way.y < 0 ? (top - from.y) / way.y : Infinity;
  const length = Math.max(Math.min(across, down), 0);
  return { x: from.x + way.x * length, y: from.y + way.y * length };
}

function mark(context, x, y, radius, colour, halo) {
  context.beginPath();
  context.arc(x, y, radius, 0, Math.PI * 2);
  context.fillStyle = colour;
  context.fill();
  context.strokeStyle = halo;
  context.lineWidth = radius / 3;
  context.stroke();
}
