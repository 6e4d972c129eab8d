-- Searching transcripts: each row's words as `projector::search` folds them, the same for both
-- databases, and an index over them. The words are taken as they are: folding is done by then.

ALTER TABLE transcript ADD COLUMN words TEXT;
-- Rows from before this migration, until their words are filled in at start.
CREATE INDEX transcript_unfolded ON transcript (id) WHERE words IS NULL AND ts_content IS NOT NULL;

CREATE INDEX transcript_search ON transcript
    USING gin (array_to_tsvector(string_to_array(words, ' ')));
