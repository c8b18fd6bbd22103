/**
 * Chance that is always the same: numbers, smooth noise and dice made from whole numbers. For looks only; nothing of
 * the rules hangs on it.
 */

/** Noise in three octaves, about 0 to 1. */
export function fractal(x, y, seed) {
  const sum = smooth(x, y, seed) * 0.6 + smooth(x * 2.1, y * 2.1, seed + 1) * 0.28 + smooth(x * 4.3, y * 4.3, seed + 2) * 0.12;
  return Math.min(Math.max((sum - 0.5) * 1.5 + 0.5, 0), 1);
}

/** Values at whole numbers, smooth between them. */
export function smooth(x, y, seed) {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const across = ease(x - left);
  const down = ease(y - top);
  const upper = blend(unit(hash(left, top, seed)), unit(hash(left + 1, top, seed)), across);
  const lower = blend(unit(hash(left, top + 1, seed)), unit(hash(left + 1, top + 1, seed)), across);
  return blend(upper, lower, down);
}

function ease(share) {
  return share * share * (3 - 2 * share);
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
