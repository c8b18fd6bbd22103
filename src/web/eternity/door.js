/**
 * The door of either game: everything before it. Guests give a name and go in; who has an account logs in or registers, and
 * comes to the card from which it goes in: in Shards of Eternity its characters (`characters.js`), in Connect 4 its name
 * (`../connect4/home.js`). It shows one card at a time and says what went wrong; going in itself is what the page does with
 * what it calls.
 */

import { byId } from '../page.js';
import { Form } from './form.js';
import { guestForm } from './guest.js';
import { describe } from './hud.js';
import { KeptLogin } from './login.js';

/** After these the token stands for nobody. */
const LOGIN_OVER = new Set(['unauthenticated', 'session_expired', 'logged_out']);
/** After these one has to log in anew; whether a ban is over is found out by trying. */
const ENDS_LOGIN = new Set([...LOGIN_OVER, 'banned']);
/** What a name for an account may be, and how long a password: the server's rules, said before it has to. */
const USERNAME = /^[A-Za-z0-9_-]{3,20}$/;
const PASSWORD_LENGTH = { min: 8, max: 128 };

/** Whether somebody has to log in anew after it. */
export function endsLogin(error) {
  return ENDS_LOGIN.has(error?.code);
}

/**
 * What the card of who is logged in may ask of the door.
 *
 * @typedef {object} Wishes
 * @property {(character?: object) => Promise<void>} enter goes in, where a game has them with a character; rejects with why not
 * @property {(card: string) => void} show shows a card of the door
 * @property {(error: Error) => void} refused something that ends the login, or that the card should be shown with
 * @property {() => Promise<void>} logOut
 */

const WAYS = {
  login: {
    title: 'Log in', button: ['Log in', 'Logging in …'], other: 'No account yet? Register', autocomplete: 'current-password',
  },
  register: {
    title: 'Register', button: ['Register', 'Registering …'], other: 'An account already? Log in', autocomplete: 'new-password',
  },
};

export class Door {
  #door = byId('door');
  #account;
  #kept = new KeptLogin();
  /** Who is logged in, or null. @type {?{token: string, username: string}} */
  #login = null;
  #way = 'login';
  #home;
  #guestForm;
  #accountForm;

  /**
   * @param {import('../evertick.js').Account} account
   * @param {(who: {guest?: string, character?: object}) => Promise<void>} enter goes in, as that guest or as who is logged in;
   *   rejects with why not
   * @param {(wishes: Wishes) => {show: (username: string, words: string) => *}} makeHome the card of who is logged in
   */
  constructor(account, enter, makeHome) {
    this.#account = account;
    this.#login = this.#kept.read();
    account.token = this.#login?.token ?? null;
    this.#home = makeHome({
      enter: (character) => enter({ character }),
      show: (card) => this.#show(card),
      refused: (error) => this.open(error),
      logOut: () => this.#logOut(),
    });
    this.#guestForm = guestForm((guest) => enter({ guest }));
    this.#accountForm = new Form(byId('account'), byId('account-trouble'), {
      check: () => this.#check(),
      attempt: () => this.#logIn(),
      fieldOf: ({ code }) => ({ conflict: byId('account-name'), bad_credentials: byId('account-password') })[code] ?? null,
    });
    this.#listen();
  }

  /** The character that this tab was in the world with when it was reloaded, or null. */
  get comesBack() {
    const id = this.#kept.character;
    return this.#login && id !== null ? { id } : null;
  }

  /** One is inside: a reload comes back in where there is a character. */
  close(who) {
    this.#kept.character = who.character?.id ?? null;
    this.#door.hidden = true;
  }

  /** Nobody is inside, and this is why, where it is worth a word: the card that fits. */
  open(error = null) {
    this.#kept.character = null;
    this.#door.hidden = false;
    const words = error ? describe(error) : '';
    if (this.#login && endsLogin(error)) return this.#loggedOut(words);
    if (this.#login) return this.#home.show(this.#login.username, words);
    this.#showGuest();
    this.#guestForm.clear();
    if (words) this.#guestForm.complain(words);
  }

  /** One comes back in after a reload, and will be inside in a moment. */
  showReturn() {
    this.#home.showReturn(this.#login.username);
  }

  #listen() {
    byId('to-login').addEventListener('click', () => this.#showAccount('login'));
    byId('to-register').addEventListener('click', () => this.#showAccount('register'));
    byId('account-back').addEventListener('click', () => this.#showGuest());
    byId('account-other').addEventListener('click', () => this.#showAccount(this.#way === 'login' ? 'register' : 'login'));
    // What was refused, and the wait, were another name's.
    byId('account-name').addEventListener('input', () => this.#accountForm.clear());
    byId('account-reveal').addEventListener('click', () => this.#reveal(byId('account-password').type === 'password'));
  }

  #show(card) {
    for (const each of this.#door.querySelectorAll('.door-card')) each.hidden = each.id !== card;
    this.#door.scrollTop = 0;
  }

  #showGuest(said = '') {
    this.#show('door-form');
    byId('door-said').textContent = said;
    byId('door-name').focus();
  }

  #showAccount(way) {
    this.#show('account');
    this.#accountForm.clear();
    this.#turnTo(way);
    this.#reveal(false);
    const name = byId('account-name');
    (name.value === '' ? name : byId('account-password')).focus();
  }

  /** The same card is for logging in and for registering. */
  #turnTo(way) {
    const { title, button, other, autocomplete } = WAYS[way];
    this.#way = way;
    this.#accountForm.words = button;
    byId('account').dataset.way = way;
    byId('account-title').textContent = title;
    byId('account-other').textContent = other;
    byId('account-password').autocomplete = autocomplete;
  }

  #reveal(isShown) {
    byId('account-password').type = isShown ? 'text' : 'password';
    byId('account-reveal').setAttribute('aria-pressed', String(isShown));
  }

  /** Only a new account is held against the rules: whether an old one is right the server knows. */
  #check() {
    const [name, password] = [byId('account-name'), byId('account-password')];
    if (name.value.trim() === '') return [name, 'Which name?'];
    if (password.value === '') return [password, 'Which password?'];
    if (this.#way === 'login') return undefined;
    if (!USERNAME.test(name.value.trim())) return [name, 'That name does not fit: 3 to 20 of A-Z, a-z, 0-9, _ and -.'];
    // As the server counts: characters, not the pieces that some of them are made of.
    const length = [...password.value].length;
    if (length < PASSWORD_LENGTH.min) return [password, `That password is too short: at least ${PASSWORD_LENGTH.min} characters.`];
    if (length > PASSWORD_LENGTH.max) return [password, `That password is too long: at most ${PASSWORD_LENGTH.max} characters.`];
    return undefined;
  }

  async #logIn() {
    const username = byId('account-name').value.trim();
    const password = byId('account-password').value;
    if (this.#way === 'register') {
      await this.#account.register(username, password);
      // Whatever becomes of the login, the account is there.
      this.#turnTo('login');
    }
    const { token } = await this.#account.login(username, password);
    this.#login = { token, username };
    this.#kept.keep(token, username, byId('account-stay').checked);
    byId('account-password').value = '';
    await this.#home.show(username, '');
  }

  async #logOut() {
    // It is under way already.
    if (!this.#account.token) return;
    let words = 'You are logged out.';
    try {
      await this.#account.logout();
    } catch (error) {
      // A login that was over already is what was asked for.
      if (!LOGIN_OVER.has(error.code)) words = 'You are logged out on this page. The server could not be told: there the login ends by itself.';
    }
    this.#forget();
    this.#showGuest(words);
  }

  #loggedOut(words) {
    byId('account-name').value = this.#login.username;
    this.#forget();
    this.#showAccount('login');
    this.#accountForm.complain(words);
  }

  #forget() {
    this.#kept.forget(this.#login.token);
    this.#login = this.#account.token = null;
  }
}
