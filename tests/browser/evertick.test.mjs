// The JavaScript client against a server played by the test: every packet it gets is written out here.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { Evertick, EvertickError, KEPT_MESSAGES, SUBPROTOCOL } from '../../src/web/evertick.js';

const CONNECTED = {
  instance: 'eternity-1', server: 'test', protocol: { min: 1, max: 1 }, tick_rate: 20, heartbeat_interval_ms: 5000, timeout_ms: 30_000,
};
const SESSION = {
  player_id: 1_000_000_000, username: 'Ada', guest: true, resume_token: 'first', resume_grace_ms: 30_000,
  resumed: false, replayed: 0, full_state: true, received: 0,
};
const RESUMED = { ...SESSION, resume_token: 'second', resumed: true, full_state: false };

/** A WebSocket whose other end is the test. */
class Socket {
  static last = null;
  sent = [];
  closed = null;
  readyState = 1;

  constructor(url, protocol) {
    Object.assign(this, { url, protocol });
    Socket.last = this;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closed = code;
    this.readyState = 2;
  }

  /** The server sends one batch. */
  batch(seq, ...packets) {
    this.onmessage({ data: JSON.stringify({ seq, tick: 7, time: 1_700_000_000_000, packets }) });
  }

  /** The server closes, or the network does. */
  ends(code, reason = '') {
    this.readyState = 3;
    this.onclose({ code, reason });
  }

  lastOf(type) {
    return this.sent.findLast((packet) => packet.type === type);
  }
}

function start(options = { guest: 'Ada' }) {
  const client = new Evertick();
  const entered = client.connect({ url: 'ws://127.0.0.1:1/ws', WebSocket: Socket, ...options });
  entered.catch(() => {});
  return { client, entered, socket: Socket.last };
}

async function join(options) {
  const started = start(options);
  started.socket.batch(0, { type: 'connected', data: CONNECTED });
  started.socket.batch(0, { type: 'auth_response', data: SESSION });
  await started.entered;
  return started;
}

/** The promise is refused with an EvertickError of this code. */
async function refused(promise, code) {
  await assert.rejects(promise, (error) => error instanceof EvertickError && error.code === code);
}

describe('connecting', () => {
  it('offers the subprotocol, waits for connected, and asks to come in', async () => {
    const { client, entered, socket } = start();
    assert.deepEqual([socket.protocol, socket.sent, client.state], [SUBPROTOCOL, [], 'connecting']);
    socket.batch(0, { type: 'connected', data: CONNECTED });
    assert.deepEqual(socket.sent, [{ type: 'auth_request', data: { version: 1, guest: 'Ada' } }]);
    socket.batch(0, { type: 'auth_response', data: SESSION });
    assert.equal((await entered).username, 'Ada');
    assert.deepEqual([client.state, client.playerId, client.server.instance], ['connected', 1_000_000_000, 'eternity-1']);
    client.close();
  });

  it('translates the addresses of pages', () => {
    assert.equal(start({ url: 'https://play.example/ws/meadow', guest: 'Ada' }).socket.url, 'wss://play.example/ws/meadow');
    assert.equal(start({ url: 'http://[::1]:8080/ws', guest: 'Ada' }).socket.url, 'ws://[::1]:8080/ws');
  });

  it('passes on why it was refused', async () => {
    const { client, entered, socket } = start();
    socket.batch(0, { type: 'connected', data: CONNECTED });
    socket.batch(0, { type: 'disconnect', data: { code: 'world_full', message: 'the world is full', retry_after_ms: 2000 } });
    socket.ends(4013);
    await assert.rejects(entered, { code: 'world_full', message: 'the world is full', retryAfterMs: 2000 });
    assert.equal(client.state, 'ended');
  });

  it('does not wait where the server refuses without a close', async () => {
    const { client, entered, socket } = start({ guest: '!' });
    socket.batch(0, { type: 'connected', data: CONNECTED });
    socket.batch(0, { type: 'error', data: { code: 'invalid', message: 'that is no name', retry_after_ms: null } });
    await assert.rejects(entered, { code: 'invalid', message: 'that is no name' });
    assert.deepEqual([client.state, socket.closed], ['ended', 1000]);
  });

  it('says unreachable where no server spoke', async () => {
    const { entered, socket } = start();
    socket.ends(1006);
    await refused(entered, 'unreachable');
  });

  it('turns away from a server that speaks other versions', async () => {
    const { entered, socket } = start();
    socket.batch(0, { type: 'connected', data: { ...CONNECTED, protocol: { min: 2, max: 3 } } });
    await refused(entered, 'bad_version');
    assert.equal(socket.closed, 1000);
    assert.deepEqual(socket.sent, []);
  });

  it('can come in again after it has ended', async () => {
    const { client, socket } = await join({ guest: 'Ada', reconnect_attempts: 0 });
    socket.ends(1006);
    assert.deepEqual([client.state, client.reason.code], ['ended', 'lost']);
    const again = client.connect({ url: 'ws://127.0.0.1:1/ws', guest: 'Ada', WebSocket: Socket });
    Socket.last.batch(0, { type: 'connected', data: CONNECTED });
    Socket.last.batch(0, { type: 'auth_response', data: SESSION }, { type: 'ok', data: {} });
    await again;
    Socket.last.batch(1);
    assert.equal(client.seq, 1);
    client.close();
  });
});

describe('requests', () => {
  it('are answered by id, in any order', async () => {
    const { client, socket } = await join();
    const state = client.request('get_game_state');
    const said = client.request('chat', { channel: 'local', message: 'Hello' });
    const ids = [socket.lastOf('get_game_state').id, socket.lastOf('chat').id];
    socket.batch(1, { type: 'ok', re: ids[1], data: {} }, { type: 'game_state', re: ids[0], data: { you: 1 } });
    assert.deepEqual([await state, await said], [{ you: 1 }, {}]);
    client.close();
  });

  it('fail with the code, the words and the wait that the server gave', async () => {
    const { client, socket } = await join();
    const said = client.request('chat', { channel: 'local', message: 'Hello' });
    const { id } = socket.lastOf('chat');
    socket.batch(1, { type: 'error', re: id, data: { code: 'rate_limited', message: 'slower', retry_after_ms: 900 } });
    await assert.rejects(said, { code: 'rate_limited', message: 'slower', retryAfterMs: 900 });
    const unread = client.request('chat', {});
    const data = { code: 'invalid', message: 'message is missing', field: 'message' };
    socket.batch(2, { type: 'invalid_message', re: socket.lastOf('chat').id, data });
    await assert.rejects(unread, { code: 'invalid', field: 'message' });
    client.close();
  });

  it('do not wait for ever, nor beyond the end of the connection', async () => {
    const { client, socket } = await join();
    await refused(client.request('get_game_state', {}, { timeoutMs: 1 }), 'timeout');
    const waiting = client.request('get_game_state');
    socket.ends(4017);
    await refused(waiting, 'kicked');
    await refused(client.request('get_game_state'), 'kicked');
    assert.throws(() => client.send('position_update'), { code: 'kicked' });
  });
});

describe('batches', () => {
  it('reach the handlers in order, each packet with where it came from', async () => {
    const { client, socket } = await join();
    const heard = [];
    client.on('*', (data, { type }) => heard.push(`* ${type}`));
    const stop = client.on('chat', ({ message }, { seq, tick, time }) => heard.push([message, seq, tick, time]));
    socket.batch(1, { type: 'chat', data: { message: 'one' } }, { type: 'positions', data: { moves: [] } });
    stop();
    socket.batch(2, { type: 'chat', data: { message: 'two' } });
    assert.deepEqual(heard, ['* chat', ['one', 1, 7, 1_700_000_000_000], '* positions', '* chat']);
    client.close();
  });

  for (const [what, seqs] of [['a gap', [1, 3]], ['a repetition', [1, 1]], ['a start that is not 1', [2]], ['a zero after the start', [1, 0]]]) {
    it(`with ${what} end the connection`, async () => {
      const { client, socket } = await join();
      for (const seq of seqs) socket.batch(seq);
      assert.deepEqual([client.state, client.reason.code, socket.closed], ['ended', 'sequence', 1000]);
    });
  }

  it('go on after a resume where the old connection stopped', async () => {
    const { client, entered, socket } = start({ resume: { token: 'abc', seq: 41 } });
    socket.batch(0, { type: 'connected', data: CONNECTED });
    assert.deepEqual(socket.sent[0].data, { version: 1, resume: { token: 'abc', seq: 41 } });
    socket.batch(0, { type: 'auth_response', data: { ...SESSION, resumed: true, replayed: 2 } });
    await entered;
    socket.batch(42);
    socket.batch(43);
    assert.deepEqual([client.state, client.seq], ['connected', 43]);
    client.close();
  });

  it('that are not JSON end the connection', async () => {
    const { client, socket } = await join();
    socket.onmessage({ data: '{"seq":1,' });
    assert.equal(client.reason.code, 'malformed');
  });

  it('are not read beyond the packet at which a handler closed', async () => {
    const { client, socket } = await join();
    const heard = [];
    client.on('chat', () => client.close());
    client.on('positions', () => heard.push('positions'));
    socket.batch(1, { type: 'chat', data: {} }, { type: 'positions', data: {} });
    assert.deepEqual(heard, []);
  });
});

describe('the end', () => {
  for (const [code, state, name] of [[1006, 'lost', 'lost'], [1001, 'lost', 'shutdown'], [4009, 'lost', 'idle_timeout'], [4015, 'lost', 'slow_consumer'], [1005, 'ended', 'closed'], [4017, 'ended', 'kicked'], [4004, 'ended', 'replaced'], [1000, 'ended', 'closed']]) {
    it(`by ${code} is ${state}: ${name}`, async () => {
      const { client, socket } = await join();
      const states = [];
      client.on('client:state', ({ state, reason }) => states.push([state, reason.code]));
      socket.ends(code);
      assert.deepEqual(states, [[state, name]]);
      client.close();
    });
  }

  it('by one\'s own wish says so to the server, and is heard of once', async () => {
    const { client, socket } = await join();
    const states = [];
    client.on('client:state', ({ state }) => states.push(state));
    client.close('bedtime');
    assert.deepEqual([socket.lastOf('disconnect').data, socket.closed], [{ reason: 'bedtime' }, 1000]);
    socket.ends(1000);
    client.close();
    assert.deepEqual(states, ['ended']);
  });

  it('comes when a ping of ours stays without an answer', async () => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    try {
      const { client, socket } = await join();
      socket.batch(1, { type: 'pong', re: socket.lastOf('ping').id, data: { time: 1, server_time: 2, tick: 3 } });
      assert.equal(client.state, 'connected');
      mock.timers.tick(5000);
      mock.timers.tick(30_000);
      await new Promise(setImmediate);
      assert.deepEqual([client.state, client.reason.code, socket.closed], ['lost', 'lost', null], 'a Close frame would end the player');
      client.close();
      assert.equal(socket.closed, 1000, 'until it is to end');
    } finally {
      mock.timers.reset();
    }
  });
});

describe('coming back', () => {
  let random;
  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    random = mock.method(Math, 'random', () => 0);
  });
  afterEach(() => {
    random.mock.restore();
    mock.timers.reset();
  });

  /** Everything that a client says of itself. */
  function told(client) {
    const heard = [];
    client.on('client:connected', () => heard.push('connected'));
    client.on('client:lost', ({ attempt, attempts, delayMs }) => heard.push(`lost, ${attempt} of ${attempts} in ${delayMs}`));
    client.on('client:resumed', ({ session }) => heard.push(session.full_state ? 'resumed afresh' : 'resumed'));
    client.on('client:ended', ({ reason }) => heard.push(`ended: ${reason.code}`));
    return heard;
  }

  /** The next try, as far as its `auth_request`. */
  function tries(afterMs) {
    const before = Socket.last;
    mock.timers.tick(afterMs - 1);
    assert.equal(Socket.last, before, 'not before its time');
    mock.timers.tick(1);
    assert.notEqual(Socket.last, before);
    return Socket.last;
  }

  const words = (socket) => socket.sent.filter(({ type }) => type === 'chat').map(({ data }) => data.message);
  const say = (client, message) => client.send('chat', { channel: 'local', message });

  it('goes on where it stopped, and sends again what the server had not taken, once', async () => {
    const { client, socket } = await join();
    const heard = told(client);
    const asked = client.request('get_game_state');
    for (const message of ['one', 'two', 'three']) say(client, message);
    socket.batch(1, { type: 'chat', data: { message: 'heard' } });
    socket.ends(1006);
    say(client, 'while away');
    assert.deepEqual(heard, ['lost, 1 of 5 in 1000']);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    assert.deepEqual(second.sent, [{ type: 'auth_request', data: { version: 1, resume: { token: 'first', seq: 1 } } }], 'nothing goes before the answer');
    // The first ping, the request and the first word had been taken.
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, replayed: 1, received: 3 } });
    assert.deepEqual(words(second), ['two', 'three', 'while away']);
    second.batch(2, { type: 'game_state', re: socket.lastOf('get_game_state').id, data: { you: 1 } });
    assert.deepEqual(await asked, { you: 1 }, 'the answer comes over the new connection');
    assert.deepEqual([client.state, client.seq, heard.at(-1)], ['connected', 2, 'resumed']);
    // Lost again: the new token, and what was sent since.
    second.ends(4009);
    const third = tries(1000);
    third.batch(0, { type: 'connected', data: CONNECTED });
    assert.deepEqual(third.sent[0].data.resume, { token: 'second', seq: 2 });
    third.batch(0, { type: 'auth_response', data: { ...RESUMED, resume_token: 'third', received: 6 } });
    assert.deepEqual(words(third), []);
    third.batch(2, { type: 'chat', data: { message: 'twice' } });
    assert.deepEqual([client.state, client.reason.code], ['ended', 'sequence'], 'a batch that came is not taken again');
  });

  it('sends only the newest place again, and no faster than the server takes it', async () => {
    const { client, socket } = await join();
    for (let x = 0; x < 80; x += 1) client.send('position_update', { position: { x, y: 0 }, velocity: { x: 1, y: 0 } });
    for (let n = 0; n < 50; n += 1) say(client, `word ${n}`);
    socket.ends(1006);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 1 } });
    const places = second.sent.filter(({ type }) => type === 'position_update').map(({ data }) => data.position.x);
    assert.deepEqual([places, words(second).length], [[79], 19]);
    say(client, 'meanwhile');
    assert.equal(words(second).length, 19, 'it waits behind the others');
    // Lost in between: the count is of what was sent again.
    mock.timers.tick(500);
    assert.equal(words(second).length, 39);
    second.ends(1006);
    const third = tries(1000);
    third.batch(0, { type: 'connected', data: CONNECTED });
    third.batch(0, { type: 'auth_response', data: { ...RESUMED, resume_token: 'third', received: 1 + 1 + 39 } });
    mock.timers.tick(500);
    assert.deepEqual(words(third), [...Array.from({ length: 11 }, (_, n) => `word ${39 + n}`), 'meanwhile']);
  });

  it('waits twice as long each time, with jitter, and gives up after so many tries', async () => {
    const { client, socket } = await join({ guest: 'Ada', reconnect_attempts: 3, reconnect_delay_ms: 100 });
    const heard = told(client);
    socket.ends(1006);
    tries(100).ends(1006);
    random.mock.mockImplementation(() => 0.5);
    const second = tries(200);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'disconnect', data: { code: 'not_ready', message: 'not yet', retry_after_ms: 700 } });
    second.ends(4014);
    tries(700).ends(1006);
    assert.deepEqual(heard, ['lost, 1 of 3 in 100', 'lost, 2 of 3 in 200', 'lost, 3 of 3 in 700', 'ended: unreachable']);
    random.mock.mockImplementation(() => 1);
    const again = await join();
    const halves = told(again.client);
    again.socket.ends(1006);
    assert.deepEqual(halves, ['lost, 1 of 5 in 500']);
    again.client.close();
    assert.deepEqual(halves.at(-1), 'ended: closed');
  });

  it('counts tries anew once one has been let in', async () => {
    const { client, socket } = await join();
    const heard = told(client);
    socket.ends(1006);
    tries(1000).ends(1006);
    const third = tries(2000);
    third.batch(0, { type: 'connected', data: CONNECTED });
    third.batch(0, { type: 'auth_response', data: RESUMED });
    third.ends(1006);
    assert.equal(heard.at(-1), 'lost, 1 of 5 in 1000');
    client.close();
  });

  it('does not wait for a try that nothing answers', async () => {
    const { client, socket } = await join();
    socket.ends(1006);
    const second = tries(1000);
    mock.timers.tick(10_000);
    assert.deepEqual([client.state, client.reason.code], ['lost', 'unreachable']);
    // Too late: another try is under way.
    second.batch(0, { type: 'connected', data: CONNECTED });
    assert.deepEqual(second.sent, []);
    client.close();
  });

  it('does not send a request whose time is over, nor count it', async () => {
    const { client, socket } = await join();
    socket.ends(1006);
    const accept = () => client.request('trade_accept', { trade_id: 1 }, { timeoutMs: 500 });
    const asked = accept();
    say(client, 'while away');
    mock.timers.tick(500);
    await refused(asked, 'timeout');
    const again = client.request('trade_accept', { trade_id: 1 });
    const second = tries(500);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 1 } });
    const types = (of) => of.sent.slice(1).map(({ type }) => type);
    assert.deepEqual(types(second), ['chat', 'trade_accept', 'ping']);
    second.batch(1, { type: 'ok', re: second.lastOf('trade_accept').id });
    await again;
    // The first ping, the word and the request that went: a number too many would send the new ping no more.
    second.ends(1006);
    const third = tries(1000);
    third.batch(0, { type: 'connected', data: CONNECTED });
    third.batch(0, { type: 'auth_response', data: { ...RESUMED, resume_token: 'third', received: 3 } });
    assert.deepEqual(types(third), ['ping', 'ping']);
    client.close();
  });

  it('does not send a request again whose time is over, and that the server has not taken', async () => {
    const { client, socket } = await join();
    const dropped = [];
    client.on('client:dropped', (packets) => dropped.push(packets));
    const accept = (timeoutMs) => client.request('trade_accept', { trade_id: 1 }, { timeoutMs });
    // Into a line that is dead already.
    const asked = accept(500);
    mock.timers.tick(500);
    await refused(asked, 'timeout');
    say(client, 'before');
    const again = accept(5000);
    socket.ends(1006);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 1 } });
    const accepted = second.sent.filter(({ type }) => type === 'trade_accept');
    assert.deepEqual([accepted.length, words(second), dropped], [1, ['before'], []]);
    second.batch(1, { type: 'ok', re: accepted[0].id });
    await again;
    client.close();
  });

  it('sends what waits for its turn no more once its time is over', async () => {
    const { client, socket } = await join();
    socket.ends(1006);
    for (let n = 0; n < 20; n += 1) say(client, String(n));
    const asked = client.request('get_game_state', {}, { timeoutMs: 1200 });
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 1 } });
    mock.timers.tick(200);
    await refused(asked, 'timeout');
    mock.timers.tick(300);
    assert.deepEqual([words(second).length, second.lastOf('get_game_state')], [20, undefined]);
    client.close();
  });

  it('waits on for replies after a full state: one may still come, and one that is missing is a timeout', async () => {
    const { client, socket } = await join();
    const [first, other] = [client.request('get_game_state'), client.request('get_inventory')];
    const ids = ['get_game_state', 'get_inventory'].map((type) => socket.lastOf(type).id);
    socket.ends(1006);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    // The first ping and both requests were taken.
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, full_state: true, received: 3 } });
    assert.deepEqual(second.sent.slice(1).map(({ type }) => type), ['ping'], 'what was taken is not asked again');
    second.batch(40, { type: 'inventory', re: ids[1], data: { items: [] } });
    assert.deepEqual(await other, { items: [] });
    mock.timers.tick(9000);
    await refused(first, 'timeout');
    client.close();
  });

  it('takes a full state from wherever it begins', async () => {
    const { client, socket } = await join();
    const heard = told(client);
    socket.batch(1);
    socket.ends(1006);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, full_state: true, received: 1 } });
    second.batch(40);
    second.batch(41);
    assert.deepEqual([client.seq, heard.at(-1)], [41, 'resumed afresh']);
    client.close();
  });

  it('sends nothing again to a server that was restarted, and what it was asked is void', async () => {
    const { client, socket } = await join();
    const asked = client.request('get_game_state');
    say(client, 'before');
    socket.ends(1001);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, resumed: false, full_state: true } });
    await refused(asked, 'lost');
    second.batch(1);
    assert.deepEqual([words(second), client.seq, client.state], [[], 1, 'connected']);
    client.close();
  });

  it('ends where the token is no good any more', async () => {
    const { client, socket } = await join();
    const heard = told(client);
    const asked = client.request('get_game_state');
    socket.ends(1006);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    const data = { code: 'session_expired', message: 'that session is over', retry_after_ms: null };
    second.batch(0, { type: 'error', data }, { type: 'disconnect', data });
    second.ends(4003);
    assert.deepEqual(heard.slice(1), ['ended: session_expired']);
    await refused(asked, 'session_expired');
    mock.timers.tick(60_000);
    assert.equal(Socket.last, second);
  });

  it('does not happen where the server keeps nobody, or where it was sent away', async () => {
    const { client, entered, socket } = start();
    socket.batch(0, { type: 'connected', data: CONNECTED });
    socket.batch(0, { type: 'auth_response', data: { ...SESSION, resume_token: null, resume_grace_ms: 0 } });
    await entered;
    socket.ends(1006);
    assert.deepEqual([client.state, client.reason.code], ['ended', 'lost']);
    const sentAway = await join();
    sentAway.socket.ends(4004);
    assert.equal(sentAway.client.state, 'ended');
  });

  it('can be tried: a pulled plug leaves the old socket open until the new one is in', async () => {
    const { client, socket } = await join();
    const heard = told(client);
    client.pullPlug();
    const chat = [];
    client.on('chat', ({ message }) => chat.push(message));
    socket.batch(1, { type: 'chat', data: { message: 'unheard' } });
    assert.deepEqual([client.state, socket.closed, chat], ['lost', null, []]);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, replayed: 1, received: 1 } });
    second.batch(1, { type: 'chat', data: { message: 'unheard' } });
    assert.deepEqual([heard, chat, socket.closed], [['lost, 1 of 5 in 1000', 'resumed'], ['unheard'], 1000]);
    client.close();
  });

  it('does not count what it has to drop before its turn to be sent again', async () => {
    const { client, socket } = await join();
    for (let n = 0; n < KEPT_MESSAGES; n += 1) say(client, String(n));
    socket.ends(1006);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 1 } });
    // Twenty are sent again. Thirty more and a ping push the oldest out: eleven of them were never sent.
    for (let n = 0; n < 30; n += 1) say(client, `late ${n}`);
    mock.timers.tick(500);
    assert.deepEqual(words(second).slice(18, 22), ['18', '19', '31', '32']);
    second.ends(1006);
    const third = tries(1000);
    third.batch(0, { type: 'connected', data: CONNECTED });
    third.batch(0, { type: 'auth_response', data: { ...RESUMED, resume_token: 'third', received: 1 + words(second).length } });
    assert.equal(words(third)[0], '51', 'nothing twice');
    client.close();
  });

  it('says so where more waits than is kept: requests are refused, and the page hears of the rest', async () => {
    const { client, socket } = await join();
    const dropped = [];
    client.on('client:dropped', ({ count, packets }) => dropped.push([count, packets]));
    socket.ends(1006);
    say(client, 'first');
    const asked = client.request('get_game_state', { deep: true });
    for (let n = 0; n < KEPT_MESSAGES; n += 1) say(client, String(n));
    await refused(asked, 'lost');
    // The ping of `join` was on its way: whether the server has that nobody knows yet.
    assert.deepEqual(dropped, [
      [1, [{ type: 'chat', data: { channel: 'local', message: 'first' } }]],
      [1, [{ type: 'get_game_state', data: { deep: true } }]],
    ]);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 0 } });
    assert.deepEqual(dropped.slice(2).map(([count, packets]) => [count, packets.map(({ type }) => type)]), [[1, ['ping']]]);
    assert.equal(words(second)[0], '0');
    client.close();
  });

  it('says so where more was on its way over a dead line than is kept', async () => {
    const { client, socket } = await join();
    const dropped = [];
    client.on('client:dropped', ({ count, packets }) => dropped.push([count, packets.length, packets.at(-1).data.message]));
    const [first] = [client.request('get_game_state'), ...Array.from({ length: 3 * KEPT_MESSAGES }, (_, n) => say(client, String(n)))];
    assert.equal(words(socket).length, 3 * KEPT_MESSAGES);
    socket.ends(1006);
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    // The ping, the request and ten words were taken: the rest of what is not kept any more is lost.
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 12 } });
    assert.deepEqual(dropped, [[2 * KEPT_MESSAGES - 10, KEPT_MESSAGES, String(2 * KEPT_MESSAGES - 1)]]);
    assert.equal(words(second)[0], String(2 * KEPT_MESSAGES));
    second.batch(1, { type: 'game_state', re: socket.lastOf('get_game_state').id, data: { you: 1 } });
    assert.deepEqual(await first, { you: 1 });
    client.close();
  });

  it('says what waited for a server that was restarted', async () => {
    const { client, socket } = await join();
    const dropped = [];
    client.on('client:dropped', ({ count }) => dropped.push(count));
    say(client, 'before');
    socket.ends(1001);
    say(client, 'while away');
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, resumed: false, full_state: true } });
    assert.deepEqual(dropped, [1], 'nobody knows of the other');
    client.close();
  });

  describe('only to leave', () => {
    /** Closes while it is lost: the socket that is to say so. */
    async function leaves(before) {
      const { client, socket } = await join();
      const heard = told(client);
      socket.ends(1006);
      say(client, 'too late');
      const abandoned = before ? tries(before) : null;
      const last = Socket.last;
      client.close('bedtime');
      assert.notEqual(Socket.last, last, 'the player is still in the world');
      assert.deepEqual([client.state, heard.at(-1), heard.length], ['ended', 'ended: closed', 2]);
      return { client, heard, abandoned, goodbye: Socket.last };
    }

    it('happens in the background, once, and nothing else is said', async () => {
      const { client, heard, goodbye } = await leaves();
      goodbye.batch(0, { type: 'connected', data: CONNECTED });
      goodbye.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 1 } });
      assert.deepEqual(goodbye.sent, [
        { type: 'auth_request', data: { version: 1, resume: { token: 'first', seq: 0 } } },
        { type: 'disconnect', data: { reason: 'bedtime' } },
      ]);
      assert.equal(goodbye.closed, 1000);
      goodbye.ends(1000);
      mock.timers.tick(60_000);
      assert.deepEqual([client.state, heard.length, Socket.last], ['ended', 2, goodbye]);
    });

    it('takes the place of a try that is under way', async () => {
      const { abandoned, goodbye } = await leaves(1000);
      assert.equal(abandoned.closed, 1000);
      abandoned.batch(0, { type: 'connected', data: CONNECTED });
      assert.deepEqual(abandoned.sent, []);
      goodbye.batch(0, { type: 'connected', data: CONNECTED });
      goodbye.batch(0, { type: 'error', data: { code: 'session_expired', message: 'it is gone' } });
      assert.deepEqual([goodbye.sent.length, goodbye.closed], [1, 1000]);
    });

    it('gives up quietly', async () => {
      const { heard, goodbye } = await leaves();
      goodbye.ends(1006);
      mock.timers.tick(60_000);
      const { goodbye: silent } = await leaves();
      mock.timers.tick(9_999);
      assert.equal(silent.closed, null);
      mock.timers.tick(1);
      assert.deepEqual([silent.closed, heard.length], [1000, 2]);
    });

    it('does not keep the next player out', async () => {
      const { client, goodbye } = await leaves();
      client.connect({ url: 'ws://127.0.0.1:1/ws', WebSocket: Socket, guest: 'Ada' });
      const next = Socket.last;
      next.batch(0, { type: 'connected', data: CONNECTED });
      next.batch(0, { type: 'auth_response', data: SESSION });
      goodbye.batch(0, { type: 'connected', data: CONNECTED });
      goodbye.batch(0, { type: 'auth_response', data: RESUMED });
      assert.deepEqual([client.state, client.session.resume_token, goodbye.closed, next.closed], ['connected', 'first', 1000, null]);
      client.close();
    });
  });

  it('says goodbye before what still waits for its turn', async () => {
    const { client, socket } = await join();
    socket.ends(1006);
    for (let n = 0; n < 50; n += 1) say(client, String(n));
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 1 } });
    client.close('bedtime');
    assert.deepEqual([second.sent.at(-1), second.closed], [{ type: 'disconnect', data: { reason: 'bedtime' } }, 1000]);
  });

  it('keeps the last messages only', async () => {
    const { client, socket } = await join();
    socket.ends(1006);
    for (let n = 0; n <= KEPT_MESSAGES; n += 1) say(client, String(n));
    const second = tries(1000);
    second.batch(0, { type: 'connected', data: CONNECTED });
    second.batch(0, { type: 'auth_response', data: { ...RESUMED, received: 1 } });
    for (let sent = 0; sent < KEPT_MESSAGES; sent += 20) mock.timers.tick(500);
    assert.deepEqual([words(second).length, words(second)[0], words(second).at(-1)], [KEPT_MESSAGES, '1', String(KEPT_MESSAGES)]);
    client.close();
  });
});

it('ping measures the round trip', async () => {
  const { client, socket } = await join();
  const pong = client.ping();
  const { id, data } = socket.lastOf('ping');
  socket.batch(1, { type: 'pong', re: id, data: { time: data.time, server_time: 5, tick: 9 } });
  const { latencyMs, serverTime, tick } = await pong;
  assert(latencyMs >= 0 && client.latencyMs === latencyMs);
  assert.deepEqual([serverTime, tick], [5, 9]);
  client.close();
});
