/**
 * The card of who is logged in at the door of Connect 4. An account plays as itself there, so that nothing is chosen: in, or
 * out of the login. What ends a login is told to the door (`../eternity/door.js`), which shows the card.
 */

import { endsLogin } from '../eternity/door.js';
import { Form } from '../eternity/form.js';
import { byId } from '../page.js';

export class Home {
  #wishes;
  #form;

  /** @param {import('../eternity/door.js').Wishes} wishes */
  constructor(wishes) {
    this.#wishes = wishes;
    this.#form = new Form(byId('home'), byId('home-trouble'), { attempt: () => this.#enter() });
    byId('log-out').addEventListener('click', wishes.logOut);
  }

  /** Shows it, with what there is to say beforehand. */
  show(username, words = '') {
    this.#wishes.show('home');
    this.#form.clear();
    this.#form.words = [`Enter as ${username}`, 'Entering …'];
    if (words) this.#form.complain(words);
    byId('home-enter').focus();
  }

  async #enter() {
    try {
      await this.#wishes.enter();
    } catch (error) {
      if (!endsLogin(error)) throw error;
      this.#wishes.refused(error);
    }
  }
}
