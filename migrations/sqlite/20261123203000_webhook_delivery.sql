-- What the reactor has to tell receivers, and what became of it. Written by the reactor alone, in
-- the transaction that moves its own mark; no read model, so a replay leaves it alone. It holds no
-- text: what is sent is read from the log. Times are microseconds since 1970.
CREATE TABLE webhook_delivery (
    webhook_id INTEGER NOT NULL,
    n INTEGER NOT NULL,
    room_id INTEGER NOT NULL,
    event_id VARCHAR(36) NOT NULL,
    kind VARCHAR(24) NOT NULL,
    state VARCHAR(9) NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    last_status INTEGER,
    last_error VARCHAR(300),
    block INTEGER NOT NULL,
    position INTEGER NOT NULL,
    place INTEGER NOT NULL,
    context TEXT NOT NULL,
    PRIMARY KEY (webhook_id, n)
) WITHOUT ROWID;
CREATE INDEX webhook_delivery_pending ON webhook_delivery (webhook_id, room_id, n)
    WHERE state = 'pending';
CREATE INDEX webhook_delivery_ended ON webhook_delivery (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE outbox_checkpoint (
    name VARCHAR(30) PRIMARY KEY,
    log_id VARCHAR(36) NOT NULL,
    position INTEGER NOT NULL
);
