-- Who a message from a telephone is from: also those whose profile has another number by now. postgres/0004_sms_inbound.sql
-- is its twin.

-- Customers by the number that an SMS went to, which is in the message's body.
CREATE INDEX IF NOT EXISTS messages_by_number ON messages (body->>'address') WHERE channel = 'sms';

-- Erasure looks for what a number wrote.
CREATE INDEX IF NOT EXISTS sms_inbound_by_sender ON sms_inbound (sender);
