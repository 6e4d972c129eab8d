// Two people in a room: one signs (a .pose clip), the other reads the captions.
//
//   npx tsc -p clients/typescript && node clients/typescript/built/examples/captioned-call.js http://127.0.0.1:8080 CLIP.pose…
//
// The first clip is sent as a file, the others are played frame by frame, as a camera would.

import { readFile } from 'node:fs/promises';
import { Client } from '../signcall.js';

/** The last caption is on its way for at most so long. */
const LAST_WITHIN_MS = 10_000;

/** Registers a person with a name and a password of their own. */
async function somebody(url: string, name: string): Promise<Client> {
  const who = new Client(url);
  const own = `${name}-${crypto.randomUUID().slice(0, 6)}`;
  await who.register(own, `${own}@example.org`, crypto.randomUUID());
  return who;
}

async function main(url: string, clips: string[]): Promise<number> {
  const [sam, rita] = await Promise.all([somebody(url, 'sam'), somebody(url, 'rita')]);
  const { room_code: code } = await sam.postRooms();
  await rita.postRoomsCodeParticipants(code);
  console.log(`room ${code}`);
  const over = new AbortController();
  const shown: string[] = [];
  const reading = (async () => {
    for await (const { type, data } of rita.live(code, 0, over.signal)) {
      if (type === 'message') console.log(`chat     ${data.msg_content}`);
      if (type === 'partial') console.log(`partial  ${data.text} …`);
      if (type === 'transcript') {
        console.log(`final    ${data.ts_content}`);
        shown.push(data.ts_content ?? '');
      }
    }
  })();
  await sam.postRoomsCodeMessages(code, { msg_content: 'Hello! I sign, you read.' });
  await sam.putRoomsCodeCaptionsMe(code, { consent: true });
  for (const [number, clip] of clips.entries()) {
    const bytes = await readFile(clip);
    await (number === 0 ? sam.sendPose(code, bytes) : sam.play(code, bytes));
  }
  const { data } = await rita.getRoomsCodeTranscripts(code);
  const written = data.map((row) => row.ts_content ?? '');
  const until = Date.now() + LAST_WITHIN_MS;
  while (shown.length < written.length && Date.now() < until) await new Promise((done) => setTimeout(done, 50));
  over.abort();
  await reading;
  console.log('transcript', written.join(' '));
  return written.length > 0 && written.join('|') === shown.join('|') ? 0 : 1;
}

const [url, ...clips] = process.argv.slice(2);
process.exit(await main(url!, clips));
