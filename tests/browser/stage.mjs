// What every script here stands on: a browser, tabs that are watched, the looks that pictures are taken in.
//
// A script waits for what should become true and never for a time to pass; what does not become true within PATIENCE_MS is
// a failure. So is any error on a page's console and any answer that is a refusal, unless it was asked for.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, devices } from 'playwright-core';

export const PATIENCE_MS = 20_000;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export const DESK = { viewport: { width: 1280, height: 800 } };
export const PHONE = { ...devices['iPhone 13'], viewport: { width: 390, height: 844 }, defaultBrowserType: undefined };
/** The two moods of the pages, on both sizes of screen. */
export const LOOKS = {
  light: { ...DESK, colorScheme: 'light' },
  dark: { ...DESK, colorScheme: 'dark' },
  phone: { ...PHONE, colorScheme: 'light' },
  'phone-dark': { ...PHONE, colorScheme: 'dark' },
};

const [script, url, folder] = process.argv.slice(1);
if (!url) {
  console.error(`usage: node ${script} URL [FOLDER]`);
  process.exit(2);
}

/** What went wrong so far, and was not meant to. */
const troubles = [];
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/**
 * Runs a script to its end: what it tries, and with a folder for them its pictures.
 *
 * @param {string} success what is said when all went well
 * @param {() => Promise<void>} play
 * @param {() => Promise<void>} [takePictures]
 */
export async function run(success, play, takePictures) {
  try {
    await play();
    if (folder && takePictures) await takePictures();
    assert.deepEqual(troubles, [], 'the consoles are clean');
    console.log(`${success}; the consoles are clean`);
  } catch (error) {
    // What was refused says more than what did not come about.
    console.error('refused, or on a console:', troubles);
    throw error;
  } finally {
    await browser.close();
  }
}

export function newContext(options) {
  return browser.newContext(options);
}

/** Opens a tab at a path. */
export async function openTab(context, path, who) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  // A refusal is told of by its answer, with its address.
  page.on('console', (message) => message.type() === 'error' && !message.text().includes('status of') && troubles.push(`${who}: ${message.text()}`));
  page.on('pageerror', (error) => troubles.push(`${who}: ${error.stack}`));
  page.on('response', (response) => response.status() >= 400 && troubles.push(`${who}: ${response.status()} ${response.url()}`));
  await page.goto(new URL(path, url).href);
  return page;
}

/** What `act` does is refused with this status, at least once; whatever else goes wrong stays a trouble. */
export async function refusedWith(status, act, until) {
  const before = troubles.splice(0);
  await act();
  await until();
  const others = troubles.filter((trouble) => !trouble.includes(`: ${status} `));
  assert(others.length < troubles.length, `refused with ${status}: ${troubles}`);
  troubles.splice(0, Infinity, ...before, ...others);
}

export async function picture(page, name) {
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

export function step(what) {
  console.log(`- ${what}`);
}
