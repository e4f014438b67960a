-- What operators have paused, and who did what: the twin of postgres/0010_acting.sql.

CREATE TABLE pauses (
    target     TEXT PRIMARY KEY,
    since      TEXT NOT NULL,
    paused_by  TEXT NOT NULL,
    why        TEXT,
    resumed_at TEXT,
    holding    INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX IF NOT EXISTS messages_paused ON messages (rule) WHERE state = 'paused';

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at     TEXT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT
);

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
