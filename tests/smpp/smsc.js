// A message centre that misbehaves on demand, on the npm package `smpp`, which reads and writes SMPP without us.
//
// Runs for as long as its standard input is open. Prints {"port": N}, then answers each line of JSON on its input
// with one line of JSON. Commands: see `commands`. Run by smsc.rs with NODE_PATH set.
'use strict';
const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const options = JSON.parse(process.argv[2] || '{}');
const E = smpp.errors;

// What to do wrong. `*_every: N` concerns each Nth submit; `numbers` the submits to one number, by its end:
// a list of status codes (or what `faultFor` gives), one for each submit, after which all is well.
let faults = {};
let submits = 0; // seen
let ids = 0; // given
let accepted = []; // one entry for each submit that was taken, in order
let sessions = new Set(); // bound
const stats = { binds: 0, refused_binds: 0, unbinds: 0, enquiries: 0, most_outstanding: 0, roles: [] };

// Deliveries wait here until a client has acknowledged them.
let deliveries = [];
let delivered = []; // { tag, statuses: [...] }

function hit(every) {
    return every > 0 && submits % every === 0;
}

function faultFor(number) {
    for (const [end, list] of Object.entries(faults.numbers || {})) {
        if (number.endsWith(end) && list.length > 0) return list.shift();
    }
    if (hit(faults.throttle_every)) return submits % 2 ? E.ESME_RTHROTTLED : E.ESME_RMSGQFUL;
    if (hit(faults.drop_before_every)) return 'drop';
    if (hit(faults.drop_after_every)) return 'accept_and_drop';
    if (hit(faults.lose_every)) return 'swallow';
    if (hit(faults.swallow_every)) return 'accept_and_swallow';
    return E.ESME_ROK;
}

// 140 octets go over the air: of the default alphabet 160 septets, or 153 beside a header of 6 octets.
function tooLong(pdu) {
    const { message, udh } = pdu.short_message;
    if (pdu.data_coding === 8) return message.length * 2 + (udh ? 6 : 0) > 140;
    const escaped = (message.match(/[\f^{}\\[~\]|€]/g) || []).length;
    return message.length + escaped > (udh ? 153 : 160);
}

function accept(pdu) {
    const id = ++ids;
    const udh = (pdu.short_message.udh || []).map((element) => [...element]);
    const place = udh.find((element) => element[0] === 0);
    accepted.push({
        id,
        to: pdu.destination_addr,
        from: pdu.source_addr,
        address: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.dest_addr_ton, pdu.dest_addr_npi],
        text: pdu.short_message.message, // decoded by the package, by data_coding
        place: place ? { reference: place[2], count: place[3], number: place[4] } : null,
        esm_class: pdu.esm_class,
        data_coding: pdu.data_coding,
        registered: pdu.registered_delivery,
        valid_for_s: Math.round((pdu.validity_period - Date.now()) / 1000), // the package has made a date of it
    });
    return id;
}

const forms = { hex: (id) => id.toString(16), decimal: (id) => String(id) };

// Numbers that end in one of `options.undelivered` are never reached.
function receipt(id, to) {
    const printed = forms[options.receipt_form || 'hex'](id);
    const lost = (options.undelivered || []).some((end) => to.endsWith(end));
    const done = `submit date:2611221000 done date:2611221001 stat:${lost ? 'UNDELIV err:001' : 'DELIVRD err:000'} text:x`;
    const pdu = { esm_class: 4, source_addr: '33600000000', destination_addr: 'shop' };
    // Some with parameters too, whose id is in the form of the answer to the submit.
    if (id % 4 === 1) Object.assign(pdu, { receipted_message_id: forms.hex(id), message_state: lost ? 5 : 2 });
    return { pdu, base64: Buffer.from(`id:${printed} sub:001 dlvrd:001 ${done}`).toString('base64') };
}

function pump() {
    const open = [...sessions].filter((s) => s.receives && !s.closed);
    if (open.length === 0) return;
    for (const session of open) {
        while (session.delivering.size < 50 && deliveries.length > 0) {
            const next = deliveries.shift();
            session.delivering.add(next);
            const bytes = (text) => Buffer.from(text || '', 'base64');
            const pdu = { ...next.pdu, short_message: { message: bytes(next.base64), udh: bytes(next.udh) } };
            session[next.command || 'deliver_sm'](pdu, (answer) => {
                session.delivering.delete(next);
                next.record.statuses.push(answer.command_status);
                if (answer.command_status !== E.ESME_ROK) {
                    setTimeout(() => { deliveries.push(next); pump(); }, 50);
                }
                pump();
            });
        }
    }
}

function enqueue(entry) {
    const record = { tag: entry.tag, statuses: [] };
    delivered.push(record);
    deliveries.push({ ...entry, record });
    pump();
}

function serve(session) {
    session.closed = false;
    session.outstanding = 0;
    session.delivering = new Set();
    session.on('error', () => {});
    session.on('close', () => {
        session.closed = true;
        sessions.delete(session);
        // What was not acknowledged is delivered again.
        deliveries.unshift(...session.delivering);
        pump();
    });
    const bind = (role) => (pdu) => {
        stats.binds++;
        const refuse = faults.bind_status
            || (pdu.system_id !== 'shop' ? E.ESME_RINVSYSID : pdu.password !== 'secret' ? E.ESME_RINVPASWD : 0);
        if (refuse) {
            stats.refused_binds++;
            session.send(pdu.response({ command_status: refuse }));
            return session.close();
        }
        session.receives = role !== 'transmitter';
        stats.roles.push(role);
        session.send(pdu.response({ system_id: 'smsc' }));
        sessions.add(session);
        pump();
    };
    for (const role of ['transmitter', 'receiver', 'transceiver']) session.on(`bind_${role}`, bind(role));
    session.on('enquire_link', (pdu) => {
        stats.enquiries++;
        if (!faults.mute) session.send(pdu.response());
    });
    session.on('unbind', (pdu) => {
        stats.unbinds++;
        session.send(pdu.response());
        session.close();
    });
    session.on('submit_sm', (pdu) => {
        submits++;
        if (faults.mute) return;
        const fault = faultFor(pdu.destination_addr);
        if (fault === 'drop') return session.destroy();
        if (fault === 'swallow') return;
        if (typeof fault === 'number' && fault !== E.ESME_ROK) {
            return session.send(pdu.response({ command_status: fault }));
        }
        if (tooLong(pdu)) return session.send(pdu.response({ command_status: E.ESME_RINVMSGLEN }));
        const id = accept(pdu);
        const report = () => enqueue({ tag: `receipt ${id}`, ...receipt(id, pdu.destination_addr) });
        if (options.receipts && options.receipt_delay_ms) setTimeout(report, options.receipt_delay_ms);
        else if (options.receipts) report();
        if (fault === 'accept_and_drop') return session.destroy();
        if (fault === 'accept_and_swallow') return;
        stats.most_outstanding = Math.max(stats.most_outstanding, ++session.outstanding);
        setTimeout(() => {
            session.outstanding--;
            session.send(pdu.response({ message_id: forms.hex(id) }));
        }, options.delay_ms || 0);
    });
}

const tls = options.tls ? { key: fs.readFileSync(options.tls.key), cert: fs.readFileSync(options.tls.cert) } : {};
const server = smpp.createServer({ ...tls, rejectUnauthorized: false }, serve);
server.on('error', (error) => { console.error(error); process.exit(1); });
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));

const commands = {
    // From now on does these things wrong, and no others.
    behave: (next) => { faults = next; return {}; },
    // What was accepted, in order.
    accepted: () => accepted,
    stats: () => ({ ...stats, sessions: sessions.size, submits, waiting: deliveries.length }),
    // Sends deliveries: a list of { tag, pdu, base64, udh, command }.
    deliver: ({ list }) => { list.forEach(enqueue); return {}; },
    // The statuses with which each delivery was answered, in order.
    delivered: () => delivered,
    // Ends all sessions: by unbind, or by hanging up.
    leave: ({ politely }) => {
        for (const session of sessions) politely ? session.unbind() : session.destroy();
        return {};
    },
    // A PDU that no client expects.
    surprise: () => {
        for (const session of sessions) { session.outbind({ system_id: 'x' }); session.query_sm({ message_id: '1' }); }
        return {};
    },
};

readline.createInterface({ input: process.stdin })
    .on('line', (line) => {
        const { do: name, ...parameters } = JSON.parse(line);
        process.stdout.write(JSON.stringify(commands[name](parameters)) + '\n');
    })
    .on('close', () => process.exit(0));
