// Why: takes frames out of one's own video: the square of the guide as small JPEGs. What is sent is
// drawn on a canvas that the person can see.

/** Frames a second; more help no model. */
const RATE = 15;
/** Side of the picture sent, pixels. */
export const SIDE = 160;
const QUALITY = 0.82;
/** Side of the guide's square, of the shorter side of the picture. */
const SQUARE = 0.62;
const MARGIN = 0.04;

/**
 * The guide's square in the picture, pixels. `side` is as one sees oneself (mirrored): the right hand
 * is on the right.
 *
 * @param {number} width @param {number} height
 * @param {'left' | 'middle' | 'right'} side
 */
export function square(width, height, side) {
  const size = Math.round(Math.min(width, height) * SQUARE);
  const margin = Math.round(width * MARGIN);
  const x = { right: margin, middle: Math.round((width - size) / 2), left: width - size - margin }[side];
  return { x, y: Math.round((height - size) / 2), size };
}

/**
 * Calls back for frames of a video, at most `RATE` a second, until it is stopped.
 *
 * @param {MediaStream} stream
 * @param {(video: HTMLVideoElement, timeUs: number) => void | Promise<void>} action
 * @returns {() => void} stops it
 */
export function eachFrame(stream, action) {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  video.play().catch(() => null);
  let running = true;
  let busy = false;
  let last = -Infinity;
  let missed = -Infinity;
  const next = () => running && video.requestVideoFrameCallback((now) => { next(); take(now); });
  /** @param {number} now */
  async function take(now) {
    if (busy) {
      missed = now;
      return;
    }
    // A little slack, or a camera of 30 frames a second would give 10.
    if (now - last < 1000 / RATE - 6) return;
    last = now;
    busy = true;
    try {
      await action(video, Math.round(now * 1000));
    } finally {
      busy = false;
    }
    // The picture that came meanwhile is still the newest: it need not wait for another.
    if (running && missed > last) take(missed);
  }
  next();
  return () => {
    running = false;
    video.srcObject = null;
  };
}

/**
 * Captures the square of the guide.
 *
 * @param {MediaStream} stream
 * @param {HTMLCanvasElement} canvas shows what is sent
 * @param {() => 'left' | 'middle' | 'right'} side
 * @param {(picture: import('./wire.js').Picture) => void} take
 */
export function captureSquare(stream, canvas, side, take) {
  canvas.width = SIDE;
  canvas.height = SIDE;
  const context = canvas.getContext('2d');
  return eachFrame(stream, async (video, timeUs) => {
    if (!context || !video.videoWidth) return;
    const { x, y, size } = square(video.videoWidth, video.videoHeight, side());
    context.drawImage(video, x, y, size, size, 0, 0, SIDE, SIDE);
    const blob = await new Promise((/** @type {(blob: Blob | null) => void} */ done) => canvas.toBlob(done, 'image/jpeg', QUALITY));
    if (blob) take({ timeUs, width: SIDE, height: SIDE, jpeg: new Uint8Array(await blob.arrayBuffer()) });
  });
}
