-- What came back of mails: bounces and complaints, kept until they are settled, and soft ones as long as they count.
-- postgres/0007_bounces.sql is its twin. An older build lists a message that is `bounced` or `complained` as one that it
-- cannot read, and does nothing with it: both are states that nothing changes by itself.

CREATE TABLE bounces (
    id          TEXT PRIMARY KEY NOT NULL,   -- the same for the same report: of its message and kind
    message_id  TEXT NOT NULL,
    kind        TEXT NOT NULL,               -- hard, soft, complaint
    status      TEXT,                        -- RFC 3463
    detail      TEXT,
    recipients  TEXT,                        -- JSON: one of them must be the message's; null where a tag vouches for it
    received_at TEXT NOT NULL,
    settled_at  TEXT,
    address     TEXT                         -- the message's, once settled: trimmed, lower case
);
CREATE INDEX bounces_waiting ON bounces (received_at) WHERE settled_at IS NULL;
CREATE INDEX bounces_soft ON bounces (address, settled_at) WHERE kind = 'soft';
CREATE INDEX bounces_by_message ON bounces (message_id);
