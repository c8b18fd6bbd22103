/**
 * What stands around the map in words: the place, the connection, who is near, the way out at hand, notices. It shows
 * what it is told and decides nothing. Everything here is ordinary page, so that a screen reader has it too.
 */

import { byId, node, setText } from '../page.js';
import { factionColour } from './figures.js';

const NOTICE_MS = 5000;
const HINT_MS = 12_000;

const COMPASS = ['east', 'south-east', 'south', 'south-west', 'west', 'north-west', 'north', 'north-east'];

export class Hud {
  #peopleRows = new Map();
  #exitRows = [];
  #noticeTimer = null;
  #hintTimer = null;
  #arrivalMotion = null;

  /** One stands in another place now. `walkTo(exit)` is called for a way out that is chosen from the list. */
  place(location, walkTo) {
    const { name, description, safe } = location;
    setText(byId('place-name'), name);
    byId('place-name').title = description;
    const tag = byId('place-safety');
    tag.hidden = false;
    tag.className = safe ? 'tag is-safe' : 'tag is-wild';
    tag.textContent = safe ? 'Safe ground' : 'Wild';
    tag.title = safe ? 'Nobody can be attacked here' : 'Outside safe ground others may attack';
    document.title = `${name} · Shards of Eternity`;
    byId('announcer').textContent = `You are in ${name}, ${safe ? 'safe ground' : 'wild ground'}. ${description}`;
    this.#exitRows = location.exits.map((exit) => exitRow(exit, walkTo));
    byId('exit-list').replaceChildren(...this.#exitRows.map(({ item }) => item));
    this.#showArrival(name, description);
  }

  /** Where one stands and who is near; a few times a second is enough. */
  around({ name }, position, others) {
    // Where everybody stands is on the page in figures too, for those who read or test it rather than look at it.
    Object.assign(byId('map').dataset, { you: name, ...told(position) });
    setText(byId('place-coordinates'), `${position.x.toFixed(0)}, ${position.y.toFixed(0)}`);
    setText(byId('around-count'), String(others.size));
    for (const { exit, where } of this.#exitRows) setText(where, bearing(position, exit.position));
    byId('people-none').hidden = others.size > 0;
    this.#listPeople(position, others);
  }

  /** The way out within reach, or null. */
  gate(exit) {
    const button = byId('gate-button');
    if (button.hidden !== (exit === null)) button.hidden = exit === null;
    if (exit) setText(byId('gate-words'), `Go to ${exit.to_name}`);
  }

  /** Something that one should know now, for a while. */
  notice(words, forMs = NOTICE_MS) {
    const notice = byId('notice');
    clearTimeout(this.#noticeTimer);
    notice.hidden = words === '';
    setText(notice, words);
    if (words && forMs !== Infinity) this.#noticeTimer = setTimeout(() => this.notice(''), forMs);
  }

  /** How to begin, until one has begun. */
  hint(words) {
    const hint = byId('hint');
    clearTimeout(this.#hintTimer);
    hint.hidden = words === '';
    setText(hint, words);
    if (words) this.#hintTimer = setTimeout(() => this.hint(''), HINT_MS);
  }

  #showArrival(name, description) {
    const arrival = byId('arrival');
    setText(byId('arrival-name'), name);
    setText(byId('arrival-words'), description);
    this.#arrivalMotion?.cancel();
    // Style sheets cannot start the same animation twice; this can, and the policy for styles allows it.
    this.#arrivalMotion = arrival.animate(
      [{ opacity: 0 }, { opacity: 1, offset: 0.12 }, { opacity: 1, offset: 0.8 }, { opacity: 0 }],
      { duration: 4200, easing: 'ease' },
    );
  }

  #listPeople(position, others) {
    for (const [id, { item }] of this.#peopleRows) {
      if (others.has(id)) continue;
      item.remove();
      this.#peopleRows.delete(id);
    }
    for (const [id, person] of others) {
      if (!this.#peopleRows.has(id)) this.#addPerson(id, person);
      const { item, where } = this.#peopleRows.get(id);
      setText(where, bearing(position, person.shown));
      Object.assign(item.dataset, told(person.shown));
    }
  }

  #addPerson(id, { name, faction, class: calling, level }) {
    const item = node('li', 'around-row');
    item.dataset.player = id;
    const dot = node('span', 'around-dot');
    dot.style.setProperty('--faction', factionColour(faction));
    const where = node('span', 'around-where');
    const title = node('span', 'around-name', name);
    title.prepend(dot);
    item.append(title, where, node('span', 'around-what', `${faction} ${calling}, level ${level}`));
    this.#peopleRows.set(id, { item, where });
    byId('people-list').append(item);
  }
}

/**
 * What went wrong, for people. The server's own words are used where there is nothing better to say, and for what came as
 * an HTTP answer: they are about the one thing that was asked for.
 */
export function describe({ code, message, retryAfterMs, status }) {
  const wait = retryAfterMs ? ` Try again in ${seconds(retryAfterMs)}.` : '';
  return `${status ? sentence(message) : (WORDS[code] ?? sentence(message))}${wait}`;
}

/** A time to wait, for people: never said too short. */
export function seconds(ms) {
  const inSeconds = Math.ceil(ms / 1000);
  if (inSeconds === 1) return 'a second';
  const [unit, size] = SPANS.find(([, size]) => inSeconds > 2 * size) ?? SPANS.at(-1);
  return `${Math.ceil(inSeconds / size)} ${unit}`;
}

/** Longest first; one is named where there are more than two of it. */
const SPANS = [['days', 86_400], ['hours', 3600], ['minutes', 60], ['seconds', 1]];

function sentence(words) {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? '' : '.'}`;
}

const WORDS = {
  unreachable: 'The server cannot be reached. It may be full, restarting, or not taking connections from here.',
  lost: 'The connection broke.',
  closed: 'You left.',
  timeout: 'The server did not answer in time.',
  rate_limited: 'That was too fast.',
  idle_timeout: 'Nothing was heard of you for too long.',
  slow_consumer: 'Your connection could not keep up.',
  shutdown: 'The server is going down for a while.',
  replaced: 'You entered from somewhere else, so this page was left behind.',
  kicked: 'You were sent out.',
  logged_out: 'You were logged out.',
  session_expired: 'Your login has expired. Log in again.',
  cheating: 'The server does not believe your steps.',
  world_full: 'The world is full.',
  world_closed: 'The world takes no newcomers at the moment.',
  not_ready: 'The server is not ready yet.',
  busy: 'The server is busy.',
  guests_disabled: 'Guests are not let in here.',
  too_many_connections: 'There are too many connections from your address.',
  connecting_too_fast: 'You are connecting too fast.',
  bad_version: 'This page is older than the server: load it again.',
};

function exitRow(exit, walkTo) {
  const item = node('li', 'around-row is-exit');
  const button = node('button', 'plain', 'Walk there');
  button.type = 'button';
  button.setAttribute('aria-label', `Walk to ${exit.to_name}`);
  button.addEventListener('click', () => walkTo(exit));
  const where = node('span', 'around-where');
  item.append(node('span', 'around-name', exit.to_name), button, where);
  return { item, where, exit };
}

/** How far and in which direction: "12 north". */
function bearing(from, to) {
  const way = { x: to.x - from.x, y: to.y - from.y };
  const distance = Math.hypot(way.x, way.y);
  if (distance < 1.5) return 'here';
  const eighth = Math.round((Math.atan2(way.y, way.x) / Math.PI) * 4 + 8) % 8;
  return `${distance.toFixed(0)} ${COMPASS[eighth]}`;
}

function told({ x, y }) {
  return { x: x.toFixed(2), y: y.toFixed(2) };
}
