// Why: texts that are gone from the server for good, because somebody's account was deleted or a
// room's time for keeping is over, go from the page at once too.

/** @typedef {import('./call.js').Call} Call */

/** Takes away what the entry says is gone. @param {Call} call @param {{type: string, data: any}} entry */
export function forget(call, { type, data }) {
  if (type === 'texts_erased') return blank(call, (row) => row.user_id === data.user_id, { user_id: null });
  const content = data.kind === 'message' ? 'msg_content' : 'ts_content';
  return blank(call, (row) => content in row && row.created_at < data.before);
}

/** @param {Call} call @param {(row: import('./call.js').ChatRow | import('./call.js').CaptionRow) => boolean} meant @param {object} [also] what else changes */
function blank(call, meant, also = {}) {
  for (const row of call.chat.values()) {
    if (!meant(row)) continue;
    Object.assign(row, also, { msg_content: null });
    call.say('chat', { row, live: false });
  }
  for (const row of call.captions.values()) {
    if (!meant(row)) continue;
    Object.assign(row, also, { ts_content: null });
    call.say('captions', { row, live: false });
  }
  call.say('forgot');
}
