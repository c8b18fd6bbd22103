// What the scripts do on the map of Shards of Eternity, and what they see there. Whoever is in it is a tab and the name that
// the server gave: `{ page, name }`.

import assert from 'node:assert/strict';
import { PATIENCE_MS } from './stage.mjs';

/** The margin of the map in the corner, pixels; the rest of its square is the location. */
const MINIMAP_MARGIN = 9;
/** The side of a location, units. */
const SIDE = 256;
/** Two pages have somebody in the same place when it differs by less than this, units: both round. */
const SAME = 0.1;

/** Goes in as a guest who is at the door. */
export async function enter(page, wish) {
  await page.fill('#door-name', wish);
  await page.click('#door-enter');
  await page.waitForSelector('body[data-phase="world"]');
  await page.waitForFunction(() => document.getElementById('place-coordinates').textContent !== '');
  return { page, name: await page.evaluate(() => document.getElementById('map').dataset.you) };
}

/** Has somebody in sight. */
export async function sees({ page }, name) {
  await page.waitForFunction((wanted) => [...document.querySelectorAll('#people-list .around-name')].some(({ textContent }) => textContent === wanted), name);
}

/** Where one stands, by one's own page. */
export async function ownPlace({ page }) {
  return page.evaluate(() => {
    const { x, y } = document.getElementById('map').dataset;
    return { x: Number(x), y: Number(y) };
  });
}

/** Where somebody stands, by the page of somebody else; null where they are out of sight. */
export async function placeSeen({ page }, name) {
  return page.evaluate((wanted) => {
    const rows = [...document.querySelectorAll('#people-list [data-player]')];
    const row = rows.find((row) => row.querySelector('.around-name').textContent === wanted);
    return row ? { x: Number(row.dataset.x), y: Number(row.dataset.y) } : null;
  }, name);
}

/** Waits until somebody is farther away, by so many units, from where they are seen now. */
export async function isSeenToMove({ name }, watcher, distance) {
  const from = await placeSeen(watcher, name);
  assert(from, `${name} is in sight`);
  await watcher.page.waitForFunction(({ name, from, distance }) => {
    const rows = [...document.querySelectorAll('#people-list [data-player]')];
    const row = rows.find((row) => row.querySelector('.around-name').textContent === name);
    return row && Math.hypot(row.dataset.x - from.x, row.dataset.y - from.y) > distance;
  }, { name, from, distance });
}

/** Waits until nobody walks and both pages have the walker in the same place. */
export async function agree(walker, watcher) {
  let before = null;
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const own = await ownPlace(walker);
    const seen = await placeSeen(watcher, walker.name);
    const rests = before !== null && before.x === own.x && before.y === own.y;
    if (rests && seen && Math.hypot(own.x - seen.x, own.y - seen.y) < SAME) return;
    assert(Date.now() < deadline, `the pages agree: ${JSON.stringify({ own, seen, rests })}`);
    before = own;
    await walker.page.evaluate(nextFrame);
  }
}

/** Sets out for a point of the location, in units, as the map in the corner leads there. */
export async function setsOutFor({ page }, { x, y }) {
  const box = await page.locator('#minimap').boundingBox();
  const scale = (box.width - 2 * MINIMAP_MARGIN) / SIDE;
  await page.mouse.click(box.x + MINIMAP_MARGIN + x * scale, box.y + MINIMAP_MARGIN + y * scale);
}

/** Ends a walk where it is. */
export async function stops({ page }) {
  await page.press('#map', 'Escape');
}

/** A click on the map, so many pixels from its middle, where one stands oneself. */
export async function clickMap(page, right, down) {
  const { x, y, width, height } = await page.locator('#map').boundingBox();
  await page.mouse.click(x + width / 2 + right, y + height / 2 + down);
}

/** Waits until somebody's words stand in the chat. */
export async function hears(page, name, words) {
  await page.waitForFunction(({ name, words }) => [...document.querySelectorAll('#chat-log .chat-line')]
    .some((line) => line.querySelector('.chat-name')?.textContent === name && line.querySelector('.chat-words').textContent === words), { name, words });
}

/** In a page: resolves when a frame has been drawn. */
export function nextFrame() {
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}
