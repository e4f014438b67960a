-- Which builds work on this schema, and what a restore to an earlier point forgot. sqlite/0003_restores.sql is its twin.

-- The oldest schema that a build may know and still work on this one; null for those before: themselves only.
ALTER TABLE declic_schema ADD COLUMN works_for bigint;

-- Each restore. What was due within (unsure_after, restored_at] may have gone out before it; null: whatever was due
-- until then.
CREATE TABLE restores (
    restored_at  timestamptz PRIMARY KEY,
    taken_at     timestamptz NOT NULL,       -- the instant that the database was set back to
    unsure_after timestamptz
);

-- What is known, from outside, to have been handed over after the back-up was taken.
CREATE TABLE sent_before_restore (
    message_id text COLLATE "C" PRIMARY KEY,
    sent_at    timestamptz                   -- null: not known whether it went
);
