// Why: tells people who do not see the page what has changed. The two regions are in the page from
// the start (screen readers miss regions that come with their text), empty.

const CLEAR_MS = 7000;

/** @param {string} id @param {string} text */
function say(id, text) {
  const region = document.getElementById(id);
  if (!region) return;
  const line = document.createElement('p');
  line.textContent = text;
  region.append(line);
  setTimeout(() => line.remove(), CLEAR_MS);
}

/** Says it when the reader has a moment: joins, mute state, connection. @param {string} text */
export const announce = (text) => say('polite', text);

/** Says it at once: only for being removed and for a lost connection. @param {string} text */
export const alarm = (text) => say('assertive', text);
