PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE declic_schema (version bigint PRIMARY KEY, applied_at text NOT NULL);
INSERT INTO declic_schema VALUES(1,'2026-11-29T10:17:59.724693Z');
INSERT INTO declic_schema VALUES(2,'2026-11-29T10:17:59.724693Z');
CREATE TABLE customers (
    customer_id TEXT PRIMARY KEY NOT NULL,
    email       TEXT,            -- as compared with suppressions: trimmed, lower case
    locale      TEXT,
    timezone    TEXT NOT NULL DEFAULT '',   -- an IANA name; '' for the default zone
    profile     TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    erased_at   TEXT
, phone text);
INSERT INTO customers VALUES('alice','alice@example.com',NULL,'','{"attributes":{"birthday":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"alice-signup"},"value":"1990-11-24"}],"email":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"alice-signup"},"value":"alice@example.com"}]}}','2026-11-23T09:30:00.000000Z','2026-11-23T09:30:00.000000Z',NULL,NULL);
INSERT INTO customers VALUES('bob','bob@example.com',NULL,'','{"attributes":{"birthday":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"bob-signup"},"value":"1990-11-24"}],"email":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"bob-signup"},"value":"bob@example.com"}]}}','2026-11-23T09:30:00.000000Z','2026-11-23T09:30:00.000000Z',NULL,NULL);
INSERT INTO customers VALUES('carol','carol@example.com',NULL,'','{"attributes":{"birthday":[{"stamp":{"time":"2026-11-23T09:20:00Z","source":"/shop","id":"carol-signup"},"value":"1990-11-24"}],"email":[{"stamp":{"time":"2026-11-23T09:20:00Z","source":"/shop","id":"carol-signup"},"value":"carol@example.com"}]}}','2026-11-23T09:30:00.000000Z','2026-11-23T09:30:00.000000Z',NULL,NULL);
INSERT INTO customers VALUES('dave','dave@example.com',NULL,'','{"attributes":{"email":[{"stamp":{"time":"2026-11-23T09:00:00Z","source":"/shop","id":"dave-profile"},"value":"dave@example.com"}]}}','2026-11-23T09:30:00.000000Z','2026-11-23T09:30:00.000000Z',NULL,NULL);
CREATE TABLE customer_dates (
    customer_id TEXT NOT NULL,
    attribute   TEXT NOT NULL,
    month_day   TEXT NOT NULL,   -- MM-DD
    year        INTEGER NOT NULL,
    timezone    TEXT NOT NULL,
    PRIMARY KEY (customer_id, attribute)
);
INSERT INTO customer_dates VALUES('alice','birthday','11-24',1990,'');
INSERT INTO customer_dates VALUES('bob','birthday','11-24',1990,'');
INSERT INTO customer_dates VALUES('carol','birthday','11-24',1990,'');
CREATE TABLE consents (
    customer_id  TEXT NOT NULL,
    event_source TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    channel      TEXT NOT NULL,
    purpose      TEXT NOT NULL,
    status       TEXT NOT NULL,
    at           TEXT NOT NULL,
    proof        TEXT NOT NULL,
    recorded_at  TEXT NOT NULL,
    PRIMARY KEY (customer_id, event_source, event_id, channel, purpose)
);
INSERT INTO consents VALUES('alice','/shop','alice-signup','email','marketing','granted','2026-11-23T09:00:00.000000Z','{"source":"form"}','2026-11-23T09:30:00.000000Z');
INSERT INTO consents VALUES('bob','/shop','bob-signup','email','marketing','granted','2026-11-23T09:00:00.000000Z','{"source":"form"}','2026-11-23T09:30:00.000000Z');
INSERT INTO consents VALUES('bob','/shop','bob-word','email','marketing','withdrawn','2026-11-23T09:12:00.000000Z','{"source":"page"}','2026-11-23T09:30:00.000000Z');
INSERT INTO consents VALUES('carol','/shop','carol-signup','email','marketing','granted','2026-11-23T09:20:00.000000Z','{"source":"form"}','2026-11-23T09:30:00.000000Z');
CREATE TABLE events (
    customer_id TEXT NOT NULL,
    source      TEXT NOT NULL,
    id          TEXT NOT NULL,
    type        TEXT NOT NULL,
    time        TEXT NOT NULL,
    received_at TEXT NOT NULL,
    data        TEXT,                        -- null once erased
    PRIMARY KEY (customer_id, source, id)
);
INSERT INTO events VALUES('alice','/shop','alice-signup','customer.signed_up','2026-11-23T09:00:00.000000Z','2026-11-23T09:30:00.000000Z','{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"alice@example.com"}');
INSERT INTO events VALUES('bob','/shop','bob-signup','customer.signed_up','2026-11-23T09:00:00.000000Z','2026-11-23T09:30:00.000000Z','{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"bob@example.com"}');
INSERT INTO events VALUES('alice','/shop','alice-cart','cart.updated','2026-11-23T09:10:00.000000Z','2026-11-23T09:30:00.000000Z','{"cart_id":"alice"}');
INSERT INTO events VALUES('bob','/shop','bob-cart','cart.updated','2026-11-23T09:11:00.000000Z','2026-11-23T09:30:00.000000Z','{"cart_id":"bob"}');
INSERT INTO events VALUES('bob','/shop','bob-word','consent.changed','2026-11-23T09:12:00.000000Z','2026-11-23T09:30:00.000000Z','{"channel":"email","purpose":"marketing","source":"page","status":"withdrawn"}');
INSERT INTO events VALUES('carol','/shop','carol-signup','customer.signed_up','2026-11-23T09:20:00.000000Z','2026-11-23T09:30:00.000000Z','{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"carol@example.com"}');
INSERT INTO events VALUES('dave','/shop','dave-cart','cart.updated','2026-11-23T09:21:00.000000Z','2026-11-23T09:30:00.000000Z','{"cart_id":"dave"}');
INSERT INTO events VALUES('dave','/shop','dave-order','order.placed','2026-11-23T09:22:00.000000Z','2026-11-23T09:30:00.000000Z','{"order_id":"dave"}');
INSERT INTO events VALUES('dave','/shop','dave-profile','customer.updated','2026-11-23T09:00:00.000000Z','2026-11-23T09:30:00.000000Z','{"email":"dave@example.com"}');
CREATE TABLE entries (
    customer_id TEXT NOT NULL,
    rule        TEXT NOT NULL,
    occurrence  TEXT NOT NULL,
    entry_key   TEXT NOT NULL,
    status      TEXT NOT NULL,
    due_at      TEXT,
    version     TEXT NOT NULL,
    committed   INTEGER NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (customer_id, rule, occurrence)
);
INSERT INTO entries VALUES('alice','welcome','/shop#alice-signup','','ended',NULL,'0a12093657be3c35',1,'{"customer_id":"alice","rule":"welcome","occurrence":"/shop#alice-signup","key":"","version":"0a12093657be3c35","trigger":{"id":"alice-signup","source":"/shop","type":"customer.signed_up","subject":"alice","time":"2026-11-23T09:00:00Z","data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"alice@example.com"}},"started_at":"2026-11-23T09:00:00Z","status":"ended","position":1,"planned":"2026-11-23T09:00:00Z","due_at":null,"committed":true,"exit":null,"promo_step":null,"reason":null,"detail":null}');
INSERT INTO entries VALUES('bob','welcome','/shop#bob-signup','','ended',NULL,'0a12093657be3c35',1,'{"customer_id":"bob","rule":"welcome","occurrence":"/shop#bob-signup","key":"","version":"0a12093657be3c35","trigger":{"id":"bob-signup","source":"/shop","type":"customer.signed_up","subject":"bob","time":"2026-11-23T09:00:00Z","data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"bob@example.com"}},"started_at":"2026-11-23T09:00:00Z","status":"ended","position":1,"planned":"2026-11-23T09:00:00Z","due_at":null,"committed":true,"exit":null,"promo_step":null,"reason":null,"detail":null}');
INSERT INTO entries VALUES('alice','reminder','/shop#alice-cart','alice','active','2026-11-23T10:10:00.000000Z','ba795b6571aa6689',0,'{"customer_id":"alice","rule":"reminder","occurrence":"/shop#alice-cart","key":"alice","version":"ba795b6571aa6689","trigger":{"id":"alice-cart","source":"/shop","type":"cart.updated","subject":"alice","time":"2026-11-23T09:10:00Z","data":{"cart_id":"alice"}},"started_at":"2026-11-23T09:10:00Z","status":"active","position":1,"planned":"2026-11-23T10:10:00Z","due_at":"2026-11-23T10:10:00Z","committed":false,"exit":null,"promo_step":null,"reason":null,"detail":null}');
INSERT INTO entries VALUES('bob','reminder','/shop#bob-cart','bob','active','2026-11-23T10:11:00.000000Z','ba795b6571aa6689',0,'{"customer_id":"bob","rule":"reminder","occurrence":"/shop#bob-cart","key":"bob","version":"ba795b6571aa6689","trigger":{"id":"bob-cart","source":"/shop","type":"cart.updated","subject":"bob","time":"2026-11-23T09:11:00Z","data":{"cart_id":"bob"}},"started_at":"2026-11-23T09:11:00Z","status":"active","position":1,"planned":"2026-11-23T10:11:00Z","due_at":"2026-11-23T10:11:00Z","committed":false,"exit":null,"promo_step":null,"reason":null,"detail":null}');
INSERT INTO entries VALUES('carol','welcome','/shop#carol-signup','','ended',NULL,'0a12093657be3c35',1,'{"customer_id":"carol","rule":"welcome","occurrence":"/shop#carol-signup","key":"","version":"0a12093657be3c35","trigger":{"id":"carol-signup","source":"/shop","type":"customer.signed_up","subject":"carol","time":"2026-11-23T09:20:00Z","data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"carol@example.com"}},"started_at":"2026-11-23T09:20:00Z","status":"ended","position":1,"planned":"2026-11-23T09:20:00Z","due_at":null,"committed":true,"exit":null,"promo_step":null,"reason":null,"detail":null}');
INSERT INTO entries VALUES('dave','receipt','/shop#dave-order','dave','ended',NULL,'f8ca99bfb346866b',1,'{"customer_id":"dave","rule":"receipt","occurrence":"/shop#dave-order","key":"dave","version":"f8ca99bfb346866b","trigger":{"id":"dave-order","source":"/shop","type":"order.placed","subject":"dave","time":"2026-11-23T09:22:00Z","data":{"order_id":"dave"}},"started_at":"2026-11-23T09:22:00Z","status":"ended","position":1,"planned":"2026-11-23T09:22:00Z","due_at":null,"committed":true,"exit":null,"promo_step":null,"reason":null,"detail":null}');
INSERT INTO entries VALUES('dave','reminder','/shop#dave-cart','dave','ended',NULL,'ba795b6571aa6689',0,'{"customer_id":"dave","rule":"reminder","occurrence":"/shop#dave-cart","key":"dave","version":"ba795b6571aa6689","trigger":{"id":"dave-cart","source":"/shop","type":"cart.updated","subject":"dave","time":"2026-11-23T09:21:00Z","data":{"cart_id":"dave"}},"started_at":"2026-11-23T09:21:00Z","status":"ended","position":1,"planned":"2026-11-23T10:21:00Z","due_at":null,"committed":false,"exit":{"at":"2026-11-23T09:22:00Z","reason":"exited","by":"order.placed"},"promo_step":null,"reason":"exited","detail":"order.placed at 2026-11-23T09:22:00Z"}');
CREATE TABLE messages (
    customer_id TEXT NOT NULL,
    id          TEXT NOT NULL,
    rule        TEXT NOT NULL,
    occurrence  TEXT NOT NULL,
    step        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    state       TEXT NOT NULL,
    reason      TEXT,
    due_at      TEXT NOT NULL,
    planned_at  TEXT NOT NULL,
    expires_at  TEXT NOT NULL,
    lease_token TEXT,
    lease_until TEXT,
    attempts    INTEGER NOT NULL,
    updated_at  TEXT NOT NULL,
    erased      INTEGER NOT NULL DEFAULT 0,   -- whatever is written to it from now on is emptied too
    body        TEXT NOT NULL, lane INTEGER NOT NULL DEFAULT 1, purpose TEXT NOT NULL DEFAULT '', slot_at TEXT,
    PRIMARY KEY (customer_id, id),
    UNIQUE (customer_id, rule, occurrence, step, channel)
);
INSERT INTO messages VALUES('alice','5795f2864c61aa2f68e5a7e19ff68658','welcome','/shop#alice-signup','send-welcome','email','sent',NULL,'2026-11-23T09:00:00.000000Z','2026-11-23T09:00:00.000000Z','2026-11-24T09:00:00.000000Z','3lur1NrRpR0PIB0r-BiZiQ',NULL,1,'2026-11-23T09:30:00.000000Z',0,'{"id":"5795f2864c61aa2f68e5a7e19ff68658","customer_id":"alice","rule":"welcome","version":"0a12093657be3c35","occurrence":"/shop#alice-signup","step":"send-welcome","channel":"email","purpose":"service","template":"welcome","planned_at":"2026-11-23T09:00:00Z","expires_at":"2026-11-24T09:00:00Z","state":"sent","reason":null,"detail":null,"context":{"event":{"data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"alice@example.com"},"id":"alice-signup","source":"/shop","subject":"alice","time":"2026-11-23T09:00:00Z","type":"customer.signed_up"},"promo_code":null},"promo_code":null,"due_at":"2026-11-23T09:00:00Z","attempts":1,"template_hash":"0c2ecc4abf00e1e6a2570b8425bde226","locale":"en","address":"alice@example.com","reply":"250 2.0.0 kept as 1","sent_at":"2026-11-23T09:30:00Z","lane":"event","priority":0,"fallback":null,"slot_at":"2026-11-23T09:30:00Z"}',1,'service','2026-11-23T09:30:00.000000Z');
INSERT INTO messages VALUES('bob','b27bb39883fd9ef3f2d8e4882974c505','welcome','/shop#bob-signup','send-welcome','email','sent',NULL,'2026-11-23T09:00:00.000000Z','2026-11-23T09:00:00.000000Z','2026-11-24T09:00:00.000000Z','3lur1NrRpR0PIB0r-BiZiQ',NULL,1,'2026-11-23T09:30:00.000000Z',0,'{"id":"b27bb39883fd9ef3f2d8e4882974c505","customer_id":"bob","rule":"welcome","version":"0a12093657be3c35","occurrence":"/shop#bob-signup","step":"send-welcome","channel":"email","purpose":"service","template":"welcome","planned_at":"2026-11-23T09:00:00Z","expires_at":"2026-11-24T09:00:00Z","state":"sent","reason":null,"detail":null,"context":{"event":{"data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"bob@example.com"},"id":"bob-signup","source":"/shop","subject":"bob","time":"2026-11-23T09:00:00Z","type":"customer.signed_up"},"promo_code":null},"promo_code":null,"due_at":"2026-11-23T09:00:00Z","attempts":1,"template_hash":"0c2ecc4abf00e1e6a2570b8425bde226","locale":"en","address":"bob@example.com","reply":"250 2.0.0 kept as 2","sent_at":"2026-11-23T09:30:00Z","lane":"event","priority":0,"fallback":null,"slot_at":"2026-11-23T09:30:00Z"}',1,'service','2026-11-23T09:30:00.000000Z');
INSERT INTO messages VALUES('carol','aa0b7242673346873309646161aa1235','welcome','/shop#carol-signup','send-welcome','email','pending',NULL,'2026-11-23T09:30:31.970588Z','2026-11-23T09:20:00.000000Z','2026-11-24T09:20:00.000000Z',NULL,NULL,1,'2026-11-23T09:30:00.000000Z',0,'{"id":"aa0b7242673346873309646161aa1235","customer_id":"carol","rule":"welcome","version":"0a12093657be3c35","occurrence":"/shop#carol-signup","step":"send-welcome","channel":"email","purpose":"service","template":"welcome","planned_at":"2026-11-23T09:20:00Z","expires_at":"2026-11-24T09:20:00Z","state":"pending","reason":null,"detail":null,"context":{"event":{"data":{"birthday":"1990-11-24","consents":[{"channel":"email","purpose":"marketing","source":"form","status":"granted"}],"email":"carol@example.com"},"id":"carol-signup","source":"/shop","subject":"carol","time":"2026-11-23T09:20:00Z","type":"customer.signed_up"},"promo_code":null},"promo_code":null,"due_at":"2026-11-23T09:30:31.970588235Z","attempts":1,"template_hash":"0c2ecc4abf00e1e6a2570b8425bde226","locale":"en","address":"carol@example.com","reply":"450 4.2.1 come back later","sent_at":null,"lane":"event","priority":0,"fallback":null,"slot_at":null}',1,'service',NULL);
INSERT INTO messages VALUES('dave','6bfc1b7c7c79b98619ffa447ccceb0cb','receipt','/shop#dave-order','send-receipt','email','pending',NULL,'2026-11-23T09:30:36.617647Z','2026-11-23T09:22:00.000000Z','2026-11-24T09:22:00.000000Z',NULL,NULL,1,'2026-11-23T09:30:00.000000Z',0,'{"id":"6bfc1b7c7c79b98619ffa447ccceb0cb","customer_id":"dave","rule":"receipt","version":"f8ca99bfb346866b","occurrence":"/shop#dave-order","step":"send-receipt","channel":"email","purpose":"transactional","template":"receipt","planned_at":"2026-11-23T09:22:00Z","expires_at":"2026-11-24T09:22:00Z","state":"pending","reason":null,"detail":null,"context":{"event":{"data":{"order_id":"dave"},"id":"dave-order","source":"/shop","subject":"dave","time":"2026-11-23T09:22:00Z","type":"order.placed"},"promo_code":null},"promo_code":null,"due_at":"2026-11-23T09:30:36.617647058Z","attempts":1,"template_hash":"ee82ba84e78323c90cd7c0dcfdccb329","locale":"en","address":"dave@example.com","reply":"450 4.2.1 come back later","sent_at":null,"lane":"transactional","priority":0,"fallback":null,"slot_at":null}',0,'transactional',NULL);
CREATE TABLE promo_codes (
    code        TEXT PRIMARY KEY NOT NULL,
    customer_id TEXT NOT NULL,
    rule        TEXT NOT NULL,
    occurrence  TEXT NOT NULL,
    step        TEXT NOT NULL,
    discount    TEXT NOT NULL,
    valid_from  TEXT NOT NULL,
    valid_until TEXT NOT NULL,
    issued_at   TEXT NOT NULL,
    UNIQUE (customer_id, rule, occurrence, step)
);
CREATE TABLE suppressions (
    channel TEXT NOT NULL,
    address TEXT NOT NULL,       -- trimmed, lower case
    reason  TEXT NOT NULL,
    at      TEXT NOT NULL,
    detail  TEXT,
    PRIMARY KEY (channel, address)
);
CREATE TABLE outcomes (
    id           TEXT PRIMARY KEY NOT NULL,
    customer_id  TEXT NOT NULL,
    kind         TEXT NOT NULL,
    time         TEXT NOT NULL,
    data         TEXT,                       -- null once erased
    created_at   TEXT NOT NULL,
    published_at TEXT
);
INSERT INTO outcomes VALUES('5795f2864c61aa2f68e5a7e19ff68658-sent','alice','message.sent','2026-11-23T09:30:00.000000Z','{"channel":"email","locale":"en","message_id":"5795f2864c61aa2f68e5a7e19ff68658","planned_at":"2026-11-23T09:00:00Z","promo_code":null,"purpose":"service","reason":null,"rule":"welcome","step":"send-welcome","template":"welcome"}','2026-11-23T09:30:00.000000Z','2026-11-23T09:30:00.000000Z');
INSERT INTO outcomes VALUES('b27bb39883fd9ef3f2d8e4882974c505-sent','bob','message.sent','2026-11-23T09:30:00.000000Z','{"channel":"email","locale":"en","message_id":"b27bb39883fd9ef3f2d8e4882974c505","planned_at":"2026-11-23T09:00:00Z","promo_code":null,"purpose":"service","reason":null,"rule":"welcome","step":"send-welcome","template":"welcome"}','2026-11-23T09:30:00.000000Z','2026-11-23T09:30:00.000000Z');
CREATE TABLE sweeps (
    rule       TEXT NOT NULL,
    tick       TEXT NOT NULL,    -- the local tick or date
    zone       TEXT NOT NULL,
    planned_at TEXT NOT NULL,
    state      TEXT NOT NULL,                -- running, done, expired
    cursor     TEXT NOT NULL,    -- the last customer done
    PRIMARY KEY (rule, tick, zone)
);
CREATE TABLE sweep_marks (
    rule          TEXT NOT NULL,
    zone          TEXT NOT NULL,
    checked_until TEXT NOT NULL,
    PRIMARY KEY (rule, zone)
);
INSERT INTO sweep_marks VALUES('birthday','','2026-11-23T09:30:00.000000Z');
CREATE TABLE rule_sets (
    generation   INTEGER PRIMARY KEY,
    hash         TEXT NOT NULL,
    files        TEXT NOT NULL,
    published_at TEXT NOT NULL
);
INSERT INTO rule_sets VALUES(1,'00ddacdcf2d559470556baa3c6db5a9c0165f3caf54cbb7566a2b61908912486','[{"path":"rules/birthday.yaml","text":"rule: birthday\npurpose: marketing\ntrigger: { anniversary: customer.birthday, at: \"09:00\" }\nsteps:\n  - send: { email: birthday }\n"},{"path":"rules/policy.yaml","text":"default_locale: en\ndefault_timezone: Europe/Paris\nsender:\n  name: Maison Lumen\n  email: contact@maison-lumen.example\n  website: https://maison-lumen.example\n  postal_address: 12 rue de la République, 69001 Lyon, France\npurposes:\n  marketing: consent\n  service: legitimate_interest\n  transactional: contract\nmax_age: 24h\ncatch_up: 12h\n"},{"path":"rules/receipt.yaml","text":"rule: receipt\npurpose: transactional\ntrigger: { event: order.placed, key: data.order_id }\nsteps:\n  - send: { email: receipt }\n"},{"path":"rules/reminder.yaml","text":"rule: reminder\npurpose: marketing\ntrigger: { event: cart.updated, key: data.cart_id }\nre_entry: restart\nexit_on: [order.placed]\nsteps:\n  - wait: 1h\n  - promo_code: { prefix: CART, discount: 10%, valid_for: 7d }\n  - send: { email: reminder }\n"},{"path":"rules/welcome.yaml","text":"rule: welcome\npurpose: service\ntrigger: { event: customer.signed_up }\nsteps:\n  - send: { email: welcome }\n"},{"path":"templates/birthday/email.en.mjml","text":"---\nsubject: \"A birthday\"\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-text>A birthday from {{sender.name}}, {{sender.postal_address}}.</mj-text>\n<mj-text><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></mj-text>\n</mj-column></mj-section></mj-body></mjml>\n"},{"path":"templates/receipt/email.en.mjml","text":"---\nsubject: \"A receipt\"\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-text>A receipt from {{sender.name}}, {{sender.postal_address}}.</mj-text>\n\n</mj-column></mj-section></mj-body></mjml>\n"},{"path":"templates/reminder/email.en.mjml","text":"---\nsubject: \"A reminder\"\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-text>A reminder from {{sender.name}}, {{sender.postal_address}}. {{promo_code.code}}</mj-text>\n<mj-text><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></mj-text>\n</mj-column></mj-section></mj-body></mjml>\n"},{"path":"templates/welcome/email.en.mjml","text":"---\nsubject: \"A welcome\"\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-text>A welcome from {{sender.name}}, {{sender.postal_address}}.</mj-text>\n<mj-text><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></mj-text>\n</mj-column></mj-section></mj-body></mjml>\n"}]','2026-11-23T09:30:00.000000Z');
CREATE TABLE rule_versions (
    rule       TEXT NOT NULL,
    version    TEXT NOT NULL,
    source     TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    PRIMARY KEY (rule, version)
);
INSERT INTO rule_versions VALUES('birthday','dff2034adb26c01b',replace('rule: birthday\npurpose: marketing\ntrigger: { anniversary: customer.birthday, at: "09:00" }\nsteps:\n  - send: { email: birthday }\n','\n',char(10)),'2026-11-23T09:30:00.000000Z');
INSERT INTO rule_versions VALUES('receipt','f8ca99bfb346866b',replace('rule: receipt\npurpose: transactional\ntrigger: { event: order.placed, key: data.order_id }\nsteps:\n  - send: { email: receipt }\n','\n',char(10)),'2026-11-23T09:30:00.000000Z');
INSERT INTO rule_versions VALUES('reminder','ba795b6571aa6689',replace('rule: reminder\npurpose: marketing\ntrigger: { event: cart.updated, key: data.cart_id }\nre_entry: restart\nexit_on: [order.placed]\nsteps:\n  - wait: 1h\n  - promo_code: { prefix: CART, discount: 10%, valid_for: 7d }\n  - send: { email: reminder }\n','\n',char(10)),'2026-11-23T09:30:00.000000Z');
INSERT INTO rule_versions VALUES('welcome','0a12093657be3c35',replace('rule: welcome\npurpose: service\ntrigger: { event: customer.signed_up }\nsteps:\n  - send: { email: welcome }\n','\n',char(10)),'2026-11-23T09:30:00.000000Z');
CREATE TABLE template_versions (
    hash   TEXT PRIMARY KEY NOT NULL,
    source TEXT NOT NULL
);
INSERT INTO template_versions VALUES('0c2ecc4abf00e1e6a2570b8425bde226','{"html":"<!DOCTYPE html><html lang=\"en\" dir=\"ltr\" xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><title>A welcome</title><!--[if !mso]><!--><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><!--<![endif]--><meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style type=\"text/css\">\n#outlook a { padding: 0; }\nbody { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }\ntable, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }\nimg { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; -ms-interpolation-mode: bicubic; }\np { display: block; margin: 13px 0; }\n</style>\n<!--[if mso]>\n<noscript>\n<xml>\n<o:OfficeDocumentSettings>\n  <o:AllowPNG/>\n  <o:PixelsPerInch>96</o:PixelsPerInch>\n</o:OfficeDocumentSettings>\n</xml>\n</noscript>\n<![endif]-->\n<!--[if lte mso 11]>\n<style type=\"text/css\">\n.mj-outlook-group-fix { width:100% !important; }\n</style>\n<![endif]-->\n<style type=\"text/css\">@media only screen and (min-width:480px) { .mj-column-per-100 { width:100% !important; max-width:100%; }  }</style><style media=\"screen and (min-width:480px)\">.moz-text-html .mj-column-per-100 { width:100% !important; max-width:100%; } </style></head><body style=\"margin: 0;padding: 0;-webkit-text-size-adjust: 100%;-ms-text-size-adjust: 100%;word-spacing: normal\"><div aria-roledescription=\"email\" role=\"article\" lang=\"en\" dir=\"ltr\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" width=\"600\" style=\"width:600px;\"><tr><td style=\"line-height:0px;font-size:0px;mso-line-height-rule:exactly;\"><![endif]--><div style=\"margin:0px auto;max-width:600px;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;width: 100%\"><tbody><tr><td style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;direction: ltr;font-size: 0px;padding: 20px 0;text-align: center\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\"><tr><![endif]--><!--[if mso | IE]><td style=\"vertical-align:top;width:600px;\"><![endif]--><div class=\"mj-outlook-group-fix mj-column-per-100\" style=\"font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" width=\"100%\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;vertical-align: top\"><tbody><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\">A welcome from {{sender.name}}, {{sender.postal_address}}.</div></td></tr><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\"><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></div></td></tr></tbody></table></div><!--[if mso | IE]></td><![endif]--><!--[if mso | IE]></tr></table><![endif]--></td></tr></tbody></table></div><!--[if mso | IE]></td></tr></table><![endif]--></div></body></html>","locale":"en","name":"welcome","origins":{"sender.name":"templates/welcome/email.en.mjml:5","sender.postal_address":"templates/welcome/email.en.mjml:5","unsubscribe_url":"templates/welcome/email.en.mjml:6"},"preheader":null,"subject":"A welcome","text":null}');
INSERT INTO template_versions VALUES('224795e188b103bc6d50879aebf0e855','{"html":"<!DOCTYPE html><html lang=\"en\" dir=\"ltr\" xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><title>A birthday</title><!--[if !mso]><!--><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><!--<![endif]--><meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style type=\"text/css\">\n#outlook a { padding: 0; }\nbody { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }\ntable, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }\nimg { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; -ms-interpolation-mode: bicubic; }\np { display: block; margin: 13px 0; }\n</style>\n<!--[if mso]>\n<noscript>\n<xml>\n<o:OfficeDocumentSettings>\n  <o:AllowPNG/>\n  <o:PixelsPerInch>96</o:PixelsPerInch>\n</o:OfficeDocumentSettings>\n</xml>\n</noscript>\n<![endif]-->\n<!--[if lte mso 11]>\n<style type=\"text/css\">\n.mj-outlook-group-fix { width:100% !important; }\n</style>\n<![endif]-->\n<style type=\"text/css\">@media only screen and (min-width:480px) { .mj-column-per-100 { width:100% !important; max-width:100%; }  }</style><style media=\"screen and (min-width:480px)\">.moz-text-html .mj-column-per-100 { width:100% !important; max-width:100%; } </style></head><body style=\"margin: 0;padding: 0;-webkit-text-size-adjust: 100%;-ms-text-size-adjust: 100%;word-spacing: normal\"><div aria-roledescription=\"email\" role=\"article\" lang=\"en\" dir=\"ltr\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" width=\"600\" style=\"width:600px;\"><tr><td style=\"line-height:0px;font-size:0px;mso-line-height-rule:exactly;\"><![endif]--><div style=\"margin:0px auto;max-width:600px;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;width: 100%\"><tbody><tr><td style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;direction: ltr;font-size: 0px;padding: 20px 0;text-align: center\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\"><tr><![endif]--><!--[if mso | IE]><td style=\"vertical-align:top;width:600px;\"><![endif]--><div class=\"mj-outlook-group-fix mj-column-per-100\" style=\"font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" width=\"100%\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;vertical-align: top\"><tbody><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\">A birthday from {{sender.name}}, {{sender.postal_address}}.</div></td></tr><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\"><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></div></td></tr></tbody></table></div><!--[if mso | IE]></td><![endif]--><!--[if mso | IE]></tr></table><![endif]--></td></tr></tbody></table></div><!--[if mso | IE]></td></tr></table><![endif]--></div></body></html>","locale":"en","name":"birthday","origins":{"sender.name":"templates/birthday/email.en.mjml:5","sender.postal_address":"templates/birthday/email.en.mjml:5","unsubscribe_url":"templates/birthday/email.en.mjml:6"},"preheader":null,"subject":"A birthday","text":null}');
INSERT INTO template_versions VALUES('2cff450f427778c684d1e2fcf7a38923','{"html":"<!DOCTYPE html><html lang=\"en\" dir=\"ltr\" xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><title>A reminder</title><!--[if !mso]><!--><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><!--<![endif]--><meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style type=\"text/css\">\n#outlook a { padding: 0; }\nbody { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }\ntable, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }\nimg { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; -ms-interpolation-mode: bicubic; }\np { display: block; margin: 13px 0; }\n</style>\n<!--[if mso]>\n<noscript>\n<xml>\n<o:OfficeDocumentSettings>\n  <o:AllowPNG/>\n  <o:PixelsPerInch>96</o:PixelsPerInch>\n</o:OfficeDocumentSettings>\n</xml>\n</noscript>\n<![endif]-->\n<!--[if lte mso 11]>\n<style type=\"text/css\">\n.mj-outlook-group-fix { width:100% !important; }\n</style>\n<![endif]-->\n<style type=\"text/css\">@media only screen and (min-width:480px) { .mj-column-per-100 { width:100% !important; max-width:100%; }  }</style><style media=\"screen and (min-width:480px)\">.moz-text-html .mj-column-per-100 { width:100% !important; max-width:100%; } </style></head><body style=\"margin: 0;padding: 0;-webkit-text-size-adjust: 100%;-ms-text-size-adjust: 100%;word-spacing: normal\"><div aria-roledescription=\"email\" role=\"article\" lang=\"en\" dir=\"ltr\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" width=\"600\" style=\"width:600px;\"><tr><td style=\"line-height:0px;font-size:0px;mso-line-height-rule:exactly;\"><![endif]--><div style=\"margin:0px auto;max-width:600px;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;width: 100%\"><tbody><tr><td style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;direction: ltr;font-size: 0px;padding: 20px 0;text-align: center\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\"><tr><![endif]--><!--[if mso | IE]><td style=\"vertical-align:top;width:600px;\"><![endif]--><div class=\"mj-outlook-group-fix mj-column-per-100\" style=\"font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" width=\"100%\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;vertical-align: top\"><tbody><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\">A reminder from {{sender.name}}, {{sender.postal_address}}. {{promo_code.code}}</div></td></tr><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\"><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></div></td></tr></tbody></table></div><!--[if mso | IE]></td><![endif]--><!--[if mso | IE]></tr></table><![endif]--></td></tr></tbody></table></div><!--[if mso | IE]></td></tr></table><![endif]--></div></body></html>","locale":"en","name":"reminder","origins":{"promo_code.code":"templates/reminder/email.en.mjml:5","sender.name":"templates/reminder/email.en.mjml:5","sender.postal_address":"templates/reminder/email.en.mjml:5","unsubscribe_url":"templates/reminder/email.en.mjml:6"},"preheader":null,"subject":"A reminder","text":null}');
INSERT INTO template_versions VALUES('5314a27c1f7e481479ac77608bb06bcb','{"locale":"en","name":"stop-confirmation","origins":{},"sms":"{{sender.name}}: you are unsubscribed and will receive no more advertising from us by SMS."}');
INSERT INTO template_versions VALUES('81db739a25423ef1c85bad0b761a9e38','{"locale":"fr","name":"stop-confirmation","origins":{},"sms":"{{sender.name}} : c''est noté, vous ne recevrez plus de publicité de notre part par SMS."}');
INSERT INTO template_versions VALUES('ee82ba84e78323c90cd7c0dcfdccb329','{"html":"<!DOCTYPE html><html lang=\"en\" dir=\"ltr\" xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><title>A receipt</title><!--[if !mso]><!--><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><!--<![endif]--><meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style type=\"text/css\">\n#outlook a { padding: 0; }\nbody { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }\ntable, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }\nimg { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; -ms-interpolation-mode: bicubic; }\np { display: block; margin: 13px 0; }\n</style>\n<!--[if mso]>\n<noscript>\n<xml>\n<o:OfficeDocumentSettings>\n  <o:AllowPNG/>\n  <o:PixelsPerInch>96</o:PixelsPerInch>\n</o:OfficeDocumentSettings>\n</xml>\n</noscript>\n<![endif]-->\n<!--[if lte mso 11]>\n<style type=\"text/css\">\n.mj-outlook-group-fix { width:100% !important; }\n</style>\n<![endif]-->\n<style type=\"text/css\">@media only screen and (min-width:480px) { .mj-column-per-100 { width:100% !important; max-width:100%; }  }</style><style media=\"screen and (min-width:480px)\">.moz-text-html .mj-column-per-100 { width:100% !important; max-width:100%; } </style></head><body style=\"margin: 0;padding: 0;-webkit-text-size-adjust: 100%;-ms-text-size-adjust: 100%;word-spacing: normal\"><div aria-roledescription=\"email\" role=\"article\" lang=\"en\" dir=\"ltr\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" width=\"600\" style=\"width:600px;\"><tr><td style=\"line-height:0px;font-size:0px;mso-line-height-rule:exactly;\"><![endif]--><div style=\"margin:0px auto;max-width:600px;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" align=\"center\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;width: 100%\"><tbody><tr><td style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;direction: ltr;font-size: 0px;padding: 20px 0;text-align: center\"><!--[if mso | IE]><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\"><tr><![endif]--><!--[if mso | IE]><td style=\"vertical-align:top;width:600px;\"><![endif]--><div class=\"mj-outlook-group-fix mj-column-per-100\" style=\"font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\" width=\"100%\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;vertical-align: top\"><tbody><tr><td align=\"left\" style=\"border-collapse: collapse;mso-table-lspace: 0pt;mso-table-rspace: 0pt;font-size: 0px;padding: 10px 25px;word-break: break-word\"><div style=\"font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;color:#000000;\">A receipt from {{sender.name}}, {{sender.postal_address}}.</div></td></tr></tbody></table></div><!--[if mso | IE]></td><![endif]--><!--[if mso | IE]></tr></table><![endif]--></td></tr></tbody></table></div><!--[if mso | IE]></td></tr></table><![endif]--></div></body></html>","locale":"en","name":"receipt","origins":{"sender.name":"templates/receipt/email.en.mjml:5","sender.postal_address":"templates/receipt/email.en.mjml:5"},"preheader":null,"subject":"A receipt","text":null}');
CREATE TABLE dead_letters (
    id          TEXT PRIMARY KEY NOT NULL,
    received_at TEXT NOT NULL,
    origin      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    headers     TEXT NOT NULL,
    body        TEXT NOT NULL                -- base64: it may be anything
);
CREATE TABLE settings (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);
CREATE TABLE sms_parts (
    provider_id TEXT PRIMARY KEY NOT NULL,
    customer_id TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    part        INTEGER NOT NULL,             -- from 1
    parts       INTEGER NOT NULL,
    state       TEXT NOT NULL,               -- pending, delivered, failed
    sent_at     TEXT NOT NULL
);
CREATE TABLE sms_receipts (
    provider_id TEXT NOT NULL,
    state       TEXT NOT NULL,               -- delivered, failed, bad_address
    at          TEXT NOT NULL,
    detail      TEXT,
    received_at TEXT NOT NULL,
    PRIMARY KEY (provider_id)
);
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
CREATE TABLE rules_in_force (
    rule  TEXT PRIMARY KEY NOT NULL,
    since TEXT NOT NULL
);
INSERT INTO rules_in_force VALUES('birthday','2026-11-23T09:30:00.000000Z');
INSERT INTO rules_in_force VALUES('receipt','2026-11-23T09:30:00.000000Z');
INSERT INTO rules_in_force VALUES('reminder','2026-11-23T09:30:00.000000Z');
INSERT INTO rules_in_force VALUES('welcome','2026-11-23T09:30:00.000000Z');
CREATE INDEX customers_by_zone ON customers (timezone, customer_id);
CREATE INDEX customer_dates_by_day ON customer_dates (attribute, timezone, month_day, customer_id);
CREATE TRIGGER consents_no_delete BEFORE DELETE ON consents BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;
CREATE TRIGGER consents_no_update
    BEFORE UPDATE OF customer_id, event_source, event_id, channel, purpose, status, at, recorded_at ON consents BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;
CREATE TRIGGER consents_no_new_proof BEFORE UPDATE OF proof ON consents WHEN NEW.proof <> '{}' BEGIN
    SELECT RAISE(ABORT, 'the consent ledger is append-only: record a new fact instead');
END;
CREATE INDEX events_by_type ON events (customer_id, type, time);
CREATE INDEX entries_due ON entries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX entries_open ON entries (rule, status) WHERE status <> 'ended';
CREATE INDEX messages_sending ON messages (lease_until) WHERE state = 'sending';
CREATE INDEX messages_by_id ON messages (id);
CREATE INDEX messages_by_plan ON messages (planned_at, id);
CREATE INDEX outcomes_unpublished ON outcomes (created_at, id) WHERE published_at IS NULL;
CREATE INDEX outcomes_by_customer ON outcomes (customer_id);
CREATE INDEX sweeps_running ON sweeps (planned_at) WHERE state = 'running';
CREATE INDEX dead_letters_by_time ON dead_letters (received_at);
CREATE INDEX customers_by_phone ON customers (phone) WHERE phone IS NOT NULL;
CREATE INDEX messages_open ON messages (channel, lane, due_at, state)
    WHERE state IN ('pending', 'deferred', 'claimed', 'sending');
CREATE INDEX messages_slots ON messages (customer_id, slot_at) WHERE slot_at IS NOT NULL;
CREATE INDEX sms_parts_by_message ON sms_parts (customer_id, message_id);
CREATE INDEX sms_parts_by_age ON sms_parts (sent_at);
CREATE INDEX sms_receipts_by_age ON sms_receipts (received_at);
CREATE INDEX sms_inbound_by_time ON sms_inbound (received_at);
COMMIT;
