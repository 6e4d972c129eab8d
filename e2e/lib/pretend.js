// Why: a landmarker of the tests' own, where the real one can't be installed or would be too slow: it
// finds in every picture what real clips show, one frame after the other.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { realData } from './server.js';

/** The page's own reader; taken as text, since older Node.js takes its file for no module. */
const READER = readFileSync(new URL('../../crates/api/web/teach/pose.js', import.meta.url), 'utf8');
const { readPose } = await import(`data:text/javascript,${encodeURIComponent(READER)}`);

/** A gesture that people made up for typing; the shipped model has not learned it. */
export const SIGN = 'space';
/** The first clips of it show the hand for a moment only. */
const FROM = 8;

/** Real clips of a sign that no model knows; null where there are none. @param {number} count @returns {{name: string, bytes: Buffer}[] | null} */
export function unknownSign(count) {
  const data = realData();
  if (!data) return null;
  const folder = join(data, 'asl_letters', SIGN);
  return readdirSync(folder).sort().slice(FROM, FROM + count).map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}

/** The frames of clips, one after the other. @param {{bytes: Buffer}[]} clips */
const frames = (clips) => clips.flatMap(({ bytes }) => readPose(Uint8Array.from(bytes).buffer)?.frames ?? []);

/** @param {import('../../crates/api/web/teach/pose.js').Figure[]} shown */
const script = (shown) => `
globalThis.Holistic = class {
  setOptions() {}
  onResults(told) { this.told = told; }
  async initialize() {}
  async send() {
    const all = ${JSON.stringify(shown)};
    this.at = ((this.at ?? -1) + 1) % all.length;
    const { left, right, body } = all[this.at];
    const whole = (part) => part?.map((dot) => dot ?? { x: 0, y: 0, visibility: 0 });
    this.told({ leftHandLandmarks: whole(left), rightHandLandmarks: whole(right), poseLandmarks: whole(body) });
  }
  close() {}
};`;

/**
 * Gives pages of this context that landmarker.
 *
 * @param {import('playwright-core').BrowserContext | import('playwright-core').Page} context
 * @param {{bytes: Buffer}[]} clips what it finds
 */
export async function pretendLandmarker(context, clips) {
  const text = script(frames(clips));
  await context.route('**/assets/landmarker/**', (route) => {
    const about = route.request().url().endsWith('package.json');
    return route.fulfill(about ? { contentType: 'application/json', body: JSON.stringify({ name: '@mediapipe/holistic', version: 'pretended' }) }
      : { contentType: 'text/javascript', body: text });
  });
}
