-- Figures over time, and what lists of messages are found by. postgres/0012_figures.sql is its twin, and says what the columns
-- mean.

CREATE TABLE figures (
    minutes INTEGER NOT NULL,
    slot    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    rule    TEXT NOT NULL,
    channel TEXT NOT NULL,
    what    TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (minutes, slot, kind, rule, channel, what)
);

CREATE INDEX IF NOT EXISTS messages_by_state ON messages (state, planned_at, id)
    WHERE state IN ('deferred', 'paused', 'bounced', 'complained', 'suppressed', 'failed', 'expired', 'uncertain');
CREATE INDEX IF NOT EXISTS messages_by_reason ON messages (reason, planned_at, id) WHERE reason IS NOT NULL;
