-- What weighs a consent against others, outside of its proof, which decisions do not read.
-- sqlite/0008_double_opt_in.sql is its twin.

-- shown_at: when the words were shown that the customer agreed to. said: what the event said, where the policy reads it as
-- something else (a grant that nothing confirms is pending).
ALTER TABLE consents ADD COLUMN shown_at timestamptz;
ALTER TABLE consents ADD COLUMN said text;

-- Append-only, these too.
CREATE OR REPLACE FUNCTION consents_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.proof::text = '{}' AND (NEW.sealed IS NULL OR NEW.sealed = OLD.sealed)
       AND (NEW.customer_id, NEW.event_source, NEW.event_id, NEW.channel, NEW.purpose, NEW.status, NEW.at, NEW.recorded_at)
         = (OLD.customer_id, OLD.event_source, OLD.event_id, OLD.channel, OLD.purpose, OLD.status, OLD.at, OLD.recorded_at)
       AND (NEW.sequence, NEW.commitment, NEW.hash, NEW.shown_at, NEW.said)
         IS NOT DISTINCT FROM (OLD.sequence, OLD.commitment, OLD.hash, OLD.shown_at, OLD.said)
    THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' AND current_setting('declic.retention', true) = 'over' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the consent ledger is append-only: record a new fact instead';
END $$;
