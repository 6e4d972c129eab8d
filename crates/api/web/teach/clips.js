// Why: the clips gathered so far, each with a drawn picture of it, so that one sees which of them is
// no good before anything is taught.

import { View, define, fill, h } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';
import { figure, playOnce } from './figure.js';
import { CLIPS } from './lesson.js';

class Clips extends View {
  /** @type {import('./lesson.js').Lesson} */
  lesson = /** @type {any} */ (null);
  /** Records a clip once more. @type {(id: string) => void} */
  again = () => {};

  build() {
    this.className = 'clips';
    this.told = h('p', { class: 'soft', role: 'status' });
    this.meter = h('progress', { max: String(CLIPS), 'aria-label': t('teach.gathered') });
    this.cards = h('ol', { class: 'cards-small' });
    this.append(h('div', { class: 'gathered' }, this.told, this.meter), this.cards);
    this.listen(this.lesson, 'change', () => this.draw());
    this.draw();
  }

  draw() {
    const { clips } = this.lesson;
    this.meter.value = Math.min(clips.length, CLIPS);
    const told = t('teach.count', { number: clips.length, of: CLIPS });
    if (this.told.textContent !== told) fill(this.told, told);
    const wanted = new Set(clips.map((clip) => `${clip.id} ${clip.fault}`));
    for (const card of [...this.cards.children]) if (!wanted.has(card.dataset.clip)) card.remove();
    clips.forEach((clip, at) => {
      const name = `${clip.id} ${clip.fault}`;
      const there = [...this.cards.children].find((card) => card.dataset.clip === name) ?? this.card(clip, name);
      if (this.cards.children[at] !== there) this.cards.insertBefore(there, this.cards.children[at] ?? null);
    });
  }

  /** @param {import('./lesson.js').Clip} clip @param {string} name */
  card(clip, name) {
    const { recording } = clip;
    const said = () => h('span', { class: 'unseen' }, ` ${clip.title}`);
    const buttons = h('div', { class: 'row' },
      clip.recorded ? h('button', { type: 'button', class: 'small', onclick: () => this.again(clip.id) }, icon('wave'), t('teach.again'), said()) : null,
      h('button', { type: 'button', class: 'small danger-quiet', onclick: () => this.drop(clip) }, icon('trash'), t('teach.delete'), said()));
    const drawn = recording?.frames.length ? figure(recording) : null;
    const card = h('li', { data: { clip: name }, class: clip.fault ? 'wrong' : '' },
      h('div', { class: 'drawn' }, drawn?.element ?? h('span', { class: 'soft' }, t('teach.nopicture'))),
      h('p', { class: 'title' }, clip.title, recording ? h('span', { class: 'soft' }, ` ${t('teach.long', { seconds: (recording.frames.length / recording.fps).toFixed(1) })}`) : null),
      clip.fault ? h('p', { class: 'fault', lang: 'en' }, clip.fault) : null, buttons);
    if (recording && drawn) playOnce(card, recording, drawn);
    return card;
  }

  /** The focus goes to the clip that moves up. @param {import('./lesson.js').Clip} clip */
  drop(clip) {
    const at = this.lesson.clips.indexOf(clip);
    this.lesson.remove(clip.id);
    const next = this.cards.children[Math.min(at, this.cards.children.length - 1)];
    /** @type {HTMLElement | null} */ (next?.querySelector('button:last-child') ?? this.closest('form')?.querySelector('button'))?.focus();
  }
}

/** The clips. */
export const clips = define('sc-clips', Clips);
