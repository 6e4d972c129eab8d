// Writes landmark batches as the server reads them: `SLF1`, little-endian, 75 points, nothing lost.

import { MISSING, type Frame } from './pose.js';

export const MEDIA_TYPE = 'application/vnd.signcall.landmarks';
/** Most frames of a batch that the server takes. */
export const BATCH_MAX = 256;

const SIZES = [['left', 21], ['right', 21], ['body', 33]] as const;
const POINTS = 75;
const DIMS = 3;
const HEADER_BYTES = 22;
const FRAME_BYTES = 9 + POINTS * (DIMS + 1) * 4;

/** The frames (at least one), of which the first has the number `first` within its stream. */
export function batch(frames: Frame[], first: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + frames.length * FRAME_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('SLF1'));
  view.setUint16(4, 2, true); // hands and body
  view.setUint16(6, POINTS, true);
  // Three numbers a point, f32, pixels, confidences in f32.
  bytes.set([DIMS, 0, 1, 2 | 8], 8);
  view.setUint16(12, frames[0]!.width, true);
  view.setUint16(14, frames[0]!.height, true);
  view.setUint32(16, first, true);
  view.setUint16(20, frames.length, true);
  frames.forEach((frame, index) => write(view, HEADER_BYTES + index * FRAME_BYTES, frame));
  return bytes;
}

function write(view: DataView, start: number, frame: Frame) {
  view.setBigUint64(start, BigInt(frame.timeUs), true);
  view.setUint8(start + 8, SIZES.reduce((bits, [part], bit) => bits | (frame[part] ? 1 << bit : 0), 0));
  const points = SIZES.flatMap(([part, size]) => frame[part] ?? Array<typeof MISSING>(size).fill(MISSING));
  const numbers = points.flatMap(({ x, y, z }) => [x, y, z]).concat(points.map(({ confidence }) => confidence));
  numbers.forEach((number, index) => view.setFloat32(start + 9 + 4 * index, number, true));
}
