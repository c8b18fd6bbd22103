// Connect 4 in tabs: a whole match between two, by key and by touch, watched by a third who has the link; a rematch; a
// match against the bot; and accounts, which come in under their own names.
//
//   node connect4.mjs http://127.0.0.1:8080 [folder for screenshots]

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { enterHall, moves, turns } from './board.mjs';
import { DESK, LOOKS, PHONE, newContext, openTab, picture, refusedWith, run, step } from './stage.mjs';

const PASSWORD = 'correct horse';
/** The server may have accounts already: every name here is a new one. */
const suffix = randomBytes(4).toString('hex');

/** By page: the packets that it sent. */
const sent = new Map();

await run('two played, one watched, the bot answered, an account came and went', playAll, takePictures);

async function playAll() {
  await play();
  await accounts();
}

async function play() {
  const desk = await newContext(DESK);
  const phone = await newContext(PHONE);
  step('from the map to the board');
  const ada = await openTab(desk, '/', 'Ada');
  await ada.click('.door-card a[href="/connect4"]');
  await enter(ada, 'Ada');

  step('a friend comes by the link');
  // A double click opens one match, and is told of no other.
  await ada.dblclick('#play-friend');
  await ada.waitForSelector('#match:not([hidden])');
  assert.equal(await ada.textContent('#trouble'), '');
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

  step('who reads the help does not play, and a key that is held down is pressed once');
  await ada.keyboard.press('?');
  await ada.waitForSelector('#help[open]');
  for (const key of ['1', '?', '2']) await ada.keyboard.press(key);
  await ada.click('#help-close');
  await ada.evaluate(() => document.dispatchEvent(new KeyboardEvent('keydown', { key: '1', repeat: true })));
  assert.deepEqual(sentBy(ada).filter(({ type }) => type === 'match_drop'), []);

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
    assert.equal(await ada.textContent('#trouble'), '');
    if (at === 3) break;
    await turns(bram, 'mine');
    // The second half of a double tap is no second disc and no refusal.
    await bram.locator('.column[data-column="6"]').dblclick();
    await moves(ada, 2 * at + 2);
    assert.equal(await bram.textContent('#trouble'), '');
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

  step('a link that is pasted into an open page leads to its match');
  await ada.waitForSelector('#hall:not([hidden])');
  await watcher.waitForSelector('#hall:not([hidden])');
  await watcher.click('#play-friend');
  await watcher.waitForSelector('#match:not([hidden])');
  const pasted = new URL(await watcher.inputValue('#share-link')).hash;
  await ada.evaluate((hash) => { window.location.hash = hash; }, pasted);
  await turns(watcher, 'mine');
  await ada.waitForSelector('#match[data-role="player"]');
  // Who plays does not go elsewhere: the address is that of the match still.
  await ada.evaluate(() => { window.location.hash = '#0000000000'; });
  await ada.waitForFunction(() => document.getElementById('trouble').textContent.includes('no such match'));
  assert.equal(await ada.evaluate(() => window.location.hash), pasted);
  await watcher.click('#leave');
  await ada.waitForFunction(() => document.getElementById('verdict').textContent === 'You have won: Dora left.');
  await ada.click('#leave');

  step('who goes from its own match to another is told that its own is closed');
  await watcher.waitForSelector('#hall:not([hidden])');
  await watcher.click('#play-friend');
  await watcher.waitForSelector('#match:not([hidden])');
  const other = new URL(await watcher.inputValue('#share-link')).hash;
  await ada.waitForSelector('#hall:not([hidden])');
  await ada.click('#play-friend');
  await ada.waitForSelector('#match:not([hidden])');
  await ada.evaluate((hash) => { window.location.hash = hash; }, other);
  await turns(watcher, 'mine');
  await ada.waitForFunction(() => document.getElementById('trouble').textContent.startsWith('Your own match is closed'));
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
  await ada.waitForSelector('#hall:not([hidden])');
  for (const page of [ada, bram, watcher]) {
    const without = sentBy(page).filter(({ type, id }) => id === undefined && !['auth_request', 'disconnect'].includes(type));
    assert.deepEqual(without, [], 'all that is asked carries an id: nothing is taken for a duplicate');
  }
  await desk.close();
  await phone.close();
}

async function accounts() {
  const username = `eva_${suffix}`;
  const context = await newContext(DESK);
  step('who registers is logged in, and comes in under that name');
  const page = await openTab(context, '/connect4', 'Eva');
  await page.click('#to-register');
  await page.fill('#account-name', username);
  await page.fill('#account-password', 'short');
  await page.click('#account-send');
  await says(page, 'account-password-trouble', 'too short');
  await page.fill('#account-password', PASSWORD);
  await page.click('#account-send');
  await says(page, 'home-enter', `Enter as ${username}`);
  await page.click('#home-enter');
  await page.waitForSelector('#hall:not([hidden])');
  await page.click('#play-friend');
  await says(page, 'seat-0', username);

  step('the same account in another tab goes on where the first one sat, which is told');
  const link = new URL(await page.inputValue('#share-link'));
  const other = await openTab(context, link.pathname + link.hash, 'Eva again');
  await other.click('#to-login');
  await other.fill('#account-name', username);
  await other.fill('#account-password', 'wrong horse');
  await refusedWith(401, () => other.click('#account-send'), () => says(other, 'account-password-trouble', 'password'));
  await other.fill('#account-password', PASSWORD);
  await other.click('#account-send');
  await says(other, 'home-words', 'Take your seat');
  await other.click('#home-enter');
  await other.waitForSelector('#hall:not([hidden]), #match:not([hidden])');
  await says(page, 'home-trouble', 'somewhere else');
  await other.close();

  step('a reload keeps the login, and so does the other game; who logs out is out of both');
  await page.reload();
  await says(page, 'home-enter', username);
  await page.click('#home a[href="/"]');
  await says(page, 'creation-log-out', 'Log out');
  await page.goBack();
  await says(page, 'home-enter', username);
  await page.click('#home-enter');
  await page.waitForSelector('#hall:not([hidden]), #match:not([hidden])');
  await page.evaluate(async () => {
    const { token } = JSON.parse(sessionStorage.getItem('eternity.login'));
    await fetch('/api/auth/logout', { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  });
  await says(page, 'account-trouble', 'logged out');
  assert.equal(await page.inputValue('#account-name'), username);
  await page.fill('#account-password', PASSWORD);
  await page.click('#account-send');
  await says(page, 'home-enter', username);
  await page.click('#log-out');
  await says(page, 'door-said', 'logged out');
  assert.equal(await page.evaluate(() => sessionStorage.getItem('eternity.login')), null);
  await context.close();
}

async function says(page, id, words) {
  await page.waitForSelector(`#${id}`);
  await page.waitForFunction(({ id, words }) => document.getElementById(id).textContent.includes(words), { id, words });
}

async function takePictures() {
  for (const [look, options] of Object.entries(LOOKS)) {
    step(`a picture: ${look}`);
    const context = await newContext(options);
    const ada = await openTab(context, '/connect4', 'Ada');
    await picture(ada, `connect4-${look}-door`);
    await ada.click('#to-register');
    await picture(ada, `connect4-${look}-register`);
    await ada.fill('#account-name', `pic_${look.replace('-', '_')}_${suffix}`.slice(0, 20));
    await ada.fill('#account-password', PASSWORD);
    await ada.click('#account-send');
    await says(ada, 'home-enter', 'Enter as');
    await picture(ada, `connect4-${look}-home`);
    await ada.click('#log-out');
    await says(ada, 'door-said', 'logged out');
    await enter(ada, 'Ada');
    await ada.waitForFunction(() => !document.getElementById('match-none').hidden);
    await picture(ada, `connect4-${look}-hall`);
    await ada.click('#play-friend');
    await ada.waitForSelector('#match:not([hidden])');
    await picture(ada, `connect4-${look}-waiting`);
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
    await picture(ada, `connect4-${look}`);
    await moves(ada, columns.length);
    for (const column of [3, 0, 6, 0, 6, 0, 6, 0]) {
      const state = await ada.evaluate(() => document.getElementById('match').dataset.turn);
      if (state === '') break;
      await (state === 'mine' ? ada : bram).click(`.column[data-column="${column}"]`);
      await ada.waitForFunction((before) => document.getElementById('match').dataset.turn !== before, state);
    }
    await settled(ada);
    await picture(ada, `connect4-${look}-late`);
    await context.close();
  }
}

/** Goes through the door, into the hall or, by a link, to a match. */
async function enter(page, name, phase) {
  sent.set(page, []);
  page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => sent.get(page).push(JSON.parse(payload))));
  await enterHall(page, name, phase);
}

/** What a page has sent since it came in. */
function sentBy(page) {
  return sent.get(page);
}

/** All discs lie. */
async function settled(page) {
  await page.waitForFunction(() => document.getAnimations().every((motion) => motion.effect?.getTiming().iterations === Infinity || motion.playState === 'finished'));
}
