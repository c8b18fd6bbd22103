/**
 * Chance that is always the same: numbers, smooth noise and dice made from whole numbers. For looks only; nothing of
 * the rules hangs on it.
 */

/** Hills in three octaves, 0 to 1. */
export function fractal(x, y, seed) {
  const sum = smooth(x, y, seed) * 0.62 + smooth(x * 2.1, y * 2.1, seed + 1) * 0.27 + smooth(x * 4.3, y * 4.3, seed + 2) * 0.11;
  return Math.min(Math.max(sum * 1.05 + 0.5, 0), 1);
}

/** Gradient noise after Perlin, about -0.7 to 0.7: a slope at every whole point, smooth between them. */
export function smooth(x, y, seed) {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const across = ease(x - left);
  const down = ease(y - top);
  const slope = (column, row) => {
    const angle = unit(hash(column, row, seed)) * Math.PI * 2;
    return Math.cos(angle) * (x - column) + Math.sin(angle) * (y - row);
  };
  const upper = blend(slope(left, top), slope(left + 1, top), across);
  const lower = blend(slope(left, top + 1), slope(left + 1, top + 1), across);
  return blend(upper, lower, down);
}

/** Perlin's curve, flat to the second degree at both ends: contour lines have no corners. */
function ease(share) {
  return share * share * share * (share * (share * 6 - 15) + 10);
}

export function blend(a, b, share) {
  return a + (b - a) * share;
}

/** Three whole numbers to 32 bits, well mixed (the finaliser of MurmurHash3). */
export function hash(a, b, c) {
  let h = Math.imul(a | 0, 0x9e3779b1) ^ Math.imul(b | 0, 0x85ebca77) ^ Math.imul(c | 0, 0xc2b2ae3d);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function unit(bits) {
  return bits / 0x1_0000_0000;
}

/** Numbers from 0 to 1, always the same ones for a seed. */
export function dice(seed) {
  let throws = 0;
  return () => unit(hash(seed, (throws += 1), 31));
}
