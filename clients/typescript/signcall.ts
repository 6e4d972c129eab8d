// A thin client of Signcall: every route, the live sequence with resume, signing and .pose clips.
// For browsers and for Node 18 or newer; needs nothing else.
//
//   const sam = new Client('http://127.0.0.1:8080');
//   await sam.register('sam', 'sam@example.org', 'a long enough password');
//   const room = await sam.postRooms();
//   for await (const event of sam.live(room.room_code)) console.log(event);

import { Routes, type Ask, type Message, type Transcript } from './api.js';
import { readPose } from './pose.js';
import { Closed, Problem, wait } from './problem.js';
import { PATIENCE_MS, Signing } from './signing.js';

export * from './api.js';
export { readPose, type Frame, type Point } from './pose.js';
export { Closed, Problem } from './problem.js';
export { Signing } from './signing.js';

/** A server that says nothing for so long is gone: it sends a heartbeat every 15 s. */
const SILENCE_MS = 45_000;
/** The first pause before connecting again; it doubles up to the last. */
const PAUSE_MS = 200;
const PAUSE_MAX_MS = 10_000;

/** What passes by itself, and how often one request is tried. */
const PASSING = [429, 503];
const ATTEMPTS = 5;

/** What happens in a room, as far as the names of it are known here. Without `seq` it is ephemeral. */
export type RoomEvent =
  | { type: 'message' | 'message_edited' | 'message_deleted'; seq: number; data: Message }
  | { type: 'transcript' | 'transcript_revised'; seq: number; data: Transcript }
  | { type: 'partial'; seq?: undefined; data: { user_id: number; segment_id: string; text: string; [more: string]: unknown } }
  | { type: 'frames.done'; seq?: undefined; data: { user_id: number; stream: string; done_seq: number } }
  | { type: 'ready'; seq?: undefined; data: { seq: number } }
  | { type: 'reset'; seq?: undefined; data: { seq: number; messages: Message[]; transcripts: Transcript[]; [more: string]: unknown } }
  | { type: 'close'; seq?: undefined; data: { code: number; reason: string; reconnect: boolean } }
  | { type: 'participant_joined' | 'participant_admitted' | 'participant_left' | 'participant_removed'; seq: number; data: Record<string, unknown> }
  | { type: 'consent_changed' | 'room_changed' | 'room_closed'; seq: number; data: Record<string, unknown> }
  | { type: 'texts_erased'; seq: number; data: { room_id: number; user_id: number } }
  | { type: 'texts_expired'; seq: number; data: { room_id: number; kind: 'message' | 'transcript'; before: string } }
  | { type: 'signing' | 'degraded' | 'typing' | 'signal'; seq?: undefined; data: Record<string, unknown> };

/** Asks again what may be asked twice, while the server says that it passes, or the line breaks. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (fault) {
      const refused = fault instanceof Problem && !PASSING.includes(fault.status);
      if (refused || attempt === ATTEMPTS) throw fault;
      await wait(fault instanceof Problem ? (fault.retryAfterS ?? 1) * 1000 : PAUSE_MS);
    }
  }
}

/** One user of one server. */
export class Client extends Routes {
  constructor(readonly url: string, public token: string | null = null) {
    super();
  }

  /** Registers, and is logged in afterwards. */
  async register(username: string, email: string, password: string) {
    const made = await this.postUsers({ username, email, password });
    this.token = made.token;
    return made.user;
  }

  /** Logs in. */
  async logIn(username: string, password: string) {
    const made = await this.postTokens({ username, password });
    this.token = made.token;
    return made.user;
  }

  /** Asks once; throws `Problem` when the server refuses. */
  override async request(method: string, path: string, ask: Ask = {}): Promise<any> {
    const answer = await this.open(method, path, ask);
    const body = await answer.text();
    if (!body) return undefined;
    return answer.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(body) : body;
  }

  /**
   * Sends a whole .pose file as a stream of its own; resolves when all its captions are kept. Retried
   * under one key, so it is taken once.
   */
  async sendPose(code: string, clip: Uint8Array) {
    const idempotencyKey = crypto.randomUUID();
    const sent = await patiently(() => this.postRoomsCodeFrames(code, clip, 'application/x-pose', { idempotencyKey }));
    let [done, moved] = [sent.done_seq, Date.now()];
    while (sent.accepted && done <= sent.last_seq) {
      await wait(PAUSE_MS);
      const now = await patiently(() => this.postRoomsCodeFramesEnd(code, {}, { stream: sent.stream }));
      if (now.done_seq > done) [done, moved] = [now.done_seq, Date.now()];
      else if (Date.now() - moved > PATIENCE_MS) throw new Error(`captions of frames from ${done} on do not come`);
    }
    return sent;
  }

  /** Signs a .pose file frame by frame, as a camera would; resolves when all its captions are kept. */
  async play(code: string, clip: Uint8Array, realPace = true) {
    const [signing, began] = [new Signing(this, code), Date.now()];
    for (const frame of readPose(clip)) {
      if (realPace) await wait(Math.max(0, began + frame.timeUs / 1000 - Date.now()));
      await signing.push(frame);
    }
    await signing.end();
  }

  /**
   * What happens in a room, for ever: reconnects and resumes by itself, so nothing is missing or
   * doubled. Without `after` it begins now. Throws `Closed` at the end.
   */
  async *live(code: string, after: number | null = null, signal?: AbortSignal): AsyncGenerator<RoomEvent> {
    let pause = PAUSE_MS;
    while (!signal?.aborted) {
      try {
        for await (const event of this.events(code, after, signal)) {
          pause = PAUSE_MS;
          if (event.type === 'close') {
            if (!event.data.reconnect) throw new Closed(event.data.code, event.data.reason);
            break;
          }
          // A snapshot and the word that all was sent say where the sequence stands.
          const says = event.type === 'reset' || event.type === 'ready' ? event.data : event;
          after = says.seq ?? after;
          yield event;
        }
      } catch (fault) {
        if (signal?.aborted) return;
        const refused = fault instanceof Problem && !PASSING.includes(fault.status);
        if (refused || fault instanceof Closed) throw fault;
        if (fault instanceof Problem && fault.retryAfterS) pause = fault.retryAfterS * 1000;
      }
      await wait(pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, PAUSE_MAX_MS);
    }
  }

  private async *events(code: string, after: number | null, signal?: AbortSignal): AsyncGenerator<RoomEvent> {
    const silence = new AbortController();
    const stop = () => silence.abort();
    signal?.addEventListener('abort', stop);
    let timer = setTimeout(stop, SILENCE_MS);
    try {
      const headers = { Accept: 'text/event-stream', 'Last-Event-ID': after };
      const answer = await this.open('GET', `/rooms/${encodeURIComponent(code)}/events`, { headers }, silence.signal);
      const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(stop, SILENCE_MS);
        const blocks = (text + value).split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const data = block.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart());
          if (data.length) yield JSON.parse(data.join('\n'));
        }
      }
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      silence.abort();
    }
  }

  private async open(method: string, path: string, ask: Ask, signal?: AbortSignal): Promise<Response> {
    const url = new URL(`${this.url}/api/v1${path}`);
    for (const [name, value] of Object.entries(ask.query ?? {})) {
      if (value !== null && value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = new Headers();
    for (const [name, value] of Object.entries(ask.headers ?? {})) {
      if (value !== null && value !== undefined) headers.set(name, String(value));
    }
    if (this.token) headers.set('Authorization', `Bearer ${this.token}`);
    if (ask.json !== undefined) headers.set('Content-Type', 'application/json');
    const body = ask.json === undefined ? (ask.data as BodyInit | undefined) : JSON.stringify(ask.json);
    const answer = await fetch(url, { method, headers, body, signal });
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({ detail: answer.statusText }));
    const retry = answer.headers.get('retry-after');
    throw new Problem(answer.status, problem, retry ? Number(retry) : null);
  }
}
