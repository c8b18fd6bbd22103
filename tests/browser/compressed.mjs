// Compressed messages: a server that has them on agrees with the browser, which offers by itself, and what is said
// arrives as it was.
//
//   node compressed.mjs http://127.0.0.1:8080     # started with EVERTICK_COMPRESSION=true

import assert from 'node:assert/strict';
import { DESK, newContext, openTab, run, step } from './stage.mjs';

await run('the browser and the server agreed and understood each other', agree);

async function agree() {
  const page = await openTab(await newContext(DESK), '/', 'Ada');
  for (const subprotocol of ['evertick.v1.json', 'evertick.v1.postcard']) {
    step(`${subprotocol}: it is agreed on`);
    const { extensions, frames } = await page.evaluate(join, subprotocol);
    assert.match(extensions, /^permessage-deflate/);
    assert(frames > 1, 'the server greets');
  }
  step('a long text goes there and back');
  const text = 'the same again, '.repeat(12).trim();
  assert.equal(await page.evaluate(say, text), text);
}

// What follows runs in the page.

/** Opens a WebSocket; what was agreed on once the server has said something. */
function join(subprotocol) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws`, subprotocol);
    let frames = 0;
    socket.onerror = () => reject(new Error('the WebSocket failed'));
    socket.onmessage = () => {
      frames += 1;
      // Whoever speaks postcard is not understood here: an unreadable packet is answered, too.
      if (frames === 1) socket.send(subprotocol.endsWith('json') ? '{"type":"auth_request","data":{"version":1,"guest":"Ada"}}' : new Uint8Array([9, 9, 9]));
      if (frames === 2) {
        resolve({ extensions: socket.extensions, frames });
        socket.close();
      }
    };
  });
}

/** Says something to all and resolves to what was heard. */
function say(text) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws`, 'evertick.v1.json');
    const send = (type, data) => socket.send(JSON.stringify({ type, data }));
    socket.onerror = () => reject(new Error('the WebSocket failed'));
    socket.onmessage = ({ data }) => {
      for (const packet of JSON.parse(data).packets) {
        if (packet.type === 'connected') send('auth_request', { version: 1, guest: 'Cleo' });
        if (packet.type === 'game_state') send('chat', { channel: 'global', message: text });
        if (packet.type === 'chat') resolve(packet.data.message);
      }
    };
  });
}
