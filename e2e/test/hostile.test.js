// Why: cameras are refused and pulled out, calls are opened twice, buttons are pressed twice, names are
// long or written from right to left, and people go back and forth: nothing of that may break a call.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from '../lib/browser.js';
import { startServer } from '../lib/server.js';
import { PASSWORD, ask, enter, framesSeen, inCall, newRoom, panel, register, seesTheOther, texts, until } from '../lib/steps.js';

/** With the owner thirty. */
const CROWD = 29;
const LONG = 'W'.repeat(50);
const ARABIC = 'مرحبا بالعالم';

/** @type {Record<string, any>} */
const at = {};

before(async () => {
  at.server = await startServer(['--api', 'throttles.registrations.burst=200', '--api', 'throttles.logins.burst=200']);
  at.browser = await startBrowser();
  [at.ann, at.ben] = await Promise.all([0, 1].map(() => openPage(at.browser, at.server.url)));
  await Promise.all([register(at.ann.page, 'ann'), register(at.ben.page, 'ben')]);
});

after(async () => {
  await at.browser?.close();
  await at.server?.stop();
});

/** Somebody without a browser. @param {string} name @param {string} email */
async function person(name, email) {
  const say = async (/** @type {string} */ path, /** @type {any} */ json, token = '') => {
    const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(`${at.server.url}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(json) });
    assert.ok(answer.ok, `${path}: ${answer.status}`);
    return answer.json();
  };
  const { token } = await say('/users', { username: name, email, password: PASSWORD });
  return (/** @type {string} */ path, /** @type {any} */ json) => say(path, json, token);
}

test('a button pressed twice does it once', async () => {
  const { page } = at.ann;
  await page.goto('/');
  await page.getByRole('button', { name: 'New room' }).dblclick();
  await page.waitForURL(/\/rooms\//);
  at.code = page.url().split('/').pop();
  assert.equal((await ask(page, 'GET', '/rooms')).body.data.length, 1, 'one room');
  await page.getByRole('button', { name: 'Join the call' }).dblclick();
  await inCall(page);
  assert.equal(await page.locator('sc-in-call').count(), 1);
  await panel(page, 'Transcript');
  const caption = page.getByLabel('Type a caption');
  await caption.fill('said once');
  await Promise.all([caption.press('Enter'), caption.press('Enter')]);
  await panel(page, 'Chat');
  const line = page.getByLabel('Write a message');
  await page.route(/\/messages$/, async (route) => {
    // The first answer is late: what was written second must not come before it.
    if (route.request().postData()?.includes('first')) await new Promise((done) => { setTimeout(done, 400); });
    await route.continue();
  });
  for (const text of ['first', 'second', 'third']) {
    await line.fill(text);
    await Promise.all([line.press('Enter'), line.press('Enter')]);
  }
  await until(async () => (await texts(page, '.message .text')).length >= 3, 'the messages');
  await page.unroute(/\/messages$/);
  const { body } = await ask(page, 'GET', `/rooms/${at.code}/messages`);
  assert.deepEqual(body.data.map((row) => row.msg_content), ['first', 'second', 'third']);
  assert.deepEqual((await ask(page, 'GET', `/rooms/${at.code}/transcripts`)).body.data.map((row) => row.ts_content), ['said once']);
});

test('an answer that was lost on its way does not make the message twice', async () => {
  const { page } = at.ann;
  const line = page.getByLabel('Write a message');
  await page.route(/\/messages$/, async (route) => {
    await route.fetch();
    await route.abort();
  });
  await line.fill('fourth');
  await line.press('Enter');
  await page.locator('.chat > .fault', { hasText: 'can’t be reached' }).waitFor();
  await page.unroute(/\/messages$/);
  assert.equal(await line.inputValue(), 'fourth', 'it stands there to be sent again');
  await line.press('Enter');
  await until(async () => (await line.inputValue()) === '', 'the message to go');
  await until(async () => (await page.locator('.chat > .fault').textContent()) === '', 'no fault any more');
  const { body } = await ask(page, 'GET', `/rooms/${at.code}/messages`);
  assert.deepEqual(body.data.map((row) => row.msg_content), ['first', 'second', 'third', 'fourth']);
});

test('back and forward leave the call and come back into it', async () => {
  const { page } = at.ann;
  await page.goBack();
  await page.getByRole('heading', { name: 'Calls in sign' }).waitFor();
  await page.goForward();
  await inCall(page);
  await panel(page, 'Chat');
  await page.locator('.message .text', { hasText: 'third' }).waitFor();
  assert.equal(await page.locator('sc-in-call').count(), 1);
});

test('the same person in two tabs: the newer one has the video, and it can be brought back', async () => {
  const [ann, ben] = [at.ann.page, at.ben.page];
  await enter(ben, at.code);
  await seesTheOther(ann, 'Ben\'s picture');
  const second = await at.ann.context.newPage();
  await second.goto(`/rooms/${at.code}`);
  await enter(second, at.code);
  await ann.getByText('Your video is in another tab').waitFor();
  await seesTheOther(second, 'Ben\'s picture in the second tab');
  await seesTheOther(ben, 'Ann\'s picture from the second tab');
  assert.equal(await framesSeen(ann), 0, 'no video in the first tab');
  await second.getByText('Your video is in another tab').waitFor({ state: 'detached' });
  await ann.getByRole('button', { name: 'Bring the video here' }).click();
  await second.getByText('Your video is in another tab').waitFor();
  await seesTheOther(ann, 'Ben\'s picture in the first tab again');
  await second.close();
  await seesTheOther(ben, 'Ann\'s picture from the first tab');
});

test('a camera that is refused, missing or pulled out is said, and the call goes on', async () => {
  const { page, watch } = await openPage(at.browser, at.server.url, { storageState: await at.ben.context.storageState() });
  await page.addInitScript(() => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const fault = sessionStorage.getItem('fault');
      if (fault) throw new DOMException('a test', fault);
      return real(wanted);
    };
  });
  await page.goto('/');
  for (const [fault, text] of [['NotAllowedError', 'told not to allow'], ['NotFoundError', 'None was found'], ['NotReadableError', 'Another program']]) {
    await page.evaluate((name) => sessionStorage.setItem('fault', name), fault);
    await page.goto(`/rooms/${at.code}`);
    await page.locator('.preview .off', { hasText: text }).waitFor();
  }
  await enter(page, at.code);
  const camera = page.getByRole('toolbar').getByRole('button', { name: 'Camera' });
  await camera.click();
  await page.locator('.notice', { hasText: 'Camera: Another program uses it.' }).waitFor();
  await page.evaluate(() => sessionStorage.removeItem('fault'));
  await camera.click();
  await page.locator('.tile.own video:not([hidden])').waitFor();
  assert.equal(await page.locator('.notice').textContent(), '');
  await page.evaluate(() => {
    const { media } = /** @type {any} */ (document.querySelector('sc-in-call'));
    media.video.dispatchEvent(new Event('ended'));
  });
  await page.locator('.notice', { hasText: 'perhaps it was pulled out' }).waitFor();
  await page.getByRole('toolbar').getByRole('button', { name: 'Camera', pressed: false }).waitFor();
  watch.clean();
  await page.close();
});

test('a camera that comes when it is not wanted any more goes out at once', async () => {
  const { page } = await openPage(at.browser, at.server.url, { storageState: await at.ben.context.storageState() });
  await page.addInitScript(() => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    const held = Object.assign(window, { held: /** @type {(() => void)[]} */ ([]), given: /** @type {MediaStreamTrack[]} */ ([]) });
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      await new Promise((done) => { held.held.push(() => done(undefined)); });
      const stream = await real(wanted);
      held.given.push(...stream.getTracks());
      return stream;
    };
  });
  await page.goto(`/rooms/${at.code}`);
  await until(() => page.evaluate(() => /** @type {any} */ (window).held.length), 'the camera to be asked for');
  await page.getByRole('link', { name: 'Signcall' }).click();
  await page.getByRole('heading', { name: 'Calls in sign' }).waitFor();
  await page.evaluate(() => /** @type {any} */ (window).held.forEach((/** @type {() => void} */ give) => give()));
  const states = () => page.evaluate(() => /** @type {any} */ (window).given.map((/** @type {MediaStreamTrack} */ track) => track.readyState));
  await until(async () => (await states()).join() === 'ended', 'the camera to be off');
  await page.close();
});

test('a link that can\'t be copied is shown', async () => {
  const { page } = at.ann;
  await panel(page, 'People');
  await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true }));
  await page.getByRole('button', { name: 'Copy the link' }).click();
  await page.locator('.invite .kept', { hasText: `/rooms/${at.code}` }).waitFor();
});

test('thirty people, long names and right-to-left texts: all can be read and reached', async () => {
  const { page } = at.ann;
  await ask(page, 'PATCH', `/rooms/${at.code}`, { capacity: 100 });
  const names = [LONG, ARABIC, ...Array.from({ length: CROWD - 3 }, (_, number) => `person ${number}`)];
  for (const [number, name] of names.entries()) {
    const say = await person(name, `p${number}@example.org`);
    await say(`/rooms/${at.code}/participants`, {});
    if (number === 1) await say(`/rooms/${at.code}/transcripts`, { ts_content: 'نعم (شكرا).' });
    if (number === 0) await say(`/rooms/${at.code}/messages`, { msg_content: 'x'.repeat(500) });
  }
  await panel(page, 'People');
  await page.getByText(`${CROWD + 1} people in the room`).waitFor();
  await page.getByText('more without video').waitFor();
  for (const viewport of [{ width: 1280, height: 800 }, { width: 390, height: 844 }, { width: 320, height: 256 }]) {
    await page.setViewportSize(viewport);
    for (const name of /** @type {const} */ (['Chat', 'People'])) {
      await panel(page, name);
      const beyond = await page.evaluate(() => {
        const panel = /** @type {Element} */ (document.querySelector('aside.panel')).getBoundingClientRect();
        return [...document.querySelectorAll('aside.panel button, aside.panel .name, aside.panel .text')].filter((one) => {
          const { right, width } = one.getBoundingClientRect();
          return width > 0 && right > Math.min(panel.right, innerWidth) + 1;
        }).map((one) => one.textContent);
      });
      assert.deepEqual(beyond, [], `beyond the edge of ${name} at ${viewport.width} px`);
      assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth <= innerWidth), 'nothing scrolls sideways');
      const over = await page.evaluate(() => [...document.querySelectorAll('.message')].filter((one) => {
        const [buttons, text] = ['.actions', '.text'].map((part) => one.querySelector(part)?.getBoundingClientRect());
        return buttons && text && buttons.bottom > text.top + 1 && buttons.top < text.bottom;
      }).length);
      assert.equal(over, 0, 'buttons stand beside the text of a message, not on it');
    }
    const hidden = await page.evaluate(() => {
      const [band, panel] = ['.theatre .captions', 'aside.panel'].map((one) => /** @type {Element} */ (document.querySelector(one)).getBoundingClientRect());
      return panel.left < band.right && panel.top < band.bottom - 1 && panel.bottom > band.top + 1;
    });
    assert.ok(!hidden, `captions beside the panel, not under it, at ${viewport.width} px`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  const caption = page.locator('.captions .caption', { hasText: 'نعم' });
  await caption.waitFor();
  const order = await caption.evaluate((line) => {
    const [name, text] = [line.querySelector('bdi'), line.querySelector('[dir=auto]')].map((one) => /** @type {Element} */ (one).getBoundingClientRect());
    return name.right <= text.left && getComputedStyle(/** @type {Element} */ (line.querySelector('[dir=auto]'))).direction === 'rtl';
  });
  assert.ok(order, 'a name and a text from right to left stand apart');
});

test('those who do not see hear of messages and captions, each in its language', async () => {
  const [ann, ben] = [at.ann.page, at.ben.page];
  await ask(ann, 'PATCH', `/rooms/${at.code}`, { language: 'de' });
  await until(() => ben.evaluate(() => /** @type {any} */ (document.querySelector('sc-in-call')).call.room.language === 'de'), 'the room\'s language');
  await ask(ann, 'POST', `/rooms/${at.code}/messages`, { msg_content: 'für alle' });
  await until(async () => (await texts(ben, '#polite p')).includes('ann writes: für alle'), 'the message, said');
  await ask(ann, 'POST', `/rooms/${at.code}/transcripts`, { ts_content: 'Guten Tag' });
  await until(async () => (await ben.locator('[role="log"] [lang="de"]').allTextContents()).includes('Guten Tag'), 'the caption, said in German');
  await ben.locator('.captions [lang="de"]', { hasText: 'Guten Tag' }).waitFor();
  const known = await ben.evaluate(async () => {
    const { written } = await import('/assets/lib/format.js');
    return [written({}, 'ase', 'de'), written({}, null, 'gsg'), written({}, null, 'en-GB'), written({ kind: 'typed' }, 'ase', 'gsg'), written({ kind: 'typed' }, 'ase', 'de')];
  });
  assert.deepEqual(known, ['en', 'de', 'en-GB', null, 'de']);
});

test('a guest comes in, reloads, and is told that the visit ends with the call', async () => {
  const [ann, guest] = [at.ann.page, (await openPage(at.browser, at.server.url)).page];
  await ann.goto('/');
  const code = await newRoom(ann);
  await ask(ann, 'PATCH', `/rooms/${code}`, { guests: true });
  await enter(ann, code);
  await guest.goto(`/rooms/${code}`);
  await guest.getByLabel('Your name').fill('Zoe');
  await guest.getByRole('button', { name: 'Join the call' }).click();
  await inCall(guest);
  await guest.reload();
  await inCall(guest);
  await ask(ann, 'POST', `/rooms/${code}/close`);
  await guest.getByText('Your visit as a guest ended with it').waitFor();
  await ann.getByRole('heading', { name: 'This call has ended' }).waitFor();
  await ann.locator('.archive .panel').first().waitFor();
  await guest.getByRole('link', { name: 'To the start page' }).click();
  await guest.getByRole('heading', { name: 'Calls in sign' }).waitFor();
  await guest.close();
});

test('a log-in that ended elsewhere leads to the door, and says why', async () => {
  const tab = await at.ben.context.newPage();
  await tab.goto('/account');
  await tab.getByRole('heading', { name: 'Your account' }).waitFor();
  const login = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ username: 'ben', password: PASSWORD }) };
  const { token } = await (await fetch(`${at.server.url}/api/v1/tokens`, login)).json();
  await fetch(`${at.server.url}/api/v1/tokens`, { method: 'DELETE', headers: { Authorization: `Bearer ${token}` } });
  await at.ben.page.getByRole('heading', { name: 'You were logged out' }).waitFor();
  await tab.getByText('Your log-in has ended').waitFor();
  await tab.getByLabel('User name').fill('ben');
  await tab.getByLabel('Password').fill(PASSWORD);
  await tab.getByRole('button', { name: 'Log in' }).click();
  await tab.getByRole('heading', { name: 'Your account' }).waitFor();
  // The other tabs hear of it.
  await tab.getByRole('button', { name: 'Log out' }).first().click();
  await tab.getByRole('link', { name: 'Log in' }).first().waitFor();
  const third = await at.ben.context.newPage();
  await third.goto('/');
  await third.getByRole('link', { name: 'Log in' }).first().waitFor();
  await tab.goto('/login');
  await tab.getByLabel('User name').fill('ben');
  await tab.getByLabel('Password').fill(PASSWORD);
  await tab.getByRole('button', { name: 'Log in' }).click();
  await third.getByRole('button', { name: 'Log out' }).waitFor();
});

test('no error went unseen', () => {
  for (const one of [at.ann, at.ben]) one.watch.clean();
});
