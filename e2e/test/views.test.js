// Why: axe-core looks at every view, in light, in dark and in the colours that a reader's system forces:
// names, roles, order, contrast. And at 400 % nothing is cut off or needs scrolling sideways.

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

/** A window of 1280 × 1024 at 400 %, and the one that the others are looked at in. */
const ZOOMED = { width: 320, height: 256 };
const WHOLE = { width: 1280, height: 800 };

/** Changes the look and waits until it has changed. @param {import('playwright-core').Page} page @param {{colorScheme?: 'light' | 'dark', forcedColors?: 'active' | 'none'}} media */
async function dress(page, media) {
  await page.emulateMedia(media);
  await still(page);
}

/** Waits until nothing moves. @param {import('playwright-core').Page} page */
const still = (page) => page.evaluate(async () => {
  const drawn = () => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
  await drawn();
  while (document.getAnimations().some((one) => one.playState === 'running')) await drawn();
});

/**
 * What can't be read in a narrow window: text or controls beyond its edges, or beyond those of what
 * holds them. Tables may be scrolled sideways (WCAG 1.4.10 leaves them out), and so may links and
 * codes that nobody breaks.
 */
const cutOff = () => {
  const sideways = document.scrollingElement;
  const wide = sideways && sideways.scrollWidth > innerWidth ? [`the page is ${sideways.scrollWidth} px wide`] : [];
  const told = (/** @type {Element} */ one) => `${one.tagName.toLowerCase()}.${one.className} ${(one.textContent ?? '').trim().slice(0, 60)}`;
  /** The nearest that cuts what is beyond its edge and can't be scrolled that way. @param {Element} one */
  const cutter = (one) => {
    for (let at = one.parentElement; at && at !== document.documentElement; at = at.parentElement) {
      const { overflowX } = getComputedStyle(at);
      if (overflowX === 'auto' || overflowX === 'scroll') {
        if (at.matches('.table, .kept, textarea, input')) return null;
        return at;
      }
      if (overflowX !== 'visible') return at;
    }
    return document.documentElement;
  };
  const parts = [...document.querySelectorAll('body *')].filter((one) => {
    if (one.closest('.unseen, [hidden], svg, .skip, video, canvas, option') || !one.checkVisibility({ visibilityProperty: true })) return false;
    return one.matches('button, input, select, textarea, a') || [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim());
  });
  const open = document.querySelector('dialog[open]');
  const cut = parts.filter((one) => !open || open.contains(one)).filter((one) => {
    const { left, right } = one.getBoundingClientRect();
    const by = cutter(one);
    if (!by) return false;
    const edge = by === document.documentElement ? { left: 0, right: innerWidth } : by.getBoundingClientRect();
    return right > Math.min(edge.right, innerWidth) + 1 || left < Math.max(edge.left, 0) - 1;
  });
  const short = parts.filter((one) => {
    const { overflowX, overflowY } = getComputedStyle(one);
    const hides = (/** @type {string} */ flow) => flow === 'hidden' || flow === 'clip';
    return (hides(overflowX) && one.scrollWidth > one.clientWidth + 1) || (hides(overflowY) && one.scrollHeight > one.clientHeight + 1);
  });
  return [...wide, ...cut.map((one) => `beyond the edge: ${told(one)}`), ...short.map((one) => `cut: ${told(one)}`)];
};

for (const { name, who, open } of VIEWS) {
  test(`axe-core finds nothing on ${name}: light, dark, forced colours; nothing is cut off at 400 %`, async () => {
    const page = at.world[who];
    await dress(page, { colorScheme: 'light' });
    await open(page, at.world);
    assert.deepEqual(await violations(page, { runOnly: TAGS }), []);
    await dress(page, { colorScheme: 'dark' });
    assert.deepEqual(await violations(page, { runOnly: TAGS }), [], 'in dark');
    await dress(page, { forcedColors: 'active' });
    // What the system forces is not what the page's styles say: its contrast is the system's.
    assert.deepEqual(await violations(page, { runOnly: TAGS, rules: { 'color-contrast': { enabled: false } } }), [], 'in forced colours');
    await dress(page, { forcedColors: 'none' });
    await page.setViewportSize(ZOOMED);
    await still(page);
    const found = await page.evaluate(cutOff);
    const zoomed = found.length ? found : await violations(page, { runOnly: TAGS });
    await page.setViewportSize(WHOLE);
    await still(page);
    assert.deepEqual(zoomed, [], 'at 400 %');
  });
}

test('nothing left for another host, and no error went unseen', () => {
  for (const { watch } of at.world.all) watch.clean();
});
