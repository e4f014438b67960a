-- The second channel, deferral, frequency caps and lanes. postgres/0002_sms_hours_caps.sql is its twin.

-- E.164, derived from the profile: who a message from a telephone is from, and what suppressions of SMS compare.
ALTER TABLE customers ADD COLUMN phone text;
CREATE INDEX customers_by_phone ON customers (phone) WHERE phone IS NOT NULL;

-- lane: 0 transactional, 1 event-driven, 2 bulk. slot_at: when it was admitted to a hand-over that may have reached
-- its reader, which is what frequency caps count.
ALTER TABLE messages ADD COLUMN lane INTEGER NOT NULL DEFAULT 1;
ALTER TABLE messages ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN slot_at TEXT;
DROP INDEX messages_open;
CREATE INDEX messages_open ON messages (channel, lane, due_at, state)
    WHERE state IN ('pending', 'deferred', 'claimed', 'sending');
CREATE INDEX messages_slots ON messages (customer_id, slot_at) WHERE slot_at IS NOT NULL;

-- The provider's name for each part of an SMS, and what it reports of them; a report may come before the record.
CREATE TABLE sms_parts (
    provider_id TEXT PRIMARY KEY NOT NULL,
    customer_id TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    part        INTEGER NOT NULL,             -- from 1
    parts       INTEGER NOT NULL,
    state       TEXT NOT NULL,               -- pending, delivered, failed
    sent_at     TEXT NOT NULL
);
CREATE INDEX sms_parts_by_message ON sms_parts (customer_id, message_id);
CREATE INDEX sms_parts_by_age ON sms_parts (sent_at);

CREATE TABLE sms_receipts (
    provider_id TEXT NOT NULL,
    state       TEXT NOT NULL,               -- delivered, failed, bad_address
    at          TEXT NOT NULL,
    detail      TEXT,
    received_at TEXT NOT NULL,
    PRIMARY KEY (provider_id)
);
CREATE INDEX sms_receipts_by_age ON sms_receipts (received_at);

-- Messages from customers' telephones, whoever they are from: the proof of a STOP.
CREATE TABLE sms_inbound (
    id          TEXT PRIMARY KEY NOT NULL,
    sender      TEXT NOT NULL,   -- E.164 where it is a number
    recipient   TEXT NOT NULL,
    body        TEXT NOT NULL,
    at          TEXT NOT NULL,
    received_at TEXT NOT NULL,
    meaning     TEXT NOT NULL,               -- stop, other
    customers   INTEGER NOT NULL              -- how many have this number
);
CREATE INDEX sms_inbound_by_time ON sms_inbound (received_at);

-- Since when each enabled rule has been in force without a break: what we knew before starts nothing.
CREATE TABLE rules_in_force (
    rule  TEXT PRIMARY KEY NOT NULL,
    since TEXT NOT NULL
);
