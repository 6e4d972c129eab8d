// Why: teaches a model a sign, from consent to what came of it: name it, record it or bring
// recordings, agree, and read how well it is told apart.

import { Problem, api, path } from '../lib/api.js';
import { View, define, fill, h } from '../lib/dom.js';
import { announce } from '../lib/announce.js';
import { choice, field, problemText, tick } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { upload } from '../lib/upload.js';
import { dropPlace } from '../signs/pose-drop.js';
import { installed } from '../signs/landmarker.js';
import { clips } from '../teach/clips.js';
import { CLIPS, LABEL_MAX, MAX, lesson } from '../teach/lesson.js';
import { recorder } from '../teach/recorder.js';
import { result } from '../teach/result.js';

/** @typedef {{name: string, default: boolean, teachable: boolean, words: string[], letters: string[]}} Model */

class Teach extends View {
  /** @type {Model[]} */
  models = [];

  build() {
    this.className = 'teach';
    this.load();
  }

  async load() {
    try {
      const [{ data }, version] = await Promise.all([api('GET', '/models'), installed()]);
      this.models = data.filter((/** @type {Model} */ model) => model.teachable);
      this.camera = Boolean(version);
      if (this.isConnected) this.draw();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fill(this, h('p', { class: 'fault', role: 'alert' }, problemText(problem)));
    }
  }

  draw() {
    if (lesson.taught) return fill(this, result(lesson.taught, () => this.another()));
    if (!this.models.length) return fill(this, h('h2', null, t('teach.title')), h('p', { class: 'leaves' }, t('problem.no_recognizer')));
    this.fault = h('p', { class: 'fault', role: 'alert' });
    this.sending = h('div', { class: 'sending', hidden: true });
    this.button = h('button', { class: 'primary' }, t('teach.button'));
    this.wait = h('p', { class: 'hint', id: 'teach-wait' });
    this.button.setAttribute('aria-describedby', 'teach-wait');
    const gathered = clips({ lesson, again: (id) => this.recorder?.begin(id) });
    this.form = h('form', { class: 'lesson', novalidate: true, onsubmit: (/** @type {SubmitEvent} */ event) => this.send(event) },
      h('div', { class: 'lead-in' }, h('h2', null, t('teach.title')), h('p', { class: 'lead' }, t('teach.text', { n: CLIPS }))),
      h('div', { class: 'columns' },
        h('div', { class: 'stack' }, this.what(), this.how()),
        h('div', { class: 'stack' }, h('section', { class: 'card stack' }, h('h3', null, t('teach.gathered')), gathered), this.consent())));
    fill(this, this.form);
    this.listen(lesson, 'change', () => this.ready());
    this.ready();
    return undefined;
  }

  /** Which sign, and who learns it. */
  what() {
    const options = /** @type {[string, string][]} */ (this.models.map((model) => [model.name, model.name]));
    const chosen = this.models.find((model) => model.name === lesson.base) ?? this.models.find((model) => model.default) ?? this.models[0];
    lesson.base = chosen.name;
    const note = (/** @type {'label' | 'name' | 'base'} */ name) => (/** @type {any} */ event) => {
      lesson[name] = event.target.value;
      this.known();
    };
    const label = field('label', t('teach.label'), { hint: t('teach.label.hint'), required: true, maxlength: LABEL_MAX, autocomplete: 'off', value: lesson.label, oninput: note('label') });
    const name = field('name', t('teach.name'), { hint: t('teach.name.hint'), maxlength: LABEL_MAX, autocomplete: 'off', spellcheck: 'false', value: lesson.name, oninput: note('name') });
    return h('section', { class: 'card stack' }, h('h3', null, t('teach.what')), label,
      choice('base', t('teach.base'), options, { chosen: chosen.name, onchange: note('base') }), h('details', null, h('summary', null, t('teach.more')), name));
  }

  /** By camera, or from files. */
  how() {
    this.recorder = this.camera ? recorder({ lesson }) : null;
    this.wrong = h('p', { class: 'fault', role: 'alert' });
    return h('section', { class: 'card stack' }, h('h3', null, t('teach.how')),
      this.recorder ?? h('p', { class: 'leaves' }, t('sign.missing')),
      dropPlace((files) => this.take(files)), this.wrong);
  }

  /** The second consent, and the button. */
  consent() {
    const agree = tick('keep_consent', t('teach.agree'), { hint: t('teach.agree.hint'), checked: lesson.agreed, onchange: (/** @type {any} */ event) => {
      lesson.agreed = event.target.checked;
      this.ready();
    } });
    return h('section', { class: 'card stack' }, h('h3', null, t('teach.consent')),
      h('div', { class: 'leaves' }, h('ul', null, ['points', 'stays', 'gone'].map((one) => h('li', null, t(`teach.consent.${one}`))))),
      agree, this.fault, this.sending, h('div', { class: 'row' }, this.button, this.wait));
  }

  /** @param {Iterable<File>} files */
  async take(files) {
    fill(this.wrong);
    for (const file of files) {
      const why = file.size > MAX.bytes ? 'teach.big' : lesson.clips.length >= MAX.clips ? 'teach.many' : '';
      if (why) this.wrong.append(h('span', null, t(why, { name: file.name, n: MAX.clips })));
      else lesson.take(file.name, await file.arrayBuffer());
    }
    announce(t('teach.count', { number: lesson.clips.length, of: CLIPS }));
  }

  /** Says at once when the model has the sign already; true then. */
  known() {
    const model = this.models.find((one) => one.name === lesson.base);
    const label = lesson.label.trim();
    const has = (label.length === 1 ? model?.letters : model?.words)?.includes(label) ?? false;
    this.blame('label', has ? t('teach.known', { model: lesson.base, label }) : '');
    return has;
  }

  /** @param {string} name of a field @param {string} text what is wrong with it; nothing for well */
  blame(name, text) {
    const input = this.form?.querySelector(`[name="${name}"]`);
    if (!input) return;
    input.toggleAttribute('aria-invalid', Boolean(text));
    if (text) input.setAttribute('aria-invalid', 'true');
    const place = input.closest('.field')?.querySelector('.fault');
    if (place) fill(place, text || null);
  }

  /** What is still missing before it can be taught; nothing when it can. */
  lacks() {
    if (lesson.missing) return t('teach.lacks.clips', { n: lesson.missing });
    if (lesson.clips.some((clip) => clip.fault)) return t('teach.lacks.faulty');
    return lesson.agreed ? '' : t('teach.lacks.consent');
  }

  ready() {
    const lacks = this.lacks();
    fill(this.wait, lacks || t('teach.takes'));
    this.button.disabled = Boolean(lacks) || Boolean(this.sending && !this.sending.hidden);
  }

  /** @param {SubmitEvent} event */
  async send(event) {
    event.preventDefault();
    fill(this.fault);
    this.blame('name', '');
    if (!lesson.label.trim()) this.blame('label', t('form.required'));
    if (!lesson.label.trim() || this.known()) return this.focus_('label');
    if (this.lacks()) return undefined;
    this.progress(0);
    try {
      lesson.taught = await upload(path`/models/${lesson.base}/signs`, lesson.body(), (share) => this.progress(share), this.signal);
      this.draw();
      this.querySelector('h2')?.focus();
      announce(t('teach.result.title', { label: lesson.taught.label }));
    } catch (problem) {
      if (this.signal.aborted) return undefined;
      if (!(problem instanceof Problem)) throw problem;
      this.refused(problem);
    } finally {
      if (this.sending) this.sending.hidden = true;
      this.ready();
    }
    return undefined;
  }

  /** How far it is: on its way, then being learned, which has no measure. @param {number} share */
  progress(share) {
    const learning = share >= 1;
    const text = t(learning ? 'teach.learning' : 'teach.sending');
    if (this.sending.dataset.text !== text) {
      this.sending.dataset.text = text;
      fill(this.sending, h('p', { role: 'status' }, text), h('progress', { max: '1', 'aria-label': text, value: learning ? undefined : 0 }));
      if (learning) this.sending.querySelector('progress').removeAttribute('value');
    }
    if (!learning) this.sending.querySelector('progress').value = share;
    this.sending.hidden = false;
    this.button.disabled = true;
  }

  /** @param {Problem} problem */
  refused(problem) {
    const faulty = lesson.blame(problem);
    const fields = problem.errors.filter(({ field: name = '' }) => name === 'label' || name === 'name');
    for (const { field: name = '', detail = '' } of fields) this.blame(name, problem.code === 'invalid' ? detail : problemText(problem));
    if (fields.some((one) => one.field === 'name')) this.form.querySelector('details').open = true;
    if (fields.length) this.focus_(fields[0].field ?? '');
    fill(this.fault, faulty ? t('teach.faulty', { n: faulty }) : fields.length ? null : problemText(problem));
  }

  /** @param {string} name */
  focus_(name) {
    /** @type {HTMLElement | null} */ (this.form.querySelector(`[name="${name}"]`))?.focus();
  }

  /** The next sign, for the model that has this one. */
  another() {
    const { model } = lesson.taught;
    lesson.clear();
    lesson.base = model;
    this.load();
  }
}

/** The view. */
export const teach = define('sc-teach', Teach);
