// Why: shows what was recorded without a picture of anybody: the points as a small drawn figure, with
// the way of the hands behind it. It is seen as in a mirror, like one's own picture.

import { svg } from '../lib/dom.js';

const FINGERS = [[0, 1, 2, 3, 4], [0, 5, 6, 7, 8], [5, 9, 10, 11, 12], [9, 13, 14, 15, 16], [13, 17, 18, 19, 20], [0, 17]];
const ARMS = [[15, 13, 11, 12, 14, 16], [11, 23, 24, 12]];
const [NOSE, LEFT, RIGHT] = [0, 11, 12];
const WRIST = 0;
/** What is drawn of a body: not its legs. */
const UPPER = 17;
const MARGIN = 0.08;
/** Of the shoulders' distance. */
const HEAD = 0.3;

/** @typedef {import('./pose.js').Recording} Recording */
/** @typedef {import('./pose.js').Figure} Figure */
/** @typedef {import('./pose.js').Dot} Dot */

/**
 * A figure; `show` draws one frame, and `whole` one from the middle with the way of the hands.
 *
 * @param {Recording} recording
 * @param {{fit?: boolean}} [how] `fit` shows only the part of the picture in which something is
 */
export function figure(recording, { fit = true } = {}) {
  const { frames } = recording;
  let { width, height } = recording;
  const path = (/** @type {string} */ name) => svg('path', { class: name });
  const [body, head, left, right, ways] = [path('body'), svg('circle', { class: 'head' }), path('hand left'), path('hand right'), path('way')];
  const element = svg('svg', { viewBox: fit ? box(recording) : `0 0 ${width} ${height}`, class: 'figure', 'aria-hidden': 'true', focusable: 'false',
    preserveAspectRatio: fit ? 'xMidYMid meet' : 'xMidYMid slice' }, ways, body, head, left, right);
  const place = (/** @type {Dot} */ dot) => `${((1 - dot.x) * width).toFixed(1)} ${(dot.y * height).toFixed(1)}`;
  const lines = (/** @type {(Dot | null | undefined)[]} */ points, /** @type {number[][]} */ chains) =>
    chains.map((chain) => line(chain.map((i) => points[i]))).join('');
  const line = (/** @type {(Dot | null | undefined)[]} */ dots) => {
    let drawn = '';
    let broken = true;
    for (const dot of dots) {
      if (dot) drawn += `${broken ? 'M' : 'L'}${place(dot)}`;
      broken = !dot;
    }
    return drawn;
  };
  /** @param {Figure} frame */
  function draw(frame) {
    body.setAttribute('d', lines(frame.body ?? [], ARMS));
    const [nose, a, b] = [NOSE, LEFT, RIGHT].map((i) => frame.body?.[i]);
    const size = nose && a && b ? Math.hypot((a.x - b.x) * width, (a.y - b.y) * height) * HEAD : 0;
    for (const [name, value] of Object.entries({ cx: nose ? (1 - nose.x) * width : 0, cy: nose ? nose.y * height : 0, r: size })) head.setAttribute(name, value.toFixed(1));
    left.setAttribute('d', lines(frame.left ?? [], FINGERS));
    right.setAttribute('d', lines(frame.right ?? [], FINGERS));
  }
  return {
    element,
    draw,
    /** For pictures of another size. @param {number} wide @param {number} high */
    resize(wide, high) {
      [width, height] = [wide, high];
      element.setAttribute('viewBox', `0 0 ${wide} ${high}`);
    },
    /** @param {number} index */
    show(index) {
      ways.setAttribute('d', '');
      draw(frames[index]);
    },
    whole() {
      const way = (/** @type {'left' | 'right'} */ part) => line(frames.map((frame) => frame[part]?.[WRIST]));
      ways.setAttribute('d', way('left') + way('right'));
      const seen = frames.filter((frame) => frame.left || frame.right);
      draw(seen[Math.floor(seen.length / 2)] ?? frames[0] ?? {});
    },
  };
}

/** The part of the picture in which something is, as seen in the mirror. @param {Recording} recording */
function box({ width, height, frames }) {
  const dots = frames.flatMap((frame) => [...(frame.left ?? []), ...(frame.right ?? []), ...(frame.body ?? []).slice(0, UPPER)]).filter((dot) => dot !== null);
  if (!dots.length) return `0 0 ${width} ${height}`;
  const range = (/** @type {number[]} */ all) => [Math.min(...all), Math.max(...all)];
  const [x0, x1] = range(dots.map((dot) => (1 - dot.x) * width));
  const [y0, y1] = range(dots.map((dot) => dot.y * height));
  const margin = Math.max(x1 - x0, y1 - y0, 1) * MARGIN;
  return [x0 - margin, y0 - margin, x1 - x0 + 2 * margin, y1 - y0 + 2 * margin].map((one) => one.toFixed(1)).join(' ');
}

/**
 * Plays a recording once when one points at it or comes to it by keyboard; not for those who asked
 * for less motion.
 *
 * @param {HTMLElement} around
 * @param {Recording} recording
 * @param {ReturnType<typeof figure>} drawn
 */
export function playOnce(around, recording, drawn) {
  let timer = 0;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    drawn.whole();
  };
  const play = () => {
    if (timer || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    let at = 0;
    timer = window.setInterval(() => {
      if (at >= recording.frames.length || !around.isConnected) stop();
      else drawn.show(at++);
    }, 1000 / Math.min(recording.fps || 15, 60));
  };
  around.addEventListener('pointerenter', play);
  around.addEventListener('focusin', play);
  drawn.whole();
}
