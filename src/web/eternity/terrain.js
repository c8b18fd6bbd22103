/**
 * The ground of a place, made from its number and its kind: a wash of colour, contour lines, trails between the ways out, and what
 * grows or lies there, as on a map drawn by hand. The same place looks the same to everybody and each time; nothing of
 * it comes over the wire, and nothing of it stops a step.
 *
 * The ground is drawn once in tiles and then only copied. `scene.js` asks for the tiles it sees.
 */

import { GROWTH } from './growth.js';
import { blend, dice, fractal, hash, smooth } from './noise.js';

/** Units a tile is wide: a region of the world. */
export const TILE = 32;
/** Tiles kept; the longest unused goes first. */
const TILES_KEPT = 24;
/** Heights between two contour lines, of the field's 0 to 1. */
const CONTOUR = 0.085;
/** Units between two things that grow, at most as dense. */
const PLOT = 3.6;
/** How much a slope lightens or darkens the ground. */
const RELIEF = 0.75;
/** Pixels a wash is wide or high, at most: a place may be of any size. */
const WASH_MOST = 256;
/** Around a way out nothing grows, units. */
const CLEARING = 5;

/**
 * Kinds of ground by the `terrain` of a location. `wash` low, middle, high; `line` contours and `ink` what grows, `fill`
 * its two colours, `bright` roofs and petals; `growth` what grows and how densely (of 1).
 */
const KINDS = {
  town: {
    growth: { cobble: 0.2, house: 0.05, tuft: 0.12, bush: 0.05, tree: 0.02 },
    light: { wash: ['#d3c4a4', '#e5dabf', '#f3ebd8'], line: '#a08f6b', ink: '#6f6046', fill: ['#d6c8a9', '#bccb97'], bright: ['#c48a6a', '#a98578', '#8f93a8'] },
    dark: { wash: ['#1b1c29', '#262835', '#323443'], line: '#6e6a72', ink: '#8d8794', fill: ['#3a3b4a', '#35443d'], bright: ['#6d4a43', '#59474f', '#454a66'] },
  },
  meadow: {
    growth: { tuft: 0.32, flower: 0.14, bush: 0.07, tree: 0.03 },
    light: { wash: ['#cad79e', '#d8e1b1', '#e7ebc8'], line: '#97a566', ink: '#606f3f', fill: ['#b2c582', '#c3cf93'], bright: ['#d98a9c', '#e2b84c', '#9d8be0', '#f4f0fa'] },
    dark: { wash: ['#162119', '#1d2b20', '#263629'], line: '#4c6a48', ink: '#7f9f74', fill: ['#2f4a31', '#39563a'], bright: ['#a7647a', '#a88a3f', '#7668b8', '#b9b6cc'] },
  },
  forest: {
    growth: { tree: 0.32, bush: 0.14, tuft: 0.18 },
    light: { wash: ['#b7ca9b', '#c8d7ac', '#d9e2bf'], line: '#7f9660', ink: '#48613c', fill: ['#96b577', '#b0c788'] },
    dark: { wash: ['#111f1e', '#172924', '#1e342c'], line: '#3f6b58', ink: '#6a9a7f', fill: ['#22453a', '#2a5242'] },
  },
  marsh: {
    growth: { reed: 0.22, ripple: 0.2, tuft: 0.16, bush: 0.04 },
    light: { wash: ['#b3c9b4', '#c6d5ba', '#dbe0c6'], line: '#7c9a80', ink: '#4e6f59', fill: ['#a3c0ab', '#b1b878'] },
    dark: { wash: ['#11201f', '#182a27', '#21342e'], line: '#42695e', ink: '#74a08c', fill: ['#254941', '#4b5a33'] },
  },
  water: {
    growth: { ripple: 0.4, reed: 0.04 },
    light: { wash: ['#a5c9d3', '#b9d5d9', '#d3e3dd'], line: '#6a9dab', ink: '#3f7384', fill: ['#93bfcc', '#a8c48f'] },
    dark: { wash: ['#0d1e2e', '#122838', '#1a3342'], line: '#37698a', ink: '#679fc0', fill: ['#1b4259', '#264c45'] },
  },
  desert: {
    growth: { dune: 0.24, stone: 0.06, tuft: 0.06 },
    light: { wash: ['#e4cb95', '#ecd8ac', '#f3e6c5'], line: '#bd9a58', ink: '#88682f', fill: ['#dcbf84', '#d8bd8a'] },
    dark: { wash: ['#29201c', '#332822', '#3e3128'], line: '#7c623f', ink: '#b08f5e', fill: ['#4a3a2b', '#54432f'] },
  },
  rock: {
    growth: { peak: 0.09, stone: 0.24, tuft: 0.05 },
    light: { wash: ['#cbc2ba', '#d9d1c8', '#e8e2d9'], line: '#9c8d80', ink: '#665a50', fill: ['#bcb0a5', '#cdc3b8'] },
    dark: { wash: ['#211c20', '#2a2428', '#352d30'], line: '#6a5852', ink: '#a08a7e', fill: ['#43383a', '#4d4142'] },
  },
  snow: {
    growth: { pine: 0.12, drift: 0.16, stone: 0.06, peak: 0.04 },
    light: { wash: ['#cfdbe6', '#dfe8ee', '#f0f4f5'], line: '#97abc0', ink: '#566b85', fill: ['#b9c9d8', '#d9e4ec'] },
    dark: { wash: ['#1a2233', '#222c40', '#2c384e'], line: '#5a6f92', ink: '#94abd0', fill: ['#34445f', '#40526f'] },
  },
  cave: {
    growth: { crystal: 0.09, stone: 0.2, stump: 0.1 },
    light: { wash: ['#bdb5cd', '#ccc5d9', '#ddd8e6'], line: '#8a7dab', ink: '#594c7c', fill: ['#ac9fcd', '#b9b0cc'] },
    dark: { wash: ['#141126', '#1b1730', '#231e3b'], line: '#4a3f7a', ink: '#8d7cc9', fill: ['#3d3270', '#2d2654'] },
  },
  ruins: {
    growth: { column: 0.08, cobble: 0.14, stone: 0.1, tuft: 0.14 },
    light: { wash: ['#cfcbb0', '#dcd9c0', '#e9e7d3'], line: '#99977a', ink: '#64644f', fill: ['#c3c0a6', '#b9c19b'] },
    dark: { wash: ['#1a2127', '#222a30', '#2c343a'], line: '#566670', ink: '#8ea0a8', fill: ['#38444c', '#3a4a45'] },
  },
};

/** The ground of one place, in one theme and at one size of pixels. */
export class Terrain {
  #kind;
  #seed;
  /** The place itself. */
  location;
  #cleared;
  #tiles = new Map();
  #tileKey = '';
  #wash = null;

  constructor(location) {
    this.location = location;
    this.#seed = hash(location.id, 977, 0);
    this.#kind = KINDS[location.terrain] ?? KINDS.meadow;
    this.#cleared = this.#clearings();
  }

  /** The whole place in small, a pixel for two units or more; for the mini-map and under tiles not drawn yet. */
  wash(theme) {
    if (this.#wash?.theme !== theme) this.#wash = { theme, canvas: this.#paintWash(this.#kind[theme]) };
    return this.#wash.canvas;
  }

  /** One tile at `scale` pixels a unit, or null when it is not drawn yet and `mayDraw` is false. */
  tile(column, row, scale, theme, mayDraw) {
    const look = `${scale}/${theme}`;
    if (this.#tileKey !== look) {
      this.#tiles.clear();
      this.#tileKey = look;
    }
    const key = `${column},${row}`;
    const canvas = this.#tiles.get(key) ?? (mayDraw ? this.#paintTile(column, row, scale, theme) : null);
    if (!canvas) return null;
    // Taken out and put in again: a Map keeps the order of insertion, so the first is the longest unused.
    this.#tiles.delete(key);
    this.#tiles.set(key, canvas);
    if (this.#tiles.size > TILES_KEPT) this.#tiles.delete(this.#tiles.keys().next().value);
    return canvas;
  }

  #heightAt(x, y) {
    return fractal(x / 34, y / 34, this.#seed);
  }

  /** Where nothing grows: around the ways out and along the trails between them. Also the trails themselves. */
  #clearings() {
    const { width, height, exits } = this.location;
    const middle = { x: width / 2, y: height / 2 };
    const trails = exits.map((exit, index) => trail(exit.position, middle, this.#seed + index));
    const cells = new Set();
    for (const { x, y } of trails.flat()) markAround(cells, x, y, 1.6);
    for (const { position } of exits) markAround(cells, position.x, position.y, CLEARING);
    return { trails, cells };
  }

  #paintWash(colours) {
    const { width, height } = this.location;
    const step = Math.max(2, Math.max(width, height) / WASH_MOST);
    const canvas = blank(Math.ceil(width / step), Math.ceil(height / step));
    const context = canvas.getContext('2d');
    const image = context.createImageData(canvas.width, canvas.height);
    const stops = colours.wash.map(channels);
    for (let y = 0; y < canvas.height; y += 1) {
      for (let x = 0; x < canvas.width; x += 1) {
        const here = { x: (x + 0.5) * step, y: (y + 0.5) * step };
        const height = this.#heightAt(here.x, here.y);
        // The light comes from the top left: what falls away from it is darker.
        const slope = this.#heightAt(here.x + 1.5, here.y + 1.5) - height;
        const shaded = mixed(stops, height).map((channel) => channel * (1 + slope * RELIEF));
        image.data.set([...shaded, 255], (y * canvas.width + x) * 4);
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  #paintTile(column, row, scale, theme) {
    const side = Math.ceil(TILE * scale);
    const canvas = blank(side, side);
    const context = canvas.getContext('2d');
    const colours = this.#kind[theme];
    const left = column * TILE;
    const top = row * TILE;
    context.scale(scale, scale);
    context.translate(-left, -top);
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.wash(theme), 0, 0, this.location.width, this.location.height);
    this.#strokeContours(context, left, top, colours, scale);
    this.#strokeTrails(context, colours);
    this.#plant(context, left, top, colours);
    return canvas;
  }

  /** Marching squares over the corners of a tile's units. */
  #strokeContours(context, left, top, colours, scale) {
    const corners = TILE + 1;
    const heights = Float64Array.from({ length: corners * corners }, (_, at) => this.#heightAt(left + (at % corners), top + Math.floor(at / corners)));
    const path = new Path2D();
    for (let y = 0; y < TILE; y += 1) {
      for (let x = 0; x < TILE; x += 1) {
        const at = y * corners + x;
        contour(path, left + x, top + y, heights[at], heights[at + 1], heights[at + corners + 1], heights[at + corners]);
      }
    }
    context.strokeStyle = colours.line;
    context.globalAlpha = 0.42;
    context.lineWidth = 1.3 / Math.max(scale, 10);
    context.lineCap = 'round';
    context.stroke(path);
    context.globalAlpha = 1;
  }

  #strokeTrails(context, colours) {
    context.strokeStyle = colours.ink;
    context.lineWidth = 0.22;
    context.lineCap = 'round';
    context.globalAlpha = 0.5;
    context.setLineDash([0.8, 1.15]);
    for (const points of this.#cleared.trails) {
      context.beginPath();
      for (const { x, y } of points) context.lineTo(x, y);
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** Plots in a jittered grid, from the far ones to the near, also those of the neighbours that reach over. */
  #plant(context, left, top, colours) {
    const { width, height } = this.location;
    const first = { column: Math.floor(left / PLOT) - 1, row: Math.floor(top / PLOT) - 1 };
    const last = { column: Math.ceil((left + TILE) / PLOT) + 1, row: Math.ceil((top + TILE) / PLOT) + 1 };
    for (let row = first.row; row <= last.row; row += 1) {
      for (let column = first.column; column <= last.column; column += 1) {
        const chance = dice(hash(column, row, this.#seed));
        const x = (column + 0.15 + chance() * 0.7) * PLOT;
        const y = (row + 0.15 + chance() * 0.7) * PLOT;
        const isInside = x > 1 && y > 1 && x < width - 1 && y < height - 1;
        if (!isInside || this.#cleared.cells.has(cell(x, y))) continue;
        const what = this.#growing(x, y, chance());
        if (what) GROWTH[what](context, x, y, chance, colours);
      }
    }
  }

  /** High ground is fuller than low ground, so that things stand in groups. */
  #growing(x, y, lot) {
    const fullness = 0.35 + this.#heightAt(x, y) * 1.5;
    let share = lot;
    for (const [what, density] of Object.entries(this.#kind.growth)) {
      share -= density * fullness;
      if (share < 0) return what;
    }
    return null;
  }
}

/** The lines that the heights between two contours cross in one cell; corners clockwise from the top left. */
function contour(path, x, y, a, b, c, d) {
  const low = Math.min(a, b, c, d);
  const high = Math.max(a, b, c, d);
  for (let level = Math.ceil(low / CONTOUR) * CONTOUR; level < high; level += CONTOUR) {
    const crossings = [];
    if (a < level !== b < level) crossings.push([x + (level - a) / (b - a), y]);
    if (b < level !== c < level) crossings.push([x + 1, y + (level - b) / (c - b)]);
    if (d < level !== c < level) crossings.push([x + (level - d) / (c - d), y + 1]);
    if (a < level !== d < level) crossings.push([x, y + (level - a) / (d - a)]);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      path.moveTo(...crossings[i]);
      path.lineTo(...crossings[i + 1]);
    }
  }
}

/** A path that wanders from one point to another, a point each unit. */
function trail(from, to, seed) {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const across = { x: -(to.y - from.y) / (length || 1), y: (to.x - from.x) / (length || 1) };
  const points = [];
  for (let i = 0; i <= length; i += 1) {
    const share = i / (length || 1);
    const sway = smooth(i / 22, 0.5, seed) * 22 * Math.sin(share * Math.PI);
    points.push({ x: from.x + (to.x - from.x) * share + across.x * sway, y: from.y + (to.y - from.y) * share + across.y * sway });
  }
  return points;
}

function cell(x, y) {
  return Math.floor(y) * 65536 + Math.floor(x);
}

function markAround(cells, x, y, radius) {
  for (let down = -radius; down <= radius; down += 1) {
    for (let right = -radius; right <= radius; right += 1) cells.add(cell(x + right, y + down));
  }
}

function blank(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** `#rrggbb` to three numbers. */
function channels(colour) {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
}

/** A colour between the three of a wash. */
function mixed([low, middle, high], value) {
  const [from, to, share] = value < 0.5 ? [low, middle, value * 2] : [middle, high, value * 2 - 1];
  return from.map((channel, i) => blend(channel, to[i], share));
}
