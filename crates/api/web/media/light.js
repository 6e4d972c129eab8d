// Why: too little light is the commonest reason why signs are not seen; the page can tell before
// anybody wonders.

const SIDE = 32;
/** Mean brightness (0–255) below which hands are hard to see. */
const DARK = 50;

/** Whether a video shows too dark a picture; null when it shows none. @param {HTMLVideoElement} video */
export function tooDark(video) {
  if (!video.videoWidth) return null;
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) return null;
  context.drawImage(video, 0, 0, SIDE, SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += 0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2];
  return sum / (SIDE * SIDE) < DARK;
}
