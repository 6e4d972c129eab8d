-- The read models. The event log is the truth: every row can be rebuilt from it.

CREATE TABLE "user" (
    id BIGINT PRIMARY KEY,
    username VARCHAR(50) NOT NULL UNIQUE,
    email VARCHAR(100) NOT NULL UNIQUE,
    password_hash VARCHAR(128) NOT NULL,
    last_seen TIMESTAMPTZ NOT NULL,
    is_admin BOOLEAN NOT NULL,
    is_blocked BOOLEAN NOT NULL,
    failed_login_attempts BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    token VARCHAR(32),
    token_expiration TIMESTAMPTZ,
    token_id BIGINT,
    login_locked_until TIMESTAMPTZ,
    is_guest BOOLEAN NOT NULL,
    block_reason VARCHAR(500)
);

CREATE TABLE room (
    id BIGINT PRIMARY KEY,
    room_code VARCHAR(9) NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    owner_id BIGINT NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
    state VARCHAR(6) NOT NULL,
    lobby BOOLEAN NOT NULL,
    guests BOOLEAN NOT NULL,
    capacity BIGINT NOT NULL,
    retention_days BIGINT,
    model VARCHAR(100),
    language VARCHAR(35),
    version BIGINT NOT NULL,
    feed_seq BIGINT NOT NULL
);
CREATE INDEX room_owner ON room (owner_id);

CREATE TABLE room_participant (
    id BIGINT PRIMARY KEY,
    rp_user_id BIGINT NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
    rp_room_id BIGINT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    joined_at TIMESTAMPTZ NOT NULL,
    consent VARCHAR(20) NOT NULL,
    admission VARCHAR(8) NOT NULL,
    language VARCHAR(35),
    model VARCHAR(100),
    UNIQUE (rp_room_id, rp_user_id)
);
CREATE INDEX room_participant_user ON room_participant (rp_user_id);

CREATE TABLE transcript (
    id BIGINT PRIMARY KEY,
    ts_content TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    room_id BIGINT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    user_id BIGINT REFERENCES "user" (id) ON DELETE SET NULL,
    segment_id VARCHAR(32) NOT NULL,
    revision BIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    confidence DOUBLE PRECISION,
    kind VARCHAR(14) NOT NULL,
    model VARCHAR(100),
    revised_at TIMESTAMPTZ,
    editor_id BIGINT REFERENCES "user" (id) ON DELETE SET NULL
);
CREATE INDEX transcript_room ON transcript (room_id, id);
CREATE INDEX transcript_user ON transcript (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX transcript_editor ON transcript (editor_id) WHERE editor_id IS NOT NULL;

-- Revisions that another one has taken the place of; the newest is in the row itself.
CREATE TABLE transcript_revision (
    transcript_id BIGINT NOT NULL REFERENCES transcript (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    ts_content TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    editor_id BIGINT REFERENCES "user" (id) ON DELETE SET NULL,
    model VARCHAR(100),
    PRIMARY KEY (transcript_id, revision)
);
CREATE INDEX transcript_revision_editor ON transcript_revision (editor_id)
    WHERE editor_id IS NOT NULL;

CREATE TABLE message (
    id BIGINT PRIMARY KEY,
    msg_content TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    user_id BIGINT REFERENCES "user" (id) ON DELETE SET NULL,
    room_id BIGINT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    edited_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,
    revision BIGINT NOT NULL
);
CREATE INDEX message_room ON message (room_id, id);
CREATE INDEX message_user ON message (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE message_revision (
    message_id BIGINT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    msg_content TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (message_id, revision)
);

-- What happened in a room, numbered from 1 without a gap. Holds no text: readers join the rows.
CREATE TABLE room_feed (
    room_id BIGINT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    position BIGINT NOT NULL,
    kind VARCHAR(24) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    ref_id BIGINT,
    user_id BIGINT,
    PRIMARY KEY (room_id, seq)
);

-- Where in which log the tables stand; moved in the rows' own transaction.
CREATE TABLE projection_checkpoint (
    name VARCHAR(30) PRIMARY KEY,
    generation BIGINT NOT NULL,
    log_id VARCHAR(36) NOT NULL,
    block BIGINT NOT NULL,
    position BIGINT NOT NULL,
    hash VARCHAR(64) NOT NULL
);
