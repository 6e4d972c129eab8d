// Why: a server that starts anew, one that is busy and a line that is down look alike for some
// seconds, and pass. What the page can't do without is asked for again, ever more seldom.

import { Problem } from './api.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const SERVER_FAULT = 500;
/** No answer at all, one that came too late, too many questions. */
const PASSING = [0, 408, 429];

/** Asks everybody who waits to try now. */
export const HURRY = 'signcall:hurry';

/** Whether another try may end otherwise. @param {unknown} problem @returns {problem is Problem} */
export const passes = (problem) => problem instanceof Problem && (PASSING.includes(problem.status) || problem.status >= SERVER_FAULT);

/**
 * Does it until it succeeds; throws what no other try would change, and the signal's reason once
 * nobody wants it any more.
 *
 * @template T
 * @param {() => Promise<T>} action
 * @param {{signal?: AbortSignal, told?: (problem: Problem) => void}} [how] `told` hears of each try that failed
 * @returns {Promise<T>}
 */
export async function patiently(action, { signal, told } = {}) {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    signal?.throwIfAborted();
    try {
      return await action();
    } catch (problem) {
      if (!passes(problem)) throw problem;
      signal?.throwIfAborted();
      told?.(problem);
      await pause(problem.retryAfter ? problem.retryAfter * 1000 : wait * (0.75 + Math.random() / 2), signal);
    }
  }
}

/** Waits so long, or until the line is back, somebody is in a hurry, or nobody waits any more. @param {number} ms @param {AbortSignal} [signal] */
function pause(ms, signal) {
  return new Promise((done) => {
    const over = new AbortController();
    const end = () => {
      clearTimeout(timer);
      over.abort();
      done(null);
    };
    const timer = setTimeout(end, ms);
    for (const type of ['online', HURRY]) addEventListener(type, end, { signal: over.signal });
    signal?.addEventListener('abort', end, { signal: over.signal });
  });
}

/**
 * Does it once at a time: asked for while it is being done, it is done once more afterwards.
 *
 * @param {() => Promise<unknown>} action
 */
export function oneAtATime(action) {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await action();
      }
    } finally {
      running = false;
    }
  };
}
