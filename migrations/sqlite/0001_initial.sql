-- The first schema. postgres/0001_initial.sql is its twin: same tables, same columns, same keys.
--
-- Instants are TEXT in one fixed form, 2026-11-22T10:00:00.000000Z, so that comparing text compares instants.
-- Bodies are JSON text.

CREATE TABLE customers (
    customer_id TEXT PRIMARY KEY NOT NULL,
    email       TEXT,            -- as compared with suppressions: trimmed, lower case
    locale      TEXT,
    timezone    TEXT NOT NULL DEFAULT '',   -- an IANA name; '' for the default zone
    profile     TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    erased_at   TEXT
);
CREATE INDEX customers_by_zone ON customers (timezone, customer_id);

-- Attributes that are dates, for anniversaries: derived from the profile, rewritten with it.
CREATE TABLE customer_dates (
    customer_id TEXT NOT NULL,
    attribute   TEXT NOT NULL,
    month_day   TEXT NOT NULL,   -- MM-DD
    year        INTEGER NOT NULL,
    timezone    TEXT NOT NULL,
    PRIMARY KEY (customer_id, attribute)
);
CREATE INDEX customer_dates_by_day ON customer_dates (attribute, timezone, month_day, customer_id);

CREATE TABLE consents (
    customer_id  TEXT NOT NULL,
    event_source TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    channel      TEXT NOT NULL,
    purpose      TEXT NOT NULL,
    status       TEXT NOT NULL,
    at           TEXT NOT NULL,
    proof        TEXT NOT NULL,
    recorded_at  TEXT NOT NULL,
    PRIMARY KEY (customer_id, event_source, event_id, channel, purpose)
);

-- The ledger is append-only. The one change allowed is the erasure of a proof (it may hold an IP address).
CREATE TRIGGER consents_no_delete BEFORE DELETE ON consents BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;
CREATE TRIGGER consents_no_update
    BEFORE UPDATE OF customer_id, event_source, event_id, channel, purpose, status, at, recorded_at ON consents BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;
CREATE TRIGGER consents_no_new_proof BEFORE UPDATE OF proof ON consents WHEN NEW.proof <> '{}' BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;

CREATE TABLE events (
    customer_id TEXT NOT NULL,
    source      TEXT NOT NULL,
    id          TEXT NOT NULL,
    type        TEXT NOT NULL,
    time        TEXT NOT NULL,
    received_at TEXT NOT NULL,
    data        TEXT,                        -- null once erased
    PRIMARY KEY (customer_id, source, id)
);
CREATE INDEX events_by_type ON events (customer_id, type, time);

CREATE TABLE entries (
    customer_id TEXT NOT NULL,
    rule        TEXT NOT NULL,
    occurrence  TEXT NOT NULL,
    entry_key   TEXT NOT NULL,
    status      TEXT NOT NULL,
    due_at      TEXT,
    version     TEXT NOT NULL,
    committed   INTEGER NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (customer_id, rule, occurrence)
);
CREATE INDEX entries_due ON entries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX entries_open ON entries (rule, status) WHERE status <> 'ended';

CREATE TABLE messages (
    customer_id TEXT NOT NULL,
    id          TEXT NOT NULL,
    rule        TEXT NOT NULL,
    occurrence  TEXT NOT NULL,
    step        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    state       TEXT NOT NULL,
    reason      TEXT,
    due_at      TEXT NOT NULL,
    planned_at  TEXT NOT NULL,
    expires_at  TEXT NOT NULL,
    lease_token TEXT,
    lease_until TEXT,
    attempts    INTEGER NOT NULL,
    updated_at  TEXT NOT NULL,
    erased      INTEGER NOT NULL DEFAULT 0,   -- whatever is written to it from now on is emptied too
    body        TEXT NOT NULL,
    PRIMARY KEY (customer_id, id),
    UNIQUE (customer_id, rule, occurrence, step, channel)
);
CREATE INDEX messages_open ON messages (due_at, state) WHERE state IN ('pending', 'claimed', 'sending');
CREATE INDEX messages_sending ON messages (lease_until) WHERE state = 'sending';
CREATE INDEX messages_by_id ON messages (id);
CREATE INDEX messages_by_plan ON messages (planned_at, id);

CREATE TABLE promo_codes (
    code        TEXT PRIMARY KEY NOT NULL,
    customer_id TEXT NOT NULL,
    rule        TEXT NOT NULL,
    occurrence  TEXT NOT NULL,
    step        TEXT NOT NULL,
    discount    TEXT NOT NULL,
    valid_from  TEXT NOT NULL,
    valid_until TEXT NOT NULL,
    issued_at   TEXT NOT NULL,
    UNIQUE (customer_id, rule, occurrence, step)
);

CREATE TABLE suppressions (
    channel TEXT NOT NULL,
    address TEXT NOT NULL,       -- trimmed, lower case
    reason  TEXT NOT NULL,
    at      TEXT NOT NULL,
    detail  TEXT,
    PRIMARY KEY (channel, address)
);

CREATE TABLE outcomes (
    id           TEXT PRIMARY KEY NOT NULL,
    customer_id  TEXT NOT NULL,
    kind         TEXT NOT NULL,
    time         TEXT NOT NULL,
    data         TEXT,                       -- null once erased
    created_at   TEXT NOT NULL,
    published_at TEXT
);
CREATE INDEX outcomes_unpublished ON outcomes (created_at, id) WHERE published_at IS NULL;
CREATE INDEX outcomes_by_customer ON outcomes (customer_id);

CREATE TABLE sweeps (
    rule       TEXT NOT NULL,
    tick       TEXT NOT NULL,    -- the local tick or date
    zone       TEXT NOT NULL,
    planned_at TEXT NOT NULL,
    state      TEXT NOT NULL,                -- running, done, expired
    cursor     TEXT NOT NULL,    -- the last customer done
    PRIMARY KEY (rule, tick, zone)
);
CREATE INDEX sweeps_running ON sweeps (planned_at) WHERE state = 'running';

CREATE TABLE sweep_marks (
    rule          TEXT NOT NULL,
    zone          TEXT NOT NULL,
    checked_until TEXT NOT NULL,
    PRIMARY KEY (rule, zone)
);

-- The newest generation is the active one.
CREATE TABLE rule_sets (
    generation   INTEGER PRIMARY KEY,
    hash         TEXT NOT NULL,
    files        TEXT NOT NULL,
    published_at TEXT NOT NULL
);

CREATE TABLE rule_versions (
    rule       TEXT NOT NULL,
    version    TEXT NOT NULL,
    source     TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    PRIMARY KEY (rule, version)
);

CREATE TABLE template_versions (
    hash   TEXT PRIMARY KEY NOT NULL,
    source TEXT NOT NULL
);

CREATE TABLE dead_letters (
    id          TEXT PRIMARY KEY NOT NULL,
    received_at TEXT NOT NULL,
    origin      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    headers     TEXT NOT NULL,
    body        TEXT NOT NULL                -- base64: it may be anything
);
CREATE INDEX dead_letters_by_time ON dead_letters (received_at);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);
