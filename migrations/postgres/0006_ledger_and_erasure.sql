-- The consent ledger as a chain, proofs under a key of each customer's own, and what an erasure forgets.
-- sqlite/0006_ledger_and_erasure.sql is its twin. An older build's facts stand beside the chain; `declic consents verify`
-- counts them.

-- forgotten_until: nothing that happened until then is known any more, nor taken in again; it outlasts a return.
-- ledger_key: what proofs are sealed with, together with the secret; erased with the customer.
-- ledger_length, ledger_head: how many facts the chain has, and the hash of the last.
ALTER TABLE customers ADD COLUMN forgotten_until timestamptz;
ALTER TABLE customers ADD COLUMN ledger_key text;
ALTER TABLE customers ADD COLUMN ledger_length bigint NOT NULL DEFAULT 0;
ALTER TABLE customers ADD COLUMN ledger_head text NOT NULL DEFAULT '';

-- sequence: the fact's place in its customer's chain, from 1; null for what an older build wrote.
-- sealed: the proof, encrypted; null without one, and once erased. commitment: what the hash covers in its place.
ALTER TABLE consents ADD COLUMN sequence bigint;
ALTER TABLE consents ADD COLUMN sealed text;
ALTER TABLE consents ADD COLUMN commitment text;
ALTER TABLE consents ADD COLUMN hash text;

-- Append-only. The one change allowed is the erasure of a proof, and the one deletion that of a whole ledger whose time of
-- retention is over, which says so by a setting of its transaction.
CREATE OR REPLACE FUNCTION consents_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.proof::text = '{}' AND (NEW.sealed IS NULL OR NEW.sealed = OLD.sealed)
       AND (NEW.customer_id, NEW.event_source, NEW.event_id, NEW.channel, NEW.purpose, NEW.status, NEW.at, NEW.recorded_at)
         = (OLD.customer_id, OLD.event_source, OLD.event_id, OLD.channel, OLD.purpose, OLD.status, OLD.at, OLD.recorded_at)
       AND (NEW.sequence, NEW.commitment, NEW.hash) IS NOT DISTINCT FROM (OLD.sequence, OLD.commitment, OLD.hash)
    THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' AND current_setting('declic.retention', true) = 'over' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the consent ledger is append-only: record a new fact instead';
END $$;
CREATE TRIGGER consents_no_truncate BEFORE TRUNCATE ON consents
    FOR EACH STATEMENT EXECUTE FUNCTION consents_append_only();

-- Who was erased lately.
CREATE INDEX IF NOT EXISTS customers_erased ON customers (erased_at) WHERE erased_at IS NOT NULL;

-- Who has an address: an erasure must know whether somebody else does.
CREATE INDEX IF NOT EXISTS customers_by_email ON customers (email) WHERE email IS NOT NULL;
