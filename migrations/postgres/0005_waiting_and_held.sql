-- What waits apart from what a sender holds, so that a claim reads nothing that others have claimed. sqlite/0005_waiting_and_held.sql
-- is its twin. An older build's claims still work, but read the whole table while it runs beside a newer one.

CREATE INDEX IF NOT EXISTS messages_waiting ON messages (channel, lane, due_at, state) WHERE state IN ('pending', 'deferred');
CREATE INDEX IF NOT EXISTS messages_held ON messages (lease_until, state) WHERE state IN ('claimed', 'sending');
DROP INDEX messages_open;
DROP INDEX messages_sending;
