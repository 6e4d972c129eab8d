// Why: codes, times and names are shown the same way everywhere.

import { current, t } from './i18n.js';

const GROUP = 3;
const LOOKALIKES = /** @type {Record<string, string>} */ ({ O: '0', I: '1', L: '1' });

/** `K3W9QX7TM` as people read it: `K3W-9QX-7TM`. @param {string} code */
export function showCode(code) {
  return code.match(new RegExp(`.{1,${GROUP}}`, 'g'))?.join('-') ?? code;
}

/** The code in what was typed or pasted: a code in any writing, or a link to a room; null if there is none. @param {string} typed */
export function readCode(typed) {
  const tail = /\/rooms\/([^/?#]+)/.exec(typed)?.[1] ?? typed;
  const bare = tail.toUpperCase().replace(/[\s-]/g, '').replace(/[OIL]/g, (letter) => LOOKALIKES[letter]);
  return /^[0-9A-HJKMNP-TV-Z]{9}$/.test(bare) ? bare : null;
}

/** Milliseconds into a call as `1:02:03` or `2:03`. @param {number} ms */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A time of day. @param {string} at RFC 3339 */
export const time = (at) =>
  new Intl.DateTimeFormat(current(), { hour: '2-digit', minute: '2-digit' }).format(new Date(at));

/** Day and time. @param {string | null | undefined} at */
export const moment = (at) =>
  at ? new Intl.DateTimeFormat(current(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at)) : '–';

/** What a participant or author is called. @param {{username?: string, display_name?: string | null, user_id?: number | null, rp_user_id?: number} | null | undefined} who */
export const nameOf = (who) => who?.display_name ?? who?.username ?? t('people.deleted');

/** The written language that the labels of signed languages come in (ISO 639-3 to BCP 47). */
const WRITTEN = /** @type {Record<string, string>} */ ({ ase: 'en', bfi: 'en', asf: 'en', gsg: 'de', fsl: 'fr', ise: 'it', ssp: 'es' });

/**
 * The written language of a caption, as far as it is known: of signs by the language that their signer
 * chose, else the room's; typed captions don't say theirs, so a room's written language stands for it.
 *
 * @param {{kind?: string}} caption
 * @param {string | null | undefined} signed
 * @param {string | null | undefined} [room]
 */
export function written({ kind }, signed, room) {
  const language = (kind === 'typed' ? null : signed) ?? room ?? '';
  const is = /^[a-z]{2}(-|$)/i.test(language) ? language : null;
  return is ?? (kind === 'typed' ? null : WRITTEN[language] ?? null);
}

/** The first letter, for the badge beside a name. @param {string} name */
export const initial = (name) => (Array.from(name.trim())[0] ?? '?').toUpperCase();
