// Why: `.pose` files, as the server reads them: written from what the landmarker found, and read as
// far as a small picture of them needs. The server checks them; what can't be read here has no picture.

const HAND = ['WRIST', ...['THUMB'].flatMap((f) => ['CMC', 'MCP', 'IP', 'TIP'].map((j) => `${f}_${j}`)),
  ...['INDEX_FINGER', 'MIDDLE_FINGER', 'RING_FINGER', 'PINKY'].flatMap((f) => ['MCP', 'PIP', 'DIP', 'TIP'].map((j) => `${f}_${j}`))];
const SIDES = (/** @type {string[]} */ ...names) => names.flatMap((name) => [`LEFT_${name}`, `RIGHT_${name}`]);
const BODY = ['NOSE', ...['LEFT', 'RIGHT'].flatMap((side) => [`${side}_EYE_INNER`, `${side}_EYE`, `${side}_EYE_OUTER`]), ...SIDES('EAR'), 'MOUTH_LEFT', 'MOUTH_RIGHT',
  ...SIDES('SHOULDER', 'ELBOW', 'WRIST', 'PINKY', 'INDEX', 'THUMB', 'HIP', 'KNEE', 'ANKLE', 'HEEL', 'FOOT_INDEX')];

/** The parts of a signer: where they are kept, what files call them, and their points in order. */
const PARTS = /** @type {const} */ ([
  ['left', 'LEFT_HAND_LANDMARKS', HAND],
  ['right', 'RIGHT_HAND_LANDMARKS', HAND],
  ['body', 'POSE_LANDMARKS', BODY],
]);
const VERSION = 0.2;
const FORMAT = 'XYZC';

/** @typedef {{x: number, y: number}} Dot in fractions of the picture */
/** @typedef {{left?: (Dot | null)[], right?: (Dot | null)[], body?: (Dot | null)[]}} Figure */
/** @typedef {{width: number, height: number, fps: number, frames: Figure[]}} Recording */

/** A file of v0.2. @param {import('../signs/wire.js').Points[]} frames at least two @returns {Uint8Array<ArrayBuffer>} */
export function writePose(frames) {
  const { width, height } = frames[0];
  const points = PARTS.reduce((sum, [, , names]) => sum + names.length, 0);
  const texts = PARTS.flatMap(([, name, names]) => [name, FORMAT, ...names]).reduce((sum, text) => sum + 2 + text.length, 0);
  const view = new DataView(new ArrayBuffer(12 + texts + PARTS.length * 6 + 8 + 2 + frames.length * points * 16));
  let at = 0;
  const u16 = (/** @type {number} */ value) => { view.setUint16(at, value, true); at += 2; };
  const f32 = (/** @type {number} */ value) => { view.setFloat32(at, value, true); at += 4; };
  const text = (/** @type {string} */ value) => { u16(value.length); for (const one of value) view.setUint8(at++, one.charCodeAt(0)); };
  f32(VERSION);
  for (const value of [width, height, 0, PARTS.length]) u16(value);
  for (const [, name, names] of PARTS) {
    text(name);
    text(FORMAT);
    for (const value of [names.length, 0, 0]) u16(value);
    names.forEach(text);
  }
  f32(pace(frames));
  view.setUint32(at, frames.length, true);
  at += 4;
  u16(1);
  const all = frames.flatMap((frame) => PARTS.flatMap(([part, , names]) => names.map((_, i) => frame[part]?.[i])));
  // Fractions become pixels; depth is told in widths.
  for (const point of all) for (const value of [(point?.x ?? 0) * width, (point?.y ?? 0) * height, (point?.z ?? 0) * width]) f32(value);
  for (const point of all) f32(point ? Math.max(0.01, Math.min(point.visibility ?? 1, 1)) : 0);
  return new Uint8Array(view.buffer);
}

/** Frames a second, on average. @param {{timeUs: number}[]} frames */
function pace(frames) {
  const took = (frames[frames.length - 1].timeUs - frames[0].timeUs) / 1e6;
  return took > 0 ? Math.min(Math.max((frames.length - 1) / took, 1), 240) : 1;
}

/** What a file shows, or null where that can't be told here. @param {ArrayBuffer} bytes @returns {Recording | null} */
export function readPose(bytes) {
  try {
    return read(new DataView(bytes));
  } catch (fault) {
    if (fault instanceof RangeError) return null;
    throw fault;
  }
}

/** @param {DataView} view @returns {Recording | null} */
function read(view) {
  let at = 0;
  const u16 = () => { at += 2; return view.getUint16(at - 2, true); };
  const f32 = () => { at += 4; return view.getFloat32(at - 4, true); };
  const text = () => {
    const length = u16();
    at += length;
    return String.fromCharCode(...new Uint8Array(view.buffer, at - length, length));
  };
  const version = f32();
  if (version < 0.05 || version > 0.25) return null;
  const [width, height] = [u16(), u16()];
  u16();
  /** Where each known point lies among a person's. @type {Map<number, ['left' | 'right' | 'body', number]>} */
  const known = new Map();
  let [points, dims] = [0, 0];
  for (let component = u16(); component > 0; component -= 1) {
    const name = text();
    dims = Math.max(dims, text().length - 1);
    const [count, limbs, colours] = [u16(), u16(), u16()];
    const part = PARTS.find(([, called]) => called === name);
    for (let i = 0; i < count; i += 1) {
      const index = part ? /** @type {readonly string[]} */ (part[2]).indexOf(text()) : (text(), -1);
      if (part && index >= 0) known.set(points + i, [part[0], index]);
    }
    at += limbs * 4 + colours * 6;
    points += count;
  }
  const exact = version > 0.15;
  const fps = exact ? f32() : u16();
  const count = exact ? (at += 4, view.getUint32(at - 4, true)) : u16();
  const people = u16();
  const coordinates = at;
  const confidences = at + count * people * points * dims * 4;
  if (people === 0 || confidences + count * people * points * 4 > view.byteLength) return null;
  const frames = Array.from({ length: count }, (_, frame) => {
    /** @type {Figure} */
    const figure = {};
    for (const [point, [part, index]] of known) {
      const place = frame * people * points + point;
      if (view.getFloat32(confidences + place * 4, true) <= 0) continue;
      const [x, y] = [0, 4].map((dim) => view.getFloat32(coordinates + place * dims * 4 + dim, true));
      (figure[part] ??= Array(part === 'body' ? BODY.length : HAND.length).fill(null))[index] = { x: x / width, y: y / height };
    }
    return figure;
  });
  return { width, height, fps, frames };
}

/** What was recorded here, for a picture of it. @param {import('../signs/wire.js').Points[]} points @returns {Recording} */
export const asRecording = (points) => ({ width: points[0].width, height: points[0].height, fps: pace(points), frames: points });
