// Two tabs meet: both come in as guests, see each other, walk by key and by click, talk, and leave.
//
//   node two_tabs.mjs http://127.0.0.1:8080 [folder for screenshots]

import assert from 'node:assert/strict';
import { agree, clickMap, enter, hears, isSeenToMove, nextFrame, ownPlace, placeSeen, sees } from './map.mjs';
import { DESK, LOOKS, newContext, openTab, picture, run, step } from './stage.mjs';

await run('two tabs met, walked, talked and parted', meet, takePictures);

async function meet() {
  const context = await newContext(DESK);
  const ada = await open(context, 'Ada');
  const bram = await open(context, 'Bram');
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
    const cleo = await open(context, 'Cleo');
    const dora = await open(context, 'Dora');
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

async function open(context, wish) {
  return enter(await openTab(context, '/', wish), wish);
}

async function isRefused(context, wish) {
  const page = await openTab(context, '/', wish);
  await page.fill('#door-name', wish);
  await page.click('#door-enter');
  await page.waitForFunction(() => document.getElementById('door-trouble').textContent.includes('name'));
  await page.close();
}

/** Walks until the one who watches has seen some way of it. */
async function movesInSightOf(walker, watcher, { start, stop }) {
  const moved = isSeenToMove(walker, watcher, 3);
  await start();
  await moved;
  await stop();
}

/** Walks up to somebody, a click at a time. */
async function comesNear(walker, other) {
  for (;;) {
    const from = await ownPlace(walker);
    const to = await placeSeen(walker, other.name);
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

async function says(page, channel, words) {
  if (await page.locator('#chat-open').isVisible()) await page.click('#chat-open');
  await page.locator('.channels label', { hasText: channel }).click();
  await page.fill('#chat-input', words);
  await page.press('#chat-input', 'Enter');
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
