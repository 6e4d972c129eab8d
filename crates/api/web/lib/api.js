// Why: the one place that speaks HTTP with the server: same origin, problem+json errors as typed
// exceptions, idempotency keys with one safe retry, and the guest's token where there is one.

/** Where the API lies. */
export const BASE = '/api/v1';
const RETRY_MS = 600;

/** @type {string | null} the bearer token of a guest; members use their cookie */
let bearer = null;

/** Sends this token from now on, or none. @param {string | null} token */
export function useToken(token) {
  bearer = token;
}

/** Whether requests go out with a guest's token. */
export const asGuest = () => bearer !== null;

/** What the server said no with. `code` is stable, `detail` is for people. */
export class Problem extends Error {
  /** @param {number} status @param {any} body @param {Response | null} [answer] */
  constructor(status, body, answer = null) {
    super(body?.detail ?? body?.title ?? `HTTP ${status}`);
    this.status = status;
    /** @type {string} */
    this.code = body?.code ?? (status === 0 ? 'offline' : 'unknown');
    /** @type {{field?: string, pointer?: string, code?: string, detail?: string, message?: string}[]} */
    this.errors = body?.errors ?? [];
    /** @type {string | null} */
    this.requestId = body?.request_id ?? null;
    /** Seconds to wait, if the server said so. @type {number | null} */
    this.retryAfter = Number(answer?.headers.get('Retry-After')) || null;
    /** The whole body, for answers with more in them. */
    this.body = body;
  }
}

/** A path with every value escaped. @param {TemplateStringsArray} parts @param {...(string | number)} values */
export function path(parts, ...values) {
  return parts.reduce((all, part, i) => all + encodeURIComponent(values[i - 1]) + part);
}

/** 32 random hexadecimal characters; works on pages without a secure context too. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * @typedef {object} Options
 * @property {any} [json] sent as JSON
 * @property {BodyInit} [body] sent as it is, with `type`
 * @property {string} [type] content type of `body`
 * @property {Record<string, string | number | null | undefined>} [query]
 * @property {string} [etag] sent as If-Match
 * @property {string} [token] a bearer token for this one request
 * @property {boolean} [anonymous] without the cookie, even if there is one
 * @property {string | null} [key] the Idempotency-Key; made when left away, none when null
 * @property {AbortSignal} [signal]
 */

/**
 * Asks the server and gives the JSON of its answer (null for an empty one).
 *
 * @param {'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} method
 * @param {string} route below `/api/v1`
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function api(method, route, options = {}) {
  const answer = await request(method, route, options);
  if (answer.status === 204) return null;
  const text = await answer.text();
  if (!text) return null;
  const body = JSON.parse(text);
  const etag = answer.headers.get('ETag');
  if (etag && body && typeof body === 'object') Object.defineProperty(body, 'etag', { value: etag });
  return body;
}

/**
 * The answer itself; throws a `Problem` unless it is a success. A command that met a network fault
 * is sent once more with the same key, so it cannot happen twice.
 *
 * @param {string} method
 * @param {string} route
 * @param {Options} [options]
 */
export async function request(method, route, options = {}) {
  const url = new URL(BASE + route, location.origin);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== null && value !== undefined) url.searchParams.set(name, String(value));
  }
  const init = { method, headers: headers(method, options), body: payload(options), signal: options.signal };
  const send = () => fetch(url, { ...init, credentials: bearer || options.anonymous ? 'omit' : 'same-origin', cache: 'no-store' });
  let answer;
  try {
    answer = await send().catch(async (fault) => {
      if (options.signal?.aborted) throw fault;
      await new Promise((done) => setTimeout(done, RETRY_MS));
      return send();
    });
  } catch (fault) {
    if (options.signal?.aborted) throw fault;
    throw new Problem(0, { detail: String(fault) });
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => null);
  const problem = new Problem(answer.status, body, answer);
  if (answer.status === 401) dispatchEvent(new CustomEvent('signcall:unauthorized', { detail: problem }));
  throw problem;
}

/** What goes with a request. @param {string} method @param {Options} options */
export function headers(method, options) {
  /** @type {Record<string, string>} */
  const out = { Accept: 'application/json' };
  if (options.json !== undefined) out['Content-Type'] = 'application/json';
  if (options.type) out['Content-Type'] = options.type;
  if (options.etag) out['If-Match'] = options.etag;
  const token = options.token ?? bearer;
  if (token) out.Authorization = `Bearer ${token}`;
  if (method !== 'GET' && options.key !== null) out['Idempotency-Key'] = options.key ?? randomKey();
  return out;
}

/** @param {Options} options */
const payload = (options) => (options.json === undefined ? options.body : JSON.stringify(options.json));

/**
 * One page of a list, with the cursors of the next (`after`) and the previous one (`before`; an
 * empty `before` asks for the last page).
 *
 * @param {string} route
 * @param {Options['query']} [query]
 * @returns {Promise<{data: any[], next: string | null, previous: string | null}>}
 */
export async function list(route, query) {
  const answer = await api('GET', route, { query });
  return { data: answer?.data ?? [], next: answer?.next_cursor ?? null, previous: answer?.prev_cursor ?? null };
}
