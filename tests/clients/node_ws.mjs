// Speaks the contract with Node's `ws`, a client that nobody here wrote.
//
//   npm ci && node node_ws.mjs http://127.0.0.1:8080
//
// Two guests come in, one of them walks, both talk, and they leave. Another loses its connection and comes back to its
// place. Every wait has an end.

import assert from 'node:assert/strict';
import WebSocket from 'ws';

const PATIENCE_MS = 20_000;
const JSON_PROTOCOL = 'evertick.v1.json';
const POSTCARD_PROTOCOL = 'evertick.v1.postcard';

if (process.argv.length !== 3) {
  console.error('usage: node node_ws.mjs http://HOST:PORT');
  process.exit(2);
}
const url = new URL('/ws', process.argv[2]);
url.protocol = 'ws:';

/** What the promise becomes, or a failure that says what did not come. */
function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** One connection that speaks JSON. */
class Player {
  #waiting = [];
  #wake = () => {};
  #seq = null;
  #id = 0;
  #resumedAt = 0;
  /** Messages of the player, counted. What asks to come in is the connection's. */
  sent = 0;

  constructor(protocols = [JSON_PROTOCOL]) {
    this.socket = new WebSocket(url, protocols);
    this.closed = new Promise((resolve) => {
      this.socket.on('close', resolve);
    });
    this.socket.on('message', (message, isBinary) => {
      assert.equal(isBinary, false, 'JSON comes in text frames');
      this.#take(JSON.parse(message));
    });
  }

  #take(batch) {
    if (this.#seq === null) {
      assert.equal(batch.seq, 0, "batches up to the one with auth_response are the connection's");
    } else {
      assert.equal(batch.seq, this.#seq + 1);
      this.#seq = batch.seq;
    }
    if (batch.packets.some((packet) => packet.type === 'auth_response')) this.#seq = this.#resumedAt;
    this.#waiting.push(...batch.packets);
    this.#wake();
  }

  get seq() {
    return this.#seq;
  }

  send(type, data = {}, id) {
    if (type !== 'auth_request') this.sent += 1;
    this.socket.send(JSON.stringify({ type, id, data }));
  }

  request(type, data) {
    const id = ++this.#id;
    this.send(type, data, id);
    return this.wait((packet) => packet.re === id, `the reply to ${type}`);
  }

  async packet(type) {
    return (await this.wait((packet) => packet.type === type, type)).data;
  }

  /** The first packet that is it; those before it stay to be asked for. */
  async wait(isIt, what) {
    for (;;) {
      const index = this.#waiting.findIndex(isIt);
      if (index >= 0) return this.#waiting.splice(index, 1)[0];
      await within(new Promise((resolve) => { this.#wake = resolve; }), what);
    }
  }

  /** Takes over the player of a lost connection, whose last batch was `seq`. */
  async comeBack(token, seq) {
    await this.packet('connected');
    this.#resumedAt = seq;
    const response = await this.request('auth_request', { version: 1, resume: { token, seq } });
    assert.equal(response.type, 'auth_response');
    this.session = response.data;
    return this;
  }

  async join(name) {
    const connected = await this.packet('connected');
    assert.match(connected.instance, /^eternity-\d+$/);
    const response = await this.request('auth_request', { version: 1, guest: name });
    assert.equal(response.type, 'auth_response');
    this.id = response.data.player_id;
    this.token = response.data.resume_token;
    assert.ok(this.id >= 1_000_000_000 && response.data.guest);
    this.state = await this.packet('game_state');
    assert.equal(this.state.you.id, this.id);
    return this;
  }
}

async function twoGuestsMeet() {
  const ann = await new Player().join('Node Ann');
  const bob = await new Player().join('Node Bob');
  assert.ok(bob.state.players.some((player) => player.id === ann.id), 'who comes later sees who is there');
  await ann.wait((p) => p.type === 'player_joined_area' && p.data.players.some(({ id }) => id === bob.id), 'Bob');

  const pong = await ann.request('ping', { time: 1234567 });
  assert.deepEqual([pong.type, pong.data.time], ['pong', 1234567]);

  const { x, y } = ann.state.you.position;
  ann.send('position_update', { position: { x: x + 0.5, y: y + 0.25 }, velocity: { x: 1, y: 0.5 } });
  const isAnn = ([id, at]) => id === ann.id && Math.abs(at - (x + 0.5)) < 0.01;
  await bob.wait((p) => p.type === 'positions' && p.data.moves.some(isAnn), "Ann's walk");

  assert.equal((await ann.request('chat', { channel: 'local', message: 'hello, Bob' })).type, 'ok');
  for (const hears of [ann, bob]) {
    const heard = await hears.packet('chat');
    assert.deepEqual([heard.from.id, heard.message], [ann.id, 'hello, Bob']);
  }

  const refused = await ann.request('chat', { channel: 'nowhere', message: 'hi' });
  assert.notEqual(refused.type, 'ok');

  assert.equal((await bob.request('disconnect', { reason: 'supper' })).type, 'ok');
  assert.equal(await within(bob.closed, 'the close'), 1000);
  await ann.wait((p) => p.type === 'player_left_area' && p.data.players.includes(bob.id), "Bob's leaving");
  ann.socket.close(1000);
  assert.equal(await within(ann.closed, 'the close'), 1000);
  console.log('two guests met, walked, talked and left');
}

/** Comes back as somebody whose connection was lost. */
async function resume(lost) {
  const back = await new Player().comeBack(lost.token, lost.seq);
  assert.deepEqual([back.session.resumed, back.session.full_state, back.session.player_id], [true, false, lost.id]);
  return back;
}

async function lostAndBack() {
  const ann = await new Player().join('Node Cut');
  const bob = await new Player().join('Node Dan');
  assert.equal((await ann.request('chat', { channel: 'global', message: 'before' })).type, 'ok');
  // The line breaks: no Close frame.
  ann.socket.terminate();
  await within(ann.closed, 'the end');
  assert.equal((await bob.request('chat', { channel: 'global', message: 'meanwhile' })).type, 'ok');
  const back = await resume(ann);
  assert.equal(back.session.received, ann.sent, 'all of it was taken');
  await back.wait((p) => p.type === 'chat' && p.data.message === 'meanwhile', 'what was said meanwhile');
  assert.equal((await back.request('ping', { time: 1 })).type, 'pong');
  back.socket.terminate();
  const again = await resume({ id: ann.id, token: back.session.resume_token, seq: back.seq });
  assert.equal((await again.request('disconnect', { reason: 'supper' })).type, 'ok');
  assert.equal(await within(again.closed, 'the close'), 1000);
  bob.socket.close(1000);
  console.log('a lost connection was resumed, twice');
}

async function subprotocols() {
  const cases = [
    [[], ''],
    [[JSON_PROTOCOL], JSON_PROTOCOL],
    [[POSTCARD_PROTOCOL], POSTCARD_PROTOCOL],
    [['chat', POSTCARD_PROTOCOL], POSTCARD_PROTOCOL],
  ];
  for (const [offered, chosen] of cases) {
    const socket = new WebSocket(url, offered);
    const first = new Promise((resolve, reject) => {
      socket.on('message', (_, isBinary) => resolve(isBinary));
      socket.on('error', reject);
    });
    assert.equal(await within(first, 'connected'), chosen === POSTCARD_PROTOCOL);
    assert.equal(socket.protocol, chosen);
    socket.terminate();
  }
  const refused = new WebSocket(url, ['chat']);
  const status = new Promise((resolve, reject) => {
    refused.on('unexpected-response', (_, response) => resolve(response.statusCode));
    refused.on('open', () => reject(new Error('an unknown subprotocol must be refused')));
    refused.on('error', () => {});
  });
  assert.equal(await within(status, 'the refusal'), 400);
  refused.terminate();
  console.log('subprotocols are agreed on, unknown ones are 400');
}

await twoGuestsMeet();
await lostAndBack();
await subprotocols();
