-- The first schema. sqlite/0001_initial.sql is its twin: same tables, same columns, same keys.
--
-- Key columns are COLLATE "C", so that the order of text is that of its bytes here, in SQLite and in Rust: facts
-- are folded by (time, source, id) and customers are locked in id order, on any server's locale.
-- Bodies are `json`, not `jsonb`: nothing is searched inside them, and jsonb would turn 1e16 into an integer.

CREATE TABLE customers (
    customer_id text COLLATE "C" PRIMARY KEY,
    email       text COLLATE "C",            -- as compared with suppressions: trimmed, lower case
    locale      text,
    timezone    text COLLATE "C" NOT NULL DEFAULT '',   -- an IANA name; '' for the default zone
    profile     json NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    erased_at   timestamptz
);
CREATE INDEX customers_by_zone ON customers (timezone, customer_id);

-- Attributes that are dates, for anniversaries: derived from the profile, rewritten with it.
CREATE TABLE customer_dates (
    customer_id text COLLATE "C" NOT NULL,
    attribute   text COLLATE "C" NOT NULL,
    month_day   text COLLATE "C" NOT NULL,   -- MM-DD
    year        bigint NOT NULL,
    timezone    text COLLATE "C" NOT NULL,
    PRIMARY KEY (customer_id, attribute)
);
CREATE INDEX customer_dates_by_day ON customer_dates (attribute, timezone, month_day, customer_id);

CREATE TABLE consents (
    customer_id  text COLLATE "C" NOT NULL,
    event_source text COLLATE "C" NOT NULL,
    event_id     text COLLATE "C" NOT NULL,
    channel      text COLLATE "C" NOT NULL,
    purpose      text COLLATE "C" NOT NULL,
    status       text NOT NULL,
    at           timestamptz NOT NULL,
    proof        json NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (customer_id, event_source, event_id, channel, purpose)
);

-- The ledger is append-only. The one change allowed is the erasure of a proof (it may hold an IP address).
CREATE FUNCTION consents_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.proof::text = '{}'
       AND (NEW.customer_id, NEW.event_source, NEW.event_id, NEW.channel, NEW.purpose, NEW.status, NEW.at, NEW.recorded_at)
         = (OLD.customer_id, OLD.event_source, OLD.event_id, OLD.channel, OLD.purpose, OLD.status, OLD.at, OLD.recorded_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the consent ledger is append-only: record a new fact instead';
END $$;
CREATE TRIGGER consents_append_only BEFORE UPDATE OR DELETE ON consents
    FOR EACH ROW EXECUTE FUNCTION consents_append_only();

CREATE TABLE events (
    customer_id text COLLATE "C" NOT NULL,
    source      text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    type        text COLLATE "C" NOT NULL,
    time        timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    data        json,                        -- null once erased
    PRIMARY KEY (customer_id, source, id)
);
CREATE INDEX events_by_type ON events (customer_id, type, time);

CREATE TABLE entries (
    customer_id text COLLATE "C" NOT NULL,
    rule        text COLLATE "C" NOT NULL,
    occurrence  text COLLATE "C" NOT NULL,
    entry_key   text NOT NULL,
    status      text NOT NULL,
    due_at      timestamptz,
    version     text NOT NULL,
    committed   boolean NOT NULL,
    body        json NOT NULL,
    PRIMARY KEY (customer_id, rule, occurrence)
);
CREATE INDEX entries_due ON entries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX entries_open ON entries (rule, status) WHERE status <> 'ended';

CREATE TABLE messages (
    customer_id text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    rule        text COLLATE "C" NOT NULL,
    occurrence  text COLLATE "C" NOT NULL,
    step        text COLLATE "C" NOT NULL,
    channel     text COLLATE "C" NOT NULL,
    state       text NOT NULL,
    reason      text,
    due_at      timestamptz NOT NULL,
    planned_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    lease_token text,
    lease_until timestamptz,
    attempts    bigint NOT NULL,
    updated_at  timestamptz NOT NULL,
    erased      boolean NOT NULL DEFAULT false,   -- whatever is written to it from now on is emptied too
    body        json NOT NULL,
    PRIMARY KEY (customer_id, id),
    UNIQUE (customer_id, rule, occurrence, step, channel)
);
CREATE INDEX messages_open ON messages (due_at, state) WHERE state IN ('pending', 'claimed', 'sending');
CREATE INDEX messages_sending ON messages (lease_until) WHERE state = 'sending';
CREATE INDEX messages_by_id ON messages (id);
CREATE INDEX messages_by_plan ON messages (planned_at, id);

CREATE TABLE promo_codes (
    code        text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL,
    rule        text COLLATE "C" NOT NULL,
    occurrence  text COLLATE "C" NOT NULL,
    step        text COLLATE "C" NOT NULL,
    discount    json NOT NULL,
    valid_from  timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    issued_at   timestamptz NOT NULL,
    UNIQUE (customer_id, rule, occurrence, step)
);

CREATE TABLE suppressions (
    channel text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,       -- trimmed, lower case
    reason  text NOT NULL,
    at      timestamptz NOT NULL,
    detail  text,
    PRIMARY KEY (channel, address)
);

CREATE TABLE outcomes (
    id           text COLLATE "C" PRIMARY KEY,
    customer_id  text COLLATE "C" NOT NULL,
    kind         text NOT NULL,
    time         timestamptz NOT NULL,
    data         json,                       -- null once erased
    created_at   timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX outcomes_unpublished ON outcomes (created_at, id) WHERE published_at IS NULL;
CREATE INDEX outcomes_by_customer ON outcomes (customer_id);

CREATE TABLE sweeps (
    rule       text COLLATE "C" NOT NULL,
    tick       text COLLATE "C" NOT NULL,    -- the local tick or date
    zone       text COLLATE "C" NOT NULL,
    planned_at timestamptz NOT NULL,
    state      text NOT NULL,                -- running, done, expired
    cursor     text COLLATE "C" NOT NULL,    -- the last customer done
    PRIMARY KEY (rule, tick, zone)
);
CREATE INDEX sweeps_running ON sweeps (planned_at) WHERE state = 'running';

CREATE TABLE sweep_marks (
    rule          text COLLATE "C" NOT NULL,
    zone          text COLLATE "C" NOT NULL,
    checked_until timestamptz NOT NULL,
    PRIMARY KEY (rule, zone)
);

-- The newest generation is the active one.
CREATE TABLE rule_sets (
    generation   bigint PRIMARY KEY,
    hash         text NOT NULL,
    files        json NOT NULL,
    published_at timestamptz NOT NULL
);

CREATE TABLE rule_versions (
    rule       text COLLATE "C" NOT NULL,
    version    text COLLATE "C" NOT NULL,
    source     text NOT NULL,
    first_seen timestamptz NOT NULL,
    PRIMARY KEY (rule, version)
);

CREATE TABLE template_versions (
    hash   text COLLATE "C" PRIMARY KEY,
    source json NOT NULL
);

CREATE TABLE dead_letters (
    id          text COLLATE "C" PRIMARY KEY,
    received_at timestamptz NOT NULL,
    origin      text NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    headers     json NOT NULL,
    body        text NOT NULL                -- base64: it may be anything
);
CREATE INDEX dead_letters_by_time ON dead_letters (received_at);

CREATE TABLE settings (
    key   text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);
