// Why: a line that breaks, for clients that have to bear it: passes everything on, and cuts what
// listens to a room again and again.

import { connect, createServer } from 'node:net';

/**
 * Starts one in front of `url`.
 *
 * @param {string} url
 * @param {number} everyMs how often listeners are cut off
 * @returns {Promise<{url: string, cuts: () => number, stop: () => void}>}
 */
export async function startCutter(url, everyMs) {
  const { hostname, port } = new URL(url);
  /** @type {Set<import('node:net').Socket>} */
  const listening = new Set();
  /** @type {Set<import('node:net').Socket>} */
  const open = new Set();
  let cuts = 0;
  const server = createServer((client) => {
    const onward = connect(Number(port), hostname);
    for (const socket of [client, onward]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => { open.delete(socket); listening.delete(socket); client.destroy(); onward.destroy(); });
    }
    // A connection may have carried other requests before.
    client.on('data', (sent) => {
      if (/^GET \S+\/events /.test(sent.toString('latin1'))) listening.add(client);
    });
    client.pipe(onward);
    onward.pipe(client);
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', () => done(undefined)); });
  const timer = setInterval(() => {
    cuts += listening.size;
    for (const socket of listening) socket.destroy();
  }, everyMs);
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${address.port}`,
    cuts: () => cuts,
    stop() {
      clearInterval(timer);
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
