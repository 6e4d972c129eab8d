-- Searching transcripts: each row's words as `projector::search` folds them, the same for both
-- databases, and an index over them. The tokenizer only cuts at spaces: folding is done by then.

ALTER TABLE transcript ADD COLUMN words TEXT;
-- Rows from before this migration, until their words are filled in at start.
CREATE INDEX transcript_unfolded ON transcript (id) WHERE words IS NULL AND ts_content IS NOT NULL;

CREATE VIRTUAL TABLE transcript_search USING fts5 (
    words, content = 'transcript', content_rowid = 'id', tokenize = 'ascii', detail = none, columnsize = 0
);
-- What leaves the index is overwritten, not marked: erased text must be found nowhere.
INSERT INTO transcript_search (transcript_search, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER transcript_search_insert AFTER INSERT ON transcript WHEN new.words IS NOT NULL BEGIN
    INSERT INTO transcript_search (rowid, words) VALUES (new.id, new.words);
END;
CREATE TRIGGER transcript_search_delete AFTER DELETE ON transcript WHEN old.words IS NOT NULL BEGIN
    INSERT INTO transcript_search (transcript_search, rowid, words) VALUES ('delete', old.id, old.words);
END;
CREATE TRIGGER transcript_search_leave AFTER UPDATE OF words ON transcript
WHEN old.words IS NOT NULL AND old.words IS NOT new.words BEGIN
    INSERT INTO transcript_search (transcript_search, rowid, words) VALUES ('delete', old.id, old.words);
END;
CREATE TRIGGER transcript_search_enter AFTER UPDATE OF words ON transcript
WHEN new.words IS NOT NULL AND old.words IS NOT new.words BEGIN
    INSERT INTO transcript_search (rowid, words) VALUES (new.id, new.words);
END;
