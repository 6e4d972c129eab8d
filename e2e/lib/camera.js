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
 * @param {{photo?: string, colour?: string, text?: string, figure?: string, seconds: number}[]} scenes a
 *   photograph is shown where the page's guide has its square (right as one sees oneself), moving a
 *   little; a figure is a drawn person in clothes of that colour, who moves the hands
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
  const disc = (colour, x, y, r, ry = r, turn = 0) => {
    context.fillStyle = colour;
    context.beginPath();
    context.ellipse(x, y, r, ry, turn, 0, 2 * Math.PI);
    context.fill();
  };
  const arm = (colour, ...points) => {
    context.strokeStyle = colour;
    context.lineWidth = 46;
    context.lineJoin = context.lineCap = 'round';
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.stroke();
  };
  const person = (clothes, t) => {
    const skin = '#c98f6b';
    disc(clothes, 320, 470, 140, 190);
    disc(skin, 320, 250, 26, 60);
    disc('#33241c', 320, 150, 82, 92);
    disc(skin, 320, 168, 68, 82);
    for (const side of [-1, 1]) {
      disc('#2a211d', 320 + side * 26, 158, 6);
      const [x, y] = [320 + side * (105 + 22 * Math.sin(t * 6.28)), 330 - 34 * Math.cos(t * 6.28 + side)];
      arm(clothes, [320 + side * 110, 350], [320 + side * 165, 450], [x + side * 14, y + 46]);
      disc(skin, x, y, 34, 40);
      for (let finger = 0; finger < 4; finger += 1) disc(skin, x + side * (finger * 15 - 24), y - 46, 8, 27, side * (finger - 1.5) * 0.14);
      disc(skin, x - side * 36, y - 8, 9, 25, side * -0.7);
    }
    context.strokeStyle = '#7a4636';
    context.lineWidth = 5;
    context.beginPath();
    context.arc(320, 186, 26, 0.25, Math.PI - 0.25);
    context.stroke();
  };
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
      if (scene.figure) person(scene.figure, i / rate);
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
