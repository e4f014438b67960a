//! `declic doctor` about what stands beside the worker: the sending domain in the DNS, clocks, rights, late work, the disk.

mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use simple_dns::rdata::{RData, TXT};
use simple_dns::{CLASS, CharacterString, Name, Packet, PacketFlag, RCODE, ResourceRecord};

use support::postgres::Postgres;
use support::shop::{Shop, event};
use support::{Folder, run, wait_until};

/// A resolver that knows these TXT records, and tells long ones over TCP only.
struct Resolver(SocketAddr);

impl Resolver {
    fn start(records: BTreeMap<String, Vec<String>>) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = udp.local_addr().expect("its address");
        let tcp = TcpListener::bind(address).expect("the same port over TCP");
        let known = records.clone();
        std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = udp.recv_from(&mut query) {
                let whole = answer(&query[..length], &known, false);
                let told = if whole.len() > 200 { answer(&query[..length], &known, true) } else { whole };
                udp.send_to(&told, from).expect("sent");
            }
        });
        std::thread::spawn(move || {
            for mut stream in tcp.incoming().filter_map(Result::ok) {
                let mut length = [0; 2];
                stream.read_exact(&mut length).expect("a length");
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).expect("a query");
                let told = answer(&query, &records, false);
                stream.write_all(&(told.len() as u16).to_be_bytes()).expect("written");
                stream.write_all(&told).expect("written");
            }
        });
        Self(address)
    }
}

/// What the resolver says to a query; cut, only that there is more.
fn answer(query: &[u8], records: &BTreeMap<String, Vec<String>>, cut: bool) -> Vec<u8> {
    let query = Packet::parse(query).expect("a query");
    let name = query.questions[0].qname.to_string();
    let mut reply = Packet::new_reply(query.id());
    reply.questions = query.questions.clone();
    match records.get(&name) {
        None => *reply.rcode_mut() = RCODE::NameError,
        Some(_) if cut => reply.set_flags(PacketFlag::TRUNCATION),
        Some(texts) => {
            for text in texts {
                let mut record = TXT::new();
                for part in text.as_bytes().chunks(200) {
                    record.add_char_string(CharacterString::new(part).expect("short enough").into_owned());
                }
                let name = Name::new_unchecked(&name).into_owned();
                reply.answers.push(ResourceRecord::new(name, CLASS::IN, 60, RData::TXT(record)));
            }
        }
    }
    reply.build_bytes_vec().expect("an answer")
}

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@news.example.com, postal_address: 1 rue X }\n";

/// What the doctor says of the domain, with these records, and no mail server.
fn of_the_domain(records: &[(&str, &str)]) -> Vec<String> {
    let folder = Folder::new("doctor");
    std::fs::create_dir_all(folder.join("rules")).expect("a folder");
    std::fs::create_dir_all(folder.join("templates")).expect("a folder");
    std::fs::write(folder.join("rules/policy.yaml"), POLICY).expect("written");
    let configuration = format!(
        "[database]\nurl = 'sqlite:declic.db'\n[smtp]\nhost = '127.0.0.1'\nport = 1\ntls = 'none'\n\
         envelope_from = 'bounces@example.com'\n[[smtp.dkim]]\ndomain = 'example.com'\nselector = 'declic'\n\
         algorithm = 'ed25519-sha256'\nprivate_key = '{}'\n",
        STANDARD.encode([7; 32])
    );
    std::fs::write(folder.join("declic.toml"), configuration).expect("written");
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, text) in records {
        known.entry((*name).to_owned()).or_default().push((*text).to_owned());
    }
    let resolver = Resolver::start(known);
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_declic"));
    doctor.current_dir(folder.path()).env_clear().env("DECLIC_SECRET", support::shop::SECRET);
    let output =
        doctor.args(["doctor", "--resolver", &resolver.0.to_string()]).output().expect("declic starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = said.lines().filter(|line| line.split_whitespace().nth(1) == Some("dns"));
    lines.map(str::to_owned).collect()
}

fn has(lines: &[String], start: &str, words: &str) {
    assert!(lines.iter().any(|line| line.starts_with(start) && line.contains(words)), "{words}: {lines:#?}");
}

#[test]
fn the_records_of_the_sending_domain_are_read_and_judged() {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
    let published = format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(key.public_key().as_ref()));
    // Longer than a datagram may be, in several strings.
    let long = format!("{published}; n={}", "x".repeat(600));
    let good = of_the_domain(&[
        ("example.com", "something=else"),
        ("example.com", "v=spf1 include:spf.provider.example -all"),
        ("declic._domainkey.example.com", &long),
        ("_dmarc.example.com", "v=DMARC1; p=quarantine"),
    ]);
    assert_eq!(good.len(), 3, "{good:#?}");
    for words in
        ["SPF of example.com", "the key that signs", "DMARC of news.example.com: v=DMARC1; p=quarantine"]
    {
        has(&good, "ok", words);
    }
    let bad = of_the_domain(&[
        ("example.com", "v=spf1 +all"),
        ("declic._domainkey.example.com", "v=DKIM1; k=ed25519; p=AAAA"),
    ]);
    for words in ["lets everybody send", "is another than the one that signs", "no DMARC record"] {
        has(&bad, "warn", words);
    }
    has(&of_the_domain(&[]), "warn", "example.com has no SPF record");
}

#[test]
fn late_work_pauses_letters_and_rights_are_told() {
    let shop = Shop::open("start = 2026-11-23T10:00:00Z\nspeed = 60.0");
    let doctor = || {
        let output =
            shop.declic().args(["doctor", "--resolver", "127.0.0.1:1"]).output().expect("declic starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let worker = shop.start();
    let (code, well) = doctor();
    assert_eq!(code, Some(0), "{well:#?}");
    has(&well, "ok    rights", "may do what a worker does");
    has(&well, "ok    clock", "from the database's");
    has(&well, "ok    work", "nothing is late");
    has(&well, "warn  dns", "were not looked at: 127.0.0.1:1 was asked for");

    shop.sink.behave(&[("connect", "421 4.3.2 later")]);
    let profile = json!({"email": "alice@example.com"});
    let at = "2026-11-23T09:30:00Z";
    shop.publish(&[event("1", "customer.signed_up", "alice", at, profile), "no event".to_owned()]);
    shop.wait_for(std::time::Duration::from_secs(30), |all| all.len() == 1);
    run(shop.declic().args(["pause", "--channel", "sms"]));
    assert!(worker.terminate(std::time::Duration::from_secs(30)).success());
    // Commands begin the clock anew: an hour and a half later, the mail is late.
    shop.set_clock("start = 2026-11-23T11:30:00Z");
    let late = || doctor().1;
    let told =
        wait_until(std::time::Duration::from_secs(20), || late().iter().any(|l| l.contains("minutes late")));
    assert!(told, "{:#?}", late());
    has(&late(), "warn  work", "paused: channel:sms");
    has(&late(), "warn  work", "1 dead letters");

    let (role, database) = ("nobody_in_particular", &shop.database);
    let psql = |sql: &str| Postgres::shared().psql(database, sql);
    psql(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"));
    psql(&format!("REVOKE SELECT ON messages FROM {role}; GRANT INSERT ON events TO {role}"));
    let url = Postgres::shared().url(database).replace("app@", &format!("{role}@"));
    let output =
        shop.declic().env("DECLIC_DATABASE__URL", url).arg("doctor").output().expect("declic starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let rights = said.lines().find(|line| line.contains(" rights ")).expect("a line");
    assert!(
        rights.starts_with("WRONG") && rights.contains("messages") && rights.contains("roles.sql"),
        "{rights}"
    );
    assert!(!rights.contains("events,"), "{rights}");
}
