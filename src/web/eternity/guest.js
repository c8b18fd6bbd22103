/**
 * The guest's card at the door of either game: a name, and in. The name is there already, so that one click is enough: that
 * of the last visit, whichever game it was to, or one made up. It is kept once its guest was let in.
 */

import { byId } from '../page.js';
import { Form } from './form.js';

const NAME_KEY = 'eternity.name';

const NAMES = [
  ['Amber', 'Ashen', 'Early', 'Gentle', 'Merry', 'Quiet', 'Silver', 'Wandering'],
  ['Badger', 'Crane', 'Finch', 'Fox', 'Heron', 'Otter', 'Raven', 'Wren'],
];

/**
 * @param {(name: string) => Promise<void>} enter goes in; rejects with an `EvertickError` that says why not
 * @returns {Form}
 */
export function guestForm(enter) {
  const field = byId('door-name');
  const form = new Form(byId('door-form'), byId('door-trouble'), {
    attempt: async () => {
      const name = field.value.trim();
      await enter(name);
      remember(name);
    },
    fieldOf: ({ code }) => (code === 'invalid' ? field : null),
  });
  form.words = ['Enter as a guest', 'Entering …'];
  field.value = remembered() ?? NAMES.map(pick).join(' ');
  return form;
}

function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}

/** A browser may forbid storage: then one writes the name again. */
function remember(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // There is nothing else to do about it.
  }
}

function remembered() {
  try {
    return localStorage.getItem(NAME_KEY);
  } catch {
    return null;
  }
}
