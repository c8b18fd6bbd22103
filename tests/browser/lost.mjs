// Connections are lost in mid-walk and in mid-match, by a line that is really cut and by the pages' own plug, and everything
// goes on: nothing is heard twice, nothing sent twice, and over a cut line nothing is missed either.
//
//   node lost.mjs http://127.0.0.1:8080 [folder for screenshots]

import assert from 'node:assert/strict';
import { enterHall, moves, turns } from './board.mjs';
import { cutter } from './cutter.mjs';
import { agree, enter, hears, isSeenToMove, sees, setsOutFor, stops } from './map.mjs';
import { DESK, LOOKS, PHONE, newContext, openTab, picture, run, step } from './stage.mjs';

/**
 * Where Ada's walks lead to, east and west of where newcomers appear: far enough that she is still on her way when she
 * has come back, and in sight of whoever stands there (three regions each way: they see the regions from 64 to 160).
 */
const [EAST, WEST] = [{ x: 152, y: 112 }, { x: 72, y: 112 }];

const url = process.argv[2];
const line = await cutter(url);
/** What went over the sockets of each page, the oldest first. */
const wires = new Map();

try {
  await run('lines were cut and plugs pulled, and everything went on', async () => {
    await inMidWalk();
    await inMidMatch();
  }, takePictures);
} finally {
  line.close();
}

async function inMidWalk() {
  const context = await newContext(DESK);
  const ada = await openWorld(context, line.url, 'Ada');
  const bram = await openWorld(context, url, 'Bram');
  await sees(bram, ada.name);
  await sees(ada, bram.name);

  step('the line is cut in mid-walk, and the walk goes on');
  for (let time = 1; time <= 3; time += 1) {
    await setsOut(ada, bram, time % 2 === 0 ? WEST : EAST);
    assert(line.cut() > 0);
    await ada.page.waitForSelector('body[data-phase="lost"]');
    await says(bram.page, `While you were away, ${time}`);
    await ada.page.fill('#chat-input', `Said into the dark, ${time}`);
    await ada.page.press('#chat-input', 'Enter');
    await ada.page.waitForSelector('body[data-phase="world"] .link[data-state="resumed"]');
    await hears(ada.page, bram.name, `While you were away, ${time}`);
    await hears(bram.page, ada.name, `Said into the dark, ${time}`);
    await walksOn(ada, bram);
  }
  await stops(ada);
  await agree(ada, bram);
  const wire = wires.get(ada.page);
  const entrances = packets(wire, 'auth_response');
  assert.deepEqual(entrances.map(({ resumed }) => resumed), [false, true, true, true]);
  assert(entrances.slice(1).every(({ full_state: isAfresh }) => !isAfresh), 'what was missed was replayed');
  const numbers = wire.heard.map(({ seq }) => seq).filter((seq) => seq > 0);
  assert.deepEqual(numbers, numbers.map((_, at) => at + 1), 'every batch came once, in order');
  for (let time = 1; time <= 3; time += 1) {
    assert.equal(await countOf(bram.page, `Said into the dark, ${time}`), 1);
    assert.equal(await countOf(ada.page, `While you were away, ${time}`), 1);
  }

  step('the plug is pulled in mid-walk, and the walk goes on');
  await setsOut(ada, bram, WEST);
  await ada.page.click('#plug-button');
  await ada.page.waitForSelector('body[data-phase="lost"]');
  assert.match(await ada.page.textContent('#link-words'), /^Resuming, 1 of 5$/);
  await ada.page.waitForSelector('body[data-phase="world"] .link[data-state="resumed"]');
  await walksOn(ada, bram);
  await stops(ada);
  await agree(ada, bram);
  await says(ada.page, 'I am back');
  await hears(bram.page, ada.name, 'I am back');
  assert.equal(await countOf(bram.page, 'I am back'), 1);
  await context.close();
}

async function inMidMatch() {
  const desk = await newContext(DESK);
  const phone = await newContext(PHONE);
  const ada = await openHall(desk, new URL('/connect4', line.url).href, 'Ada');
  await ada.click('#play-friend');
  await ada.waitForSelector('#match:not([hidden])');
  const { pathname, hash } = new URL(await ada.inputValue('#share-link'));
  const bram = await openHall(phone, new URL(pathname + hash, url).href, 'Bram', 'match');

  step('the line is cut in mid-match: what the other did meanwhile is there');
  await drops(ada, 3, 1);
  await moves(bram, 1);
  line.cut();
  await ada.waitForSelector('.link[data-state="lost"]');
  await drops(bram, 3, 2);
  await ada.waitForSelector('.link[data-state="resumed"]');
  await moves(ada, 2);

  step('what was chosen while away is done, once');
  line.cut();
  await ada.waitForSelector('.link[data-state="lost"]');
  await ada.click('.column[data-column="3"]');
  await moves(bram, 3);
  await turns(bram, 'mine');
  assert.equal(sent(wires.get(ada), 'match_drop').length, 2);
  const entrances = packets(wires.get(ada), 'auth_response');
  assert.deepEqual(entrances.map(({ full_state: isAfresh }) => isAfresh), [true, false, false]);

  step('the plug is pulled in mid-match, and it goes on to its end');
  await bram.tap('#plug-button');
  await bram.waitForSelector('.link[data-state="lost"]');
  await bram.waitForSelector('.link[data-state="resumed"]');
  await turns(bram, 'mine');
  for (const [mine, other, count] of [[2, 6, 4], [1, 6, 6], [0, 6, 8]]) {
    await drops(bram, other, count);
    await drops(ada, mine, count + 1);
  }
  await ada.waitForFunction(() => document.getElementById('verdict').textContent === 'You have won: four in a row.');
  await moves(bram, 9);
  await desk.close();
  await phone.close();
}

async function takePictures() {
  for (const [look, options] of Object.entries(LOOKS)) {
    step(`a picture: ${look}`);
    const context = await newContext(options);
    const cleo = await openWorld(context, url, 'Cleo');
    await cleo.page.waitForFunction(() => document.getElementById('arrival').getAnimations().length === 0);
    await cleo.page.click('#plug-button');
    await cleo.page.waitForSelector('body[data-phase="lost"]');
    await picture(cleo.page, `lost-${look}`);
    await cleo.page.waitForSelector('.link[data-state="resumed"]');
    await picture(cleo.page, `resumed-${look}`);
    const dora = await openHall(context, new URL('/connect4', url).href, 'Dora');
    await dora.click('#play-bot');
    await dora.waitForSelector('#match:not([hidden])');
    await dora.click('#plug-button');
    await dora.waitForSelector('.link[data-state="lost"]');
    await picture(dora, `connect4-lost-${look}`);
    await context.close();
  }
}

// --- coming in -------------------------------------------------------------------------------------------------------

/** Opens a tab whose sockets are listened to. */
async function open(context, address, who) {
  const page = await openTab(context, address, who);
  const wire = { heard: [], sent: [] };
  wires.set(page, wire);
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => wire.heard.push(JSON.parse(payload)));
    socket.on('framesent', ({ payload }) => wire.sent.push(JSON.parse(payload)));
  });
  return page;
}

async function openWorld(context, address, wish) {
  return enter(await open(context, address, wish), wish);
}

async function openHall(context, address, name, phase) {
  const page = await open(context, address, name);
  await enterHall(page, name, phase);
  return page;
}

/** The data of all packets of a type that a page has heard. */
function packets(wire, type) {
  return wire.heard.flatMap((batch) => batch.packets).filter((packet) => packet.type === type).map(({ data }) => data);
}

function sent(wire, type) {
  return wire.sent.filter((packet) => packet.type === type);
}

// --- on the map ------------------------------------------------------------------------------------------------------

/** Sets out, and is seen to be on the way. */
async function setsOut(walker, watcher, place) {
  const moved = isSeenToMove(walker, watcher, 1);
  await setsOutFor(walker, place);
  await moved;
}

/** Is seen to go on, without having been told to. */
async function walksOn(walker, watcher) {
  await isSeenToMove(walker, watcher, 2);
}

async function says(page, words) {
  await page.fill('#chat-input', words);
  await page.press('#chat-input', 'Enter');
}

/** How often a page has these words in its chat. */
async function countOf(page, words) {
  return page.locator('#chat-log .chat-words', { hasText: words }).count();
}

// --- at the board ----------------------------------------------------------------------------------------------------

/** Drops a disc when it is one's turn; `count` are there then. */
async function drops(page, column, count) {
  await turns(page, 'mine');
  await page.click(`.column[data-column="${column}"]`);
  await moves(page, count);
}
