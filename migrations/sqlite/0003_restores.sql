-- Which builds work on this schema, and what a restore to an earlier point forgot. postgres/0003_restores.sql is its twin.

-- The oldest schema that a build may know and still work on this one; null for those before: themselves only.
ALTER TABLE declic_schema ADD COLUMN works_for INTEGER;

-- Each restore. What was due within (unsure_after, restored_at] may have gone out before it; null: whatever was due
-- until then.
CREATE TABLE restores (
    restored_at  TEXT PRIMARY KEY NOT NULL,
    taken_at     TEXT NOT NULL,       -- the instant that the database was set back to
    unsure_after TEXT
);

-- What is known, from outside, to have been handed over after the back-up was taken.
CREATE TABLE sent_before_restore (
    message_id TEXT PRIMARY KEY NOT NULL,
    sent_at    TEXT                   -- null: not known whether it went
);
