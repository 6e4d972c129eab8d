// Why: a camera that shows hands: real photographs, drawn by a browser into moving pictures at test
// time (a browser is here anyway, a video encoder may not be). Nothing of it is kept.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const WIDTH = 640;
const HEIGHT = 480;
/** Chromium plays Motion JPEG at this rate, over and over. */
const RATE = 30;

/** The first photograph of a person showing a digit. @param {string} data @param {string} person @param {string | number} digit */
export function photograph(data, person, digit) {
  const folder = join(data, 'digits', String(digit));
  const name = readdirSync(folder).filter((one) => one.startsWith(person)).sort()[0];
  return name && join(folder, name);
}

/**
 * Writes a `.mjpeg` of scenes for `startBrowser`.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {string} path to write
 * @param {{photo?: string, colour?: string, text?: string, seconds: number}[]} scenes a photograph is
 *   shown where the page's guide has its square (right as one sees oneself), moving a little
 */
export async function makeCamera(browser, path, scenes) {
  const page = await browser.newPage();
  const told = scenes.map((scene) => ({ ...scene, photo: scene.photo && readFileSync(scene.photo).toString('base64') }));
  const frames = await page.evaluate(draw, { scenes: told, width: WIDTH, height: HEIGHT, rate: RATE });
  await page.close();
  writeFileSync(path, Buffer.concat(frames.map((frame) => Buffer.from(frame, 'base64'))));
}

/* global document, createImageBitmap */
async function draw({ scenes, width, height, rate }) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  const frames = [];
  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  for (const scene of scenes) {
    const photo = scene.photo && await createImageBitmap(new Blob([bytes(scene.photo)]));
    const count = Math.round(scene.seconds * rate);
    for (let i = 0; i < count; i += 1) {
      context.fillStyle = scene.colour ?? '#8a8580';
      context.fillRect(0, 0, width, height);
      const [dx, dy] = [Math.sin(i / 7) * 3, Math.cos(i / 9) * 3];
      if (photo) {
        const size = Math.round(height * 0.62);
        context.drawImage(photo, Math.round(width * 0.04) + dx, Math.round((height - size) / 2) + dy, size, size);
      }
      if (scene.text) {
        context.fillStyle = '#ffffff';
        context.font = '120px sans-serif';
        context.textAlign = 'center';
        context.fillText(scene.text, width / 2 + Math.sin(i / 8) * 60, height / 2 + 40);
      }
      frames.push(canvas.toDataURL('image/jpeg', 0.9).split(',')[1]);
    }
  }
  return frames;
}
