// Why: writes batches of frames as the server reads them (`SLF1`, little-endian): pictures, or the
// points of hands and body.

const MAGIC = [0x53, 0x4c, 0x46, 0x31];
const HEADER = 22;
const IMAGES = { schema: 0, points: 0 };
/** Left hand 21, right hand 21, body 33 points, three dimensions, fractions of the picture. */
const HOLISTIC = { schema: 2, points: 75, dims: 3 };
const HAS_CONFIDENCE = 2;
const HAND = 21;
const BODY = 33;

/** Content types of the two kinds of batches. */
export const TYPES = { images: 'application/vnd.signcall.images', landmarks: 'application/vnd.signcall.landmarks' };

/** @typedef {{timeUs: number, width: number, height: number, jpeg: Uint8Array}} Picture */
/** @typedef {{x: number, y: number, z?: number, visibility?: number}} Point */
/** @typedef {{timeUs: number, width: number, height: number, left?: Point[], right?: Point[], body?: Point[]}} Points */

/**
 * @param {DataView} view
 * @param {{schema: number, points: number, dims?: number}} kind
 * @param {{width: number, height: number}} size
 * @param {number} first @param {number} frames
 */
function header(view, kind, size, first, frames) {
  MAGIC.forEach((byte, i) => view.setUint8(i, byte));
  view.setUint16(4, kind.schema, true);
  view.setUint16(6, kind.points, true);
  view.setUint8(8, kind.dims ?? 0);
  // Numbers are f32 (0), space is fractions (0).
  view.setUint8(11, kind.points ? HAS_CONFIDENCE : 0);
  view.setUint16(12, size.width, true);
  view.setUint16(14, size.height, true);
  view.setUint32(16, first, true);
  view.setUint16(20, frames, true);
}

/** A batch of pictures. @param {Picture[]} pictures at least one @param {number} first number of the first */
export function images(pictures, first) {
  const bytes = HEADER + pictures.reduce((sum, one) => sum + 12 + one.jpeg.length, 0);
  const buffer = new Uint8Array(bytes);
  const view = new DataView(buffer.buffer);
  header(view, IMAGES, pictures[0], first, pictures.length);
  let at = HEADER;
  for (const { timeUs, jpeg } of pictures) {
    view.setBigUint64(at, BigInt(timeUs), true);
    view.setUint32(at + 8, jpeg.length, true);
    buffer.set(jpeg, at + 12);
    at += 12 + jpeg.length;
  }
  return buffer;
}

/** A batch of points. @param {Points[]} frames at least one @param {number} first number of the first */
export function landmarks(frames, first) {
  const { points, dims } = HOLISTIC;
  const frameBytes = 8 + 1 + points * (dims * 4 + 1);
  const buffer = new Uint8Array(HEADER + frames.length * frameBytes);
  const view = new DataView(buffer.buffer);
  header(view, HOLISTIC, frames[0], first, frames.length);
  let at = HEADER;
  for (const frame of frames) {
    const all = [...part(frame.left, HAND), ...part(frame.right, HAND), ...part(frame.body, BODY)];
    view.setBigUint64(at, BigInt(frame.timeUs), true);
    view.setUint8(at + 8, (frame.left ? 1 : 0) | (frame.right ? 2 : 0) | (frame.body ? 4 : 0));
    at += 9;
    for (const point of all) {
      for (const value of [point?.x, point?.y, point?.z]) {
        view.setFloat32(at, value ?? 0, true);
        at += 4;
      }
    }
    for (const point of all) {
      view.setUint8(at, point ? Math.max(1, Math.round(Math.min(point.visibility ?? 1, 1) * 255)) : 0);
      at += 1;
    }
  }
  return buffer;
}

/** The points of a part, or as many holes. @param {Point[] | undefined} found @param {number} count @returns {(Point | undefined)[]} */
const part = (found, count) => Array.from({ length: count }, (_, i) => found?.[i]);
