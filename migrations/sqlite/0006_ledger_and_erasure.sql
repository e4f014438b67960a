-- The consent ledger as a chain, proofs under a key of each customer's own, and what an erasure forgets.
-- postgres/0006_ledger_and_erasure.sql is its twin, and says what the columns mean.

ALTER TABLE customers ADD COLUMN forgotten_until TEXT;
ALTER TABLE customers ADD COLUMN ledger_key TEXT;
ALTER TABLE customers ADD COLUMN ledger_length INTEGER NOT NULL DEFAULT 0;
ALTER TABLE customers ADD COLUMN ledger_head TEXT NOT NULL DEFAULT '';

ALTER TABLE consents ADD COLUMN sequence INTEGER;
ALTER TABLE consents ADD COLUMN sealed TEXT;
ALTER TABLE consents ADD COLUMN commitment TEXT;
ALTER TABLE consents ADD COLUMN hash TEXT;

-- Append-only. The one change allowed is the erasure of a proof, and the one deletion that of a whole ledger whose time of
-- retention is over, which says so by a row in `settings` for as long as its transaction lasts.
CREATE TRIGGER consents_chain_no_update BEFORE UPDATE OF sequence, commitment, hash ON consents BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;
CREATE TRIGGER consents_no_new_seal BEFORE UPDATE OF sealed ON consents WHEN NEW.sealed IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;
DROP TRIGGER consents_no_delete;
CREATE TRIGGER consents_no_delete BEFORE DELETE ON consents
    WHEN NOT EXISTS (SELECT 1 FROM settings WHERE key = 'declic.retention' AND value = 'over') BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;

-- Who was erased lately.
CREATE INDEX IF NOT EXISTS customers_erased ON customers (erased_at) WHERE erased_at IS NOT NULL;

-- Who has an address: an erasure must know whether somebody else does.
CREATE INDEX IF NOT EXISTS customers_by_email ON customers (email) WHERE email IS NOT NULL;
