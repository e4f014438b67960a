-- What weighs a consent against others, outside of its proof, which decisions do not read.
-- postgres/0008_double_opt_in.sql is its twin, and says what the columns mean.

ALTER TABLE consents ADD COLUMN shown_at TEXT;
ALTER TABLE consents ADD COLUMN said TEXT;

CREATE TRIGGER consents_weight_no_update BEFORE UPDATE OF shown_at, said ON consents BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;
