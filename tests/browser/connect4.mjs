// Connect 4 in tabs: a whole match between two, by key and by touch, watched by a third who has the link; a rematch; a
// match against the bot.
//
//   node connect4.mjs http://127.0.0.1:8080 [folder for screenshots]
//
// It waits for what should become true and never for a time to pass; what does not become true within PATIENCE_MS is a
// failure. Any error on a page's console is a failure too.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, devices } from 'playwright-core';

const PATIENCE_MS = 20_000;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const PHONE = { ...devices['iPhone 13'], viewport: { width: 390, height: 844 }, defaultBrowserType: undefined };

const [url, folder] = process.argv.slice(2);
if (!url) {
  console.error('usage: node connect4.mjs URL [FOLDER]');
  process.exit(2);
}

const troubles = [];
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
try {
  await play();
  if (folder) await takePictures();
  assert.deepEqual(troubles, [], 'the consoles are clean');
  console.log('two played, one watched, the bot answered; the consoles are clean');
} finally {
  await browser.close();
}

async function play() {
  const desk = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const phone = await browser.newContext(PHONE);
  step('from the map to the board');
  const ada = await openTab(desk, '/', 'Ada');
  await ada.click('.door-card a[href="/connect4"]');
  await enter(ada, 'Ada');

  step('a friend comes by the link');
  await ada.click('#play-friend');
  await ada.waitForSelector('#match:not([hidden])');
  await ada.waitForFunction(() => document.getElementById('verdict').textContent.startsWith('Waiting'));
  const link = await ada.inputValue('#share-link');
  const bram = await openTab(phone, new URL(link).pathname + new URL(link).hash, 'Bram');
  await enter(bram, 'Bram', 'match');
  await turns(ada, 'mine');
  await turns(bram, 'other');

  step('the match is private: it is in no list, and its link lets one watch');
  const cleo = await openTab(desk, '/connect4', 'Cleo');
  await enter(cleo, 'Cleo');
  await cleo.waitForFunction(() => !document.getElementById('match-none').hidden);
  await cleo.close();
  const watcher = await openTab(desk, new URL(link).pathname + new URL(link).hash, 'Dora');
  await enter(watcher, 'Dora', 'match');
  await watcher.waitForSelector('#match[data-role="spectator"]');
  await ada.waitForFunction(() => document.getElementById('watchers').textContent.includes('One'));

  step('one drops by key, the other by touch');
  // Ada: the middle column, by the arrow keys, Enter and a number; Bram taps the last.
  const keys = [
    async () => { await ada.locator('.column[tabindex="0"]').focus(); await ada.keyboard.press('Enter'); },
    async () => { await ada.keyboard.press('ArrowLeft'); await ada.keyboard.press('ArrowRight'); await ada.keyboard.press('ArrowDown'); },
    async () => ada.keyboard.press('4'),
    async () => ada.keyboard.press('4'),
  ];
  for (const [at, drop] of keys.entries()) {
    await turns(ada, 'mine');
    await drop();
    await moves(bram, 2 * at + 1);
    if (at === 3) break;
    await turns(bram, 'mine');
    await bram.tap('.column[data-column="6"]');
    await moves(ada, 2 * at + 2);
  }

  step('all see the four that won');
  for (const [page, words] of [[ada, 'You have won: four in a row.'], [bram, 'Ada has won, you have lost: four in a row.'], [watcher, 'Ada has won: four in a row.']]) {
    await page.waitForFunction((wanted) => document.getElementById('verdict').textContent === wanted, words);
    assert.equal(await page.locator('.cell.is-won').count(), 4);
    assert.equal(await page.locator('.cell[data-disc="R"]').count(), 4);
    assert.equal(await page.locator('.cell[data-disc="Y"]').count(), 3);
  }
  assert(await watcher.locator('#rematch').isHidden(), 'who watches asks for no rematch');

  step('a rematch takes both, and the other begins');
  await ada.click('#rematch');
  await bram.waitForFunction(() => document.getElementById('seat-0').textContent.includes('wants to play again'));
  await bram.tap('#rematch');
  await turns(bram, 'mine');
  await moves(watcher, 0);
  await bram.tap('.column[data-column="0"]');
  await turns(ada, 'mine');

  step('who leaves has lost');
  await ada.click('#leave');
  await ada.waitForSelector('#hall:not([hidden])');
  await bram.waitForFunction(() => document.getElementById('verdict').textContent === 'You have won: Ada left.');
  await bram.tap('#leave');
  await watcher.waitForSelector('#hall:not([hidden])');

  step('whoever waits is in the list');
  await ada.click('#play-anybody');
  await ada.waitForSelector('#match:not([hidden])');
  const row = watcher.locator('#match-list li', { hasText: 'Ada' });
  await row.getByRole('button', { name: 'Join' }).click();
  await turns(ada, 'mine');
  await ada.click('#leave');
  await watcher.click('#leave');

  step('the bot answers');
  await ada.waitForSelector('#hall:not([hidden])');
  await ada.locator('.levels label', { hasText: '5' }).click();
  await ada.click('#play-bot');
  for (let discs = 0; discs < 6; discs += 2) {
    await turns(ada, 'mine');
    await ada.click('.column[data-column="3"]');
    await ada.waitForFunction((least) => Number(document.getElementById('match').dataset.moves) >= least, discs + 2);
  }
  await ada.click('#leave');
  await desk.close();
  await phone.close();
}

async function takePictures() {
  mkdirSync(folder, { recursive: true });
  const looks = {
    light: { viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
    dark: { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
    phone: { ...PHONE, colorScheme: 'light' },
    'phone-dark': { ...PHONE, colorScheme: 'dark' },
  };
  for (const [look, options] of Object.entries(looks)) {
    step(`a picture: ${look}`);
    const context = await browser.newContext(options);
    const ada = await openTab(context, '/connect4', 'Ada');
    await ada.screenshot({ path: join(folder, `connect4-${look}-door.png`) });
    await enter(ada, 'Ada');
    await ada.waitForFunction(() => !document.getElementById('match-none').hidden);
    await ada.screenshot({ path: join(folder, `connect4-${look}-hall.png`) });
    await ada.click('#play-friend');
    await ada.waitForSelector('#match:not([hidden])');
    await ada.screenshot({ path: join(folder, `connect4-${look}-waiting.png`) });
    const { pathname, hash } = new URL(await ada.inputValue('#share-link'));
    const bram = await openTab(context, pathname + hash, 'Bram');
    await enter(bram, 'Bram', 'match');
    const columns = [3, 2, 4, 3, 5, 6, 4, 4, 3, 3, 5, 2, 2, 5, 6, 4, 1, 2];
    for (const [at, column] of columns.entries()) {
      const page = at % 2 === 0 ? ada : bram;
      await turns(page, 'mine');
      await page.click(`.column[data-column="${column}"]`);
      await moves(ada, at + 1);
      await moves(bram, at + 1);
    }
    await settled(ada);
    await ada.screenshot({ path: join(folder, `connect4-${look}.png`) });
    await moves(ada, columns.length);
    for (const column of [3, 0, 6, 0, 6, 0, 6, 0]) {
      const state = await ada.evaluate(() => document.getElementById('match').dataset.turn);
      if (state === '') break;
      await (state === 'mine' ? ada : bram).click(`.column[data-column="${column}"]`);
      await ada.waitForFunction((before) => document.getElementById('match').dataset.turn !== before, state);
    }
    await settled(ada);
    await ada.screenshot({ path: join(folder, `connect4-${look}-late.png`) });
    await context.close();
  }
}

async function openTab(context, path, who) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('console', (message) => message.type() === 'error' && troubles.push(`${who}: ${message.text()}`));
  page.on('pageerror', (error) => troubles.push(`${who}: ${error.stack}`));
  page.on('response', (response) => response.status() >= 400 && troubles.push(`${who}: ${response.status()} ${response.url()}`));
  await page.goto(new URL(path, url).href);
  return page;
}

/** Goes through the door, into the hall or, by a link, to a match. */
async function enter(page, name, phase = 'hall') {
  await page.waitForSelector('body[data-phase="door"]');
  await page.fill('#door-name', name);
  await page.click('#door-enter');
  await page.waitForSelector(`body[data-phase="${phase}"]`);
}

async function turns(page, whose) {
  await page.waitForSelector(`#match[data-turn="${whose}"]`);
}

async function moves(page, count) {
  await page.waitForSelector(`#match[data-moves="${count}"]`);
}

/** All discs lie. */
async function settled(page) {
  await page.waitForFunction(() => document.getAnimations().every((motion) => motion.effect?.getTiming().iterations === Infinity || motion.playState === 'finished'));
}

function step(what) {
  console.log(`- ${what}`);
}
