-- Searching users: their names and addresses as `projector::search` folds them, the same for both
-- databases. Rows from before this migration are filled in at start.

ALTER TABLE "user" ADD COLUMN folded TEXT;
