// Why: camera and microphone: asked for only when needed, chosen by the person, switched off for
// real (the light goes out), and missing without drama.

import { prefs } from '../lib/prefs.js';

const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };

/** Why there is no picture or sound: a name for a message. @param {unknown} fault */
function reason(fault) {
  const name = fault instanceof Error ? fault.name : '';
  if (name === 'NotAllowedError') return 'refused';
  if (name === 'NotReadableError') return 'busy';
  return 'missing';
}

/**
 * One's own camera and microphone. Says `change` when a track came or went; `fault` is the reason
 * why the last one asked for did not come.
 */
export class Media extends EventTarget {
  constructor() {
    super();
    /** @type {MediaStreamTrack | null} */
    this.video = null;
    /** @type {MediaStreamTrack | null} */
    this.audio = null;
    /** @type {{video: string | null, audio: string | null}} */
    this.fault = { video: null, audio: null };
    this.stream = new MediaStream();
    /** Counts the wishes: what was asked for before the last one is not wanted any more. */
    this.wishes = { video: 0, audio: 0 };
  }

  /** Whether the browser lets pages have cameras here: over TLS or on this very machine. */
  get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  /** Switches one on or off. @param {'video' | 'audio'} kind @param {boolean} on */
  async set(kind, on) {
    this.wishes[kind] += 1;
    this.drop(kind);
    this.fault[kind] = null;
    if (on) await this.take(kind);
    this.dispatchEvent(new Event('change'));
  }

  /** @param {'video' | 'audio'} kind */
  async take(kind) {
    if (!this.possible) {
      this.fault[kind] = 'insecure';
      return undefined;
    }
    const wanted = kind === 'video' ? prefs().camera : prefs().microphone;
    const device = wanted ? { deviceId: { ideal: wanted } } : {};
    const constraints = kind === 'video' ? { video: { ...VIDEO, ...device } } : { audio: { ...device } };
    const wish = this.wishes[kind];
    try {
      const [track] = (await navigator.mediaDevices.getUserMedia(constraints)).getTracks();
      // Browsers ask people first: meanwhile it may have been switched off, or the room been left.
      if (wish !== this.wishes[kind]) return track.stop();
      if (kind === 'video') track.contentHint = 'motion';
      track.onended = () => this.lost(kind);
      this.drop(kind);
      this[kind] = track;
      this.stream.addTrack(track);
    } catch (fault) {
      if (wish === this.wishes[kind]) this.fault[kind] = reason(fault);
    }
    return undefined;
  }

  /** It was pulled out, or another program took it. @param {'video' | 'audio'} kind */
  lost(kind) {
    this.drop(kind);
    this.fault[kind] = 'lost';
    this.dispatchEvent(new Event('change'));
  }

  /** @param {'video' | 'audio'} kind */
  drop(kind) {
    const track = this[kind];
    if (!track) return;
    track.onended = null;
    track.stop();
    this.stream.removeTrack(track);
    this[kind] = null;
  }

  /** Everything off. */
  stop() {
    for (const kind of /** @type {const} */ (['video', 'audio'])) this.wishes[kind] += 1;
    this.drop('video');
    this.drop('audio');
  }
}

/** The cameras and microphones there are; their names are known once one was allowed. */
export async function devices() {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const of = (/** @type {string} */ kind) =>
    all.filter((one) => one.kind === kind && one.deviceId).map((one) => /** @type {[string, string]} */ ([one.deviceId, one.label]));
  return { cameras: of('videoinput'), microphones: of('audioinput') };
}
