/**
 * A form that says in words what is wrong, beside the field where it is; that shows that it is busy and takes no second
 * try meanwhile; and that counts down where the server says how long to wait. It knows no server: what a try is it is told.
 *
 * A field `x` has its complaint in the element `x-trouble`, and takes it back as soon as the field is changed.
 */

import { describe, seconds } from './hud.js';

/** A longer wait than this is told, and not counted down. */
const LONGEST_COUNT_MS = 120_000;
const COUNT_MS = 250;

export class Form {
  #form;
  #button;
  #trouble;
  #steps;
  #words;
  #isBusy = false;
  #waitEnds = 0;
  #counter = null;

  /**
   * @param {HTMLFormElement} form
   * @param {HTMLElement} trouble what concerns no one field
   * @param {object} steps
   * @param {() => Promise<void>} steps.attempt what to do when it is sent; rejects with an `EvertickError`
   * @param {() => [?HTMLInputElement, string]|undefined} [steps.check] what is wrong with it before it is sent
   * @param {(error: Error) => ?HTMLInputElement} [steps.fieldOf] the field that a refusal is about
   */
  constructor(form, trouble, steps) {
    this.#form = form;
    this.#button = form.querySelector('[type=submit]');
    this.#trouble = trouble;
    this.#steps = steps;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    form.addEventListener('input', ({ target }) => this.#forgive(target));
  }

  /** What the button says, at rest and while it is busy. */
  set words([idle, busy]) {
    this.#words = { idle, busy };
    this.#showButton();
  }

  /** Nothing is wrong with it, or not yet; nobody has to wait. */
  clear() {
    for (const input of this.#form.querySelectorAll('[aria-invalid]')) this.#forgive(input);
    this.#trouble.textContent = '';
    this.#stopWaiting();
  }

  /** Says what is wrong, and puts the cursor there. */
  complain(words, input = null) {
    const place = (input && document.getElementById(`${input.id}-trouble`)) ?? this.#trouble;
    place.textContent = words;
    input?.setAttribute('aria-invalid', 'true');
    input?.focus();
  }

  #stopWaiting() {
    clearInterval(this.#counter);
    this.#waitEnds = 0;
    this.#showButton();
  }

  async #submit() {
    if (this.#isBusy || this.#waitEnds > 0) return;
    this.clear();
    const [input, words] = this.#steps.check?.() ?? [];
    if (words) return this.complain(words, input);
    this.#setBusy(true);
    try {
      await this.#steps.attempt();
    } catch (error) {
      this.#refused(error);
    } finally {
      this.#setBusy(false);
    }
  }

  #refused(error) {
    // What is no refusal is a mistake of the page's, and is reported as one.
    if (error.name !== 'EvertickError') throw error;
    this.complain(describe(error), this.#steps.fieldOf?.(error) ?? null);
    if (error.retryAfterMs > 0 && error.retryAfterMs <= LONGEST_COUNT_MS) this.#wait(error.retryAfterMs);
  }

  #forgive(input) {
    const place = document.getElementById(`${input.id}-trouble`);
    if (place) place.textContent = '';
    input.removeAttribute('aria-invalid');
  }

  #wait(ms) {
    this.#waitEnds = performance.now() + ms;
    this.#counter = setInterval(() => this.#count(), COUNT_MS);
    this.#showButton();
  }

  #count() {
    if (performance.now() < this.#waitEnds) return this.#showButton();
    this.#stopWaiting();
    this.#trouble.textContent = '';
  }

  #setBusy(isBusy) {
    this.#isBusy = isBusy;
    this.#form.setAttribute('aria-busy', String(isBusy));
    this.#showButton();
  }

  #showButton() {
    const { idle, busy } = this.#words ?? { idle: this.#button.textContent };
    const left = this.#waitEnds - performance.now();
    const words = this.#isBusy ? busy : left > 0 ? `Wait ${seconds(left)}` : idle;
    if (this.#button.textContent !== words) this.#button.textContent = words;
    // Not `disabled`, which would take the focus away from whoever just pressed it.
    this.#button.setAttribute('aria-disabled', String(this.#isBusy || left > 0));
  }
}
