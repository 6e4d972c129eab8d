// Why: pictures of every view, in light, dark, at 200 % and on a phone, to look at; they stand in
// `docs/screenshots`. `node screenshots.js FOLDER [MODE…] [VIEW…]`; forced colours and 400 % (`forced`,
// `narrow`) are made when they are asked for.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBrowser } from './lib/browser.js';
import { makeCamera } from './lib/camera.js';
import { startServer } from './lib/server.js';
import { VIEWS, makeWorld } from './lib/views.js';

const QUALITY = 0.82;
/** What is looked at, and how. @type {Record<string, import('playwright-core').BrowserContextOptions>} */
const MODES = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  zoom: { colorScheme: 'light', viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
  forced: { colorScheme: 'dark', forcedColors: 'active' },
  narrow: { colorScheme: 'light', viewport: { width: 320, height: 256 }, deviceScaleFactor: 2 },
  phone: { colorScheme: 'dark', viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5, hasTouch: true },
};

/** Those that stand in the documentation. */
const KEPT = ['light', 'dark', 'zoom', 'phone'];

/** WebP of a PNG; the browser is the encoder. @param {import('playwright-core').Page} page @param {Buffer} png */
async function webp(page, png) {
  const text = await page.evaluate(async ([data, quality]) => {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = Object.assign(document.createElement('canvas'), { width: picture.width, height: picture.height });
    canvas.getContext('2d')?.drawImage(picture, 0, 0);
    return canvas.toDataURL('image/webp', quality).split(',')[1];
  }, /** @type {[string, number]} */ ([png.toString('base64'), QUALITY]));
  return Buffer.from(text, 'base64');
}

const [folder, ...asked] = process.argv.slice(2);
if (!folder) throw new Error('usage: node screenshots.js FOLDER [MODE…] [VIEW…]');
const modes = Object.keys(MODES).filter((mode) => asked.includes(mode) || (KEPT.includes(mode) && !asked.some((one) => one in MODES)));
const views = asked.filter((one) => !(one in MODES));
mkdirSync(folder, { recursive: true });
const work = mkdtempSync(join(tmpdir(), 'signcall-e2e-video-'));
const ben = await startBrowser({ camera: join(work, 'ben.mjpeg') });
await makeCamera(ben, join(work, 'ann.mjpeg'), [{ colour: '#c9c1b4', figure: '#2d5f5a', seconds: 2 }]);
await makeCamera(ben, join(work, 'ben.mjpeg'), [{ colour: '#8fa3a8', figure: '#5b3b56', seconds: 2 }]);
const ann = await startBrowser({ camera: join(work, 'ann.mjpeg') });
for (const mode of modes) {
  const server = await startServer();
  const world = await makeWorld(server, { ann, ben }, { reducedMotion: 'reduce', ...MODES[mode] });
  for (const { name, who, open } of VIEWS) {
    const page = world[who];
    await open(page, world);
    if (views.length && !views.includes(name)) continue;
    const png = await page.screenshot({ animations: 'disabled', caret: 'initial' });
    writeFileSync(join(folder, `${name}-${mode}.webp`), await webp(page, png));
  }
  await Promise.all(world.all.map(({ context }) => context.close()));
  await server.stop();
}
await Promise.all([ann.close(), ben.close()]);
rmSync(work, { recursive: true, force: true });
