// Signing on its way into a room: sent in small batches, kept here until the captions of it are kept
// there, and sent again where it may have been lost.

import type { FramesTaken } from './api.js';
import type { Frame } from './pose.js';
import { Problem, wait } from './problem.js';
import { BATCH_MAX, MEDIA_TYPE, batch } from './wire.js';

/** Frames gathered before a batch goes out: a fifth of a second of a camera. */
const BATCH = 5;
/** Most frames kept for sending again: what the server keeps of a live stream, at 60 a second. */
const KEPT_MAX = 1800;
/** How long nothing may come of it, and the pause between two tries. */
export const PATIENCE_MS = 30_000;
const PAUSE_MS = 200;

/** What of the client is needed. */
export interface Way {
  postRoomsCodeFrames(code: string, data: Uint8Array, mediaType: string, options?: { stream?: string }): Promise<FramesTaken>;
  postRoomsCodeFramesEnd(code: string, body?: Record<string, never>, options?: { stream?: string }): Promise<FramesTaken>;
}

/** A stream of landmark frames. Consent to captions has to be given before. */
export class Signing {
  /** Frames from number `done` on; below it the captions are kept by the server. */
  private kept: Frame[] = [];
  private done = 0;
  private next = 0;
  private moved = Date.now();
  private busy: Promise<void> = Promise.resolve();

  constructor(private readonly client: Way, readonly code: string, readonly stream: string = crypto.randomUUID()) {}

  /** Takes a frame, and sends what has gathered; resolves when it was taken. */
  push(frame: Frame): Promise<void> {
    this.kept.push(frame);
    if (this.kept.length > KEPT_MAX) this.forget(this.done + this.kept.length - KEPT_MAX);
    return this.afterwards(async () => {
      while (this.count() - this.next >= BATCH) await this.send();
    });
  }

  /** Sends what is left; resolves when all its captions are kept. */
  end(): Promise<void> {
    return this.afterwards(async () => {
      while (this.done < this.count()) {
        if (this.next < this.count()) await this.send();
        else {
          await wait(PAUSE_MS);
          await this.attempt(() => this.client.postRoomsCodeFramesEnd(this.code, {}, { stream: this.stream }), this.next);
        }
      }
    });
  }

  /** One thing after the other: batches keep their order. */
  private afterwards(work: () => Promise<void>): Promise<void> {
    this.busy = this.busy.then(work);
    return this.busy;
  }

  private count() {
    return this.done + this.kept.length;
  }

  private send() {
    const from = this.next - this.done;
    const frames = this.kept.slice(from, from + BATCH_MAX);
    const body = batch(frames, this.next);
    return this.attempt(() => this.client.postRoomsCodeFrames(this.code, body, MEDIA_TYPE, { stream: this.stream }), this.next + frames.length);
  }

  private async attempt(ask: () => Promise<FramesTaken>, then: number) {
    const [done, next] = [this.done, this.next];
    try {
      const taken = await ask();
      this.next = Math.max(then, this.done);
      this.forget(Math.min(taken.done_seq, this.count()));
    } catch (fault) {
      // What is no problem that the server told is a line that broke.
      if (fault instanceof Problem) await this.again(fault);
      else await this.lost();
    }
    if (this.done > done || this.next > next) this.moved = Date.now();
    else if (Date.now() - this.moved > PATIENCE_MS) throw new Error(`captions of frames from ${this.done} on do not come`);
  }

  private async again(problem: Problem) {
    const expected = problem.body.expected_seq;
    if (expected !== undefined && expected >= this.done && expected <= this.count()) this.next = expected;
    else if (problem.status === 429) await wait((problem.retryAfterS ?? PAUSE_MS / 1000) * 1000);
    else if (problem.status >= 500) await this.lost();
    else throw problem;
  }

  /** What is not done may be lost with the server that took it. */
  private lost() {
    this.next = this.done;
    return wait(PAUSE_MS);
  }

  private forget(done: number) {
    if (done <= this.done) return;
    this.kept.splice(0, done - this.done);
    this.done = done;
    this.next = Math.max(this.next, done);
  }
}
