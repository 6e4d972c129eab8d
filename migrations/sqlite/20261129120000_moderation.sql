-- What guests may read, and who took a message away.

ALTER TABLE room ADD COLUMN guest_history BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE message ADD COLUMN deleted_by INTEGER REFERENCES "user" (id) ON DELETE SET NULL;
CREATE INDEX message_deleter ON message (deleted_by) WHERE deleted_by IS NOT NULL;
