-- The read models. The event log is the truth: every row can be rebuilt from it.
-- Times are text, RFC 3339 in UTC with microseconds, so that they sort and read well.

CREATE TABLE "user" (
    id INTEGER PRIMARY KEY,
    username VARCHAR(50) NOT NULL UNIQUE,
    email VARCHAR(100) NOT NULL UNIQUE,
    password_hash VARCHAR(128) NOT NULL,
    last_seen TIMESTAMP NOT NULL,
    is_admin BOOLEAN NOT NULL,
    is_blocked BOOLEAN NOT NULL,
    failed_login_attempts INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    token VARCHAR(32),
    token_expiration TIMESTAMP,
    token_id INTEGER,
    login_locked_until TIMESTAMP,
    is_guest BOOLEAN NOT NULL,
    block_reason VARCHAR(500)
);

CREATE TABLE room (
    id INTEGER PRIMARY KEY,
    room_code VARCHAR(9) NOT NULL UNIQUE,
    created_at TIMESTAMP NOT NULL,
    owner_id INTEGER NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
    state VARCHAR(6) NOT NULL,
    lobby BOOLEAN NOT NULL,
    guests BOOLEAN NOT NULL,
    capacity INTEGER NOT NULL,
    retention_days INTEGER,
    model VARCHAR(100),
    language VARCHAR(35),
    version INTEGER NOT NULL,
    feed_seq INTEGER NOT NULL
);
CREATE INDEX room_owner ON room (owner_id);

CREATE TABLE room_participant (
    id INTEGER PRIMARY KEY,
    rp_user_id INTEGER NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
    rp_room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    joined_at TIMESTAMP NOT NULL,
    consent VARCHAR(20) NOT NULL,
    admission VARCHAR(8) NOT NULL,
    language VARCHAR(35),
    model VARCHAR(100),
    UNIQUE (rp_room_id, rp_user_id)
);
CREATE INDEX room_participant_user ON room_participant (rp_user_id);

CREATE TABLE transcript (
    id INTEGER PRIMARY KEY,
    ts_content TEXT,
    created_at TIMESTAMP NOT NULL,
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    user_id INTEGER REFERENCES "user" (id) ON DELETE SET NULL,
    segment_id VARCHAR(32) NOT NULL,
    revision INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    confidence DOUBLE PRECISION,
    kind VARCHAR(14) NOT NULL,
    model VARCHAR(100),
    revised_at TIMESTAMP,
    editor_id INTEGER REFERENCES "user" (id) ON DELETE SET NULL
);
CREATE INDEX transcript_room ON transcript (room_id, id);
CREATE INDEX transcript_user ON transcript (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX transcript_editor ON transcript (editor_id) WHERE editor_id IS NOT NULL;

-- Revisions that another one has taken the place of; the newest is in the row itself.
CREATE TABLE transcript_revision (
    transcript_id INTEGER NOT NULL REFERENCES transcript (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    ts_content TEXT,
    created_at TIMESTAMP NOT NULL,
    editor_id INTEGER REFERENCES "user" (id) ON DELETE SET NULL,
    model VARCHAR(100),
    PRIMARY KEY (transcript_id, revision)
) WITHOUT ROWID;
CREATE INDEX transcript_revision_editor ON transcript_revision (editor_id)
    WHERE editor_id IS NOT NULL;

CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    msg_content TEXT,
    created_at TIMESTAMP NOT NULL,
    user_id INTEGER REFERENCES "user" (id) ON DELETE SET NULL,
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    edited_at TIMESTAMP,
    deleted_at TIMESTAMP,
    revision INTEGER NOT NULL
);
CREATE INDEX message_room ON message (room_id, id);
CREATE INDEX message_user ON message (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE message_revision (
    message_id INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    msg_content TEXT,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (message_id, revision)
) WITHOUT ROWID;

-- What happened in a room, numbered from 1 without a gap. Holds no text: readers join the rows.
CREATE TABLE room_feed (
    room_id INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind VARCHAR(24) NOT NULL,
    created_at TIMESTAMP NOT NULL,
    ref_id INTEGER,
    user_id INTEGER,
    PRIMARY KEY (room_id, seq)
) WITHOUT ROWID;

-- Where in which log the tables stand; moved in the rows' own transaction.
CREATE TABLE projection_checkpoint (
    name VARCHAR(30) PRIMARY KEY,
    generation INTEGER NOT NULL,
    log_id VARCHAR(36) NOT NULL,
    block INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash VARCHAR(64) NOT NULL
);
