// Why: one Chromium for one person: a camera of its own, nothing reachable but this machine, and
// everything that goes wrong or out in it written down.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** What waits for something on the page waits at most so long. */
export const WAIT_MS = 15_000;
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
  // Two private browsers on one machine find each other by their addresses, not by names on a network.
  '--disable-features=WebRtcHideLocalIpsWithMdns,MediaRouter,OptimizationHints', '--allow-loopback-in-peer-connection',
  '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding',
];

/** Of the page's files. @type {Record<string, string>} */
const TYPES = { js: 'text/javascript', css: 'text/css', json: 'application/json', svg: 'image/svg+xml', html: 'text/html' };

/** The browser to drive: `SIGNCALL_CHROMIUM`, else where Debian puts it. */
export const browserPath = () => process.env.SIGNCALL_CHROMIUM ?? PLACES.find((path) => existsSync(path)) ?? PLACES[0];

/**
 * Starts a browser.
 *
 * @param {{camera?: string, flags?: string[]}} [how] `camera` is a `.mjpeg` file that it sees
 */
export const startBrowser = ({ camera, flags = [] } = {}) => chromium.launch({
  executablePath: browserPath(),
  args: [...FLAGS, ...flags, ...(camera ? [`--use-file-for-fake-video-capture=${camera}`] : [])],
});

/** What a page did that the test wants to know of. */
export class Watch {
  constructor(url) {
    this.origin = new URL(url).origin;
    /** Addresses asked for, sockets too. @type {string[]} */
    this.asked = [];
    /** Errors that no code caught, and what the policy of the page refused. @type {string[]} */
    this.faults = [];
  }

  /** @param {import('playwright-core').BrowserContext} context */
  on(context) {
    context.on('request', (request) => this.asked.push(request.url()));
    context.on('page', (page) => {
      page.setDefaultTimeout(WAIT_MS);
      page.on('websocket', (socket) => this.asked.push(socket.url()));
      page.on('pageerror', (error) => this.faults.push(String(error.stack ?? error)));
      page.on('console', (line) => {
        const refused = /Content Security Policy|Permissions policy/i.test(line.text());
        if (refused) this.faults.push(line.text());
      });
    });
  }

  /** Fails when anything went to another host, or an error reached nobody. */
  clean() {
    const host = new URL(this.origin).host;
    const foreign = this.asked.filter((url) => !/^(blob|data|about):/.test(url) && new URL(url).host !== host);
    assert.deepEqual(foreign, [], 'requests left for another host');
    assert.ok(this.asked.length > 0, 'no request was seen at all');
    assert.deepEqual(this.faults, [], 'errors that nobody handled');
  }
}

/**
 * A page of its own profile.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {string} url of the server
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ baseURL: url, locale: 'en-GB', viewport: { width: 1280, height: 800 }, acceptDownloads: true, ...options });
  const watch = new Watch(url);
  watch.on(context);
  if (process.env.SIGNCALL_WEB) await fromFolder(context, process.env.SIGNCALL_WEB);
  const page = await context.newPage();
  return { context, page, watch };
}

/**
 * Gives the page's files from a folder, as they are now, with the server's headers: for trying out
 * changes without building the binary again.
 *
 * @param {import('playwright-core').BrowserContext} context
 * @param {string} folder
 */
const fromFolder = (context, folder) => context.route(/\/assets\/(?!landmarker)/, async (route) => {
  const path = join(folder, new URL(route.request().url()).pathname.replace('/assets/', ''));
  // Whoever closes a page does not wait for what it still asks for.
  const response = await route.fetch().catch(() => null);
  if (!response) return;
  // The binary may not know the file yet.
  const type = TYPES[path.split('.').pop() ?? ''];
  await route.fulfill({ response, status: 200, body: readFileSync(path), headers: { ...response.headers(), 'content-type': type } });
});

/** Waits until it is true, by looking again; says what it waited for. @param {() => Promise<any>} look @param {string} what @param {number} [limit] */
export async function until(look, what, limit = WAIT_MS) {
  const end = Date.now() + limit;
  let last;
  while (Date.now() < end) {
    try {
      last = await look();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await new Promise((done) => { setTimeout(done, 40); });
  }
  throw new Error(`waited ${limit} ms in vain: ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}
