-- Retention in phases: what is archived, what was done, and how long ago a customer was heard of.
-- sqlite/0009_retention.sql is its twin. An older build takes an archived customer for an erased one, and writes nothing here.

-- last_event_at: the newest time among the events of theirs that retention has taken away; null while all are there.
-- archived_at: since when what describes them is in the archive; they are marked as erased meanwhile.
-- ledger_over_at: when their whole ledger was deleted, its time being over.
ALTER TABLE customers ADD COLUMN last_event_at timestamptz;
ALTER TABLE customers ADD COLUMN archived_at timestamptz;
ALTER TABLE customers ADD COLUMN ledger_over_at timestamptz;

-- Nothing of the daily work reads it. Each row is some rows of one customer as JSON, encrypted under the customer's own key
-- and the secret: an erasure destroys that key, and the rows.
CREATE TABLE archive (
    customer_id text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,    -- random
    kind        text NOT NULL,                -- of data: events, messages, promo_codes, customers
    since       timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    amount      bigint NOT NULL,              -- how many rows are in it
    sealed      text NOT NULL,
    PRIMARY KEY (customer_id, id)
);

-- How much was archived and deleted on which day: no personal data.
CREATE TABLE retention_runs (
    day     text NOT NULL,                    -- YYYY-MM-DD, in UTC
    kind    text NOT NULL,
    phase   text NOT NULL,                    -- archived, deleted
    amount  bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (day, kind, phase)
);
