-- Figures over time, and what lists of messages are found by. sqlite/0012_figures.sql is its twin. An older build counts
-- nothing: what its workers do is not among the figures.

-- slot: the start of so many minutes: all is counted by five and by sixty, so that a week is read quickly. kind: events, entries, messages, codes, trouble, started; `src/domain/figures.rs` says what
-- the others hold of each.
CREATE TABLE figures (
    minutes bigint NOT NULL,
    slot    timestamptz NOT NULL,
    kind    text COLLATE "C" NOT NULL,
    rule    text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    what    text COLLATE "C" NOT NULL,
    count   bigint NOT NULL,
    PRIMARY KEY (minutes, slot, kind, rule, channel, what)
);

-- Messages that were not simply sent, by why, the newest planned first. A message that goes out without further ado is in
-- neither, and costs nothing here.
CREATE INDEX IF NOT EXISTS messages_by_state ON messages (state, planned_at, id)
    WHERE state IN ('deferred', 'paused', 'bounced', 'complained', 'suppressed', 'failed', 'expired', 'uncertain');
CREATE INDEX IF NOT EXISTS messages_by_reason ON messages (reason, planned_at, id) WHERE reason IS NOT NULL;
