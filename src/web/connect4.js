/**
 * The page of Connect 4: comes in as a guest or with an account, finds a match, plays or watches it. This file ties the parts together:
 * every `match_state` is shown whole, and what is chosen is asked of the server, which decides.
 */

import { Account, Evertick, EvertickError } from './evertick.js';
import { Board } from './connect4/board.js';
import { Home } from './connect4/home.js';
import { BOT, canPlayAgain, canSitDown, farewell, idIn, linkTo, standing, verdict } from './connect4/words.js';
import { Door } from './eternity/door.js';
import { describe, seconds } from './eternity/hud.js';
import { showLink, whyItEnded } from './link.js';
import { byId, node, setText } from './page.js';

/** How often the list of matches is brought up to date. */
const LIST_MS = 2000;
/** A bot's disc waits so long before it falls, so that one sees one's own fall first and nobody moves by a double click. */
const BOT_MS = 650;

const server = new Evertick();
const board = new Board(byId('board'), drop);

const account = new Account();
const door = new Door(account, enter, (wishes) => new Home(wishes));

/** The match that one is in, as the page shows it, or null. */
let match = null;
/** When the one on turn has lost, by this page's clock, or null. */
let deadline = null;
/** What the server has told since, and waits because a bot was quicker than one can look. */
let held = null;
/** Whether an answer is still to come: until then nothing more is asked. */
let isAsking = false;
/** Whether the connection is lost and comes back. */
let isLost = false;
/** What is to be said in the next match. */
let news = '';

// --- packets ---------------------------------------------------------------------------------------------------------

server.on('match_state', (state) => {
  const ends = state.deadline_ms === null ? null : performance.now() + state.deadline_ms;
  const isSame = match?.match_id === state.match_id;
  const botMoved = isSame && match.turn === BOT && state.moves > match.moves;
  clearTimeout(held);
  if (botMoved) held = setTimeout(show, BOT_MS, state, ends);
  else show(state, ends);
});
server.on('match_closed', ({ match_id: id, reason }) => {
  if (match?.match_id !== id) return;
  const wasMine = match.players.some((player) => player.id === server.playerId);
  // Whoever has gone to another match is shown that one in a moment.
  if (wasMine) news = farewell(reason, wasMine);
  else {
    showHall();
    trouble(farewell(reason, wasMine));
  }
});
showLink(server);
server.on('client:lost', ({ reason: { code, message }, attempt, attempts, delayMs }) => {
  isLost = true;
  trouble(`${describe({ code, message })} Coming back in ${seconds(delayMs)}: try ${attempt} of ${attempts}.`);
});
server.on('client:resumed', ({ session }) => {
  isLost = false;
  trouble('');
  if (session.full_state) checkMatch();
});
server.on('client:ended', ({ reason }) => {
  const wasLost = isLost;
  isLost = false;
  // Until one is inside, the promise of `connect` has the reason.
  if (document.body.dataset.phase !== 'door') showDoor(reason.code === 'closed' ? null : whyItEnded(reason, wasLost));
});

/** A match that goes on is told afresh before anything is answered; one that is not told is over. */
async function checkMatch() {
  let isTold = false;
  const stop = server.on('match_state', () => { isTold = true; });
  try {
    await server.request('match_list');
    if (!isTold && document.body.dataset.phase === 'match') showHall();
  } catch (error) {
    if (!(error instanceof EvertickError)) throw error;
  } finally {
    stop();
  }
}

function show(state, ends) {
  const isAnother = match?.match_id !== state.match_id;
  match = state;
  deadline = ends;
  if (isAnother) {
    board.clear();
    setPhase('match');
    trouble(news);
    news = '';
    showAddress();
  }
  const me = state.players.find(({ id }) => id === server.playerId);
  board.show(state.board, { line: state.line, mine: me && state.turn === me.id ? me.disc : null });
  Object.assign(byId('match').dataset, { id: state.match_id, moves: state.moves, role: me ? 'player' : 'spectator', turn: state.turn === null ? '' : state.turn === server.playerId ? 'mine' : 'other' });
  byId('verdict').textContent = verdict(state, server.playerId);
  byId('share-link').value = linkTo(state, window.location.href);
  byId('share-words').textContent = state.players.length < 2 ? 'Send this link to whoever shall play with you' : 'Whoever has this link can watch';
  byId('watchers').textContent = state.spectators === 0 ? '' : state.spectators === 1 ? 'One person watches.' : `${state.spectators} people watch.`;
  byId('sit').hidden = !canSitDown(state, server.playerId);
  byId('rematch').hidden = !canPlayAgain(state, server.playerId);
  byId('rematch').disabled = me?.rematch ?? false;
  byId('leave').textContent = me && state.turn !== null ? 'Give up and leave' : me ? 'Leave' : 'Stop watching';
  showSeats();
  if (isAnother && me && !window.matchMedia('(pointer: coarse)').matches) board.focus();
}

function showSeats() {
  const left = deadline === null ? 0 : Math.max(0, Math.ceil((deadline - performance.now()) / 1000));
  [0, 1].forEach((at) => {
    const seat = byId(`seat-${at}`);
    const player = match.players[at];
    seat.classList.toggle('is-empty', !player);
    seat.classList.toggle('is-on-turn', Boolean(player) && match.turn === player.id);
    seat.classList.toggle('has-won', Boolean(player) && match.winner === player.id);
    setText(seat.querySelector('.seat-name'), player ? player.name : 'An empty seat');
    setText(seat.querySelector('.seat-what'), player ? standing(match, player, server.playerId, left) : 'for whoever comes');
  });
}

setInterval(() => match && showSeats(), 250);

// --- what is chosen --------------------------------------------------------------------------------------------------

/**
 * Asks the server; what it has against it is said on the page. One thing at a time: what is clicked before the answer is
 * there, the second half of a double click, asks nothing.
 */
async function ask(type, data = {}) {
  if (isAsking) return null;
  isAsking = true;
  trouble('');
  try {
    return await server.request(type, data);
  } catch (error) {
    // A connection that ended says so in its own place.
    if (server.state === 'connected') trouble(describe(error));
    return null;
  } finally {
    isAsking = false;
  }
}

function drop(column) {
  if (match?.turn === server.playerId) ask('match_drop', { column });
}

/** Sits down at a match, or watches it where there is no room. */
async function enterMatch(id) {
  try {
    await server.request('match_join', { match_id: id });
  } catch (error) {
    if (error.code === 'conflict') await ask('match_spectate', { match_id: id });
    else if (server.state === 'connected') trouble(error.code === 'not_found' ? 'There is no such match, or not any more.' : describe(error));
  }
}

/** A link was pasted into the open page, or the way back was taken: to that match. */
async function followLink() {
  const id = idIn(window.location.hash);
  if (document.body.dataset.phase === 'door') return showInvitation();
  if (id && id !== match?.match_id && server.state === 'connected') await enterMatch(id);
  // Where one may not go there, one is where one was.
  showAddress();
}

/** The address is that of the match that one is in. */
function showAddress() {
  history.replaceState(null, '', match ? `#${match.match_id}` : window.location.pathname);
}

async function listMatches() {
  if (document.body.dataset.phase !== 'hall' || server.state !== 'connected') return;
  try {
    const { matches } = await server.request('match_list');
    byId('match-none').hidden = matches.length > 0;
    byId('match-list').replaceChildren(...matches.map(listedMatch));
  } catch (error) {
    if (!(error instanceof EvertickError)) throw error;
  }
}

function listedMatch({ match_id: id, players, open, moves, spectators }) {
  const item = node('li', 'around-row');
  const button = node('button', 'plain', open ? 'Join' : 'Watch');
  button.type = 'button';
  button.addEventListener('click', () => (open ? enterMatch(id) : ask('match_spectate', { match_id: id })));
  const watched = spectators > 0 ? `, ${spectators} watching` : '';
  const words = node('span', 'around-what', open ? 'waits for somebody' : `${moves} discs${watched}`);
  const title = node('span', 'around-name', players.map(({ name }) => name).join(' and '));
  item.append(title, button, words);
  return item;
}

setInterval(listMatches, LIST_MS);

// --- coming and going ------------------------------------------------------------------------------------------------

/** Comes in, as that guest or as who is logged in; rejects with why not. */
async function enter({ guest }) {
  const invited = idIn(window.location.hash);
  await server.connect({ url: '/ws/connect4', ...(guest === undefined ? { token: account.token } : { guest }) });
  door.close({ guest });
  showHall();
  if (invited) await enterMatch(invited);
}

function showHall() {
  leaveMatch();
  setPhase('hall');
  listMatches();
}

/** Nobody is inside, and this is why, where it is worth a word. */
function showDoor(error = null) {
  // The link stays: who comes back through the door may still sit down or watch.
  match = null;
  clearTimeout(held);
  setPhase('door');
  showInvitation();
  door.open(error);
}

function showInvitation() {
  const isInvited = Boolean(idIn(window.location.hash));
  const words = isInvited ? 'You have a link to a match.' : 'Four in a row win: across, upwards or aslant.';
  byId('door-words').textContent = `${words} Say what they shall call you${isInvited ? ', and take your seat.' : '.'}`;
  byId('home-words').textContent = isInvited ? `${words} Take your seat.` : words;
}

function leaveMatch() {
  match = null;
  clearTimeout(held);
  board.clear();
  showAddress();
}

/** `door`: not inside. `hall`: in no match. `match`: in one. */
function setPhase(phase) {
  document.body.dataset.phase = phase;
  byId('table').inert = phase === 'door';
  byId('hall').hidden = phase !== 'hall';
  byId('match').hidden = phase !== 'match';
}

byId('play-anybody').addEventListener('click', () => ask('match_join'));
byId('play-friend').addEventListener('click', () => ask('match_create', { private: true }));
byId('play-bot').addEventListener('click', () => ask('match_bot', { level: Number(document.querySelector('input[name="level"]:checked').value) }));
byId('sit').addEventListener('click', () => match && ask('match_join', { match_id: match.match_id }));
byId('rematch').addEventListener('click', () => ask('match_rematch'));
byId('leave').addEventListener('click', async () => {
  if (await ask('match_leave')) showHall();
});
byId('quit-button').addEventListener('click', () => {
  leaveMatch();
  server.close();
});
byId('share-copy').addEventListener('click', async () => {
  byId('share-link').select();
  try {
    await navigator.clipboard.writeText(byId('share-link').value);
    byId('share-copy').textContent = 'Copied';
    setTimeout(() => { byId('share-copy').textContent = 'Copy'; }, LIST_MS);
  } catch {
    // It stands there selected: the keyboard copies it.
  }
});
byId('help-button').addEventListener('click', () => byId('help').showModal());
byId('help-close').addEventListener('click', () => byId('help').close());
window.addEventListener('hashchange', followLink);
document.addEventListener('keydown', (event) => {
  const isWriting = event.target instanceof HTMLInputElement && event.target.type !== 'radio';
  // A key that is held down is pressed once; and who reads the help does not play.
  if (isWriting || event.repeat || byId('help').open || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === '?') byId('help').showModal();
  if (/^[1-7]$/.test(event.key) && document.body.dataset.phase === 'match') drop(Number(event.key) - 1);
});

function trouble(words) {
  byId('trouble').textContent = words;
}

showDoor();
