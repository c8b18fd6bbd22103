// A line to the server that can be cut, as a network does it: both ends are reset, and no Close frame is sent.

import { connect, createServer } from 'node:net';

/**
 * Listens, and passes everything on to the server and back.
 *
 * @param {string} url the server's address
 * @returns {Promise<{url: string, cut: () => number, close: () => void}>} `cut` resets all lines that are there, and says
 *   how many; new ones are taken. `close` takes none any more
 */
export async function cutter(url) {
  const { hostname, port } = new URL(url);
  const lines = new Set();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    const line = [near, far];
    lines.add(line);
    for (const [one, other] of [line, [far, near]]) {
      one.setNoDelay(true);
      one.pipe(other);
      // A reset is what this is for; the other end learns of it.
      one.on('error', () => other.destroy());
      one.on('close', () => {
        lines.delete(line);
        other.destroy();
      });
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    const count = lines.size;
    for (const line of lines) for (const end of line) end.resetAndDestroy();
    lines.clear();
    return count;
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, cut, close: () => { cut(); server.close(); } };
}
