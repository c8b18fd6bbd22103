/**
 * An account's characters before the world: the list to choose from, the making of a new one, the end of an old one. It
 * shows cards of the door and asks the server; who goes in is told to `door.js`, and so is what it cannot put right.
 */

import { byId } from '../page.js';
import { drawWalker } from './figures.js';
import { Form } from './form.js';
import { describe } from './hud.js';

const NAME_LENGTH = { min: 3, max: 20 };
/** Of a portrait's height: where the feet stand, and how tall the figure is. */
const FEET = 0.9;
const TALL = 0.74;

export class Characters {
  #account;
  #wishes;
  #username = '';
  #list = [];
  #places = new Map();
  #isEntering = false;
  #doomed = null;
  #creation;
  #deletion;

  /**
   * @param {import('../evertick.js').Account} account
   * @param {import('./door.js').Wishes} wishes
   */
  constructor(account, wishes) {
    this.#account = account;
    this.#wishes = wishes;
    this.#creation = new Form(byId('creation'), byId('creation-trouble'), {
      check: () => this.#check(),
      attempt: () => this.#create(),
      fieldOf: ({ code }) => (code === 'conflict' || code === 'invalid' ? byId('creation-name') : null),
    });
    this.#creation.words = ['Make this character', 'Making it …'];
    this.#deletion = new Form(byId('deletion-form'), byId('deletion-trouble'), { attempt: () => this.#delete() });
    this.#deletion.words = ['Delete for good', 'Deleting …'];
    byId('to-creation').addEventListener('click', () => this.#showCreation());
    byId('creation-back').addEventListener('click', () => this.show(this.#username));
    byId('creation').addEventListener('change', () => this.#drawWish());
    byId('characters-again').addEventListener('click', () => this.show(this.#username));
    for (const id of ['log-out', 'creation-log-out']) byId(id).addEventListener('click', wishes.logOut);
    byId('deletion-keep').addEventListener('click', () => byId('deletion').close());
  }

  /** Shows the list, with what there is to say beforehand; an account that has none is shown how to make one. */
  async show(username, words = '', focusOn = null) {
    this.#prepare(username);
    byId('characters-trouble').textContent = words;
    byId('characters-status').textContent = 'Looking for your characters …';
    try {
      await this.#look();
    } catch (error) {
      if (!this.#account.token || error.code === 'banned') return this.#wishes.refused(error);
      return this.#lookedInVain(words, error);
    }
    this.#fill();
    if (this.#list.length === 0 && words === '') return this.#showCreation();
    this.#focus(focusOn);
  }

  /** One comes back in after a reload: nothing to choose. */
  showReturn(username) {
    this.#prepare(username);
    byId('characters-trouble').textContent = '';
    byId('characters-status').textContent = 'Coming back into the world …';
  }

  #prepare(username) {
    this.#username = username;
    this.#wishes.show('characters');
    byId('characters-account').textContent = `Logged in as ${username}`;
    byId('character-list').replaceChildren();
    byId('to-creation').hidden = true;
    byId('characters-again').hidden = true;
    byId('characters-title').focus();
  }

  async #look() {
    const [list] = await Promise.all([this.#account.characters(), this.#lookForPlaces()]);
    this.#list = list;
  }

  /** The names of places are told once; a list without them is still a list. */
  async #lookForPlaces() {
    if (this.#places.size > 0) return;
    const { locations } = await this.#account.call('GET', '/api/world/state').catch(() => ({ locations: [] }));
    this.#places = new Map(locations.map(({ id, name }) => [id, name]));
  }

  #lookedInVain(words, error) {
    byId('characters-status').textContent = '';
    // What was to be said first is why one stands here.
    byId('characters-trouble').textContent = [words, describe(error)].filter(Boolean).join(' ');
    byId('characters-again').hidden = false;
    byId('characters-again').focus();
  }

  #fill() {
    byId('characters-status').textContent = this.#list.length === 0 ? 'You have no character yet.' : '';
    byId('to-creation').hidden = false;
    byId('character-list').replaceChildren(...this.#list.map((character) => this.#row(character)));
    for (const { id, faction, class: calling } of this.#list) {
      drawPortrait(byId('character-list').querySelector(`[data-character="${id}"] canvas`), { id, faction, class: calling });
    }
  }

  #row(character) {
    const { id, name, faction, class: calling, level, location_id: place, selected } = character;
    const row = byId('character-row').content.firstElementChild.cloneNode(true);
    row.dataset.character = id;
    row.querySelector('.character-name').textContent = name;
    row.querySelector('.character-what').textContent = `${capital(faction)} ${calling}, level ${level}`;
    row.querySelector('.character-where').textContent = this.#places.has(place) ? `In ${this.#places.get(place)}` : '';
    const enter = row.querySelector('.character-enter');
    // The one that was chosen last is the one that most come for.
    enter.className = `${selected || this.#list.length === 1 ? 'primary' : 'plain'} character-enter`;
    enter.setAttribute('aria-label', `Enter the world as ${name}`);
    enter.addEventListener('click', () => this.#enter(character, enter));
    const remove = row.querySelector('.character-delete');
    remove.setAttribute('aria-label', `Delete ${name}`);
    remove.title = `Delete ${name}`;
    remove.addEventListener('click', () => this.#askWhetherToDelete(character));
    return row;
  }

  #focus(id) {
    const rows = [...byId('character-list').children];
    const row = rows.find(({ dataset }) => Number(dataset.character) === id) ?? rows.find((each) => each.querySelector('.primary'));
    (row?.querySelector('.character-enter') ?? byId('to-creation')).focus();
  }

  async #enter(character, button) {
    if (this.#isEntering) return;
    this.#isEntering = true;
    byId('characters-trouble').textContent = '';
    button.textContent = 'Entering …';
    button.setAttribute('aria-disabled', 'true');
    try {
      await this.#wishes.enter(character);
    } catch (error) {
      this.#wishes.refused(error);
    } finally {
      this.#isEntering = false;
    }
  }

  // ------------------------------------------------------------------------------------------------ making one

  #showCreation() {
    this.#wishes.show('creation');
    this.#creation.clear();
    byId('creation-back').hidden = this.#list.length === 0;
    byId('creation-log-out').hidden = this.#list.length > 0;
    this.#drawWish();
    byId('creation-name').focus();
  }

  /** The server knows which letters there are, and whose the name is; how long it may be is said here. */
  #check() {
    const name = byId('creation-name');
    const { length } = [...name.value.trim()];
    if (length < NAME_LENGTH.min) return [name, `That name is too short: at least ${NAME_LENGTH.min} characters.`];
    if (length > NAME_LENGTH.max) return [name, `That name is too long: at most ${NAME_LENGTH.max} characters.`];
    return undefined;
  }

  async #create() {
    const made = await this.#ask(() => this.#account.createCharacter({ ...this.#wish(), name: byId('creation-name').value.trim() }));
    if (!made) return;
    byId('creation').reset();
    await this.show(this.#username, '', made.id);
  }

  #wish() {
    const chosen = new FormData(byId('creation'));
    return { faction: chosen.get('faction'), class: chosen.get('class') };
  }

  #drawWish() {
    drawPortrait(byId('creation-portrait'), { id: 0, ...this.#wish() });
  }

  // ---------------------------------------------------------------------------------------------- deleting one

  #askWhetherToDelete(character) {
    const { name, faction, class: calling, level } = character;
    this.#doomed = character;
    this.#deletion.clear();
    byId('deletion-title').textContent = `Delete ${name}?`;
    byId('deletion-words').textContent = `The ${capital(faction)} ${calling} of level ${level} will be gone for good, with all that it carries. Anybody may take the name.`;
    byId('deletion').showModal();
    byId('deletion-keep').focus();
  }

  async #delete() {
    const { id } = this.#doomed;
    const isDone = await this.#ask(() => this.#account.deleteCharacter(id).then(() => true));
    byId('deletion').close();
    if (isDone) await this.show(this.#username);
  }

  /** Asks the server for something; where that shows that the login is over, there is another card to be shown. */
  async #ask(what) {
    try {
      return await what();
    } catch (error) {
      if (this.#account.token && error.code !== 'banned') throw error;
      this.#wishes.refused(error);
      return null;
    }
  }
}

/** A figure as it stands in the world. */
function drawPortrait(canvas, who) {
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  const context = canvas.getContext('2d');
  context.scale(devicePixelRatio, devicePixelRatio);
  drawWalker(context, { facing: 1, ...who }, width / 2, height * FEET, height * TALL, null);
}

function capital(word) {
  return `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
}
