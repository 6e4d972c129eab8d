// Why: takes a file from the server. Fetched, not linked to, so that guests (by token) can have it too.

import { request } from './api.js';
import { h } from './dom.js';

const KEPT_MS = 10_000;

/** @param {string} route @param {string} name of the file */
export async function save(route, name) {
  const answer = await request('GET', route);
  const url = URL.createObjectURL(await answer.blob());
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
