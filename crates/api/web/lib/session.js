// Why: who is using the page. Members come by cookie, guests by a token for one room that lives as
// long as the tab does.

import { Problem, api, useToken } from './api.js';

const GUEST = 'signcall.guest';
const UNAUTHORIZED = 401;

/** @typedef {{id: number, username: string, email?: string, is_admin?: boolean, is_guest?: boolean}} Person */

/** Says `change` when somebody logs in or out, `elsewhere` when that happened in another tab. */
export const session = Object.assign(new EventTarget(), {
  /** @type {Person | null} */
  me: null,
  /** Whether the server has said who this is, or that it is nobody. */
  known: false,
  /** The one room a guest may be in. @type {string | null} */
  guestRoom: null,
});

/** Other tabs share the cookie: they hear when somebody logs in or out here, and ask who they are. */
const others = new BroadcastChannel('signcall.session');
others.onmessage = () => session.guestRoom === null && session.dispatchEvent(new Event('elsewhere'));

/** @param {Person | null} me */
function become(me) {
  session.me = me;
  session.known = true;
  session.dispatchEvent(new Event('change'));
}

/** Asks the server who we are. Nobody is logged out unless it says so: any other fault is thrown. */
export async function restore() {
  const kept = sessionStorage.getItem(GUEST);
  if (kept) {
    const guest = JSON.parse(kept);
    useToken(guest.token);
    session.guestRoom = guest.room;
    become(guest.person);
    return;
  }
  try {
    const answer = await api('GET', '/users/me');
    become(answer?.user ?? answer);
  } catch (problem) {
    if (!(problem instanceof Problem && problem.status === UNAUTHORIZED)) throw problem;
    become(null);
  }
}

/** Logs in by cookie. @param {string} username @param {string} password */
export async function logIn(username, password) {
  forgetGuest();
  await api('POST', '/sessions', { json: { username, password }, key: null });
  await restore();
  others.postMessage(null);
}

/** Registers and logs in. The token that registering hands out is given back at once: the page uses its cookie. @param {{username: string, email: string, password: string}} fields */
export async function register(fields) {
  forgetGuest();
  const { token } = await api('POST', '/users', { json: fields, key: null });
  await logIn(fields.username, fields.password);
  await api('DELETE', '/tokens/current', { token }).catch(() => null);
}

/** Ends the session on this device. Throws where the server did not hear of it: the cookie is still good then. */
export async function logOut() {
  const route = session.guestRoom ? '/tokens/current' : '/sessions/current';
  await api('DELETE', route).catch((problem) => {
    if (!(problem instanceof Problem && problem.status === UNAUTHORIZED)) throw problem;
  });
  forget();
}

/** Keeps what joining as a guest gave. @param {string} room @param {{token: string, participant: any, user?: any}} answer @param {string} name */
export function becomeGuest(room, answer, name) {
  const id = answer.user?.id ?? answer.participant?.rp_user_id ?? answer.participant?.user_id;
  const person = { id, username: name, is_guest: true };
  sessionStorage.setItem(GUEST, JSON.stringify({ room, token: answer.token, person }));
  useToken(answer.token);
  session.guestRoom = room;
  become(person);
}

/** Forgets who was here without asking the server; used when it has said so itself. */
export function forget() {
  const member = !session.guestRoom;
  forgetGuest();
  become(null);
  if (member) others.postMessage(null);
}

function forgetGuest() {
  sessionStorage.removeItem(GUEST);
  useToken(null);
  session.guestRoom = null;
}
