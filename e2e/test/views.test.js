// Why: axe-core looks at every view, in light and in dark: names, roles, order, contrast.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { startBrowser } from '../lib/browser.js';
import { makeCamera } from '../lib/camera.js';
import { startServer } from '../lib/server.js';
import { VIEWS, makeWorld } from '../lib/views.js';

/** Of WCAG 2.2 A and AA, and what axe-core itself holds to be good. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** @type {Record<string, any>} */
const at = {};
let folder = '';

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signcall-e2e-video-'));
  at.server = await startServer();
  at.ben = await startBrowser();
  const camera = join(folder, 'ann.mjpeg');
  await makeCamera(at.ben, camera, [{ colour: '#36525a', seconds: 1 }]);
  at.ann = await startBrowser({ camera });
  at.world = await makeWorld(at.server, at, { reducedMotion: 'reduce' });
});

after(async () => {
  await Promise.all([at.ann?.close(), at.ben?.close()]);
  await at.server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What axe-core finds wrong. @param {import('playwright-core').Page} page @param {object} run */
async function violations(page, run) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  const found = await page.evaluate(async (how) => {
    const { violations: all } = await window.axe.run(document, { resultTypes: ['violations'], ...how });
    return all.map((one) => ({ rule: one.id, help: one.help, at: one.nodes.slice(0, 4).map((node) => `${node.html.slice(0, 160)} — ${node.failureSummary}`) }));
  }, run);
  return found;
}

/** Changes the colours and waits until they have changed. @param {import('playwright-core').Page} page @param {'light' | 'dark'} colorScheme */
async function dress(page, colorScheme) {
  await page.emulateMedia({ colorScheme });
  await page.evaluate(async () => {
    const drawn = () => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
    await drawn();
    while (document.getAnimations().some((one) => one.playState === 'running')) await drawn();
  });
}

for (const { name, who, open } of VIEWS) {
  test(`axe-core finds nothing on ${name}, light and dark`, async () => {
    const page = at.world[who];
    await dress(page, 'light');
    await open(page, at.world);
    assert.deepEqual(await violations(page, { runOnly: TAGS }), []);
    await dress(page, 'dark');
    assert.deepEqual(await violations(page, { runOnly: { type: 'rule', values: ['color-contrast'] } }), [], 'in dark');
  });
}

test('nothing left for another host, and no error went unseen', () => {
  for (const { watch } of at.world.all) watch.clean();
});
