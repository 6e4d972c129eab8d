// Why: the one place that knows what live messages look like on the wire; the rest of the page sees
// the shapes below.

/**
 * @typedef {object} Token one sign or letter of a caption
 * @property {string} text
 * @property {number} [confidence] 0–1
 * @property {boolean} [stable] will not change any more
 *
 * @typedef {object} Segment a caption that may still change
 * @property {string} segment_id
 * @property {string} text
 * @property {Token[]} [tokens]
 * @property {number} [confidence]
 *
 * @typedef {{kind: 'feed', seq: number, type: string, data: any}} FeedEntry something that lasts
 * @typedef {{kind: 'partial', user: number, segment: Segment}} Partial
 * @typedef {{kind: 'signing', user: number, active: boolean}} Signing
 * @typedef {{kind: 'done', user: number, stream: string, seq: number}} Done
 * @typedef {{kind: 'degraded', user: number, reason: string}} Degraded
 * @typedef {{kind: 'typing', user: number}} Typing
 * @typedef {{kind: 'signal', from: number, payload: any}} Signal
 * @typedef {{kind: 'ready', seq: number}} Ready everything up to here was sent
 * @typedef {{kind: 'reset', seq: number}} Reset what was missed can't be sent any more: begin anew from here
 * @typedef {FeedEntry | Partial | Signing | Done | Degraded | Typing | Signal | Ready | Reset} Message
 */

/**
 * What a message from the server says; null for one this page does not know (a newer server's).
 *
 * @param {string} text
 * @returns {Message | null}
 */
export function read(text) {
  const { type, seq, data } = JSON.parse(text);
  switch (type) {
    case 'ready':
    case 'reset':
      return { kind: type, seq: data.seq };
    case 'partial':
      return { kind: 'partial', user: data.user_id, segment: data };
    case 'signing':
      return { kind: 'signing', user: data.user_id, active: data.active };
    case 'frames.done':
      return { kind: 'done', user: data.user_id, stream: data.stream, seq: data.done_seq };
    case 'degraded':
      return { kind: 'degraded', user: data.user_id, reason: data.reason };
    case 'typing':
      return { kind: 'typing', user: data.user_id };
    case 'signal':
      return { kind: 'signal', from: data.user_id, payload: data.payload };
    default:
      return typeof seq === 'number' ? { kind: 'feed', seq, type, data } : null;
  }
}

/** A message that asks whether the server is there. */
export const ping = () => JSON.stringify({ type: 'ping' });

/** A message that says one is typing. */
export const typing = () => JSON.stringify({ type: 'typing' });

/** A WebRTC signal to one participant. @param {number} to @param {any} payload */
export const signal = (to, payload) => JSON.stringify({ type: 'signal', to, payload });
