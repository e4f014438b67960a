-- Two database roles for Declic: `declic_owner` owns the tables and migrates them, `declic_worker` works on them and can do
-- nothing else. docs/security.md says how they are used.
--
-- Run it as a superuser, in Declic's database: once before the first `declic migrate`, and again after every one, as new
-- tables need their grants. Running it again changes nothing else. For other names replace both in this file.
--
--   psql -X -v ON_ERROR_STOP=1 -d declic -f deploy/postgres/roles.sql

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'declic_owner') THEN
        CREATE ROLE declic_owner LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'declic_worker') THEN
        CREATE ROLE declic_worker LOGIN;
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO declic_owner, declic_worker', current_database());
END $$;

-- Nobody but the owner makes tables.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM declic_worker;
GRANT USAGE, CREATE ON SCHEMA public TO declic_owner;
GRANT USAGE ON SCHEMA public TO declic_worker;

-- What the worker needs of each table, and no more. The ledger of consents is added to; what an erasure empties are the two
-- columns of a proof. Rows are deleted when their time of retention is over: a ledger only whole, which its trigger asks for. To lock a row (FOR UPDATE) PostgreSQL wants the right to change it.
DO $$
DECLARE
    need record;
    unknown text;
BEGIN
    CREATE TEMPORARY TABLE needs ON COMMIT DROP AS
    SELECT * FROM (VALUES
        ('declic_schema',       'SELECT'),
        ('customers',           'SELECT, INSERT, UPDATE'),
        ('customer_dates',      'SELECT, INSERT, DELETE'),
        ('consents',            'SELECT, INSERT, UPDATE (proof, sealed), DELETE'),
        ('events',              'SELECT, INSERT, UPDATE (data, traceparent), DELETE'),
        ('entries',             'SELECT, INSERT, UPDATE, DELETE'),
        ('messages',            'SELECT, INSERT, UPDATE, DELETE'),
        ('promo_codes',         'SELECT, INSERT, DELETE'),
        ('outcomes',            'SELECT, INSERT, UPDATE, DELETE'),
        ('archive',             'SELECT, INSERT, DELETE'),
        ('pauses',              'SELECT, INSERT, UPDATE'),
        ('audit',               'SELECT, INSERT'),
        ('retention_runs',      'SELECT, INSERT, UPDATE'),
        ('figures',             'SELECT, INSERT, UPDATE, DELETE'),
        ('suppressions',        'SELECT, INSERT, DELETE'),
        ('sweeps',              'SELECT, INSERT, UPDATE'),
        ('sweep_marks',         'SELECT, INSERT, UPDATE'),
        ('rule_sets',           'SELECT, INSERT'),
        ('rule_versions',       'SELECT, INSERT'),
        ('template_versions',   'SELECT, INSERT'),
        ('rules_in_force',      'SELECT, INSERT, DELETE'),
        ('settings',            'SELECT, INSERT, UPDATE'),
        ('dead_letters',        'SELECT, INSERT, UPDATE, DELETE'),
        ('sms_parts',           'SELECT, INSERT, UPDATE, DELETE'),
        ('sms_receipts',        'SELECT, INSERT, UPDATE, DELETE'),
        ('sms_inbound',         'SELECT, INSERT, DELETE'),
        ('bounces',             'SELECT, INSERT, UPDATE, DELETE'),
        ('restores',            'SELECT'),
        ('sent_before_restore', 'SELECT')
    ) AS needed (name, rights);

    FOR need IN SELECT name, rights FROM needs WHERE to_regclass('public.' || name) IS NOT NULL LOOP
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, declic_worker', need.name);
        EXECUTE format('GRANT %s ON %I TO declic_worker', need.rights, need.name);
    END LOOP;

    -- From PostgreSQL 17 on there is a right to VACUUM that is not ownership: the worker makes room after an erasure.
    IF current_setting('server_version_num')::int >= 170000 THEN
        FOR need IN SELECT name FROM needs WHERE to_regclass('public.' || name) IS NOT NULL LOOP
            EXECUTE format('GRANT MAINTAIN ON %I TO declic_worker', need.name);
        END LOOP;
    END IF;

    SELECT string_agg(relname, ', ') INTO unknown FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
      AND relname NOT IN (SELECT name FROM needs);
    IF unknown IS NOT NULL THEN
        RAISE WARNING 'the worker gets no right on: %. Are they tables of a newer Declic? Run its own roles.sql', unknown;
    END IF;
END $$;

COMMIT;
