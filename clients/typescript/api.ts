// Every route of the API, one method each, and what goes in and comes out.
// Written by clients/generate.py; do not edit.

/** Where the link is wanted. */
export type Address = {
  email: string;
};

/** In from the lobby, or away. */
export type Admittance = {
  admit: boolean;
};

/** How many clips are read as, or show, the same. */
export type Alike = {
  clips: number;
  text: string;
};

/** Why. */
export type BlockReason = {
  reason: string;
};

/** A caption. */
export type CaptionText = {
  ts_content: string;
};

/** Consent to captions of one's own signing; `keep` also to keeping the landmarks. */
export type Captions = {
  consent: boolean;
  keep?: boolean;
  language?: string | null;
  model?: string | null;
};

/** A name and its password. */
export type Credentials = {
  password: string;
  username: string;
};

/** What became of one delivery. */
export type Delivery = {
  attempts: number;
  created_at: Time;
  ended_at: Time | null;
  error: string | null;
  event_id: string;
  n: number;
  next_attempt_at: Time | null;
  room_id: Id | null;
  state: "pending" | "delivered" | "dead";
  status: number | null;
  type: string;
};

/** Whether the texts go too. */
export type Erasure = {
  erase_content?: boolean;
};

/** What happened, with its personal fields opened or null. */
export type Event = {
  actor: "user" | "anonymous" | "api" | "recognizer" | "reactor" | "operator";
  actor_id: Id | null;
  created_at: Time;
  data: Record<string, unknown>;
  id: string;
  position: number;
  request_id: string | null;
  room_id: Id | null;
  type: string;
  user_id: Id | null;
};

/** Everything that is stored about oneself. */
export type Export = {
  corrections: Array<Transcript>;
  events: Array<Event>;
  former_corrections: Array<TranscriptRevision>;
  kept_landmarks: Array<KeptLandmarks>;
  message_revisions: Array<MessageRevision>;
  messages: Array<Message>;
  participations: Array<Participant>;
  rooms: Array<Room>;
  tokens: Array<Token>;
  transcript_revisions: Array<TranscriptRevision>;
  transcripts: Array<Transcript>;
  user: User;
  webhooks: Array<Webhook>;
};

/** The first administrator. */
export type FirstAdmin = {
  email: string;
  password: string;
  secret: string;
  username: string;
};

/** What became of a batch: buffered, not kept. */
export type FramesTaken = {
  accepted: number;
  credit: number;
  done_seq: number;
  first_seq: number;
  last_seq: number;
  stream: string;
};

/** The end of an account; with `erase_content` its texts go too. */
export type Goodbye = {
  erase_content?: boolean;
  password: string;
};

/** What a guest wants to be called, and may when coming back; users send nothing. */
export type GuestName = {
  display_name?: string | null;
};

/** A guest's place, and the token for it. */
export type GuestPlace = {
  participant: Participant;
  token: string;
  token_expiration: Time;
};

/** STUN and TURN servers, and until when the password is good. */
export type IceServers = {
  expires_at: Time | null;
  ice_servers: Array<{
    credential?: string;
    urls: Array<string>;
    username?: string;
  }>;
};

export type Id = number;

/** Frames that the user allowed to be kept, as they were sent. */
export type KeptLandmarks = {
  data: string;
  first_seq: number;
  kept_until: string | null;
  media_type: string;
  received_at: Time;
  room_id: Id;
  stream: string;
};

/** The last words of an event stream. */
export type LiveClose = {
  data: {
    code: number;
    reason: string;
    reconnect: boolean;
  };
  ephemeral: true;
  type: "close";
};

/** Frames of one's own were left out. */
export type LiveDegraded = {
  data: {
    reason: string;
    user_id: Id;
  };
  ephemeral: true;
  type: "degraded";
};

/** What was wrong with something that came over the socket. */
export type LiveError = {
  data: Problem;
  ephemeral: true;
  type: "error";
};

/** What became of frames that came over the socket. */
export type LiveFrames = {
  data: FramesTaken;
  ephemeral: true;
  type: "frames";
};

/** One's own frames are read up to there. */
export type LiveFramesDone = {
  data: {
    done_seq: number;
    stream: string;
    user_id: Id;
  };
  ephemeral: true;
  type: "frames.done";
};

/** What has a `seq` belongs to the room's sequence, which has no gap; what is `ephemeral` does not. Names that a reader does not know are to be passed over. */
export type LiveMessage = LiveMessageEntry | LiveTranscriptEntry | LiveParticipantEntry | LiveRoomEntry | LiveTextsErased | LiveTextsExpired | LiveReady | LiveReset | LiveClose | LivePartial | LiveSigning | LiveFramesDone | LiveDegraded | LiveTyping | LiveSignal | LivePong | LiveFrames | LiveError;

/** An entry of the room's sequence. */
export type LiveMessageEntry = {
  data: Message | {
    id: Id;
    room_id: Id;
  };
  seq: number;
  type: "message" | "message_edited" | "message_deleted";
};

/** A caption that may still change, as its recognizer tells it. */
export type LivePartial = {
  data: Record<string, unknown>;
  ephemeral: true;
  type: "partial";
};

/** An entry of the room's sequence. */
export type LiveParticipantEntry = {
  data: {
    admission: "admitted" | "waiting";
    consent: "none" | "captions" | "captions_and_keeping";
    display_name?: string | null;
    id: Id;
    joined_at: Time;
    language: string | null;
    model: string | null;
    rp_room_id: Id;
    rp_user_id: Id;
    username: string | null;
  } | {
    id: Id | null;
    rp_room_id: Id;
    rp_user_id: Id;
  };
  seq: number;
  type: "participant_joined" | "participant_admitted" | "participant_left" | "participant_removed" | "participant_sent_back" | "consent_changed";
};

/** The answer to a ping. */
export type LivePong = {
  ephemeral: true;
  type: "pong";
};

/** Everything up to here was sent; what follows is live. */
export type LiveReady = {
  data: {
    seq: number;
  };
  ephemeral: true;
  type: "ready";
};

/** What was missed can't be sent any more: begin anew from here. */
export type LiveReset = {
  data: {
    messages: Array<Message>;
    participants: Array<Participant>;
    room: Room;
    seq: number;
    transcripts: Array<Transcript>;
  };
  ephemeral: true;
  type: "reset";
};

/** An entry of the room's sequence. */
export type LiveRoomEntry = {
  data: Room;
  seq: number;
  type: "room_changed" | "room_closed";
};

/** WebRTC signalling of another participant. */
export type LiveSignal = {
  data: {
    payload: unknown;
    user_id: Id;
  };
  ephemeral: true;
  type: "signal";
};

/** Somebody begins or stops to sign. */
export type LiveSigning = {
  data: {
    active: boolean;
    user_id: Id;
  };
  ephemeral: true;
  type: "signing";
};

/** An entry of the room's sequence. */
export type LiveTextsErased = {
  data: {
    room_id: Id;
    user_id: Id;
  };
  seq: number;
  type: "texts_erased";
};

/** An entry of the room's sequence. */
export type LiveTextsExpired = {
  data: {
    before: string;
    kind: "message" | "transcript";
    room_id: Id;
  };
  seq: number;
  type: "texts_expired";
};

/** An entry of the room's sequence. */
export type LiveTranscriptEntry = {
  data: Transcript | {
    id: Id;
    room_id: Id;
  };
  seq: number;
  type: "transcript" | "transcript_revised";
};

/** Somebody types. */
export type LiveTyping = {
  data: {
    user_id: Id;
  };
  ephemeral: true;
  type: "typing";
};

/** A chat message. */
export type Message = {
  created_at: Time;
  deleted_at: Time | null;
  deleted_by: Id | null;
  edited_at: Time | null;
  id: Id;
  msg_content: string | null;
  revision: number;
  room_id: Id;
  user_id: Id | null;
};

/** A chat message was taken back */
export type MessageDeletedDelivery = {
  data: {
    id: Id;
    room_code: string;
    room_id: Id;
    user_id?: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "message.deleted";
};

/** A chat message has another text */
export type MessageEditedDelivery = {
  data: {
    id: Id;
    msg_content: string | null;
    revision: number;
    room_code: string;
    room_id: Id;
    user_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "message.edited";
};

/** A text that the message has had. */
export type MessageRevision = {
  created_at: Time;
  message_id: Id;
  msg_content: string | null;
  revision: number;
};

/** A chat message was sent */
export type MessageSentDelivery = {
  data: {
    id: Id;
    msg_content: string | null;
    revision: number;
    room_code: string;
    room_id: Id;
    user_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "message.sent";
};

/** A chat message. */
export type MessageText = {
  msg_content: string;
};

/** A model. `teachable`: here, a sign can be taught to it. */
export type Model = {
  default: boolean;
  letters: Array<string>;
  name: string;
  teachable: boolean;
  version: string;
  words: Array<string>;
};

/** What is left out stays. */
export type NewNames = {
  email?: string | null;
  username?: string | null;
};

/** Every log-in ends. */
export type NewPassword = {
  current: string;
  new: string;
};

/** How a room starts. */
export type NewRoom = {
  capacity?: number | null;
  guest_history?: boolean | null;
  guests?: boolean | null;
  language?: string | null;
  lobby?: boolean | null;
  locked?: boolean | null;
  model?: string | null;
  retention_days?: number | null;
};

/** A sign and clips of it. `keep_consent` says that the person in the clips agrees that the points of their hands and body teach a model and stay in it, as weights and as an average movement; the clips themselves are not kept. */
export type NewSign = {
  clips: Array<string>;
  keep_consent: true;
  label: string;
  name?: string | null;
};

/** Somebody who registers. */
export type NewUser = {
  email: string;
  password: string;
  username: string;
};

/** Whom to tell of what; everything, unless said. */
export type NewWebhook = {
  all_rooms?: boolean;
  events?: Array<"room.created" | "room.closed" | "room.deleted" | "participant.waiting" | "participant.joined" | "participant.left" | "participant.join_aborted" | "message.sent" | "message.edited" | "message.deleted" | "transcript.final"> | null;
  room_code?: string | null;
  url: string;
};

/** A webhook and what its deliveries are signed with. */
export type NewWebhookAnswer = {
  all_rooms: boolean;
  created_at: Time;
  disabled_at: Time | null;
  disabled_reason: "asked" | "gone" | null;
  events: Array<"room.created" | "room.closed" | "room.deleted" | "participant.waiting" | "participant.joined" | "participant.left" | "participant.join_aborted" | "message.sent" | "message.edited" | "message.deleted" | "transcript.final">;
  former_secret_until: Time | null;
  id: Id;
  room_code: string | null;
  room_id: Id | null;
  secret?: string;
  url: string | null;
  user_id: Id;
};

/** No fields. */
export type Nothing = Record<string, unknown>;

/** Somebody in a room, or waiting for it. */
export type Participant = {
  admission: "admitted" | "waiting";
  consent: "none" | "captions" | "captions_and_keeping";
  display_name: string | null;
  id: Id;
  joined_at: Time;
  language: string | null;
  model: string | null;
  rp_room_id: Id;
  rp_user_id: Id;
  username: string | null;
};

/** Somebody who waited in the lobby went, or was refused */
export type ParticipantJoinAbortedDelivery = {
  data: {
    participants: number;
    reason: "left" | "removed" | "sent_back" | "account_deleted";
    room_code: string;
    room_id: Id;
    user_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "participant.join_aborted";
};

/** Somebody is in the room */
export type ParticipantJoinedDelivery = {
  data: {
    display_name?: string | null;
    participants: number;
    room_code: string;
    room_id: Id;
    user_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "participant.joined";
};

/** Somebody who was in the room is not any more */
export type ParticipantLeftDelivery = {
  data: {
    participants: number;
    reason: "left" | "removed" | "sent_back" | "account_deleted";
    room_code: string;
    room_id: Id;
    user_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "participant.left";
};

/** Somebody waits in the lobby */
export type ParticipantWaitingDelivery = {
  data: {
    display_name?: string | null;
    participants: number;
    room_code: string;
    room_id: Id;
    user_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "participant.waiting";
};

/** Whether somebody has a socket or an event stream open. */
export type Presence = {
  online: boolean;
  user_id: Id;
};

/** What went wrong. */
export type Problem = {
  code: string;
  credit?: number;
  detail: string;
  errors: Array<{
    detail: string;
    field: string;
  }>;
  expected_seq?: number;
  request_id: string;
  status: number;
  title: string;
  type: string;
};

/** When the token expires now. */
export type Renewed = {
  token_expiration: Time;
};

/** A link, told once; the page shows it at `path`. */
export type ResetLink = {
  expires_at: Time;
  path: string;
  secret: string;
};

/** The new password. */
export type ResetPassword = {
  new: string;
};

/** A room. */
export type Room = {
  capacity: number;
  created_at: Time;
  guest_history: boolean;
  guests: boolean;
  id: Id;
  language: string | null;
  lobby: boolean;
  model: string | null;
  owner_id: Id;
  retention_days: number | null;
  room_code: string;
  state: "open" | "locked" | "closed";
  version: number;
};

/** What is left out stays; null for `retention_days` keeps texts for ever, null for `model` and `language` means any. */
export type RoomChanges = {
  capacity?: number | null;
  guest_history?: boolean | null;
  guests?: boolean | null;
  language?: string | null;
  lobby?: boolean | null;
  locked?: boolean | null;
  model?: string | null;
  owner_id?: Id | null;
  retention_days?: number | null;
};

/** A call is over */
export type RoomClosedDelivery = {
  data: {
    room_code: string;
    room_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "room.closed";
};

/** A room was made */
export type RoomCreatedDelivery = {
  data: {
    room_code: string;
    room_id: Id;
    user_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "room.created";
};

/** A room is gone with everything in it */
export type RoomDeletedDelivery = {
  data: {
    room_code: string;
    room_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "room.deleted";
};

/** A segment with the name of its speaker. */
export type Spoken = {
  confidence: number | null;
  created_at: Time;
  editor_id: Id | null;
  end_ms: number;
  id: Id;
  kind: "gloss" | "fingerspelling" | "typed";
  model: string | null;
  revised_at: Time | null;
  revision: number;
  room_id: Id;
  segment_id: string;
  start_ms: number;
  ts_content: string | null;
  user_id: Id | null;
  username?: string | null;
};

/** The new model. Of its `clips` so many are `recognized` by what the others taught; the rest is `read_as` something else. In `mistaken` of `others` the sign is said, though it is not there; `changed` of them are read otherwise than before. */
export type Taught = {
  base: string;
  changed: number;
  clips: number;
  label: string;
  mistaken: number;
  mistaken_in: Array<Alike>;
  model: string;
  others: number;
  read_as: Array<Alike>;
  recognized: number;
  seconds: number;
  version: string;
};

/** Good once, for 30 s. */
export type Ticket = {
  expires_at: Time;
  ticket: string;
};

export type Time = string;

/** A log-in, without its secret. */
export type Token = {
  created_at: Time;
  current: boolean;
  id: Id;
  kind: "api" | "session" | "guest";
  renewable_until: Time;
  token_expiration: Time;
};

/** A token, told once. */
export type TokenHandedOut = {
  token: string;
  token_expiration: Time;
  user: User;
};

/** What was signed or typed. */
export type Transcript = {
  confidence: number | null;
  created_at: Time;
  editor_id: Id | null;
  end_ms: number;
  id: Id;
  kind: "gloss" | "fingerspelling" | "typed";
  model: string | null;
  revised_at: Time | null;
  revision: number;
  room_id: Id;
  segment_id: string;
  start_ms: number;
  ts_content: string | null;
  user_id: Id | null;
};

/** A caption is final, or was typed */
export type TranscriptFinalDelivery = {
  data: {
    confidence: number | null;
    end_ms: number;
    id: Id;
    kind: "gloss" | "fingerspelling" | "typed";
    model: string | null;
    room_code: string;
    room_id: Id;
    segment_id: string;
    start_ms: number;
    ts_content: string | null;
    user_id: Id;
    username: string | null;
  };
  timestamp: Time;
  type: "transcript.final";
};

/** A text that the segment has had. */
export type TranscriptRevision = {
  created_at: Time;
  editor_id: Id | null;
  model: string | null;
  revision: number;
  transcript_id: Id;
  ts_content: string | null;
};

/** A user. */
export type User = {
  block_reason: string | null;
  created_at: Time;
  email: string;
  failed_login_attempts: number;
  id: Id;
  is_admin: boolean;
  is_blocked: boolean;
  is_guest: boolean;
  last_seen: Time;
  login_locked_until: Time | null;
  token_expiration: Time | null;
  username: string;
};

/** A webhook, without its secret. */
export type Webhook = {
  all_rooms: boolean;
  created_at: Time;
  disabled_at: Time | null;
  disabled_reason: "asked" | "gone" | null;
  events: Array<"room.created" | "room.closed" | "room.deleted" | "participant.waiting" | "participant.joined" | "participant.left" | "participant.join_aborted" | "message.sent" | "message.edited" | "message.deleted" | "transcript.final">;
  former_secret_until: Time | null;
  id: Id;
  room_code: string | null;
  room_id: Id | null;
  url: string | null;
  user_id: Id;
};

/** Whether it is told anything. */
export type WebhookEnabling = {
  enabled: boolean;
};

/** Somebody tries the webhook out */
export type WebhookTestDelivery = {
  data: {
    webhook_id: Id;
  };
  timestamp: Time;
  type: "webhook.test";
};

/** A message with the name of its author. */
export type Written = {
  created_at: Time;
  deleted_at: Time | null;
  deleted_by: Id | null;
  edited_at: Time | null;
  id: Id;
  msg_content: string | null;
  revision: number;
  room_id: Id;
  user_id: Id | null;
  username?: string | null;
};

/** What goes with a request. */
export type Ask = {
  query?: Record<string, string | number | boolean | null | undefined>;
  headers?: Record<string, string | number | null | undefined>;
  json?: unknown;
  data?: Uint8Array;
};

/** What a client can ask; `Client` brings the connection. */
export abstract class Routes {
  abstract request(method: string, path: string, ask?: Ask): Promise<any>;

  /** Become the first administrator. For: everybody. */
  postAdminBootstrap(body: FirstAdmin): Promise<TokenHandedOut> {
    return this.request('POST', `/admin/bootstrap`, { json: body });
  }

  /** Read the audit trail. For: administrators. */
  getEvents(options: { actor?: string; room?: string; user?: Id; limit?: number; after?: string; before?: string } = {}): Promise<{
    data: Array<Event>;
    next_cursor: string | null;
    prev_cursor: string | null;
  }> {
    return this.request('GET', `/events`, { query: { actor: options.actor, room: options.room, user: options.user, limit: options.limit, after: options.after, before: options.before } });
  }

  /** Find ways for browsers to each other. For: everybody who is logged in. */
  getIceServers(): Promise<IceServers> {
    return this.request('GET', `/ice-servers`);
  }

  /** Get a ticket for a socket or an event stream. For: everybody who is logged in. */
  postLiveTickets(body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<Ticket> {
    return this.request('POST', `/live-tickets`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** List the models, and what each can say. For: everybody who is logged in. */
  getModels(): Promise<{
    data: Array<Model>;
  }> {
    return this.request('GET', `/models`);
  }

  /** Teach a sign from clips. For: administrators. */
  postModelsModelSigns(model: string, body: NewSign, options: { idempotencyKey?: string } = {}): Promise<Taught> {
    return this.request('POST', `/models/${encodeURIComponent(model)}/signs`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Read this document. For: everybody. */
  getOpenapiJson(): Promise<Record<string, unknown>> {
    return this.request('GET', `/openapi.json`);
  }

  /** Ask for a link to a new password by mail. For: everybody. */
  postPasswordResets(body: Address): Promise<void> {
    return this.request('POST', `/password-resets`, { json: body });
  }

  /** Set a new password by a link. For: everybody. */
  putPasswordResetsSecret(secret: string, body: ResetPassword): Promise<void> {
    return this.request('PUT', `/password-resets/${encodeURIComponent(secret)}`, { json: body });
  }

  /** List rooms: own and joined; administrators see all. For: everybody who is logged in. */
  getRooms(options: { limit?: number; after?: string; before?: string } = {}): Promise<{
    data: Array<Room>;
    next_cursor: string | null;
    prev_cursor: string | null;
  }> {
    return this.request('GET', `/rooms`, { query: { limit: options.limit, after: options.after, before: options.before } });
  }

  /** Create a room. For: everybody who is logged in. */
  postRooms(body: NewRoom = {}, options: { idempotencyKey?: string } = {}): Promise<Room> {
    return this.request('POST', `/rooms`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Delete a room with everything in it. For: the room's owner, and administrators. */
  deleteRoomsCode(code: string, body: Nothing = {}, options: { ifMatch?: string; idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/rooms/${encodeURIComponent(code)}`, { headers: { 'If-Match': options.ifMatch, 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** See a room. For: those who are in the room, and those who watch over it. */
  getRoomsCode(code: string): Promise<Room> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}`);
  }

  /** Run a room in another way, or hand it over. For: the room's owner, and administrators. */
  patchRoomsCode(code: string, body: RoomChanges = {}, options: { ifMatch?: string; idempotencyKey?: string } = {}): Promise<Room> {
    return this.request('PATCH', `/rooms/${encodeURIComponent(code)}`, { headers: { 'If-Match': options.ifMatch, 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Switch captions of one's signing on or off. For: those who are in the room. */
  putRoomsCodeCaptionsMe(code: string, body: Captions, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('PUT', `/rooms/${encodeURIComponent(code)}/captions/me`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Export the chat as JSON. For: those who are in the room, and those who watch over it. */
  getRoomsCodeChatJson(code: string, options: { minPosition?: number } = {}): Promise<Array<Written>> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/chat.json`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** Export the chat as plain text. For: those who are in the room, and those who watch over it. */
  getRoomsCodeChatTxt(code: string, options: { minPosition?: number } = {}): Promise<void> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/chat.txt`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** End the call. For: the room's owner, and administrators. */
  postRoomsCodeClose(code: string, body: Nothing = {}, options: { ifMatch?: string; idempotencyKey?: string } = {}): Promise<void> {
    return this.request('POST', `/rooms/${encodeURIComponent(code)}/close`, { headers: { 'If-Match': options.ifMatch, 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Send frames of one's signing. For: those who are in the room. */
  postRoomsCodeFrames(code: string, data: Uint8Array, mediaType: string, options: { stream?: string; idempotencyKey?: string } = {}): Promise<FramesTaken> {
    return this.request('POST', `/rooms/${encodeURIComponent(code)}/frames`, { query: { stream: options.stream }, headers: { 'Idempotency-Key': options.idempotencyKey, 'Content-Type': mediaType }, data });
  }

  /** Finish what is open in a stream. For: those who are in the room. */
  postRoomsCodeFramesEnd(code: string, body: Nothing = {}, options: { stream?: string; idempotencyKey?: string } = {}): Promise<FramesTaken> {
    return this.request('POST', `/rooms/${encodeURIComponent(code)}/frames/end`, { query: { stream: options.stream }, headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** List messages. For: those who are in the room, and those who watch over it. */
  getRoomsCodeMessages(code: string, options: { limit?: number; after?: string; before?: string; minPosition?: number } = {}): Promise<{
    data: Array<Message>;
    next_cursor: string | null;
    prev_cursor: string | null;
  }> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/messages`, { query: { limit: options.limit, after: options.after, before: options.before }, headers: { 'Min-Position': options.minPosition } });
  }

  /** Send a message. For: those who are in the room. */
  postRoomsCodeMessages(code: string, body: MessageText, options: { idempotencyKey?: string } = {}): Promise<Message> {
    return this.request('POST', `/rooms/${encodeURIComponent(code)}/messages`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Delete one's message, or as owner anybody's. For: those who are in the room. */
  deleteRoomsCodeMessagesId(code: string, id: number, body: Nothing = {}, options: { ifMatch?: string; idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/rooms/${encodeURIComponent(code)}/messages/${encodeURIComponent(id)}`, { headers: { 'If-Match': options.ifMatch, 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** See a message. For: those who are in the room, and those who watch over it. */
  getRoomsCodeMessagesId(code: string, id: number, options: { minPosition?: number } = {}): Promise<Message> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/messages/${encodeURIComponent(id)}`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** Edit one's message. For: those who are in the room. */
  patchRoomsCodeMessagesId(code: string, id: number, body: MessageText, options: { ifMatch?: string; idempotencyKey?: string } = {}): Promise<Message> {
    return this.request('PATCH', `/rooms/${encodeURIComponent(code)}/messages/${encodeURIComponent(id)}`, { headers: { 'If-Match': options.ifMatch, 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** See what a message said before. For: those who are in the room, and those who watch over it. */
  getRoomsCodeMessagesIdRevisions(code: string, id: number, options: { minPosition?: number } = {}): Promise<{
    data: Array<MessageRevision>;
  }> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/messages/${encodeURIComponent(id)}/revisions`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** List participants, and who waits. For: those who are in the room, and those who watch over it. */
  getRoomsCodeParticipants(code: string, options: { limit?: number; after?: string; before?: string } = {}): Promise<{
    data: Array<Participant>;
    next_cursor: string | null;
    prev_cursor: string | null;
  }> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/participants`, { query: { limit: options.limit, after: options.after, before: options.before } });
  }

  /** Join; without credentials as a guest. For: everybody. */
  postRoomsCodeParticipants(code: string, body: GuestName = {}): Promise<Participant | GuestPlace> {
    return this.request('POST', `/rooms/${encodeURIComponent(code)}/participants`, { json: body });
  }

  /** Leave. For: those who are in the room. */
  deleteRoomsCodeParticipantsMe(code: string, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/rooms/${encodeURIComponent(code)}/participants/me`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Send somebody away. For: the room's owner, and administrators. */
  deleteRoomsCodeParticipantsUserId(code: string, userId: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/rooms/${encodeURIComponent(code)}/participants/${encodeURIComponent(userId)}`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Let somebody in, or not. For: the room's owner, and administrators. */
  putRoomsCodeParticipantsUserIdAdmission(code: string, userId: number, body: Admittance, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('PUT', `/rooms/${encodeURIComponent(code)}/participants/${encodeURIComponent(userId)}/admission`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Send somebody back to the lobby. For: the room's owner, and administrators. */
  postRoomsCodeParticipantsUserIdLobby(code: string, userId: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('POST', `/rooms/${encodeURIComponent(code)}/participants/${encodeURIComponent(userId)}/lobby`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** See who is connected. For: those who are in the room, and those who watch over it. */
  getRoomsCodePresence(code: string): Promise<{
    data: Array<Presence>;
  }> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/presence`);
  }

  /** Export as JSON. For: those who are in the room, and those who watch over it. */
  getRoomsCodeTranscriptJson(code: string, options: { minPosition?: number } = {}): Promise<Array<Spoken>> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/transcript.json`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** Export as SubRip. For: those who are in the room, and those who watch over it. */
  getRoomsCodeTranscriptSrt(code: string, options: { minPosition?: number } = {}): Promise<void> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/transcript.srt`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** Export as plain text. For: those who are in the room, and those who watch over it. */
  getRoomsCodeTranscriptTxt(code: string, options: { minPosition?: number } = {}): Promise<void> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/transcript.txt`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** Export as WebVTT. For: those who are in the room, and those who watch over it. */
  getRoomsCodeTranscriptVtt(code: string, options: { minPosition?: number } = {}): Promise<void> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/transcript.vtt`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** List or search segments. For: those who are in the room, and those who watch over it. */
  getRoomsCodeTranscripts(code: string, options: { q?: string; userId?: Id; limit?: number; after?: string; before?: string; minPosition?: number } = {}): Promise<{
    data: Array<Transcript>;
    next_cursor: string | null;
    prev_cursor: string | null;
  }> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/transcripts`, { query: { q: options.q, user_id: options.userId, limit: options.limit, after: options.after, before: options.before }, headers: { 'Min-Position': options.minPosition } });
  }

  /** Type a caption. For: those who are in the room. */
  postRoomsCodeTranscripts(code: string, body: CaptionText, options: { idempotencyKey?: string } = {}): Promise<Transcript> {
    return this.request('POST', `/rooms/${encodeURIComponent(code)}/transcripts`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** See a segment. For: those who are in the room, and those who watch over it. */
  getRoomsCodeTranscriptsId(code: string, id: number, options: { minPosition?: number } = {}): Promise<Transcript> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/transcripts/${encodeURIComponent(id)}`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** Correct a segment. For: those who are in the room. */
  patchRoomsCodeTranscriptsId(code: string, id: number, body: CaptionText, options: { ifMatch?: string; idempotencyKey?: string } = {}): Promise<Transcript> {
    return this.request('PATCH', `/rooms/${encodeURIComponent(code)}/transcripts/${encodeURIComponent(id)}`, { headers: { 'If-Match': options.ifMatch, 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** See its earlier texts. For: those who are in the room, and those who watch over it. */
  getRoomsCodeTranscriptsIdRevisions(code: string, id: number, options: { minPosition?: number } = {}): Promise<{
    data: Array<TranscriptRevision>;
  }> {
    return this.request('GET', `/rooms/${encodeURIComponent(code)}/transcripts/${encodeURIComponent(id)}/revisions`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** Log out everywhere. For: everybody who is logged in. */
  deleteTokens(body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/tokens`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** List one's log-ins. For: everybody who is logged in. */
  getTokens(options: { limit?: number; after?: string; before?: string } = {}): Promise<{
    data: Array<Token>;
    next_cursor: string | null;
    prev_cursor: string | null;
  }> {
    return this.request('GET', `/tokens`, { query: { limit: options.limit, after: options.after, before: options.before } });
  }

  /** Log in, by HTTP Basic or with a body. For: everybody. */
  postTokens(body?: Credentials): Promise<TokenHandedOut> {
    return this.request('POST', `/tokens`, { json: body });
  }

  /** Log out. For: everybody who is logged in. */
  deleteTokensCurrent(body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/tokens/current`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Renew this token. For: everybody who is logged in. */
  postTokensCurrentRenew(body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<Renewed> {
    return this.request('POST', `/tokens/current/renew`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** End one log-in. For: everybody who is logged in. */
  deleteTokensId(id: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/tokens/${encodeURIComponent(id)}`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** List users. For: administrators. */
  getUsers(options: { q?: string; limit?: number; after?: string; before?: string; minPosition?: number } = {}): Promise<{
    data: Array<User>;
    next_cursor: string | null;
    prev_cursor: string | null;
  }> {
    return this.request('GET', `/users`, { query: { q: options.q, limit: options.limit, after: options.after, before: options.before }, headers: { 'Min-Position': options.minPosition } });
  }

  /** Register. For: everybody. */
  postUsers(body: NewUser): Promise<TokenHandedOut> {
    return this.request('POST', `/users`, { json: body });
  }

  /** Delete one's account. For: everybody who is logged in. */
  deleteUsersMe(body: Goodbye, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/users/me`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** See oneself. For: everybody who is logged in. */
  getUsersMe(): Promise<User> {
    return this.request('GET', `/users/me`);
  }

  /** Change name or address. For: everybody who is logged in. */
  patchUsersMe(body: NewNames = {}, options: { idempotencyKey?: string } = {}): Promise<User> {
    return this.request('PATCH', `/users/me`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Get everything stored about oneself. For: everybody who is logged in. */
  getUsersMeExport(options: { minPosition?: number } = {}): Promise<Export> {
    return this.request('GET', `/users/me/export`, { headers: { 'Min-Position': options.minPosition } });
  }

  /** Change the password. For: everybody who is logged in. */
  putUsersMePassword(body: NewPassword, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('PUT', `/users/me/password`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Delete a user. For: administrators. */
  deleteUsersId(id: number, body: Erasure = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/users/${encodeURIComponent(id)}`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** See a user. For: administrators. */
  getUsersId(id: number): Promise<User> {
    return this.request('GET', `/users/${encodeURIComponent(id)}`);
  }

  /** Make an administrator a user. For: administrators. */
  deleteUsersIdAdmin(id: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/users/${encodeURIComponent(id)}/admin`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Make a user an administrator. For: administrators. */
  putUsersIdAdmin(id: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('PUT', `/users/${encodeURIComponent(id)}/admin`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Block a user. For: administrators. */
  postUsersIdBlock(id: number, body: BlockReason, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('POST', `/users/${encodeURIComponent(id)}/block`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Hand out a link to a new password. For: administrators. */
  postUsersIdPasswordReset(id: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<ResetLink> {
    return this.request('POST', `/users/${encodeURIComponent(id)}/password-reset`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Unblock a user. For: administrators. */
  postUsersIdUnblock(id: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('POST', `/users/${encodeURIComponent(id)}/unblock`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** List webhooks. For: everybody who is logged in. */
  getWebhooks(options: { limit?: number; after?: string; before?: string } = {}): Promise<{
    data: Array<Webhook>;
    next_cursor: string | null;
    prev_cursor: string | null;
  }> {
    return this.request('GET', `/webhooks`, { query: { limit: options.limit, after: options.after, before: options.before } });
  }

  /** Be told of what happens in rooms. For: everybody who is logged in. */
  postWebhooks(body: NewWebhook, options: { idempotencyKey?: string } = {}): Promise<NewWebhookAnswer> {
    return this.request('POST', `/webhooks`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** End a webhook. For: the room's owner, and administrators. */
  deleteWebhooksId(id: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('DELETE', `/webhooks/${encodeURIComponent(id)}`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** See a webhook. For: the room's owner, and administrators. */
  getWebhooksId(id: number): Promise<Webhook> {
    return this.request('GET', `/webhooks/${encodeURIComponent(id)}`);
  }

  /** Disable a webhook, or enable it again. For: the room's owner, and administrators. */
  patchWebhooksId(id: number, body: WebhookEnabling, options: { idempotencyKey?: string } = {}): Promise<Webhook> {
    return this.request('PATCH', `/webhooks/${encodeURIComponent(id)}`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** List deliveries. For: the room's owner, and administrators. */
  getWebhooksIdDeliveries(id: number, options: { limit?: number; after?: string; before?: string; minPosition?: number } = {}): Promise<{
    data: Array<Delivery>;
    next_cursor: string | null;
    prev_cursor: string | null;
  }> {
    return this.request('GET', `/webhooks/${encodeURIComponent(id)}/deliveries`, { query: { limit: options.limit, after: options.after, before: options.before }, headers: { 'Min-Position': options.minPosition } });
  }

  /** Deliver once more. For: the room's owner, and administrators. */
  postWebhooksIdDeliveriesNRetry(id: number, n: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<Delivery> {
    return this.request('POST', `/webhooks/${encodeURIComponent(id)}/deliveries/${encodeURIComponent(n)}/retry`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Sign with another secret. For: the room's owner, and administrators. */
  postWebhooksIdRotateSecret(id: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<NewWebhookAnswer> {
    return this.request('POST', `/webhooks/${encodeURIComponent(id)}/rotate-secret`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }

  /** Try a webhook out. For: the room's owner, and administrators. */
  postWebhooksIdTest(id: number, body: Nothing = {}, options: { idempotencyKey?: string } = {}): Promise<void> {
    return this.request('POST', `/webhooks/${encodeURIComponent(id)}/test`, { headers: { 'Idempotency-Key': options.idempotencyKey }, json: body });
  }
}
