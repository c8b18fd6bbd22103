// Whether all text of both pages can be read: its contrast is at least what WCAG 2.2 asks for at level AA (criterion 1.4.3:
// 4.5 to 1, for large text 3 to 1), in light and dark, on a desk and on a phone.
//
//   node contrast.mjs http://127.0.0.1:8080 [folder for screenshots]
//
// The server may have accounts already: every name here is a new one.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { LOOKS, newContext, openTab, picture, run, step } from './stage.mjs';
import { faintTexts } from './faint.mjs';

const PASSWORD = 'correct horse';
const names = randomBytes(4).toString('hex');
/** What cannot be read: all of it is looked for before it is complained of. */
const faint = [];
let texts = 0;

await run('all text can be read', async () => {
  step('the measure finds what cannot be read');
  await isMeasured();
  for (const [look, options] of Object.entries(LOOKS)) {
    step(`both pages: ${look}`);
    await visitEternity(look, options);
    await visitConnect4(look, options);
  }
  assert(texts > 400, `only ${texts} texts were looked at`);
  assert.deepEqual(faint, []);
});

/** Looks at all text that is to be seen on a page. */
async function look(page, where) {
  // What fades in has come, and what falls has fallen.
  await page.waitForFunction(() => document.getAnimations().every(({ effect, playState }) => effect?.getTiming().iterations === Infinity || playState !== 'running'));
  const { seen, found } = await page.evaluate(faintTexts);
  texts += seen;
  faint.push(...found.map((text) => `${where}: ${text}`));
  if (process.argv[3]) await picture(page, `contrast-${where.replaceAll(/[ ,]+/g, '-')}`);
}

async function isMeasured() {
  const context = await newContext(LOOKS.light);
  const page = await context.newPage();
  await page.setContent(`<body style="margin:0;background:#fff;font:16px sans-serif">
    <p style="color:#767676">enough</p><p style="color:#777">a little too faint</p>
    <p style="color:#949494;font-size:24px">large enough</p><p style="color:#959595;font-size:24px">large and too faint</p>
    <p style="background:rgb(0 0 0 / 0.5);color:#000">on a veil</p>
    <div style="opacity:0.5"><p style="color:#000">faded</p></div>
    <input placeholder="hint" style="color:#000"><p style="color:#ddd" hidden>not there</p>
    <button disabled style="color:#ddd;background:#fff">not to be pressed</button></body>`);
  await page.addStyleTag({ content: 'input::placeholder { color: #aaa; opacity: 1 }' });
  const { seen, found } = await page.evaluate(faintTexts);
  assert.deepEqual(found.map((text) => text.replace(/ \(.*/, '')), ['a little too faint', 'large and too faint', 'faded', 'hint'], `${found}`);
  assert.equal(seen, 7);
  await context.close();
}

async function visitEternity(lookName, options) {
  const context = await newContext(options);
  const page = await openTab(context, '/', lookName);
  await look(page, `${lookName}, the door`);
  await page.click('#to-register');
  await page.click('#account-send');
  await look(page, `${lookName}, registering, refused`);
  await page.fill('#account-name', `${lookName.replace('-', '_')}_${names}`);
  await page.fill('#account-password', PASSWORD);
  await page.click('#account-send');
  await page.waitForSelector('#creation:not([hidden])');
  await look(page, `${lookName}, making a character`);
  await page.fill('#creation-name', `${lookName} ${names}`);
  await page.check('#creation [value=umbral]');
  await page.check('#creation [value=rogue]');
  await page.click('#creation-send');
  await page.waitForSelector('.character-enter');
  await look(page, `${lookName}, the characters`);
  await page.locator('.character-delete').first().click();
  await page.waitForSelector('#deletion[open]');
  await look(page, `${lookName}, deleting one`);
  await page.keyboard.press('Escape');
  await page.locator('.character-enter').first().click();
  await page.waitForSelector('body[data-phase="world"]');
  await look(page, `${lookName}, in the world`);
  for (const panel of ['around', 'packets']) {
    await page.click(`#${panel}-button`);
    await page.waitForSelector(`#${panel}:not([hidden])`);
    await look(page, `${lookName}, ${panel}`);
    if (panel === 'packets') await page.click('#packets-close');
    else await page.click(`#${panel}-button`);
  }
  await page.click('#help-button');
  await look(page, `${lookName}, the help`);
  await context.close();
}

async function visitConnect4(lookName, options) {
  const context = await newContext(options);
  const [ada, bram] = [await openTab(context, '/connect4', lookName), await openTab(context, '/connect4', lookName)];
  await look(ada, `${lookName}, the door of Connect 4`);
  await ada.fill('#door-name', '!');
  await ada.click('#door-enter');
  await ada.waitForFunction(() => document.getElementById('door-trouble').textContent !== '');
  await look(ada, `${lookName}, refused at the door of Connect 4`);
  for (const [page, name] of [[ada, 'Ada'], [bram, 'Bram']]) {
    await page.fill('#door-name', name);
    await page.click('#door-enter');
    await page.waitForSelector('body[data-phase="hall"]');
  }
  await look(ada, `${lookName}, the hall`);
  await ada.click('#play-anybody');
  await ada.waitForSelector('#match:not([hidden])');
  await look(ada, `${lookName}, waiting`);
  await bram.waitForSelector('#match-list li');
  await look(bram, `${lookName}, the list`);
  const hash = new URL(await ada.inputValue('#share-link')).hash;
  await bram.evaluate((link) => { window.location.hash = link; }, hash);
  await ada.waitForSelector('#match[data-turn="mine"]');
  for (let move = 0; move < 7; move += 1) {
    const page = move % 2 === 0 ? ada : bram;
    await page.waitForSelector('#match[data-turn="mine"]');
    if (move < 2) await look(page, `${lookName}, on turn ${move}`);
    await page.click(`.column[data-column="${move % 2}"]`);
    await ada.waitForSelector(`#match[data-moves="${move + 1}"]`);
  }
  await look(ada, `${lookName}, won`);
  await bram.click('#rematch');
  await look(bram, `${lookName}, lost, a rematch asked for`);
  await ada.click('#help-button');
  await look(ada, `${lookName}, the rules`);
  await context.close();
}
