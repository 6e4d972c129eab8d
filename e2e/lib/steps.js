// Why: what people do on the page, as they do it: by label, role and text, so a control that has
// lost its name fails here.

import { WAIT_MS, until } from './browser.js';

export const PASSWORD = 'marble lantern orbit seven';

/** @typedef {import('playwright-core').Page} Page */

/** Registers by the form. @param {Page} page @param {string} name */
export async function register(page, name) {
  await page.goto('/register');
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('E-mail address').fill(`${name}@example.org`);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Make my account' }).click();
  await page.getByRole('link', { name, exact: true }).waitFor();
}

/** Makes the first administrator by the form. @param {Page} page @param {string} secret @param {string} name */
export async function setUp(page, secret, name) {
  await page.goto('/setup');
  await page.getByLabel('Secret').fill(secret);
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('E-mail address').fill(`${name}@example.org`);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Make the administrator' }).click();
  await page.getByRole('heading', { name: 'Administration' }).waitFor();
}

/** Starts a room and gives its code. @param {Page} page */
export async function newRoom(page) {
  await page.goto('/');
  await page.getByRole('button', { name: 'New room' }).click();
  await page.waitForURL(/\/rooms\//);
  return /** @type {string} */ (page.url().split('/').pop());
}

/** Goes through the door and into the call. @param {Page} page @param {string} code */
export async function enter(page, code) {
  if (!page.url().includes(code)) await page.goto(`/rooms/${code}`);
  await page.getByRole('button', { name: 'Join the call' }).click();
  await inCall(page);
}

/** Waits until the call is up and connected. @param {Page} page */
export async function inCall(page) {
  await page.getByRole('toolbar', { name: 'Call' }).waitFor();
  await until(async () => (await page.locator('.connection').textContent()) === '', 'the live connection');
}

/** Opens a panel, if it is not open. @param {Page} page @param {'Transcript' | 'Chat' | 'People'} name */
export async function panel(page, name) {
  const shown = page.locator('aside.panel h2', { hasText: name });
  if (!(await shown.isVisible())) await page.getByRole('toolbar').getByRole('button', { name }).click();
  await shown.waitFor();
}

/** Writes into the chat. @param {Page} page @param {string} text */
export async function say(page, text) {
  await panel(page, 'Chat');
  await page.getByLabel('Write a message').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** Consents to captions of recordings and drops one. @param {Page} page @param {{name: string, bytes: Buffer}[]} files */
export async function signFiles(page, files) {
  await page.getByRole('toolbar').getByRole('button', { name: 'My signs' }).click();
  await page.getByRole('dialog', { name: 'Captions of my signing' }).waitFor();
  const consent = page.getByRole('radio', { name: /from .pose files/ });
  if (await consent.isVisible()) {
    await consent.check();
    await page.getByRole('button', { name: 'Switch captions on' }).click();
  }
  await page.locator('.drop').waitFor();
  await dropFiles(page, files);
}

/** Drops files where the page takes them. @param {Page} page @param {{name: string, bytes: Buffer}[]} files */
export async function dropFiles(page, files) {
  const carried = await page.evaluateHandle((all) => {
    const carrier = new DataTransfer();
    for (const { name, text } of all) carrier.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], name));
    return carrier;
  }, files.map(({ name, bytes }) => ({ name, text: bytes.toString('base64') })));
  await page.dispatchEvent('.drop', 'drop', { dataTransfer: carried });
}

/** Frames of the other one's video that were shown so far; 0 without a picture. @param {Page} page */
export const framesSeen = (page) => page.evaluate(() => {
  const video = /** @type {HTMLVideoElement | null} */ (document.querySelector('.tile:not(.own) video:not([hidden])'));
  return video?.videoWidth ? video.getVideoPlaybackQuality().totalVideoFrames : 0;
});

/** Waits for the other one's picture to move on; says how the connection stands where it does not. @param {Page} page @param {string} what @param {number} [limit] in ms */
export async function seesTheOther(page, what, limit) {
  try {
    const first = await until(() => framesSeen(page), what, limit);
    await until(async () => (await framesSeen(page)) > first, `${what}, moving`);
  } catch (error) {
    throw new Error(`${/** @type {Error} */ (error).message}; ${JSON.stringify(await page.evaluate(connections))}`);
  }
}

/** How the connections to the others stand, for a person who looks for what went wrong. */
const connections = () => {
  const { mesh } = /** @type {any} */ (document.querySelector('sc-in-call'));
  const videos = [...document.querySelectorAll('video')].map(({ hidden, paused, readyState, videoWidth }) => ({ hidden, paused, readyState, videoWidth }));
  const peers = [...mesh.peers].map(([user, { peer }]) => {
    const { connectionState, iceConnectionState, signalingState } = peer.pc;
    const tracks = peer.remote.getTracks().map((/** @type {MediaStreamTrack} */ { kind, muted, readyState }) => ({ kind, muted, readyState }));
    return { user, connectionState, iceConnectionState, signalingState, idle: peer.idle(Date.now()), tracks };
  });
  return { peers, greetings: [...mesh.greetings], own: mesh.media.stream.getTracks().length, videos };
};

/** Asks the API as the page would. @param {Page} page @param {string} method @param {string} path @param {any} [json] */
export const ask = (page, method, path, json) => page.evaluate(async ([how, where, what]) => {
  const answer = await fetch(`/api/v1${where}`, {
    method: how, headers: what === undefined ? {} : { 'Content-Type': 'application/json' }, body: what === undefined ? undefined : JSON.stringify(what) });
  const text = await answer.text();
  return { status: answer.status, body: text && /^[[{]/.test(text) ? JSON.parse(text) : text };
}, [method, path, json]);

/** Texts of the elements that match. @param {Page} page @param {string} selector */
export const texts = (page, selector) => page.locator(selector).allTextContents();

export { WAIT_MS, until };
