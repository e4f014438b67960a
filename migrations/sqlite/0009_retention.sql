-- Retention in phases: what is archived, what was done, and how long ago a customer was heard of.
-- postgres/0009_retention.sql is its twin, and says what the columns mean.

ALTER TABLE customers ADD COLUMN last_event_at TEXT;
ALTER TABLE customers ADD COLUMN archived_at TEXT;
ALTER TABLE customers ADD COLUMN ledger_over_at TEXT;

CREATE TABLE archive (
    customer_id TEXT NOT NULL,
    id          TEXT NOT NULL,    -- random
    kind        TEXT NOT NULL,    -- of data: events, messages, promo_codes, customers
    since       TEXT NOT NULL,
    until       TEXT NOT NULL,
    amount      INTEGER NOT NULL, -- how many rows are in it
    sealed      TEXT NOT NULL,
    PRIMARY KEY (customer_id, id)
);

CREATE TABLE retention_runs (
    day     TEXT NOT NULL,        -- YYYY-MM-DD, in UTC
    kind    TEXT NOT NULL,
    phase   TEXT NOT NULL,        -- archived, deleted
    amount  INTEGER NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (day, kind, phase)
);
