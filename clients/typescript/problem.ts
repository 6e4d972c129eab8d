// What a server refuses, and how a live sequence ends.

/** What the server refused, as it said it (RFC 9457). */
export class Problem extends Error {
  constructor(readonly status: number, readonly body: { code?: string; detail?: string; expected_seq?: number }, readonly retryAfterS: number | null) {
    super(`${status} ${body.code ?? ''}: ${body.detail ?? ''}`);
  }
}

/** The live sequence is over for this client: logged out, blocked, removed, or the room closed. */
export class Closed extends Error {
  constructor(readonly code: number, readonly reason: string) {
    super(`${code} ${reason}`);
  }
}

export const wait = (ms: number) => new Promise<void>((done) => { setTimeout(done, ms); });
