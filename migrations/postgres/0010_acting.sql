-- What operators have paused, and who did what.
-- sqlite/0010_acting.sql is its twin. A worker of an older build does not ask what is paused: pause once all are of this one.

-- target: everything, channel:email, channel:sms, rule:NAME.
-- resumed_at: when it ended; null while it lasts. holding: messages of it may be in the state `paused`.
CREATE TABLE pauses (
    target     text COLLATE "C" PRIMARY KEY,
    since      timestamptz NOT NULL,
    paused_by  text NOT NULL,
    why        text,
    resumed_at timestamptz,
    holding    boolean NOT NULL DEFAULT false
);

-- Those that a pause of their rule has taken out of the senders' way.
CREATE INDEX IF NOT EXISTS messages_paused ON messages (rule) WHERE state = 'paused';

CREATE TABLE audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    actor  text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    detail text
);

CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
