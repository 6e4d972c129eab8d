-- Events that could not be projected, and the later ones of their subjects. Not a read model: a
-- rebuild leaves it alone.

CREATE TABLE parked_event (
    position BIGINT PRIMARY KEY,
    subject VARCHAR(40) NOT NULL,
    -- The commit as the log holds it, its personal fields sealed.
    line TEXT NOT NULL,
    -- Why; nothing when it only waits behind another one.
    reason TEXT,
    -- Given up for good: a rebuild skips it.
    released BOOLEAN NOT NULL
);
CREATE INDEX parked_event_subject ON parked_event (subject) WHERE NOT released;

-- The log's blocks as they are, a copy that does not depend on the server that holds the log.
CREATE TABLE event_archive (
    block BIGINT PRIMARY KEY,
    bytes TEXT NOT NULL
);
