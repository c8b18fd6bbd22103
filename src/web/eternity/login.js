/**
 * What a browser keeps of a login, so that a reload comes back in: the token, the account's name, and with which character
 * this tab is in the world.
 *
 * The token is in `sessionStorage`: one tab's, and gone with it. Only who asks to stay logged in has it in `localStorage`,
 * where every tab finds it and a closed browser keeps it. Neither is safe from a script on this origin; that none but the
 * server's own runs here is what the `Content-Security-Policy` and pages without markup from strings are for. A cookie that
 * scripts cannot read would need a server that trusts cookies, and with it a guard against forged requests. The character
 * is always the tab's: two tabs may play two characters.
 */

const LOGIN_KEY = 'eternity.login';
const CHARACTER_KEY = 'eternity.character';

/** Looked up each time: where a browser forbids storage, even naming it throws. */
const STORES = [() => sessionStorage, () => localStorage];

export class KeptLogin {
  /** The token and the account's name, or null. @returns {?{token: string, username: string}} */
  read() {
    for (const store of STORES) {
      const login = attempt(() => JSON.parse(store().getItem(LOGIN_KEY)));
      if (typeof login?.token === 'string' && typeof login.username === 'string') return login;
    }
    return null;
  }

  /** Keeps a login: for this tab, or for all tabs and a while beyond them. */
  keep(token, username, isLasting) {
    const store = isLasting ? () => localStorage : () => sessionStorage;
    attempt(() => store().setItem(LOGIN_KEY, JSON.stringify({ token, username })));
  }

  /** Forgets a login that is over. What another tab has kept since stays. */
  forget(token) {
    this.character = null;
    for (const store of STORES) {
      attempt(() => JSON.parse(store().getItem(LOGIN_KEY))?.token === token && store().removeItem(LOGIN_KEY));
    }
  }

  /** The character that this tab is in the world with, or null. @returns {?number} */
  get character() {
    return Number(attempt(() => sessionStorage.getItem(CHARACTER_KEY))) || null;
  }

  set character(id) {
    attempt(() => (id === null ? sessionStorage.removeItem(CHARACTER_KEY) : sessionStorage.setItem(CHARACTER_KEY, id)));
  }
}

/** A browser may forbid storage: then a login lasts until the page is left. */
function attempt(act) {
  try {
    return act();
  } catch {
    return null;
  }
}
