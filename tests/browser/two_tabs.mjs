// Two tabs meet: both come in as guests, see each other, walk by key and by click, talk, and leave.
//
//   node two_tabs.mjs http://127.0.0.1:8080 [folder for screenshots]

import assert from 'node:assert/strict';
import { DESK, LOOKS, PATIENCE_MS, newContext, openTab, picture, run, step } from './stage.mjs';

await run('two tabs met, walked, talked and parted', meet, takePictures);

async function meet() {
  const context = await newContext(DESK);
  const ada = await enter(context, 'Ada');
  const bram = await enter(context, 'Bram');
  step('a name that is none is refused at the door');
  await isRefused(context, '!');

  step('each sees the other');
  await sees(ada, bram.name);
  await sees(bram, ada.name);
  await ada.page.click('#around-button');
  await ada.page.locator('#people-list').getByText(bram.name, { exact: true }).waitFor();
  await ada.page.click('#around-button');

  step('a walk by key is seen');
  await movesInSightOf(ada, bram, {
    start: () => ada.page.keyboard.down('d'),
    stop: () => ada.page.keyboard.up('d'),
  });
  await agree(ada, bram);

  step('a walk by click is seen');
  await movesInSightOf(ada, bram, { start: () => clickMap(ada.page, -140, 70), stop: async () => {} });
  await agree(ada, bram);

  step('what one says the other hears');
  await says(ada.page, 'Near', 'Good morning, Bram');
  await hears(bram.page, ada.name, 'Good morning, Bram');
  await says(bram.page, 'All', 'Good morning, world');
  await hears(ada.page, bram.name, 'Good morning, world');

  step('a refusal is told in words');
  for (let i = 1; i <= 6; i += 1) await says(bram.page, 'Near', `One of many, ${i}`);
  await bram.page.waitForFunction(() => document.getElementById('chat-trouble').textContent.includes('too fast'));
  await bram.page.keyboard.press('Escape');

  step('the packets are there to be read');
  await readsPackets(bram.page);

  step('who leaves is gone');
  await ada.page.click('#leave-button');
  await ada.page.waitForSelector('#door:not([hidden])');
  await bram.page.waitForFunction((name) => !document.getElementById('people-list').textContent.includes(name), ada.name);
  await context.close();
}

async function takePictures() {
  for (const [look, options] of Object.entries(LOOKS)) {
    step(`a picture: ${look}`);
    const context = await newContext(options);
    const cleo = await enter(context, 'Cleo');
    const dora = await enter(context, 'Dora');
    await sees(cleo, dora.name);
    await comesNear(cleo, dora);
    // The name of the place fades over the map when one arrives.
    await cleo.page.waitForFunction(() => document.getElementById('arrival').getAnimations().length === 0);
    await says(dora.page, 'Near', 'Is this the way to Amberwood?');
    await hears(cleo.page, dora.name, 'Is this the way to Amberwood?');
    await cleo.page.evaluate(nextFrame);
    await picture(cleo.page, look);
    await context.close();
  }
}

/** Opens a tab and goes in; gives back the page and the name that the server gave. */
async function enter(context, wish) {
  const page = await knock(context, wish);
  await page.waitForSelector('body[data-phase="world"]');
  await page.waitForFunction(() => document.getElementById('place-coordinates').textContent !== '');
  const name = await page.evaluate(() => document.getElementById('map').dataset.you);
  return { page, name };
}

/** Opens a tab and asks to come in under a name. */
async function knock(context, wish) {
  const page = await openTab(context, '/', wish);
  await page.fill('#door-name', wish);
  await page.click('#door-enter');
  return page;
}

async function isRefused(context, wish) {
  const page = await knock(context, wish);
  await page.waitForFunction(() => document.getElementById('door-trouble').textContent.includes('name'));
  await page.close();
}

async function sees({ page }, name) {
  await page.waitForFunction((wanted) => [...document.querySelectorAll('#people-list .around-name')].some(({ textContent }) => textContent === wanted), name);
}

/** Where one stands, by their own page or by the page of somebody who sees them. */
async function placeOf(page, name) {
  return page.evaluate((wanted) => {
    const rows = [...document.querySelectorAll('#people-list [data-player]')];
    const { x, y } = (rows.find((row) => row.querySelector('.around-name').textContent === wanted) ?? document.getElementById('map')).dataset;
    return { x: Number(x), y: Number(y) };
  }, name);
}

/** Walks until the one who watches has seen some way of it. */
async function movesInSightOf(walker, watcher, { start, stop }) {
  const before = await placeOf(watcher.page, walker.name);
  await start();
  await watcher.page.waitForFunction(({ name, from }) => {
    const rows = [...document.querySelectorAll('#people-list [data-player]')];
    const row = rows.find((row) => row.querySelector('.around-name').textContent === name);
    return row && Math.hypot(row.dataset.x - from.x, row.dataset.y - from.y) > 3;
  }, { name: walker.name, from: before });
  await stop();
}

/** Once the walk is over both pages have the walker in the same place. */
async function agree(walker, watcher) {
  let before = null;
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const own = await placeOf(walker.page, walker.name);
    const seen = await placeOf(watcher.page, walker.name);
    const rests = before !== null && before.x === own.x && before.y === own.y;
    if (rests && Math.hypot(own.x - seen.x, own.y - seen.y) < 0.1) return;
    assert(Date.now() < deadline, `the pages agree: ${JSON.stringify({ own, seen })}`);
    before = own;
    await walker.page.evaluate(nextFrame);
  }
}

/** A click on the map, so many pixels from its middle, where one stands oneself. */
async function clickMap(page, right, down) {
  const { x, y, width, height } = await page.locator('#map').boundingBox();
  await page.mouse.click(x + width / 2 + right, y + height / 2 + down);
}

/** Walks up to somebody, a click at a time. */
async function comesNear(walker, other) {
  for (;;) {
    const from = await placeOf(walker.page, walker.name);
    const to = await placeOf(walker.page, other.name);
    const [right, down] = [to.x - from.x, to.y - from.y];
    const distance = Math.hypot(right, down);
    if (distance < 9) return;
    await clickMap(walker.page, (right / distance) * 120, (down / distance) * 120);
    await walker.page.waitForFunction(({ x, y }) => {
      const now = document.getElementById('map').dataset;
      return Math.hypot(now.x - x, now.y - y) > 2;
    }, from);
  }
}

/** In a page: resolves when a frame has been drawn. */
function nextFrame() {
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}

async function says(page, channel, words) {
  if (await page.locator('#chat-open').isVisible()) await page.click('#chat-open');
  await page.locator('.channels label', { hasText: channel }).click();
  await page.fill('#chat-input', words);
  await page.press('#chat-input', 'Enter');
}

async function hears(page, name, words) {
  await page.waitForFunction(({ name, words }) => [...document.querySelectorAll('#chat-log .chat-line')]
    .some((line) => line.querySelector('.chat-name')?.textContent === name && line.querySelector('.chat-words').textContent === words), { name, words });
}

async function readsPackets(page) {
  await page.click('#packets-button');
  await page.fill('#packets-filter', 'chat -ok');
  await page.waitForFunction(() => document.querySelectorAll('#packets-log .packet').length > 2);
  const types = await page.locator('#packets-log .packet-type').allTextContents();
  assert(types.every((type) => type === 'chat'), `the filter lets only chat through: ${types}`);
  assert(await page.locator('#packets-log .is-in').count() > 0 && await page.locator('#packets-log .is-out').count() > 0);
  await page.locator('#packets-log summary').first().click();
  const shown = JSON.parse(await page.locator('#packets-log pre').first().textContent());
  assert.equal(typeof shown.message, 'string');
  await page.click('#packets-pause');
  assert.equal(await page.getAttribute('#packets-pause', 'aria-pressed'), 'true');
  await page.click('#packets-close');
}
