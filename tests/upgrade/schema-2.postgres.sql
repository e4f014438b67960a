--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: consents_append_only(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.consents_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.proof::text = '{}'
       AND (NEW.customer_id, NEW.event_source, NEW.event_id, NEW.channel, NEW.purpose, NEW.status, NEW.at, NEW.recorded_at)
         = (OLD.customer_id, OLD.event_source, OLD.event_id, OLD.channel, OLD.purpose, OLD.status, OLD.at, OLD.recorded_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the consent ledger is append-only: record a new fact instead';
END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: consents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.consents (
    customer_id text NOT NULL COLLATE pg_catalog."C",
    event_source text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    channel text NOT NULL COLLATE pg_catalog."C",
    purpose text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL,
    at timestamp with time zone NOT NULL,
    proof json NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);


--
-- Name: customer_dates; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customer_dates (
    customer_id text NOT NULL COLLATE pg_catalog."C",
    attribute text NOT NULL COLLATE pg_catalog."C",
    month_day text NOT NULL COLLATE pg_catalog."C",
    year bigint NOT NULL,
    timezone text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: customers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customers (
    customer_id text NOT NULL COLLATE pg_catalog."C",
    email text COLLATE pg_catalog."C",
    locale text,
    timezone text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    profile json NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    erased_at timestamp with time zone,
    phone text COLLATE pg_catalog."C"
);


--
-- Name: dead_letters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.dead_letters (
    id text NOT NULL COLLATE pg_catalog."C",
    received_at timestamp with time zone NOT NULL,
    origin text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    headers json NOT NULL,
    body text NOT NULL
);


--
-- Name: declic_schema; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.declic_schema (
    version bigint NOT NULL,
    applied_at text NOT NULL
);


--
-- Name: entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.entries (
    customer_id text NOT NULL COLLATE pg_catalog."C",
    rule text NOT NULL COLLATE pg_catalog."C",
    occurrence text NOT NULL COLLATE pg_catalog."C",
    entry_key text NOT NULL,
    status text NOT NULL,
    due_at timestamp with time zone,
    version text NOT NULL,
    committed boolean NOT NULL,
    body json NOT NULL
);


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.events (
    customer_id text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    "time" timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    data json
);


--
-- Name: messages; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.messages (
    customer_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    rule text NOT NULL COLLATE pg_catalog."C",
    occurrence text NOT NULL COLLATE pg_catalog."C",
    step text NOT NULL COLLATE pg_catalog."C",
    channel text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL,
    reason text,
    due_at timestamp with time zone NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    lease_token text,
    lease_until timestamp with time zone,
    attempts bigint NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    erased boolean DEFAULT false NOT NULL,
    body json NOT NULL,
    lane bigint DEFAULT 1 NOT NULL,
    purpose text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    slot_at timestamp with time zone
);


--
-- Name: outcomes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outcomes (
    id text NOT NULL COLLATE pg_catalog."C",
    customer_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    "time" timestamp with time zone NOT NULL,
    data json,
    created_at timestamp with time zone NOT NULL,
    published_at timestamp with time zone
);


--
-- Name: promo_codes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.promo_codes (
    code text NOT NULL COLLATE pg_catalog."C",
    customer_id text NOT NULL COLLATE pg_catalog."C",
    rule text NOT NULL COLLATE pg_catalog."C",
    occurrence text NOT NULL COLLATE pg_catalog."C",
    step text NOT NULL COLLATE pg_catalog."C",
    discount json NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_until timestamp with time zone NOT NULL,
    issued_at timestamp with time zone NOT NULL
);


--
-- Name: rule_sets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rule_sets (
    generation bigint NOT NULL,
    hash text NOT NULL,
    files json NOT NULL,
    published_at timestamp with time zone NOT NULL
);


--
-- Name: rule_versions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rule_versions (
    rule text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    first_seen timestamp with time zone NOT NULL
);


--
-- Name: rules_in_force; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rules_in_force (
    rule text NOT NULL COLLATE pg_catalog."C",
    since timestamp with time zone NOT NULL
);


--
-- Name: settings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.settings (
    key text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL
);


--
-- Name: sms_inbound; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sms_inbound (
    id text NOT NULL COLLATE pg_catalog."C",
    sender text NOT NULL COLLATE pg_catalog."C",
    recipient text NOT NULL,
    body text NOT NULL,
    at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    meaning text NOT NULL,
    customers bigint NOT NULL
);


--
-- Name: sms_parts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sms_parts (
    provider_id text NOT NULL COLLATE pg_catalog."C",
    customer_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    part bigint NOT NULL,
    parts bigint NOT NULL,
    state text NOT NULL,
    sent_at timestamp with time zone NOT NULL
);


--
-- Name: sms_receipts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sms_receipts (
    provider_id text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL,
    at timestamp with time zone NOT NULL,
    detail text,
    received_at timestamp with time zone NOT NULL
);


--
-- Name: suppressions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.suppressions (
    channel text NOT NULL COLLATE pg_catalog."C",
    address text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL,
    at timestamp with time zone NOT NULL,
    detail text
);


--
-- Name: sweep_marks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sweep_marks (
    rule text NOT NULL COLLATE pg_catalog."C",
    zone text NOT NULL COLLATE pg_catalog."C",
    checked_until timestamp with time zone NOT NULL
);


--
-- Name: sweeps; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sweeps (
    rule text NOT NULL COLLATE pg_catalog."C",
    tick text NOT NULL COLLATE pg_catalog."C",
    zone text NOT NULL COLLATE pg_catalog."C",
    planned_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    cursor text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: template_versions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.template_versions (
    hash text NOT NULL COLLATE pg_catalog."C",
    source json NOT NULL
);


--
-- Data for Name: consents; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.consents VALUES
	('alice', '/shop', 'alice-signup', 'email', 'marketing', 'granted', '2026-11-23 09:00:00+00', '{"source":"form"}', '2026-11-23 09:30:00+00'),
	('bob', '/shop', 'bob-signup', 'email', 'marketing', 'granted', '2026-11-23 09:00:00+00', '{"source":"form"}', '2026-11-23 09:30:00+00'),
	('bob', '/shop', 'bob-word', 'email', 'marketing', 'withdrawn', '2026-11-23 09:12:00+00', '{"source":"page"}', '2026-11-23 09:30:00+00'),
	('carol', '/shop', 'carol-signup', 'email', 'marketing', 'granted', '2026-11-23 09:20:00+00', '{"source":"form"}', '2026-11-23 09:30:00+00');


--
-- Data for Name: customer_dates; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.customer_dates VALUES
	('alice', 'birthday', '11-24', 1990, ''),
	('bob', 'birthday', '11-24', 1990, ''),
	('carol', 'birthday', '11-24', 1990, '');


--
-- Data for Name: customers; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.customers VALUES
	('alice', 'alice@example.com', NULL, '', '{"attributes":{"birthday":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"alice-signup"},"value":"1990-11-24"}],"email":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"alice-signup"},"value":"alice@example.com"}]}}', '2026-11-23 09:30:00+00', '2026-11-23 09:30:00+00', NULL, NULL),
	('bob', 'bob@example.com', NULL, '', '{"attributes":{"birthday":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"bob-signup"},"value":"1990-11-24"}],"email":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"bob-signup"},"value":"bob@example.com"}]}}', '2026-11-23 09:30:00+00', '2026-11-23 09:30:00+00', NULL, NULL),
	('carol', 'carol@example.com', NULL, '', '{"attributes":{"birthday":[{"stamp":{"time":"2026-11-23T09:20:00Z","source":"/shop","id":"carol-signup"},"value":"1990-11-24"}],"email":[{"stamp":{"time":"2026-11-23T09:20:00Z","source":"/shop","id":"carol-signup"},"value":"carol@example.com"}]}}', '2026-11-23 09:30:00+00', '2026-11-23 09:30:00+00', NULL, NULL),
	('dave', 'dave@example.com', NULL, '', '{"attributes":{"email":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"dave-profile"},"value":"dave@example.com"}]}}', '2026-11-23 09:30:00+00', '2026-11-23 09:30:00+00', NULL, NULL);


--
-- Data for Name: dead_letters; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: declic_schema; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.declic_schema VALUES
	(1, '2026-11-29T10:17:56.258541Z'),
	(2, '2026-11-29T10:17:56.258541Z');


--
-- Data for Name: entries; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.entries VALUES
	('alice', 'welcome', '/shop#alice-signup', '', 'ended', NULL, '0a12093657be3c35', true, '{"customer_id":"alice","rule":"welcome","occurrence":"/shop#alice-signup","key":"","version":"0a12093657be3c35","trigger":{"id":"alice-signup","source":"/shop","type":"customer.signed_up","subject":"alice","time":"2026-11-23T09:00:00Z","data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"alice@example.com"}},"started_at":"2026-11-23T09:00:00Z","status":"ended","position":1,"planned":"2026-11-23T09:00:00Z","due_at":null,"committed":true,"exit":null,"promo_step":null,"reason":null,"detail":null}'),
	('bob', 'welcome', '/shop#bob-signup', '', 'ended', NULL, '0a12093657be3c35', true, '{"customer_id":"bob","rule":"welcome","occurrence":"/shop#bob-signup","key":"","version":"0a12093657be3c35","trigger":{"id":"bob-signup","source":"/shop","type":"customer.signed_up","subject":"bob","time":"2026-11-23T09:00:00Z","data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"bob@example.com"}},"started_at":"2026-11-23T09:00:00Z","status":"ended","position":1,"planned":"2026-11-23T09:00:00Z","due_at":null,"committed":true,"exit":null,"promo_step":null,"reason":null,"detail":null}'),
	('alice', 'reminder', '/shop#alice-cart', 'alice', 'active', '2026-11-23 10:10:00+00', 'ba795b6571aa6689', false, '{"customer_id":"alice","rule":"reminder","occurrence":"/shop#alice-cart","key":"alice","version":"ba795b6571aa6689","trigger":{"id":"alice-cart","source":"/shop","type":"cart.updated","subject":"alice","time":"2026-11-23T09:10:00Z","data":{"cart_id":"alice"}},"started_at":"2026-11-23T09:10:00Z","status":"active","position":1,"planned":"2026-11-23T10:10:00Z","due_at":"2026-11-23T10:10:00Z","committed":false,"exit":null,"promo_step":null,"reason":null,"detail":null}'),
	('bob', 'reminder', '/shop#bob-cart', 'bob', 'active', '2026-11-23 10:11:00+00', 'ba795b6571aa6689', false, '{"customer_id":"bob","rule":"reminder","occurrence":"/shop#bob-cart","key":"bob","version":"ba795b6571aa6689","trigger":{"id":"bob-cart","source":"/shop","type":"cart.updated","subject":"bob","time":"2026-11-23T09:11:00Z","data":{"cart_id":"bob"}},"started_at":"2026-11-23T09:11:00Z","status":"active","position":1,"planned":"2026-11-23T10:11:00Z","due_at":"2026-11-23T10:11:00Z","committed":false,"exit":null,"promo_step":null,"reason":null,"detail":null}'),
	('carol', 'welcome', '/shop#carol-signup', '', 'ended', NULL, '0a12093657be3c35', true, '{"customer_id":"carol","rule":"welcome","occurrence":"/shop#carol-signup","key":"","version":"0a12093657be3c35","trigger":{"id":"carol-signup","source":"/shop","type":"customer.signed_up","subject":"carol","time":"2026-11-23T09:20:00Z","data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"carol@example.com"}},"started_at":"2026-11-23T09:20:00Z","status":"ended","position":1,"planned":"2026-11-23T09:20:00Z","due_at":null,"committed":true,"exit":null,"promo_step":null,"reason":null,"detail":null}'),
	('dave', 'receipt', '/shop#dave-order', 'dave', 'ended', NULL, 'f8ca99bfb346866b', true, '{"customer_id":"dave","rule":"receipt","occurrence":"/shop#dave-order","key":"dave","version":"f8ca99bfb346866b","trigger":{"id":"dave-order","source":"/shop","type":"order.placed","subject":"dave","time":"2026-11-23T09:22:00Z","data":{"order_id":"dave"}},"started_at":"2026-11-23T09:22:00Z","status":"ended","position":1,"planned":"2026-11-23T09:22:00Z","due_at":null,"committed":true,"exit":null,"promo_step":null,"reason":null,"detail":null}'),
	('dave', 'reminder', '/shop#dave-cart', 'dave', 'ended', NULL, 'ba795b6571aa6689', false, '{"customer_id":"dave","rule":"reminder","occurrence":"/shop#dave-cart","key":"dave","version":"ba795b6571aa6689","trigger":{"id":"dave-cart","source":"/shop","type":"cart.updated","subject":"dave","time":"2026-11-23T09:21:00Z","data":{"cart_id":"dave"}},"started_at":"2026-11-23T09:21:00Z","status":"ended","position":1,"planned":"2026-11-23T10:21:00Z","due_at":null,"committed":false,"exit":{"at":"2026-11-23T09:22:00Z","reason":"exited","by":"order.placed"},"promo_step":null,"reason":"exited","detail":"order.placed at 2026-11-23T09:22:00Z"}');


--
-- Data for Name: events; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.events VALUES
	('alice', '/shop', 'alice-signup', 'customer.signed_up', '2026-11-23 09:00:00+00', '2026-11-23 09:30:00+00', '{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"alice@example.com"}'),
	('bob', '/shop', 'bob-signup', 'customer.signed_up', '2026-11-23 09:00:00+00', '2026-11-23 09:30:00+00', '{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"bob@example.com"}'),
	('alice', '/shop', 'alice-cart', 'cart.updated', '2026-11-23 09:10:00+00', '2026-11-23 09:30:00+00', '{"cart_id":"alice"}'),
	('bob', '/shop', 'bob-cart', 'cart.updated', '2026-11-23 09:11:00+00', '2026-11-23 09:30:00+00', '{"cart_id":"bob"}'),
	('bob', '/shop', 'bob-word', 'consent.changed', '2026-11-23 09:12:00+00', '2026-11-23 09:30:00+00', '{"channel":"email","purpose":"marketing","source":"page","status":"withdrawn"}'),
	('carol', '/shop', 'carol-signup', 'customer.signed_up', '2026-11-23 09:20:00+00', '2026-11-23 09:30:00+00', '{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"carol@example.com"}'),
	('dave', '/shop', 'dave-cart', 'cart.updated', '2026-11-23 09:21:00+00', '2026-11-23 09:30:00+00', '{"cart_id":"dave"}'),
	('dave', '/shop', 'dave-order', 'order.placed', '2026-11-23 09:22:00+00', '2026-11-23 09:30:00+00', '{"order_id":"dave"}'),
	('dave', '/shop', 'dave-profile', 'customer.updated', '2026-11-23 09:00:00+00', '2026-11-23 09:30:00+00', '{"email":"dave@example.com"}');


--
-- Data for Name: messages; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.messages VALUES
	('alice', '5795f2864c61aa2f68e5a7e19ff68658', 'welcome', '/shop#alice-signup', 'send-welcome', 'email', 'sent', NULL, '2026-11-23 09:00:00+00', '2026-11-23 09:00:00+00', '2026-11-24 09:00:00+00', 'S9Dfi89pbiq02PS8gPUUMg', NULL, 1, '2026-11-23 09:30:00+00', false, '{"id":"5795f2864c61aa2f68e5a7e19ff68658","customer_id":"alice","rule":"welcome","version":"0a12093657be3c35","occurrence":"/shop#alice-signup","step":"send-welcome","channel":"email","purpose":"service","template":"welcome","planned_at":"2026-11-23T09:00:00Z","expires_at":"2026-11-24T09:00:00Z","state":"sent","reason":null,"detail":null,"context":{"event":{"data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"alice@example.com"},"id":"alice-signup","source":"/shop","subject":"alice","time":"2026-11-23T09:00:00Z","type":"customer.signed_up"},"promo_code":null},"promo_code":null,"due_at":"2026-11-23T09:00:00Z","attempts":1,"template_hash":"0c2ecc4abf00e1e6a2570b8425bde226","locale":"en","address":"alice@example.com","reply":"250 2.0.0 kept as 1","sent_at":"2026-11-23T09:30:00Z","lane":"event","priority":0,"fallback":null,"slot_at":"2026-11-23T09:30:00Z"}', 1, 'service', '2026-11-23 09:30:00+00'),
	('bob', 'b27bb39883fd9ef3f2d8e4882974c505', 'welcome', '/shop#bob-signup', 'send-welcome', 'email', 'sent', NULL, '2026-11-23 09:00:00+00', '2026-11-23 09:00:00+00', '2026-11-24 09:00:00+00', 'S9Dfi89pbiq02PS8gPUUMg', NULL, 1, '2026-11-23 09:30:00+00', false, '{"id":"b27bb39883fd9ef3f2d8e4882974c505","customer_id":"bob","rule":"welcome","version":"0a12093657be3c35","occurrence":"/shop#bob-signup","step":"send-welcome","channel":"email","purpose":"service","template":"welcome","planned_at":"2026-11-23T09:00:00Z","expires_at":"2026-11-24T09:00:00Z","state":"sent","reason":null,"detail":null,"context":{"event":{"data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"bob@example.com"},"id":"bob-signup","source":"/shop","subject":"bob","time":"2026-11-23T09:00:00Z","type":"customer.signed_up"},"promo_code":null},"promo_code":null,"due_at":"2026-11-23T09:00:00Z","attempts":1,"template_hash":"0c2ecc4abf00e1e6a2570b8425bde226","locale":"en","address":"bob@example.com","reply":"250 2.0.0 kept as 2","sent_at":"2026-11-23T09:30:00Z","lane":"event","priority":0,"fallback":null,"slot_at":"2026-11-23T09:30:00Z"}', 1, 'service', '2026-11-23 09:30:00+00'),
	('carol', 'aa0b7242673346873309646161aa1235', 'welcome', '/shop#carol-signup', 'send-welcome', 'email', 'pending', NULL, '2026-11-23 09:30:31.970588+00', '2026-11-23 09:20:00+00', '2026-11-24 09:20:00+00', NULL, NULL, 1, '2026-11-23 09:30:00+00', false, '{"id":"aa0b7242673346873309646161aa1235","customer_id":"carol","rule":"welcome","version":"0a12093657be3c35","occurrence":"/shop#carol-signup","step":"send-welcome","channel":"email","purpose":"service","template":"welcome","planned_at":"2026-11-23T09:20:00Z","expires_at":"2026-11-24T09:20:00Z","state":"pending","reason":null,"detail":null,"context":{"event":{"data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"carol@example.com"},"id":"carol-signup","source":"/shop","subject":"carol","time":"2026-11-23T09:20:00Z","type":"customer.signed_up"},"promo_code":null},"promo_code":null,"due_at":"2026-11-23T09:30:31.970588235Z","attempts":1,"template_hash":"0c2ecc4abf00e1e6a2570b8425bde226","locale":"en","address":"carol@example.com","reply":"450 4.2.1 come back later","sent_at":null,"lane":"event","priority":0,"fallback":null,"slot_at":null}', 1, 'service', NULL),
	('dave', '6bfc1b7c7c79b98619ffa447ccceb0cb', 'receipt', '/shop#dave-order', 'send-receipt', 'email', 'pending', NULL, '2026-11-23 09:30:36.617647+00', '2026-11-23 09:22:00+00', '2026-11-24 09:22:00+00', NULL, NULL, 1, '2026-11-23 09:30:00+00', false, '{"id":"6bfc1b7c7c79b98619ffa447ccceb0cb","customer_id":"dave","rule":"receipt","version":"f8ca99bfb346866b","occurrence":"/shop#dave-order","step":"send-receipt","channel":"email","purpose":"transactional","template":"receipt","planned_at":"2026-11-23T09:22:00Z","expires_at":"2026-11-24T09:22:00Z","state":"pending","reason":null,"detail":null,"context":{"event":{"data":{"order_id":"dave"},"id":"dave-order","source":"/shop","subject":"dave","time":"2026-11-23T09:22:00Z","type":"order.placed"},"promo_code":null},"promo_code":null,"due_at":"2026-11-23T09:30:36.617647058Z","attempts":1,"template_hash":"ee82ba84e78323c90cd7c0dcfdccb329","locale":"en","address":"dave@example.com","reply":"450 4.2.1 come back later","sent_at":null,"lane":"transactional","priority":0,"fallback":null,"slot_at":null}', 0, 'transactional', NULL);


--
-- Data for Name: outcomes; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.outcomes VALUES
	('5795f2864c61aa2f68e5a7e19ff68658-sent', 'alice', 'message.sent', '2026-11-23 09:30:00+00', '{"channel":"email","locale":"en","message_id":"5795f2864c61aa2f68e5a7e19ff68658","planned_at":"2026-11-23T09:00:00Z","promo_code":null,"purpose":"service","reason":null,"rule":"welcome","step":"send-welcome","template":"welcome"}', '2026-11-23 09:30:00+00', '2026-11-23 09:30:00+00'),
	('b27bb39883fd9ef3f2d8e4882974c505-sent', 'bob', 'message.sent', '2026-11-23 09:30:00+00', '{"channel":"email","locale":"en","message_id":"b27bb39883fd9ef3f2d8e4882974c505","planned_at":"2026-11-23T09:00:00Z","promo_code":null,"purpose":"service","reason":null,"rule":"welcome","step":"send-welcome","template":"welcome"}', '2026-11-23 09:30:00+00', '2026-11-23 09:30:00+00');


--
-- Data for Name: promo_codes; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: rule_sets; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rule_sets VALUES
	(1, '00ddacdcf2d559470556baa3c6db5a9c0165f3caf54cbb7566a2b61908912486', '[{"path":"rules/birthday.yaml","text":"rule: birthday\npurpose: marketing\ntrigger: { anniversary: customer.birthday, at: \"09:00\" }\nsteps:\n  - send: { email: birthday }\n"},{"path":"rules/policy.yaml","text":"default_locale: en\ndefault_timezone: Europe/Paris\nsender:\n  name: Maison Lumen\n  email: contact@maison-lumen.example\n  website: https://maison-lumen.example\n  postal_address: 12 rue de la République, 69001 Lyon, France\npurposes:\n  marketing: consent\n  service: legitimate_interest\n  transactional: contract\nmax_age: 24h\ncatch_up: 12h\n"},{"path":"rules/receipt.yaml","text":"rule: receipt\npurpose: transactional\ntrigger: { event: order.placed, key: data.order_id }\nsteps:\n  - send: { email: receipt }\n"},{"path":"rules/reminder.yaml","text":"rule: reminder\npurpose: marketing\ntrigger: { event: cart.updated, key: data.cart_id }\nre_entry: restart\nexit_on: [order.placed]\nsteps:\n  - wait: 1h\n  - promo_code: { prefix: CART, discount: 10%, valid_for: 7d }\n  - send: { email: reminder }\n"},{"path":"rules/welcome.yaml","text":"rule: welcome\npurpose: service\ntrigger: { event: customer.signed_up }\nsteps:\n  - send: { email: welcome }\n"},{"path":"templates/birthday/email.en.mjml","text":"---\nsubject: \"A birthday\"\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-text>A birthday from {{sender.name}}, {{sender.postal_address}}.</mj-text>\n<mj-text><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></mj-text>\n</mj-column></mj-section></mj-body></mjml>\n"},{"path":"templates/receipt/email.en.mjml","text":"---\nsubject: \"A receipt\"\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-text>A receipt from {{sender.name}}, {{sender.postal_address}}.</mj-text>\n\n</mj-column></mj-section></mj-body></mjml>\n"},{"path":"templates/reminder/email.en.mjml","text":"---\nsubject: \"A reminder\"\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-text>A reminder from {{sender.name}}, {{sender.postal_address}}. {{promo_code.code}}</mj-text>\n<mj-text><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></mj-text>\n</mj-column></mj-section></mj-body></mjml>\n"},{"path":"templates/welcome/email.en.mjml","text":"---\nsubject: \"A welcome\"\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-text>A welcome from {{sender.name}}, {{sender.postal_address}}.</mj-text>\n<mj-text><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></mj-text>\n</mj-column></mj-section></mj-body></mjml>\n"}]', '2026-11-23 09:30:00+00');


--
-- Data for Name: rule_versions; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rule_versions VALUES
	('birthday', 'dff2034adb26c01b', 'rule: birthday
purpose: marketing
trigger: { anniversary: customer.birthday, at: "09:00" }
steps:
  - send: { email: birthday }
', '2026-11-23 09:30:00+00'),
	('receipt', 'f8ca99bfb346866b', 'rule: receipt
purpose: transactional
trigger: { event: order.placed, key: data.order_id }
steps:
  - send: { email: receipt }
', '2026-11-23 09:30:00+00'),
	('reminder', 'ba795b6571aa6689', 'rule: reminder
purpose: marketing
trigger: { event: cart.updated, key: data.cart_id }
re_entry: restart
exit_on: [order.placed]
steps:
  - wait: 1h
  - promo_code: { prefix: CART, discount: 10%, valid_for: 7d }
  - send: { email: reminder }
', '2026-11-23 09:30:00+00'),
	('welcome', '0a12093657be3c35', 'rule: welcome
purpose: service
trigger: { event: customer.signed_up }
steps:
  - send: { email: welcome }
', '2026-11-23 09:30:00+00');


--
-- Data for Name: rules_in_force; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rules_in_force VALUES
	('birthday', '2026-11-23 09:30:00+00'),
	('receipt', '2026-11-23 09:30:00+00'),
	('reminder', '2026-11-23 09:30:00+00'),
	('welcome', '2026-11-23 09:30:00+00');


--
-- Data for Name: settings; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: sms_inbound; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: sms_parts; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: sms_receipts; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: suppressions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: sweep_marks; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.sweep_marks VALUES
	('birthday', '', '2026-11-23 09:30:00+00');


--
-- Data for Name: sweeps; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: template_versions; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.template_versions VALUES
	('0c2ecc4abf00e1e6a2570b8425bde226', '{"html":"<!DOCTYPE html><html lang=\"en\" dir=\"ltr\" xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><title>A welcome</title><!--[if !mso]><!--><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><!--<![endif]--><meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style type=\"text/css\">\n#outlook a { padding: 0; }\nbody { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }\ntable, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }\nimg { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; -ms-interpolation-mode: bicubic; }\np { display: block; margin: 13px 0; }\n</style>\n<!--[if mso]>\n<noscript>\n<xml>\n<o:OfficeDocumentSettings>\n  <o:AllowPNG/>\n  <o:PixelsPerInch>96</o:PixelsPerInch>\n</o:OfficeDocumentSettings>\n</xml>\n</noscript>\n<![endif]-->\n<!--[if lte mso 11]>\n<style type=\"text/css\">\n.mj-outlook-group-fix { width:100% !important; }\n</style>\n<![endif]-->\n<style type=\"text/css\">@media only screen and (min-width:480px) { .mj-column-per-100 { width:100% !important; max-width:100%; }  }</style><style media=\"screen and (min-width:480px)\">.moz-text-html .mj-column-per-100 { width:100% !important; max-width:100%; } </style></head><body style=\"margin: 0;padding: 0;-webkit-text-size-adjust: 100%;-ms-text-size-adjust: 100%;word-spacing: normal\"><div aria-roledescription=\"email\" role=\"article\" lang=\"en\" dir=\"ltr\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" width=\"600\" style=\"width:600px;\"><tr><td style=\"line-height:0px;font-size:0px;mso-line-height-rule:exactly;\"><![endif]--><div style=\"margin:0px auto;max-width:600px;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;width: 100%\"><tbody><tr><td style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;direction: ltr;font-size: 0px;padding: 20px 0;text-align: center\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\"><tr><![endif]--><!--[if mso | IE]><td style=\"vertical-align:top;width:600px;\"><![endif]--><div class=\"mj-outlook-group-fix mj-column-per-100\" style=\"font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" width=\"100%\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;vertical-align: top\"><tbody><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\">A welcome from {{sender.name}}, {{sender.postal_address}}.</div></td></tr><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\"><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></div></td></tr></tbody></table></div><!--[if mso | IE]></td><![endif]--><!--[if mso | IE]></tr></table><![endif]--></td></tr></tbody></table></div><!--[if mso | IE]></td></tr></table><![endif]--></div></body></html>","locale":"en","name":"welcome","origins":{"sender.name":"templates/welcome/email.en.mjml:5","sender.postal_address":"templates/welcome/email.en.mjml:5","unsubscribe_url":"templates/welcome/email.en.mjml:6"},"preheader":null,"subject":"A welcome","text":null}'),
	('224795e188b103bc6d50879aebf0e855', '{"html":"<!DOCTYPE html><html lang=\"en\" dir=\"ltr\" xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><title>A birthday</title><!--[if !mso]><!--><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><!--<![endif]--><meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style type=\"text/css\">\n#outlook a { padding: 0; }\nbody { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }\ntable, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }\nimg { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; -ms-interpolation-mode: bicubic; }\np { display: block; margin: 13px 0; }\n</style>\n<!--[if mso]>\n<noscript>\n<xml>\n<o:OfficeDocumentSettings>\n  <o:AllowPNG/>\n  <o:PixelsPerInch>96</o:PixelsPerInch>\n</o:OfficeDocumentSettings>\n</xml>\n</noscript>\n<![endif]-->\n<!--[if lte mso 11]>\n<style type=\"text/css\">\n.mj-outlook-group-fix { width:100% !important; }\n</style>\n<![endif]-->\n<style type=\"text/css\">@media only screen and (min-width:480px) { .mj-column-per-100 { width:100% !important; max-width:100%; }  }</style><style media=\"screen and (min-width:480px)\">.moz-text-html .mj-column-per-100 { width:100% !important; max-width:100%; } </style></head><body style=\"margin: 0;padding: 0;-webkit-text-size-adjust: 100%;-ms-text-size-adjust: 100%;word-spacing: normal\"><div aria-roledescription=\"email\" role=\"article\" lang=\"en\" dir=\"ltr\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" width=\"600\" style=\"width:600px;\"><tr><td style=\"line-height:0px;font-size:0px;mso-line-height-rule:exactly;\"><![endif]--><div style=\"margin:0px auto;max-width:600px;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;width: 100%\"><tbody><tr><td style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;direction: ltr;font-size: 0px;padding: 20px 0;text-align: center\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\"><tr><![endif]--><!--[if mso | IE]><td style=\"vertical-align:top;width:600px;\"><![endif]--><div class=\"mj-outlook-group-fix mj-column-per-100\" style=\"font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" width=\"100%\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;vertical-align: top\"><tbody><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\">A birthday from {{sender.name}}, {{sender.postal_address}}.</div></td></tr><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\"><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></div></td></tr></tbody></table></div><!--[if mso | IE]></td><![endif]--><!--[if mso | IE]></tr></table><![endif]--></td></tr></tbody></table></div><!--[if mso | IE]></td></tr></table><![endif]--></div></body></html>","locale":"en","name":"birthday","origins":{"sender.name":"templates/birthday/email.en.mjml:5","sender.postal_address":"templates/birthday/email.en.mjml:5","unsubscribe_url":"templates/birthday/email.en.mjml:6"},"preheader":null,"subject":"A birthday","text":null}'),
	('2cff450f427778c684d1e2fcf7a38923', '{"html":"<!DOCTYPE html><html lang=\"en\" dir=\"ltr\" xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><title>A reminder</title><!--[if !mso]><!--><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><!--<![endif]--><meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style type=\"text/css\">\n#outlook a { padding: 0; }\nbody { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }\ntable, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }\nimg { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; -ms-interpolation-mode: bicubic; }\np { display: block; margin: 13px 0; }\n</style>\n<!--[if mso]>\n<noscript>\n<xml>\n<o:OfficeDocumentSettings>\n  <o:AllowPNG/>\n  <o:PixelsPerInch>96</o:PixelsPerInch>\n</o:OfficeDocumentSettings>\n</xml>\n</noscript>\n<![endif]-->\n<!--[if lte mso 11]>\n<style type=\"text/css\">\n.mj-outlook-group-fix { width:100% !important; }\n</style>\n<![endif]-->\n<style type=\"text/css\">@media only screen and (min-width:480px) { .mj-column-per-100 { width:100% !important; max-width:100%; }  }</style><style media=\"screen and (min-width:480px)\">.moz-text-html .mj-column-per-100 { width:100% !important; max-width:100%; } </style></head><body style=\"margin: 0;padding: 0;-webkit-text-size-adjust: 100%;-ms-text-size-adjust: 100%;word-spacing: normal\"><div aria-roledescription=\"email\" role=\"article\" lang=\"en\" dir=\"ltr\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" width=\"600\" style=\"width:600px;\"><tr><td style=\"line-height:0px;font-size:0px;mso-line-height-rule:exactly;\"><![endif]--><div style=\"margin:0px auto;max-width:600px;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;width: 100%\"><tbody><tr><td style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;direction: ltr;font-size: 0px;padding: 20px 0;text-align: center\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\"><tr><![endif]--><!--[if mso | IE]><td style=\"vertical-align:top;width:600px;\"><![endif]--><div class=\"mj-outlook-group-fix mj-column-per-100\" style=\"font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" width=\"100%\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;vertical-align: top\"><tbody><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\">A reminder from {{sender.name}}, {{sender.postal_address}}. {{promo_code.code}}</div></td></tr><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\"><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></div></td></tr></tbody></table></div><!--[if mso | IE]></td><![endif]--><!--[if mso | IE]></tr></table><![endif]--></td></tr></tbody></table></div><!--[if mso | IE]></td></tr></table><![endif]--></div></body></html>","locale":"en","name":"reminder","origins":{"promo_code.code":"templates/reminder/email.en.mjml:5","sender.name":"templates/reminder/email.en.mjml:5","sender.postal_address":"templates/reminder/email.en.mjml:5","unsubscribe_url":"templates/reminder/email.en.mjml:6"},"preheader":null,"subject":"A reminder","text":null}'),
	('5314a27c1f7e481479ac77608bb06bcb', '{"locale":"en","name":"stop-confirmation","origins":{},"sms":"{{sender.name}}: you are unsubscribed and will receive no more advertising from us by SMS."}'),
	('81db739a25423ef1c85bad0b761a9e38', '{"locale":"fr","name":"stop-confirmation","origins":{},"sms":"{{sender.name}} : c''est noté, vous ne recevrez plus de publicité de notre part par SMS."}'),
	('ee82ba84e78323c90cd7c0dcfdccb329', '{"html":"<!DOCTYPE html><html lang=\"en\" dir=\"ltr\" xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><title>A receipt</title><!--[if !mso]><!--><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><!--<![endif]--><meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style type=\"text/css\">\n#outlook a { padding: 0; }\nbody { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }\ntable, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }\nimg { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; -ms-interpolation-mode: bicubic; }\np { display: block; margin: 13px 0; }\n</style>\n<!--[if mso]>\n<noscript>\n<xml>\n<o:OfficeDocumentSettings>\n  <o:AllowPNG/>\n  <o:PixelsPerInch>96</o:PixelsPerInch>\n</o:OfficeDocumentSettings>\n</xml>\n</noscript>\n<![endif]-->\n<!--[if lte mso 11]>\n<style type=\"text/css\">\n.mj-outlook-group-fix { width:100% !important; }\n</style>\n<![endif]-->\n<style type=\"text/css\">@media only screen and (min-width:480px) { .mj-column-per-100 { width:100% !important; max-width:100%; }  }</style><style media=\"screen and (min-width:480px)\">.moz-text-html .mj-column-per-100 { width:100% !important; max-width:100%; } </style></head><body style=\"margin: 0;padding: 0;-webkit-text-size-adjust: 100%;-ms-text-size-adjust: 100%;word-spacing: normal\"><div aria-roledescription=\"email\" role=\"article\" lang=\"en\" dir=\"ltr\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" width=\"600\" style=\"width:600px;\"><tr><td style=\"line-height:0px;font-size:0px;mso-line-height-rule:exactly;\"><![endif]--><div style=\"margin:0px auto;max-width:600px;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;width: 100%\"><tbody><tr><td style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;direction: ltr;font-size: 0px;padding: 20px 0;text-align: center\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\"><tr><![endif]--><!--[if mso | IE]><td style=\"vertical-align:top;width:600px;\"><![endif]--><div class=\"mj-outlook-group-fix mj-column-per-100\" style=\"font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" width=\"100%\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;vertical-align: top\"><tbody><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\">A receipt from {{sender.name}}, {{sender.postal_address}}.</div></td></tr></tbody></table></div><!--[if mso | IE]></td><![endif]--><!--[if mso | IE]></tr></table><![endif]--></td></tr></tbody></table></div><!--[if mso | IE]></td></tr></table><![endif]--></div></body></html>","locale":"en","name":"receipt","origins":{"sender.name":"templates/receipt/email.en.mjml:5","sender.postal_address":"templates/receipt/email.en.mjml:5"},"preheader":null,"subject":"A receipt","text":null}');


--
-- Name: consents consents_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.consents
    ADD CONSTRAINT consents_pkey PRIMARY KEY (customer_id, event_source, event_id, channel, purpose);


--
-- Name: customer_dates customer_dates_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customer_dates
    ADD CONSTRAINT customer_dates_pkey PRIMARY KEY (customer_id, attribute);


--
-- Name: customers customers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (customer_id);


--
-- Name: dead_letters dead_letters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (id);


--
-- Name: declic_schema declic_schema_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.declic_schema
    ADD CONSTRAINT declic_schema_pkey PRIMARY KEY (version);


--
-- Name: entries entries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_pkey PRIMARY KEY (customer_id, rule, occurrence);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (customer_id, source, id);


--
-- Name: messages messages_customer_id_rule_occurrence_step_channel_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_customer_id_rule_occurrence_step_channel_key UNIQUE (customer_id, rule, occurrence, step, channel);


--
-- Name: messages messages_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (customer_id, id);


--
-- Name: outcomes outcomes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outcomes
    ADD CONSTRAINT outcomes_pkey PRIMARY KEY (id);


--
-- Name: promo_codes promo_codes_customer_id_rule_occurrence_step_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.promo_codes
    ADD CONSTRAINT promo_codes_customer_id_rule_occurrence_step_key UNIQUE (customer_id, rule, occurrence, step);


--
-- Name: promo_codes promo_codes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.promo_codes
    ADD CONSTRAINT promo_codes_pkey PRIMARY KEY (code);


--
-- Name: rule_sets rule_sets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rule_sets
    ADD CONSTRAINT rule_sets_pkey PRIMARY KEY (generation);


--
-- Name: rule_versions rule_versions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rule_versions
    ADD CONSTRAINT rule_versions_pkey PRIMARY KEY (rule, version);


--
-- Name: rules_in_force rules_in_force_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rules_in_force
    ADD CONSTRAINT rules_in_force_pkey PRIMARY KEY (rule);


--
-- Name: settings settings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (key);


--
-- Name: sms_inbound sms_inbound_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sms_inbound
    ADD CONSTRAINT sms_inbound_pkey PRIMARY KEY (id);


--
-- Name: sms_parts sms_parts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sms_parts
    ADD CONSTRAINT sms_parts_pkey PRIMARY KEY (provider_id);


--
-- Name: sms_receipts sms_receipts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sms_receipts
    ADD CONSTRAINT sms_receipts_pkey PRIMARY KEY (provider_id);


--
-- Name: suppressions suppressions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.suppressions
    ADD CONSTRAINT suppressions_pkey PRIMARY KEY (channel, address);


--
-- Name: sweep_marks sweep_marks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sweep_marks
    ADD CONSTRAINT sweep_marks_pkey PRIMARY KEY (rule, zone);


--
-- Name: sweeps sweeps_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT sweeps_pkey PRIMARY KEY (rule, tick, zone);


--
-- Name: template_versions template_versions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.template_versions
    ADD CONSTRAINT template_versions_pkey PRIMARY KEY (hash);


--
-- Name: customer_dates_by_day; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customer_dates_by_day ON public.customer_dates USING btree (attribute, timezone, month_day, customer_id);


--
-- Name: customers_by_phone; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customers_by_phone ON public.customers USING btree (phone) WHERE (phone IS NOT NULL);


--
-- Name: customers_by_zone; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX customers_by_zone ON public.customers USING btree (timezone, customer_id);


--
-- Name: dead_letters_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX dead_letters_by_time ON public.dead_letters USING btree (received_at);


--
-- Name: entries_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX entries_due ON public.entries USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: entries_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX entries_open ON public.entries USING btree (rule, status) WHERE (status <> 'ended'::text);


--
-- Name: events_by_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_by_type ON public.events USING btree (customer_id, type, "time");


--
-- Name: messages_by_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_by_id ON public.messages USING btree (id);


--
-- Name: messages_by_plan; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_by_plan ON public.messages USING btree (planned_at, id);


--
-- Name: messages_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_open ON public.messages USING btree (channel, lane, due_at, state) WHERE (state = ANY (ARRAY['pending'::text, 'deferred'::text, 'claimed'::text, 'sending'::text]));


--
-- Name: messages_sending; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_sending ON public.messages USING btree (lease_until) WHERE (state = 'sending'::text);


--
-- Name: messages_slots; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_slots ON public.messages USING btree (customer_id, slot_at) WHERE (slot_at IS NOT NULL);


--
-- Name: outcomes_by_customer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outcomes_by_customer ON public.outcomes USING btree (customer_id);


--
-- Name: outcomes_unpublished; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outcomes_unpublished ON public.outcomes USING btree (created_at, id) WHERE (published_at IS NULL);


--
-- Name: sms_inbound_by_time; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sms_inbound_by_time ON public.sms_inbound USING btree (received_at);


--
-- Name: sms_parts_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sms_parts_by_age ON public.sms_parts USING btree (sent_at);


--
-- Name: sms_parts_by_message; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sms_parts_by_message ON public.sms_parts USING btree (customer_id, message_id);


--
-- Name: sms_receipts_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sms_receipts_by_age ON public.sms_receipts USING btree (received_at);


--
-- Name: sweeps_running; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sweeps_running ON public.sweeps USING btree (planned_at) WHERE (state = 'running'::text);


--
-- Name: consents consents_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER consents_append_only BEFORE DELETE OR UPDATE ON public.consents FOR EACH ROW EXECUTE FUNCTION public.consents_append_only();


--
-- PostgreSQL database dump complete
--


