-- The second channel, deferral, frequency caps and lanes. sqlite/0002_sms_hours_caps.sql is its twin.

-- E.164, derived from the profile: who a message from a telephone is from, and what suppressions of SMS compare.
ALTER TABLE customers ADD COLUMN phone text COLLATE "C";
CREATE INDEX customers_by_phone ON customers (phone) WHERE phone IS NOT NULL;

-- lane: 0 transactional, 1 event-driven, 2 bulk. slot_at: when it was admitted to a hand-over that may have reached
-- its reader, which is what frequency caps count.
ALTER TABLE messages ADD COLUMN lane bigint NOT NULL DEFAULT 1;
ALTER TABLE messages ADD COLUMN purpose text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN slot_at timestamptz;
DROP INDEX messages_open;
CREATE INDEX messages_open ON messages (channel, lane, due_at, state)
    WHERE state IN ('pending', 'deferred', 'claimed', 'sending');
CREATE INDEX messages_slots ON messages (customer_id, slot_at) WHERE slot_at IS NOT NULL;

-- The provider's name for each part of an SMS, and what it reports of them; a report may come before the record.
CREATE TABLE sms_parts (
    provider_id text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL,
    message_id  text COLLATE "C" NOT NULL,
    part        bigint NOT NULL,             -- from 1
    parts       bigint NOT NULL,
    state       text NOT NULL,               -- pending, delivered, failed
    sent_at     timestamptz NOT NULL
);
CREATE INDEX sms_parts_by_message ON sms_parts (customer_id, message_id);
CREATE INDEX sms_parts_by_age ON sms_parts (sent_at);

CREATE TABLE sms_receipts (
    provider_id text COLLATE "C" NOT NULL,
    state       text NOT NULL,               -- delivered, failed, bad_address
    at          timestamptz NOT NULL,
    detail      text,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (provider_id)
);
CREATE INDEX sms_receipts_by_age ON sms_receipts (received_at);

-- Messages from customers' telephones, whoever they are from: the proof of a STOP.
CREATE TABLE sms_inbound (
    id          text COLLATE "C" PRIMARY KEY,
    sender      text COLLATE "C" NOT NULL,   -- E.164 where it is a number
    recipient   text NOT NULL,
    body        text NOT NULL,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    meaning     text NOT NULL,               -- stop, other
    customers   bigint NOT NULL              -- how many have this number
);
CREATE INDEX sms_inbound_by_time ON sms_inbound (received_at);

-- Since when each enabled rule has been in force without a break: what we knew before starts nothing.
CREATE TABLE rules_in_force (
    rule  text COLLATE "C" PRIMARY KEY,
    since timestamptz NOT NULL
);
