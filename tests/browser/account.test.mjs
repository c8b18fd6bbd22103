// Accounts over HTTP, what a browser keeps of a login, and how refusals are put into words: against answers that are
// written out here.

import assert from 'node:assert/strict';
import { beforeEach, describe as about, it } from 'node:test';
import { Account, EvertickError } from '../../src/web/evertick.js';
import { describe, seconds } from '../../src/web/eternity/hud.js';
import { KeptLogin } from '../../src/web/eternity/login.js';

const URL_OF_SERVER = 'ws://127.0.0.1:1/ws';
const MIRA = { id: 7, name: 'Mira', faction: 'verdant', class: 'mage', level: 1, location_id: 1, selected: false };

/** An account, and what it asks; each answer is a status, a body and headers. */
function asking(...answers) {
  const asked = [];
  const fetch = async (url, { method, headers, body }) => {
    asked.push({ method, url: url.href, headers, body: body && JSON.parse(body) });
    const [status, answer, fields] = answers.shift();
    if (status instanceof Error) throw status;
    return new Response(answer === undefined ? null : typeof answer === 'string' ? answer : JSON.stringify(answer), { status, headers: fields });
  };
  return { asked, account: new Account({ url: URL_OF_SERVER, fetch }) };
}

function refusal(code, message, more = {}) {
  return { error: { code, message, ...more } };
}

async function loggedIn(...answers) {
  const { account, asked } = asking([200, { token: 'secret', expires_in_s: 3600, account_id: 3 }], ...answers);
  await account.login('ann', 'correct horse');
  asked.length = 0;
  return { account, asked };
}

about('an account', () => {
  it('is registered, which logs nobody in', async () => {
    const { account, asked } = asking([201, { account_id: 3, username: 'ann' }]);
    assert.equal((await account.register('ann', 'correct horse')).account_id, 3);
    assert.deepEqual(asked, [{
      method: 'POST', url: 'http://127.0.0.1:1/api/auth/register', headers: { 'content-type': 'application/json' },
      body: { username: 'ann', password: 'correct horse' },
    }]);
    assert.equal(account.token, null);
  });

  it('shows its token with all that it asks once it is logged in, and forgets it when it logs out', async () => {
    const { account, asked } = await loggedIn([200, { characters: [MIRA] }], [204]);
    assert.deepEqual([account.token, account.accountId], ['secret', 3]);
    assert.deepEqual(await account.characters(), [MIRA]);
    await account.logout();
    assert.deepEqual(asked.map(({ method, url, headers }) => [method, new URL(url).pathname, headers.authorization]), [
      ['GET', '/api/characters', 'Bearer secret'], ['POST', '/api/auth/logout', 'Bearer secret'],
    ]);
    assert.deepEqual([account.token, account.accountId], [null, null]);
  });

  it('makes, chooses and deletes characters', async () => {
    const { account, asked } = await loggedIn([201, MIRA], [200, { ...MIRA, selected: true }], [204]);
    const wish = { name: 'Mira', faction: 'verdant', class: 'mage' };
    assert.deepEqual(await account.createCharacter(wish), MIRA);
    assert.equal((await account.selectCharacter(7)).selected, true);
    assert.equal(await account.deleteCharacter(7), undefined);
    assert.deepEqual(asked.map(({ method, url, body }) => [method, new URL(url).pathname, body]), [
      ['POST', '/api/characters', wish], ['POST', '/api/characters/select', { character_id: 7 }], ['DELETE', '/api/characters/7', undefined],
    ]);
  });

  it('is refused with the code, the words, the wait and the status of the answer', async () => {
    const { account } = asking([429, refusal('rate_limited', 'too many', { retry_after_ms: 1500 }), { 'retry-after': '2' }]);
    await assert.rejects(account.login('ann', 'wrong'), { code: 'rate_limited', message: 'too many', retryAfterMs: 1500, status: 429 });
  });

  it('is refused by what stands between, in words too', async () => {
    const { account } = asking([502, '<h1>Bad Gateway</h1>', { 'retry-after': '30' }], [503, '']);
    await assert.rejects(account.characters(), { name: 'EvertickError', code: 'internal', retryAfterMs: 30_000, status: 502 });
    await assert.rejects(account.characters(), { message: 'status 503', retryAfterMs: null });
  });

  for (const code of ['session_expired', 'unauthenticated']) {
    it(`forgets a token that is ${code}`, async () => {
      const { account } = await loggedIn([401, refusal(code, 'log in again')]);
      await assert.rejects(account.characters(), { code });
      assert.equal(account.token, null);
    });
  }

  it('keeps its token where something else is wrong, and a newer one always', async () => {
    const { account } = await loggedIn([409, refusal('conflict', 'taken')], [401, refusal('session_expired', 'over')]);
    await assert.rejects(account.createCharacter({ name: 'Mira' }), { code: 'conflict' });
    assert.equal(account.token, 'secret');
    const late = account.characters();
    account.token = 'newer';
    await assert.rejects(late, { code: 'session_expired' });
    assert.equal(account.token, 'newer');
  });

  it('forgets its token also where the server does not hear of it', async () => {
    const { account } = await loggedIn([new TypeError('fetch failed')]);
    await assert.rejects(account.logout(), (error) => error instanceof EvertickError && error.code === 'unreachable');
    assert.equal(account.token, null);
  });

  it('tells an answer that does not come from a server that is not there', async () => {
    const { account } = asking([new DOMException('too late', 'TimeoutError')], [new TypeError('fetch failed')]);
    await assert.rejects(account.characters(), { code: 'timeout', status: null });
    await assert.rejects(account.characters(), { code: 'unreachable', status: null });
  });
});

about('a browser keeps', () => {
  /** A storage as browsers have it: text by text. */
  class Store {
    #items = new Map();
    getItem = (key) => this.#items.get(key) ?? null;
    setItem = (key, value) => void this.#items.set(key, String(value));
    removeItem = (key) => void this.#items.delete(key);
    get size() { return this.#items.size; }
  }

  function setStores(session, local) {
    for (const [name, get] of [['sessionStorage', session], ['localStorage', local]]) {
      Object.defineProperty(globalThis, name, { configurable: true, get });
    }
  }

  let [session, local] = [];
  beforeEach(() => {
    [session, local] = [new Store(), new Store()];
    setStores(() => session, () => local);
  });

  const ANN = { token: 'secret', username: 'ann' };

  it('a login for the tab, or for all tabs where that was asked for', () => {
    new KeptLogin().keep('secret', 'ann', false);
    assert.deepEqual([new KeptLogin().read(), local.size], [ANN, 0]);
    session = new Store();
    assert.equal(new KeptLogin().read(), null);
    new KeptLogin().keep('secret', 'ann', true);
    assert.deepEqual([new KeptLogin().read(), session.size], [ANN, 0]);
  });

  it('nothing of a login that is over, and what another tab has kept since', () => {
    const kept = new KeptLogin();
    kept.keep('secret', 'ann', true);
    kept.character = 7;
    kept.forget('secret');
    assert.deepEqual([kept.read(), kept.character, session.size, local.size], [null, null, 0, 0]);
    kept.keep('newer', 'ann', true);
    kept.forget('secret');
    assert.equal(kept.read().token, 'newer');
  });

  it('a character for the tab alone', () => {
    new KeptLogin().character = 7;
    assert.deepEqual([new KeptLogin().character, local.size], [7, 0]);
    session = new Store();
    assert.equal(new KeptLogin().character, null);
  });

  it('nothing that makes no sense', () => {
    for (const nonsense of ['', '{', 'null', '7', '{"token":7}', '{"token":"secret"}']) {
      session.setItem('eternity.login', nonsense);
      assert.equal(new KeptLogin().read(), null, nonsense);
    }
  });

  it('nothing where it is forbidden to, without a complaint', () => {
    const forbidden = () => { throw new DOMException('no', 'SecurityError'); };
    setStores(forbidden, forbidden);
    const kept = new KeptLogin();
    kept.keep('secret', 'ann', true);
    kept.character = 7;
    kept.forget('secret');
    assert.deepEqual([kept.read(), kept.character], [null, null]);
  });
});

about('words', () => {
  it('are the page\'s for a connection and the server\'s for an answer', () => {
    assert.equal(describe(new EvertickError('rate_limited', 'slower')), 'That was too fast.');
    assert.equal(describe(new EvertickError('rate_limited', 'too many logins', { status: 429, retryAfterMs: 42_001 })), 'Too many logins. Try again in 43 seconds.');
    assert.equal(describe(new EvertickError('banned', 'this account is banned: spam.')), 'This account is banned: spam.');
  });

  it('never say a wait too short', () => {
    const said = [1, 1000, 1001, 120_000, 120_001, 3_600_000, 7_200_001, 172_800_000, 172_800_001].map(seconds);
    assert.deepEqual(said, ['a second', 'a second', '2 seconds', '120 seconds', '3 minutes', '60 minutes', '3 hours', '48 hours', '3 days']);
  });

  for (const code of ['replaced', 'kicked', 'logged_out', 'session_expired', 'world_full', 'shutdown']) {
    it(`there are for ${code}`, () => assert.notEqual(describe({ code, message: code }), `${code}.`));
  }
});
