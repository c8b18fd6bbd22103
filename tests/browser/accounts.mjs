// Somebody with an account: registers, makes two characters, walks with one, comes back after a reload, is replaced by
// another tab, logs out, and is told in words whatever goes wrong.
//
//   node accounts.mjs http://127.0.0.1:8080 [folder for screenshots]
//
// The server may have accounts already: every name here is a new one.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ownPlace } from './map.mjs';
import { DESK, LOOKS, newContext, openTab, picture, refusedWith, run as stage, step } from './stage.mjs';

const PASSWORD = 'correct horse';
/** The figures on the page are up to a quarter of a second old: so far one walks in that, with a step to spare. */
const SLACK = 3;

const run = randomBytes(4).toString('hex');
const ann = { username: `ann_${run}`, password: PASSWORD };
const mira = `Mira ${run}`;
const torvald = `Torvald ${run}`;

await stage('an account came, played and went', play, takePictures);

async function play() {
  const context = await newContext(DESK);
  const page = await openTab(context, '/', 'the account');
  await registers(page);
  await makesTwoCharacters(page);
  const place = await walks(page);
  await comesBackAfterReload(page, place);
  await isReplaced(page);
  await deletesOne(page);
  await logsOut(page);
  await isTold(page);
  await context.close();
  await staysLoggedIn();
}

async function registers(page) {
  step('the rules are said before they are broken, and beside the field where they are');
  await page.click('#to-register');
  await page.locator('#account-name-rule').waitFor();
  await page.locator('#account-password-rule').waitFor();
  await sendsAccount(page, { username: 'a b', password: PASSWORD });
  await saysAt(page, 'account-name', 'does not fit');
  await sendsAccount(page, { ...ann, password: 'short' });
  await saysAt(page, 'account-password', 'too short');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'account-password');

  step('who registers is logged in, and asked to make a character');
  await sendsAccount(page, ann);
  await page.waitForSelector('#creation:not([hidden])');
}

async function makesTwoCharacters(page) {
  step('two characters are made; a name is one character\'s');
  await makes(page, mira, 'verdant', 'mage');
  await page.getByText('Verdant mage, level 1').waitFor();
  await page.locator('.character-where', { hasText: 'In Dawnhaven' }).waitFor();
  await page.click('#to-creation');
  await refusedWith(409, () => fillsCreation(page, mira.toUpperCase(), 'solari', 'rogue'), () => saysAt(page, 'creation-name', 'taken'));
  await makes(page, torvald, 'umbral', 'warden');
  assert.deepEqual(await page.locator('.character-name').allTextContents(), [mira, torvald]);
}

/** Gives back where the walk led to, to within SLACK. */
async function walks(page) {
  step('one of them enters the world and walks');
  await enters(page, mira);
  const start = await ownPlace({ page });
  await page.keyboard.down('a');
  await page.waitForFunction(({ x }) => document.getElementById('map').dataset.x < x - 10, start);
  await page.keyboard.up('a');
  return ownPlace({ page });
}

async function comesBackAfterReload(page, place) {
  step('a reload comes back in at the same place');
  await page.reload();
  await isInside(page, mira);
  const again = await ownPlace({ page });
  assert(Math.hypot(again.x - place.x, again.y - place.y) < SLACK, `${JSON.stringify(again)} is where one was, ${JSON.stringify(place)}`);
}

async function isReplaced(page) {
  step('another tab with the same character replaces this one, which is told and stays out');
  // A tab's login is its own; its connections are the browser's, of which one address may have sixteen.
  const other = await openTab(page.context(), '/', 'another tab');
  await logsIn(other, ann);
  await other.waitForSelector('.character');
  await enters(other, mira);
  await page.waitForFunction(() => document.getElementById('characters-trouble').textContent.includes('somewhere else'));
  await page.reload();
  await page.waitForSelector('.character');
  await isInside(other, mira);

  step('a character in the world is not deleted, and that is said');
  await asksToDelete(page, mira);
  await refusedWith(409, () => page.click('#deletion-form [type=submit]'), () => hasWords(page, 'deletion-trouble', 'in the world'));
  await page.click('#deletion-keep');

  step('two tabs may play two characters of one account');
  await enters(page, torvald);
  await other.locator('#people-list').getByText(torvald, { exact: true }).waitFor({ state: 'attached' });
  await page.click('#leave-button');
  await page.waitForSelector('.character');
  await other.close();
}

async function deletesOne(page) {
  step('a character is deleted, once that is meant');
  await asksToDelete(page, torvald);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.character').count(), 2);
  await asksToDelete(page, torvald);
  await page.click('#deletion-form [type=submit]');
  await page.waitForFunction(() => document.querySelectorAll('.character').length === 1);
}

async function logsOut(page) {
  step('who logs out is out, also after a reload');
  await page.click('#log-out');
  await hasWords(page, 'door-said', 'logged out');
  await page.reload();
  await page.locator('#door-form').waitFor();
  assert.deepEqual(await page.evaluate(() => [sessionStorage.length, localStorage.getItem('eternity.login')]), [0, null]);
}

async function isTold(page) {
  step('a wrong password and a taken name are told');
  await page.click('#to-login');
  await refusedWith(401, () => sendsAccount(page, { ...ann, password: 'wrong horse' }), () => saysAt(page, 'account-password', 'password'));
  await page.click('#account-other');
  await refusedWith(409, () => sendsAccount(page, { ...ann, username: ann.username.toUpperCase() }), () => saysAt(page, 'account-name', 'taken'));

  step('too many wrong passwords have to wait, and see for how long');
  await page.click('#account-other');
  const sends = async () => {
    for (let tries = 0; tries < 6 && !(await page.textContent('#account-trouble')).includes('second'); tries += 1) {
      await sendsAccount(page, { ...ann, password: 'wrong horse' });
      await page.waitForSelector('#account[aria-busy=false]');
    }
  };
  await refusedWith(401, () => refusedWith(429, sends, async () => {}), () => hasWords(page, 'account-send', 'Wait'));
  assert.equal(await page.getAttribute('#account-send', 'aria-disabled'), 'true');
  await page.fill('#account-name', 'somebody_else');
  await hasWords(page, 'account-send', 'Log in');
}

async function staysLoggedIn() {
  step('who asks to stay logged in is so in a new tab, and logged out in all of them');
  const context = await newContext(DESK);
  const bea = { username: `bea_${run}`, password: PASSWORD };
  const page = await openTab(context, '/', 'the account');
  await page.click('#to-register');
  await page.check('#account-stay');
  await sendsAccount(page, bea);
  await makes(page, `Bea ${run}`, 'solari', 'rogue');
  await enters(page, `Bea ${run}`);
  const other = await openTab(context, '/', 'another tab');
  await other.locator('#characters-account', { hasText: bea.username }).waitFor();
  await other.click('#log-out');
  await hasWords(page, 'account-trouble', 'logged out');
  assert.equal(await page.inputValue('#account-name'), bea.username);

  step('a login that is over is told where it is needed');
  await page.fill('#account-password', PASSWORD);
  await page.click('#account-send');
  await page.waitForSelector('.character');
  await page.evaluate(async () => {
    const { token } = JSON.parse(localStorage.getItem('eternity.login') ?? sessionStorage.getItem('eternity.login'));
    await fetch('/api/auth/logout', { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  });
  await refusedWith(401, () => page.locator('.character-enter').click(), () => hasWords(page, 'account-trouble', 'log in again'));
  await context.close();
}

async function takePictures() {
  for (const [look, options] of Object.entries(LOOKS)) {
    step(`pictures of the door: ${look}`);
    const page = await openTab(await newContext(options), '/', look);
    const take = (name) => picture(page, `${look}-${name}`);
    await take('guest');
    await page.click('#to-register');
    await take('register');
    await sendsAccount(page, { username: `${look}_${run}`, password: PASSWORD });
    await page.waitForSelector('#creation:not([hidden])');
    await take('creation');
    await makes(page, `Cleo ${look} ${run}`.slice(0, 20), 'umbral', 'rogue');
    await take('characters');
    await page.context().close();
  }
}

// --- what a player does ----------------------------------------------------------------------------------------------

async function sendsAccount(page, { username, password }) {
  await page.fill('#account-name', username);
  await page.fill('#account-password', password);
  await page.click('#account-send');
}

async function logsIn(page, who) {
  await page.click('#to-login');
  await sendsAccount(page, who);
}

async function fillsCreation(page, name, faction, calling) {
  await page.fill('#creation-name', name);
  await page.check(`#creation [value=${faction}]`);
  await page.check(`#creation [value=${calling}]`);
  await page.click('#creation-send');
}

/** Makes a character and waits until it stands in the list. */
async function makes(page, name, faction, calling) {
  if (!(await page.locator('#creation').isVisible()) && (await page.locator('#to-creation').isVisible())) await page.click('#to-creation');
  await page.waitForSelector('#creation:not([hidden])');
  await fillsCreation(page, name, faction, calling);
  await rowOf(page, name).waitFor();
}

async function enters(page, name) {
  await rowOf(page, name).locator('.character-enter').click();
  await isInside(page, name);
}

async function asksToDelete(page, name) {
  await rowOf(page, name).locator('.character-delete').click();
  await page.waitForSelector('#deletion[open]');
}

function rowOf(page, name) {
  return page.locator('.character', { has: page.getByText(name, { exact: true }) });
}

// --- what is seen ----------------------------------------------------------------------------------------------------

async function isInside(page, name) {
  await page.waitForSelector('body[data-phase="world"]');
  await page.waitForFunction((name) => document.getElementById('map').dataset.you === name, name);
}

/** The complaint stands beside its field, which is marked. */
async function saysAt(page, field, words) {
  await hasWords(page, `${field}-trouble`, words);
  assert.equal(await page.getAttribute(`#${field}`, 'aria-invalid'), 'true');
}

async function hasWords(page, id, words) {
  await page.waitForFunction(({ id, words }) => document.getElementById(id).textContent.includes(words), { id, words });
}
