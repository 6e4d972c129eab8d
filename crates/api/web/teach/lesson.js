// Why: what has been gathered for a sign so far. It outlives a look at another tab, and nothing else:
// it lies in this page's memory only, and goes when somebody else logs in.

import { uid } from '../lib/dom.js';
import { session } from '../lib/session.js';
import { asRecording, readPose, writePose } from './pose.js';

/** Clips that it takes here: fewer teach too little. */
export const CLIPS = 10;
/** What the server takes. */
export const MAX = { clips: 40, bytes: 2 * 1024 * 1024 };
/** Characters of a sign. */
export const LABEL_MAX = 64;

/** @typedef {{id: string, title: string, recorded: boolean, bytes: Uint8Array<ArrayBuffer>, recording: import('./pose.js').Recording | null, fault: string}} Clip */

/** Says `change` when a clip came or went, or was found faulty. */
export class Lesson extends EventTarget {
  /** @type {Clip[]} */
  clips = [];
  label = '';
  /** Of the new model; made up by the server when empty. */
  name = '';
  /** The model that learns. */
  base = '';
  agreed = false;
  /** So many were recorded, for their titles. */
  recorded = 0;
  /** What the server made of it. @type {any} */
  taught = null;

  /** Begins anew. */
  clear() {
    this.clips = [];
    this.label = '';
    this.name = '';
    this.base = '';
    this.agreed = false;
    this.recorded = 0;
    this.taught = null;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  /** How many are missing. */
  get missing() {
    return Math.max(0, CLIPS - this.clips.length);
  }

  /** Takes what was recorded just now, instead of a clip if one is named. @param {import('../signs/wire.js').Points[]} points @param {string} title @param {string | null} instead */
  record(points, title, instead) {
    const clip = { id: uid('clip'), title, recorded: true, bytes: writePose(points), recording: asRecording(points), fault: '' };
    const at = this.clips.findIndex((one) => one.id === instead);
    if (at < 0) this.clips.push(clip);
    else this.clips[at] = { ...clip, title: this.clips[at].title };
    this.changed();
  }

  /** Takes a file. @param {string} title @param {ArrayBuffer} bytes */
  take(title, bytes) {
    this.clips.push({ id: uid('clip'), title, recorded: false, bytes: new Uint8Array(bytes), recording: readPose(bytes), fault: '' });
    this.changed();
  }

  /** @param {string} id */
  remove(id) {
    this.clips = this.clips.filter((clip) => clip.id !== id);
    this.changed();
  }

  /** Notes what the server found wrong with clips. @param {import('../lib/api.js').Problem} problem @returns {number} how many */
  blame(problem) {
    let count = 0;
    for (const { field = '', detail = '' } of problem.errors) {
      const clip = this.clips[Number(/^clips\[(\d+)\]$/.exec(field)?.[1] ?? -1)];
      if (!clip) continue;
      clip.fault = detail;
      count += 1;
    }
    if (count) this.changed();
    return count;
  }

  /** What is sent. */
  body() {
    const { label, name, agreed, clips } = this;
    return { label: label.trim(), name: name.trim() || null, keep_consent: agreed, clips: clips.map((clip) => base64(clip.bytes)) };
  }
}

const CHUNK = 0x6000;

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += CHUNK) text += btoa(String.fromCharCode(...bytes.subarray(at, at + CHUNK)));
  return text;
}

/** The one of this page. */
export const lesson = new Lesson();

let owner = session.me?.id;
session.addEventListener('change', () => {
  if (session.me?.id === owner) return;
  owner = session.me?.id;
  lesson.clear();
});
