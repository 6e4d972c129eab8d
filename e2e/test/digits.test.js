// Why: signs by camera with nothing installed: one shows digits, made from real photographs, to the
// camera; the page sends the guide's square, and the other reads them, first open, then final.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openPage, startBrowser } from '../lib/browser.js';
import { makeCamera, photograph } from '../lib/camera.js';
import { realData, startServer } from '../lib/server.js';
import { enter, framesSeen, newRoom, panel, register, texts, until } from '../lib/steps.js';

/** Shown in this order, over and over; no two of them look alike. */
const SHOWN = ['5', '1', '0'];
/** Each is shown so long, and nothing so long after it, so that a digit ends before the next begins. */
const SHOWN_S = 1.4;
const NOTHING_S = 1.6;
/** Somebody of the photographs; the model's training may know the person, the path is what is shown. */
const PERSON = 'P026';
/** Two rounds and a busy machine. */
const READ_MS = 60_000;

/** @type {Record<string, any>} */
const at = {};
const folder = mkdtempSync(join(tmpdir(), 'signcall-e2e-video-'));

after(async () => {
  await Promise.all((at.browsers ?? []).map((browser) => browser.close()));
  await at.server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Whether the digits go round as they were shown, wherever one begins to look. @param {string[]} read */
const inOrder = (read) => read.every((digit, i) => i === 0 || digit === SHOWN[(SHOWN.indexOf(read[i - 1]) + 1) % SHOWN.length]);

test('one shows digits to the camera, the other reads them as captions, open and then final', async (t) => {
  const data = realData();
  if (!data) return t.skip('no photographs of hands: set SIGNCALL_DATA');
  at.server = await startServer();
  const maker = await startBrowser();
  const [hands, plain] = [join(folder, 'hands.mjpeg'), join(folder, 'plain.mjpeg')];
  const scenes = SHOWN.flatMap((digit) => [{ photo: photograph(data, PERSON, digit), seconds: SHOWN_S }, { seconds: NOTHING_S }]);
  await makeCamera(maker, hands, scenes);
  await makeCamera(maker, plain, [{ text: 'ben', colour: '#36525a', seconds: 1 }]);
  await maker.close();
  at.browsers = await Promise.all([hands, plain].map((camera) => startBrowser({ camera })));
  const [ann, ben] = await Promise.all(at.browsers.map((browser) => openPage(browser, at.server.url)));
  await Promise.all([register(ann.page, 'ann'), register(ben.page, 'ben')]);
  const code = await newRoom(ann.page);
  await enter(ann.page, code);
  await ben.page.goto(`/rooms/${code}`);
  await enter(ben.page, code);
  await until(() => framesSeen(ben.page), 'Ann\'s picture at Ben\'s');
  await panel(ben.page, 'Transcript');
  await ben.page.evaluate(() => {
    const { call } = /** @type {any} */ (document.querySelector('sc-in-call'));
    /** @type {any} */ (globalThis).opened = [];
    call.addEventListener('partials', () => { for (const { segment } of call.partials.values()) /** @type {any} */ (globalThis).opened.push(segment.segment_id); });
  });
  await ann.page.getByRole('toolbar').getByRole('button', { name: 'My signs' }).click();
  await ann.page.getByRole('radio', { name: /Digits 0 to 9/ }).check();
  await ann.page.getByRole('button', { name: 'Switch captions on' }).click();
  await until(async () => (await texts(ben.page, '.segment .word')).length >= 2 * SHOWN.length, 'two rounds of digits', READ_MS);
  const read = (await texts(ben.page, '.segment .word')).map((text) => text.trim());
  console.log(`digits: read ${read.join(' ')}`);
  assert.ok(inOrder(read), `shown ${SHOWN.join(' ')} over and over, read ${read.join(' ')}`);
  assert.deepEqual([...new Set(await texts(ben.page, '.segment .who'))], ['ann']);
  const { opened, final } = await ben.page.evaluate(() => {
    const { call } = /** @type {any} */ (document.querySelector('sc-in-call'));
    return { opened: /** @type {any} */ (globalThis).opened, final: [...call.captions.values()].map((one) => one.segment_id) };
  });
  assert.ok(final.some((id) => opened.includes(id)), 'a caption was seen open before it was final');
  for (const one of [ann, ben]) one.watch.clean();
});
