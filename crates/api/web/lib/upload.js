// Why: something large on its way should be seen on its way; the browser tells how far it is by this
// older way of asking alone.

import { BASE, Problem, headers } from './api.js';

/**
 * Sends JSON and says how much of it has left, from 0 to 1. Unlike other requests it is not sent once
 * more after a fault of the network: it is long, and what it asks for may be under way.
 *
 * @param {string} route
 * @param {any} json
 * @param {(share: number) => void} told
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the answer; throws a `Problem` unless it is a success
 */
export function upload(route, json, told, signal) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    const answer = () => {
      try {
        return JSON.parse(request.responseText);
      } catch {
        return null;
      }
    };
    request.open('POST', BASE + route);
    for (const [name, value] of Object.entries(headers('POST', { json }))) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', (event) => told(event.lengthComputable ? event.loaded / event.total : 0));
    request.upload.addEventListener('load', () => told(1));
    request.addEventListener('error', () => failed(new Problem(0, null)));
    request.addEventListener('abort', () => failed(signal.reason));
    request.addEventListener('load', () => {
      if (request.status >= 200 && request.status < 300) return done(answer());
      const problem = new Problem(request.status, answer());
      if (request.status === 401) dispatchEvent(new CustomEvent('signcall:unauthorized', { detail: problem }));
      return failed(problem);
    });
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(JSON.stringify(json));
  });
}
