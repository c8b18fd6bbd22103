/**
 * Speaks the Evertick protocol, over a WebSocket and over HTTP, and does nothing else: it draws nothing, knows no game,
 * and keeps neither a game's state nor a token beyond the page. It needs no other file, runs in browsers and in Node 22
 * or later, and is made to be used by a game of your own:
 *
 * ```js
 * import { Evertick } from '/evertick.js';
 *
 * const server = new Evertick();
 * server.on('chat', ({ from, message }) => console.log(from.name, message));
 * const me = await server.connect({ url: 'ws://127.0.0.1:8080/ws', guest: 'Ada' });
 * const state = await server.request('get_game_state');
 * server.send('position_update', { position: { x: 1, y: 2 }, velocity: { x: 0, y: 0 } });
 * ```
 *
 * Register handlers before `connect`: the first packets of the game may come in the same turn as the answer to it.
 *
 * Where the connection is lost it comes back by itself, to the same player: what the server had not taken is sent again,
 * what was missed is heard, and neither twice. `client:lost`, `client:resumed` and `client:ended` tell of it.
 *
 * Who has an account logs in over HTTP, and connects with the token that this gives:
 *
 * ```js
 * import { Account } from '/evertick.js';
 *
 * const account = new Account();
 * await account.login('ada', 'correct horse');
 * await server.connect({ token: account.token });
 * ```
 *
 * @module evertick
 */

/** The subprotocol this client speaks: JSON packets in text frames. */
export const SUBPROTOCOL = 'evertick.v1.json';

/** The version of the protocol this client speaks. */
export const PROTOCOL_VERSION = 1;

/** How long a request may wait for its reply unless the caller says otherwise, milliseconds. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** How many of the last messages are kept, to be sent again where the server had not taken them: the protocol's number. */
export const KEPT_MESSAGES = 256;

/** Packets of which only the newest is worth sending again: a walk that is told all at once would be too fast for anybody. */
export const NEWEST_ONLY = ['position_update'];

/** Messages sent again at once, and the pause between: slower than the server's `message_rate` of 60 a second. */
const RESENT_AT_ONCE = 20;
const RESEND_PAUSE_MS = 500;

/** How often a lost connection is tried to be taken up again, and how long before the first time, unless `connect` is told otherwise. */
export const RECONNECT = { reconnect_attempts: 5, reconnect_delay_ms: 1000 };

/** The longest wait between two tries, milliseconds. */
const LONGEST_DELAY_MS = 30_000;

/**
 * After these the player stays in the world for a while: a connection that broke without a Close frame, and the closes
 * that the protocol counts as lost.
 */
const LOST_CLOSES = new Set([1001, 1006, 4009, 4015]);

/** What may refuse a try to come back and have passed by the next one; whatever else refuses it refuses all. */
const PASSING = new Set([
  'auth_timeout', 'busy', 'connecting_too_fast', 'idle_timeout', 'internal', 'lost', 'not_ready', 'shutdown',
  'slow_consumer', 'too_many_connections', 'unreachable', 'world_full',
]);

/** What says that a token stands for nobody any more. */
const LOGIN_OVER = new Set(['unauthenticated', 'session_expired']);

/** What a close code means where no `disconnect` packet came before it. */
const CLOSE_CODES = new Map([
  [1000, 'closed'], [1001, 'shutdown'], [1002, 'protocol'], [1003, 'wrong_frame'], [1005, 'closed'], [1006, 'lost'],
  [1007, 'not_utf8'], [1009, 'too_large'],
  [4000, 'bad_version'], [4001, 'unauthenticated'], [4002, 'bad_credentials'], [4003, 'session_expired'],
  [4004, 'replaced'], [4005, 'malformed'], [4007, 'auth_timeout'], [4008, 'rate_limited'], [4009, 'idle_timeout'],
  [4010, 'too_many_connections'], [4011, 'connecting_too_fast'], [4012, 'banned'], [4013, 'world_full'],
  [4014, 'not_ready'], [4015, 'slow_consumer'], [4016, 'cheating'], [4017, 'kicked'], [4018, 'logged_out'],
  [4019, 'world_closed'], [4020, 'guests_disabled'],
]);

/**
 * Something that went wrong, by its code. Codes from the server are those of the protocol (`rate_limited`,
 * `world_full`, ...). The client's own are `unreachable` (no connection came about), `lost` (it broke), `closed`
 * (there is none), `timeout` (no reply in time), `sequence` (a batch is missing), `unsupported` (no WebSocket here).
 */
export class EvertickError extends Error {
  /**
   * @param {string} code what happened, for programs
   * @param {string} message what happened, for people
   * @param {{retryAfterMs?: ?number, field?: ?string, status?: ?number}} [details]
   */
  constructor(code, message, { retryAfterMs = null, field = null, status = null } = {}) {
    super(message);
    this.name = 'EvertickError';
    /** @type {string} */
    this.code = code;
    /** How long to wait before trying again, or null where waiting does not help. @type {?number} */
    this.retryAfterMs = retryAfterMs;
    /** The field that could not be read, where the server named one. @type {?string} */
    this.field = field;
    /** The HTTP status of the answer that says so; null where it came over a WebSocket or is the client's own. @type {?number} */
    this.status = status;
  }

  /** The error that an `error`, `invalid_message` or `disconnect` packet tells of. */
  static fromPacket(data) {
    const { code = 'internal', message = code, retry_after_ms: retryAfterMs = null, field = null } = data ?? {};
    return new EvertickError(code, message, { retryAfterMs, field });
  }

  /** The error that an HTTP answer tells of: the server's own, or that of something between here and it. */
  static fromAnswer(response, answer) {
    const { status, statusText } = response;
    const { code = 'internal', message = statusText || `status ${status}`, retry_after_ms: ms } = answer?.error ?? {};
    const seconds = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
    const retryAfterMs = ms ?? (Number.isFinite(seconds) ? seconds * 1000 : null);
    return new EvertickError(code, message, { retryAfterMs, status });
  }
}

/**
 * An account of a server, over HTTP: registers, logs in and out, and looks after the characters of games that have them.
 * Every method rejects with an {@link EvertickError}: `unreachable` and `timeout` are the client's own, all else is what
 * the server says.
 *
 * The token stands for the account until it is logged out or not used for the server's `session_timeout_s`; being in the
 * world uses it. It lives in this object only. A page that wants it to outlive a reload keeps it itself, and should know
 * that every script of its origin can read what it keeps: load no foreign ones (`Content-Security-Policy`), prefer
 * `sessionStorage`, and log out rather than only forget.
 */
export class Account {
  /** The login token, or null where nobody is logged in. @type {?string} */
  token;
  /** The account's id, once `login` has told it. @type {?number} */
  accountId = null;

  #base;
  #fetch;

  /**
   * @param {object} [options]
   * @param {string} [options.url] any address of the server, also `ws:`; default: the page's own
   * @param {?string} [options.token] of an earlier login
   * @param {typeof fetch} [options.fetch] another implementation, for tests
   */
  constructor({ url = '/', token = null, fetch = globalThis.fetch } = {}) {
    this.#base = new URL(url, globalThis.location?.href);
    this.#base.protocol = this.#base.protocol.replace(/^ws/, 'http');
    // A browser's `fetch` may be called on nothing but the window.
    this.#fetch = (...request) => fetch(...request);
    this.token = token;
  }

  /**
   * Makes an account. It is not logged in by that.
   *
   * @param {string} username 3 to 20 of A-Z a-z 0-9 _ -
   * @param {string} password 8 to 128 characters
   * @returns {Promise<{account_id: number, username: string}>} `conflict` where the name is taken
   */
  register(username, password) {
    return this.call('POST', '/api/auth/register', { username, password });
  }

  /**
   * Logs in, and keeps the token.
   *
   * @param {string} username
   * @param {string} password
   * @returns {Promise<{token: string, expires_in_s: number, account_id: number}>} `bad_credentials`, or `rate_limited`
   *   with `retryAfterMs` where too many tries have failed
   */
  async login(username, password) {
    const login = await this.call('POST', '/api/auth/login', { username, password });
    this.token = login.token;
    this.accountId = login.account_id;
    return login;
  }

  /** Ends the login: its token and its WebSocket. The token is forgotten here even where the server does not answer. */
  async logout() {
    const ended = this.call('POST', '/api/auth/logout');
    this.token = this.accountId = null;
    await ended;
  }

  /**
   * @typedef {object} Character
   * @property {number} id the player's id, once it is in the world
   * @property {string} name
   * @property {string} faction
   * @property {string} class
   * @property {number} level
   * @property {number} location_id
   * @property {boolean} selected it is the one that enters the world
   */

  /** The account's characters, oldest first. @returns {Promise<Character[]>} */
  async characters() {
    return (await this.call('GET', '/api/characters')).characters;
  }

  /**
   * @param {{name: string, faction: string, class: string}} wish
   * @returns {Promise<Character>} `conflict` where the name is taken or the account has as many as it may
   */
  createCharacter(wish) {
    return this.call('POST', '/api/characters', wish);
  }

  /** Has this one enter the world with the next `connect`. @param {number} id @returns {Promise<Character>} */
  selectCharacter(id) {
    return this.call('POST', '/api/characters/select', { character_id: id });
  }

  /** Deletes a character for good: `conflict` while it is in the world. @param {number} id */
  async deleteCharacter(id) {
    await this.call('DELETE', `/api/characters/${id}`);
  }

  /**
   * Any request to the server, with the token where there is one: for a game's own paths too.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [body] sent as JSON
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<any>} what the answer's JSON says, or null where it is empty
   */
  async call(method, path, body, { timeoutMs = REQUEST_TIMEOUT_MS } = {}) {
    const { token } = this;
    const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': 'application/json' }) };
    const signal = AbortSignal.timeout(timeoutMs);
    const request = { method, headers, body: body && JSON.stringify(body), signal, cache: 'no-store', credentials: 'omit' };
    let response;
    let text;
    try {
      response = await this.#fetch(new URL(path, this.#base), request);
      text = await response.text();
    } catch (error) {
      throw error.name === 'TimeoutError'
        ? new EvertickError('timeout', `no answer to ${method} ${path} within ${timeoutMs} ms`)
        : new EvertickError('unreachable', 'the server cannot be reached');
    }
    const answer = jsonOf(text);
    if (response.ok) return answer;
    const error = EvertickError.fromAnswer(response, answer);
    // A later login may have another token already.
    if (LOGIN_OVER.has(error.code) && this.token === token) this.token = this.accountId = null;
    throw error;
  }
}

/** What a text says as JSON; null where it says nothing. */
function jsonOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * @typedef {'idle'|'connecting'|'connected'|'lost'|'ended'} State
 *   `lost`: it broke, and is being taken up again. `ended`: nothing more comes of it, see `reason`.
 *
 * @typedef {object} ConnectOptions
 * @property {string} [url] `ws:` or `wss:` address; `http:`, `https:` and relative ones are translated. Default: `/ws`
 *   on the host of the page.
 * @property {string} [guest] a display name: play without an account
 * @property {string} [token] a login token
 * @property {string} [username] with `password`
 * @property {string} [password]
 * @property {{token: string, seq: number}} [resume] take over a player that another page has lost
 * @property {number} [reconnect_attempts] how often a lost connection is tried to be taken up again; 0: never. Default: 5
 * @property {number} [reconnect_delay_ms] how long to wait before the first try; each further one waits twice as long, and
 *   all of them up to half of that less, so that those who were lost together do not come back together. Default: 1000
 * @property {number} [pingMs] how often to measure the latency; default: what the server proposes
 * @property {typeof WebSocket} [WebSocket] another implementation, for Node before 22 or for tests
 *
 * @typedef {object} Origin Where a packet came from.
 * @property {string} type
 * @property {number} [re] the `id` of the request it answers
 * @property {number} seq the batch's number
 * @property {number} tick the server's tick
 * @property {number} time the server's clock, Unix ms
 */

/** One player of one game, over as many connections as it takes. It can connect again after it has ended. */
export class Evertick {
  /** @type {State} */
  state = 'idle';
  /** What `connected` said: instance, server, protocol, tick_rate, heartbeat_interval_ms, timeout_ms. @type {?object} */
  server = null;
  /** What the last `auth_response` said. @type {?object} */
  session = null;
  /** Why the connection is lost or ended, or null. @type {?EvertickError} */
  reason = null;
  /** The last measured round trip, milliseconds, or null. @type {?number} */
  latencyMs = null;
  /** The last batch seen, for `resume`; 0 before the first. @type {number} */
  seq = 0;

  #socket = null;
  /** Sockets that are neither read nor written any more, and not closed: a Close frame would end the player. */
  #left = new Set();
  #options = {};
  #opening = null;
  #farewell = null;
  #handlers = new Map();
  #pending = new Map();
  #nextId = 1;
  /** Whether this connection was let in. */
  #isIn = false;
  #anySeq = false;
  /** How many messages of the player have gone to the server, as it counts them. */
  #sent = 0;
  /** The last messages, the newest last: `{type, data, id, text, number}`, the number being null until it goes. */
  #kept = [];
  /** Those that were no longer kept when the server had not said yet whether it has them, the newest last. */
  #unsure = [];
  /** Tries to come back since the last time that the server answered one. */
  #tries = 0;
  #retry = null;
  #heardAt = 0;
  #pulse = null;

  /** The player's id once there is one. @returns {?number} */
  get playerId() {
    return this.session?.player_id ?? null;
  }

  /**
   * Calls `handler(data, origin)` for every packet of a type. `'*'` is every packet. The client's own events have a
   * colon, which no packet type has:
   *
   * - `client:connected` {session}: let in by `connect`
   * - `client:lost` {reason, attempt, attempts, delayMs}: it broke; the next try of so many comes after so long
   * - `client:resumed` {session}: it goes on. Where `session.full_state`, the game tells everything afresh: what is shown
   *   is to be shown anew. Where not `session.resumed`, the server was restarted: what was asked of it is void
   * - `client:ended` {reason}: it is over
   * - `client:state` {state, reason}: all of these, and `connecting`
   * - `client:dropped` {count, packets}: so many packets never reach the server, for more had to wait than are kept;
   *   `packets` are those that are still known, each {type, data}. Requests among them are rejected besides, with `lost`
   * - `client:sent` {type, id, data}, `client:latency` {ms}
   *
   * @param {string} type
   * @param {(data: any, origin: Origin) => void} handler
   * @returns {() => void} call it to stop
   */
  on(type, handler) {
    if (!this.#handlers.has(type)) this.#handlers.set(type, new Set());
    this.#handlers.get(type).add(handler);
    return () => this.#handlers.get(type)?.delete(handler);
  }

  /**
   * Connects and logs in. Resolves with what `auth_response` says, rejects with an {@link EvertickError}.
   *
   * @param {ConnectOptions} options exactly one of guest, token, username and password, resume
   * @returns {Promise<object>}
   */
  connect(options) {
    if (this.#socket || this.state === 'lost') return Promise.reject(new EvertickError('conflict', 'already connected'));
    if (!(options.WebSocket ?? globalThis.WebSocket)) {
      return Promise.reject(new EvertickError('unsupported', 'there is no WebSocket here: use Node 22 or pass one'));
    }
    return new Promise((resolve, reject) => {
      this.#reset(options);
      this.#open();
      this.#opening = { resolve, reject };
      this.#setState('connecting');
    });
  }

  /**
   * Sends a packet and waits for its reply: its own reply packet's data, or `{}` for `ok`. While the connection is lost
   * it waits to be sent. Once its time is over it is not sent any more, nor again where the server has not taken it: who
   * then asks anew asks once.
   *
   * @param {string} type
   * @param {object} [data]
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<any>} rejects with an {@link EvertickError}
   */
  request(type, data = {}, { timeoutMs = REQUEST_TIMEOUT_MS } = {}) {
    if (!this.#takesPackets()) return Promise.reject(this.#notConnected());
    const id = this.#nextId;
    // The wire has 32 bits; by the time they are used up the first ids have long been answered.
    this.#nextId = (id % 0xffff_ffff) + 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#reject(id, new EvertickError('timeout', `no reply to ${type} within ${timeoutMs} ms`));
        // What has a number may have arrived: that the server says after the next resume, if there is one.
        this.#kept = this.#kept.filter((message) => message.number !== null || this.#isWanted(message));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.#transmit(type, data, id);
    });
  }

  /**
   * Sends a packet that needs no reply. What the server has against it comes as an `error` packet. While the connection
   * is lost it waits to be sent.
   *
   * @param {string} type
   * @param {object} [data]
   */
  send(type, data = {}) {
    if (!this.#takesPackets()) throw this.#notConnected();
    this.#transmit(type, data);
  }

  /**
   * Measures the round trip.
   *
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<{latencyMs: number, serverTime: number, tick: number}>}
   */
  async ping(options) {
    const started = performance.now();
    const pong = await this.request('ping', { time: Date.now() }, options);
    this.latencyMs = performance.now() - started;
    this.#emit('client:latency', { ms: this.latencyMs });
    return { latencyMs: this.latencyMs, serverTime: pong.server_time, tick: pong.tick };
  }

  /**
   * Leaves for good: the player is gone from the world at once. Where the connection is lost it is as soon as the server
   * hears of it: one try in the background comes back only to say so, and where that fails, `resume_grace_ms` ends the
   * player. What waited to be sent is not sent any more. For this object it is over at once either way.
   *
   * @param {string} [reason]
   */
  close(reason = 'left') {
    if (!this.#socket && this.state !== 'lost') return;
    const [socket, isLost] = [this.#socket, this.state === 'lost'];
    if (this.state === 'connected') {
      // At once, also where others wait for their turn: it is the last.
      this.#socket.send(JSON.stringify({ type: 'disconnect', data: { reason } }));
      this.#emit('client:sent', { type: 'disconnect', data: { reason } });
    }
    this.#finish('ended', new EvertickError('closed', reason));
    socket?.close(1000);
    if (isLost && this.session.resume_token) this.#sayGoodbye(reason);
  }

  /** Takes the lost player up once more, only to end it. Nobody hears of it, and where it fails nothing is done. */
  #sayGoodbye(reason) {
    const socket = this.#newSocket();
    const resume = { token: this.session.resume_token, seq: this.seq };
    const say = (type, data) => socket.send(JSON.stringify({ type, data }));
    const leave = () => socket.close(1000);
    const timer = setTimeout(leave, REQUEST_TIMEOUT_MS);
    socket.onmessage = ({ data }) => {
      for (const { type } of jsonOf(data)?.packets ?? []) {
        if (type === 'connected') say('auth_request', { version: PROTOCOL_VERSION, resume });
        if (type === 'auth_response') say('disconnect', { reason });
        if (type === 'auth_response' || type === 'error' || type === 'disconnect') return leave();
      }
    };
    socket.onclose = () => clearTimeout(timer);
    socket.onerror = () => {};
  }

  #newSocket() {
    const Socket = this.#options.WebSocket ?? globalThis.WebSocket;
    return new Socket(socketUrl(this.#options.url), SUBPROTOCOL);
  }

  /**
   * Loses the connection on purpose, to see what becomes of it: from here on the socket is neither read nor written, and
   * nobody tells the server. A script cannot cut a connection: the browser goes on acknowledging what arrives, so
   * that the server may not have it any more and tell everything afresh.
   */
  pullPlug() {
    if (this.state === 'connected') this.#lose(new EvertickError('lost', 'the plug was pulled'));
  }

  #reset(options) {
    this.#options = { ...RECONNECT, ...options };
    this.#nextId = 1;
    this.#sent = this.#tries = 0;
    [this.#kept, this.#unsure] = [[], []];
    this.server = this.session = this.reason = this.latencyMs = null;
    this.seq = 0;
  }

  /** Begins a connection. */
  #open() {
    const socket = this.#newSocket();
    this.#socket = socket;
    this.#isIn = this.#anySeq = false;
    this.#farewell = null;
    const isMine = () => this.#socket === socket;
    socket.onmessage = (event) => isMine() && this.#receive(event.data);
    socket.onclose = (event) => {
      this.#left.delete(socket);
      if (isMine()) this.#closed(event.code, event.reason);
    };
    // Every error is followed by a close (WHATWG WebSockets section 5), which has the code.
    socket.onerror = () => {};
  }

  #takesPackets() {
    return this.state === 'connected' || this.state === 'lost';
  }

  /** Keeps a message, and sends it where the connection is there and nothing waits before it. */
  #transmit(type, data, id) {
    const message = { type, data, id, text: JSON.stringify({ type, id, data }), number: null };
    const waits = this.state !== 'connected' || this.#kept.at(-1)?.number === null;
    this.#kept.push(message);
    if (!waits) this.#go(message, this.#socket);
    this.#emit('client:sent', { type, id, data });
    if (this.#kept.length > KEPT_MESSAGES) this.#dropOldest();
  }

  /** Whether it is worth sending: a request that nobody waits for any more may have been made anew. */
  #isWanted({ id }) {
    return id === undefined || this.#pending.has(id);
  }

  #go(message, socket) {
    this.#sent += 1;
    message.number = this.#sent;
    socket.send(message.text);
  }

  #dropOldest() {
    const oldest = this.#kept.shift();
    // Whether one that went was taken, the server says after the next resume, if there is one.
    if (oldest.number === null) return this.#dropped([oldest]);
    this.#unsure.push(oldest);
    if (this.#unsure.length > KEPT_MESSAGES) this.#unsure.shift();
  }

  /** These never reach the server, nor do `more` that nobody knows any more. */
  #dropped(messages, more = 0) {
    const packets = messages.map(({ type, data }) => ({ type, data }));
    for (const { id } of messages) this.#reject(id, new EvertickError('lost', 'more had to wait than is kept'));
    this.#emit('client:dropped', { count: packets.length + more, packets });
  }

  #receive(text) {
    this.#heardAt = performance.now();
    let batch;
    try {
      batch = JSON.parse(text);
    } catch {
      return this.#abandon(new EvertickError('malformed', 'the server sent something that is not JSON'));
    }
    if (!this.#inOrder(batch.seq)) {
      return this.#abandon(new EvertickError('sequence', `batch ${batch.seq} came after ${this.seq}`));
    }
    if (this.#isIn) this.seq = batch.seq;
    for (const { type, re, data = {} } of batch.packets) {
      // A packet before this one, or its handler, may have ended it. Where it was only lost, the batch was still heard.
      if (this.state === 'ended') return;
      const origin = { type, re, seq: batch.seq, tick: batch.tick, time: batch.time };
      this.#control(type, data);
      this.#settle(type, re, data);
      this.#emit('*', data, origin);
      this.#emit(type, data, origin);
    }
  }

  /** Batches belong to the connection (0) until one has the `auth_response`, then they count without gaps. */
  #inOrder(seq) {
    if (!this.#isIn) return seq === 0;
    if (!this.#anySeq) return seq === this.seq + 1;
    this.#anySeq = false;
    return true;
  }

  #control(type, data) {
    if (type === 'connected') this.#authenticate(data);
    else if (type === 'auth_response') this.#authenticated(data);
    else if (type === 'disconnect') this.#farewell = EvertickError.fromPacket(data);
    // Some refusals leave the connection open for another try; here a try is a whole connection.
    else if (!this.#isIn && (type === 'error' || type === 'invalid_message')) this.#refused(EvertickError.fromPacket(data));
  }

  #authenticate(server) {
    this.server = server;
    const { min, max } = server.protocol;
    if (PROTOCOL_VERSION < min || PROTOCOL_VERSION > max) {
      return this.#abandon(new EvertickError('bad_version', `the server speaks versions ${min} to ${max}, this client ${PROTOCOL_VERSION}`));
    }
    const { guest, token, username, password, resume } = this.#options;
    const who = this.session
      ? { resume: { token: this.session.resume_token, seq: this.seq } }
      : { guest, token, username, password, resume };
    // A field that is undefined does not get into the JSON. It is the connection's, and not counted among the player's.
    const data = { version: PROTOCOL_VERSION, ...who };
    this.#socket.send(JSON.stringify({ type: 'auth_request', data }));
    this.#emit('client:sent', { type: 'auth_request', data });
  }

  #authenticated(session) {
    const comesBack = this.session !== null;
    if (session.resumed) {
      // A replay goes on where the old connection stopped; a full state starts wherever the server is.
      if (!comesBack) [this.seq, this.#sent] = [this.#options.resume.seq, session.received];
      this.#anySeq = session.full_state;
      this.#takeStock(session.received);
    } else if (comesBack) {
      // The server was restarted, and nobody knows what it had taken: twice would be worse than never.
      const waited = this.#kept.filter(({ number }) => number === null);
      [this.seq, this.#sent, this.#kept, this.#unsure] = [0, 0, [], []];
      this.#rejectPending(new EvertickError('lost', 'the server was restarted'));
      if (waited.length > 0) this.#dropped(waited);
    }
    this.session = session;
    this.reason = null;
    this.#isIn = true;
    this.#tries = 0;
    clearTimeout(this.#retry);
    this.#resend(this.#socket);
    this.#closeLeft();
    this.#setState('connected');
    this.#emit(comesBack ? 'client:resumed' : 'client:connected', { session });
    this.#startPulse();
    this.#opening?.resolve(session);
    this.#opening = null;
  }

  /**
   * The server has taken so many messages: the others go again, or are lost. Requests that it has taken stay as they are,
   * also where everything is told afresh: a reply that was made may be missing then, one that is still to be made comes.
   */
  #takeStock(received) {
    const isMissing = ({ number }) => number === null || number > received;
    const untaken = this.#kept.filter(isMissing);
    const gone = untaken.filter(({ number }) => number !== null).length;
    const lost = this.#unsure.filter(isMissing);
    const more = Math.max(this.#sent - received - gone - lost.length, 0);
    this.#kept = this.#worthSending(untaken.filter((message) => this.#isWanted(message)));
    const superseded = untaken.filter((message) => !this.#kept.includes(message));
    for (const { id, type } of superseded) this.#reject(id, new EvertickError('lost', `a newer ${type} went in its place`));
    // What goes again has a new number: the server counts on from what it has taken.
    for (const message of this.#kept) message.number = null;
    [this.#sent, this.#unsure] = [received, []];
    if (lost.length + more > 0) this.#dropped(lost, more);
  }

  /** Of what the server has not taken: all but what a newer one has taken the place of. */
  #worthSending(messages) {
    const newestOnly = this.#options.newestOnly ?? NEWEST_ONLY;
    const newest = new Map(messages.map(({ type }, at) => [type, at]));
    return messages.filter(({ type }, at) => !newestOnly.includes(type) || newest.get(type) === at);
  }

  /** Sends again what waits, no faster than the server takes it; what is sent meanwhile waits behind it. */
  #resend(socket) {
    // Lost again: the next connection begins anew.
    if (this.#socket !== socket) return;
    const waiting = this.#kept.filter(({ number }) => number === null);
    for (const message of waiting.slice(0, RESENT_AT_ONCE)) this.#go(message, socket);
    if (waiting.length > RESENT_AT_ONCE) setTimeout(() => this.#resend(socket), RESEND_PAUSE_MS);
  }

  #settle(type, re, data) {
    const waiting = this.#pending.get(re);
    if (!waiting) return;
    this.#pending.delete(re);
    clearTimeout(waiting.timer);
    if (type === 'error' || type === 'invalid_message') waiting.reject(EvertickError.fromPacket(data));
    else waiting.resolve(data);
  }

  /** Pings at the server's interval: for the latency, and so that a connection that died without a word is noticed. */
  #startPulse() {
    const beat = () => this.#probe(this.server.timeout_ms);
    this.#pulse = setInterval(beat, this.#options.pingMs ?? this.server.heartbeat_interval_ms);
    beat();
  }

  async #probe(timeoutMs) {
    const [sentAt, socket] = [performance.now(), this.#socket];
    try {
      await this.ping({ timeoutMs });
    } catch (error) {
      // Only a ping of our own that went unanswered counts: timers of a hidden page are too slow to judge by silence.
      if (error.code !== 'timeout' || this.#heardAt > sentAt || this.#socket !== socket) return;
      this.#lose(new EvertickError('lost', 'the server has gone silent'));
    }
  }

  /** The connection is of no more use; the player stays in the world for a while. Comes back after a wait, where it can. */
  #lose(error) {
    clearInterval(this.#pulse);
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = null;
    // It stays open, and is held: browsers close what nobody holds any more.
    if (socket && socket.readyState !== WEBSOCKET_CLOSED) this.#left.add(socket);
    const { reconnect_attempts: attempts, reconnect_delay_ms: first } = this.#options;
    if (!this.session?.resume_token || this.#tries >= attempts) return this.#finish('ended', error);
    const longest = Math.min(first * 2 ** this.#tries, LONGEST_DELAY_MS);
    const delayMs = Math.max(longest * (1 - Math.random() / 2), error.retryAfterMs ?? 0);
    this.#tries += 1;
    this.reason = error;
    this.#retry = setTimeout(() => this.#tryAgain(), delayMs);
    this.#setState('lost');
    this.#emit('client:lost', { reason: error, attempt: this.#tries, attempts, delayMs });
  }

  #tryAgain() {
    this.#open();
    // A network that swallows everything answers nothing at all.
    this.#retry = setTimeout(() => this.#lose(new EvertickError('unreachable', 'the server did not answer in time')), REQUEST_TIMEOUT_MS);
  }

  /** A connection was not let in. */
  #refused(error) {
    if (this.session && PASSING.has(error.code)) this.#lose(error);
    else this.#abandon(error);
  }

  /** Ends a connection that cannot go on. */
  #abandon(error) {
    const socket = this.#socket;
    this.#finish('ended', error);
    socket?.close(1000);
  }

  #closed(code, text) {
    const name = CLOSE_CODES.get(code) ?? 'closed';
    const error = this.#farewell
      ?? (!this.#isIn && code === 1006
        ? new EvertickError('unreachable', 'no connection to the server came about')
        : new EvertickError(name, text || (name === 'lost' ? 'the connection broke' : `closed with code ${code}`)));
    if (this.session && (this.#isIn ? LOST_CLOSES.has(code) : PASSING.has(error.code))) this.#lose(error);
    else this.#finish('ended', error);
  }

  #finish(state, error) {
    this.#socket = null;
    clearInterval(this.#pulse);
    clearTimeout(this.#retry);
    this.#closeLeft();
    this.reason = error;
    this.#rejectPending(error);
    const opening = this.#opening;
    this.#opening = null;
    this.#setState(state);
    this.#emit('client:ended', { reason: error });
    opening?.reject(error);
  }

  /** Closes what was left behind: another connection has the player, or nobody wants it any more. */
  #closeLeft() {
    const left = [...this.#left];
    this.#left.clear();
    for (const socket of left) socket.close(1000);
  }

  #rejectPending(error) {
    for (const id of this.#pending.keys()) this.#reject(id, error);
  }

  #reject(id, error) {
    const { reject, timer } = this.#pending.get(id) ?? {};
    if (!this.#pending.delete(id)) return;
    clearTimeout(timer);
    reject(error);
  }

  #setState(state) {
    this.state = state;
    this.#emit('client:state', { state, reason: this.reason });
  }

  #notConnected() {
    return this.reason ?? new EvertickError('closed', 'not connected');
  }

  #emit(type, data, origin) {
    for (const handler of this.#handlers.get(type) ?? []) {
      try {
        handler(data, origin);
      } catch (error) {
        // A handler's mistake is its own: it is reported as uncaught and the other packets go on.
        queueMicrotask(() => { throw error; });
      }
    }
  }
}

/** `WebSocket.CLOSED`, also of implementations that do not name it. */
const WEBSOCKET_CLOSED = 3;

/** @param {string} [url] */
function socketUrl(url = '/ws') {
  const resolved = new URL(url, globalThis.location?.href);
  resolved.protocol = resolved.protocol.replace(/^http/, 'ws');
  return resolved.href;
}
