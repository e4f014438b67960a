//! That every kind of provider and every section of the configuration comes to stand in the register.

use super::*;
use crate::channels::{Capture, EmailChannel, Outlet, SmsChannel};
use crate::clock::Clock;
use crate::config::load;
use crate::domain::register::{self, Kind};
use crate::domain::retention::{self, Phases, Span};
use crate::domain::rules::compile::compile;

/// A recipient, the variables that configure it, and what is told of it.
type Case = (Role, &'static [(&'static str, &'static str)], &'static str);

fn read(lines: &[(&str, &str)]) -> Surroundings {
    let env = lines.iter().map(|(name, value)| (format!("DECLIC_{name}"), (*value).to_owned()));
    surroundings(&load(None, env).unwrap(), &compile(&[]).rules.policy).unwrap()
}

fn line(surroundings: &Surroundings, role: Role) -> String {
    let found = surroundings.recipients.iter().find(|r| r.role == role);
    let r = found.unwrap_or_else(|| panic!("no {role:?} in {surroundings:?}"));
    let (provider, country) = (r.provider.as_deref().unwrap_or("-"), r.country.as_deref().unwrap_or("-"));
    format!("{} {provider} {country} {:?}", r.host, r.transport)
}

/// The role of a way out; none for a capture, which hands nothing to anybody. A new kind of provider does not compile
/// without its line here, and the test below wants its section told.
fn role_of(outlet: &Outlet) -> Option<Role> {
    match outlet {
        Outlet::Email(EmailChannel::Smtp(_)) => Some(Role::Mail),
        Outlet::Sms(SmsChannel::Http(_)) => Some(Role::SmsHttp),
        Outlet::Sms(SmsChannel::Smpp(_)) => Some(Role::Smpp),
        Outlet::Email(EmailChannel::Capture(_)) | Outlet::Sms(SmsChannel::Capture(_)) => None,
    }
}

#[test]
fn every_kind_of_provider_is_told() {
    let capture = Capture::new(1, Clock::Real);
    assert_eq!(role_of(&Outlet::Email(EmailChannel::Capture(capture))), None);
    for role in [Role::Mail, Role::SmsHttp, Role::Smpp, Role::Broker, Role::Database] {
        let key = match role {
            Role::Mail => ("SMTP__HOST", "smtp.example"),
            Role::SmsHttp => ("SMS__PRESET", "smsmode"),
            Role::Smpp => ("SMPP__HOST", "smsc.example"),
            Role::Broker => ("AMQP__URL", "amqp://mq.example"),
            Role::Database => ("DATABASE__URL", "postgres://db.example/declic"),
        };
        let country = format!("{}__COUNTRY", role.section().to_uppercase());
        let told =
            read(&[key, (&country, "BE"), ("SMS__SECRET", "s")][..if role == Role::SmsHttp { 3 } else { 2 }]);
        assert!(line(&told, role).contains(" BE "), "{role:?} in {told:?}");
    }
}

#[test]
fn what_is_configured_is_told_and_nothing_else() {
    let told = read(&[]);
    assert_eq!(told.recipients.len(), 1, "{told:?}");
    assert_eq!(line(&told, Role::Database), "declic.db - - SameMachine");
    assert_eq!((told.secret, told.public_over_tls), (SecretKept::InDatabase, false));
    assert!(told.admin_guarded && !told.profiles_encrypted);

    let cases: &[Case] = &[
        (Role::Database, &[("DATABASE__URL", "postgres://u:p@db.example/d")], "db.example - - Open"),
        (
            Role::Database,
            &[("DATABASE__URL", "postgres://u:p@db.example/d?sslmode=require")],
            "db.example - - Tls",
        ),
        (Role::Database, &[("DATABASE__URL", "postgres://u:p@localhost/d")], "localhost - - SameMachine"),
        (Role::Broker, &[("AMQP__URL", "amqp://mq.example")], "mq.example - - Open"),
        (
            Role::Broker,
            &[("AMQP__URL", "amqps://mq.example"), ("AMQP__COUNTRY", "DE")],
            "mq.example - DE Tls",
        ),
        (Role::Mail, &[("SMTP__HOST", "smtp.example")], "smtp.example - - Tls"),
        (Role::Mail, &[("SMTP__HOST", "127.0.0.1"), ("SMTP__TLS", "none")], "127.0.0.1 - - SameMachine"),
        (Role::Mail, &[("SMTP__HOST", "smtp.example"), ("SMTP__TLS", "none")], "smtp.example - - Open"),
        (
            Role::SmsHttp,
            &[
                ("SMS__PRESET", "twilio"),
                ("SMS__ACCOUNT", "AC1"),
                ("SMS__SECRET", "s"),
                ("SMS__COUNTRY", "US"),
            ],
            "api.twilio.com twilio US Tls",
        ),
        (Role::Smpp, &[("SMPP__HOST", "smsc.example")], "smsc.example - - Open"),
        (Role::Smpp, &[("SMPP__HOST", "smsc.example"), ("SMPP__TLS", "implicit")], "smsc.example - - Tls"),
    ];
    for (role, lines, expected) in cases {
        assert_eq!(line(&read(lines), *role), *expected, "{lines:?}");
    }
    let away = read(&[
        ("DATABASE__URL", "postgres://db.example/d"),
        ("PUBLIC__BASE_URL", "https://news.example"),
        ("ADMIN__LISTEN", "0.0.0.0:8025"),
        ("ADMIN__TOKEN", "a token of sixteen"),
    ]);
    assert_eq!((away.secret, away.public_over_tls, away.admin_guarded), (SecretKept::Missing, true, true));
    assert_eq!(read(&[("SECRET", "a secret of sixteen")]).secret, SecretKept::Apart);
    let encrypted = read(&[("SECRET", "a secret of sixteen"), ("DATABASE__ENCRYPT_PROFILES", "true")]);
    assert!(encrypted.profiles_encrypted);
}

#[test]
fn every_kind_of_data_has_its_time() {
    let kinds: Vec<Kind> = read(&[]).kept.iter().map(|kept| kept.what).collect();
    let sorted = [
        Kind::Profiles,
        Kind::Events,
        Kind::Messages,
        Kind::Consents,
        Kind::Suppressions,
        Kind::Bounces,
        Kind::Receipts,
        Kind::Texts,
        Kind::DeadLetters,
    ];
    assert_eq!(kinds, sorted);
    let mut policy = compile(&[]).rules.policy;
    let three_years = Phases { active: Span::parse("3y").unwrap(), archive: None };
    policy.retention.0.insert(retention::Kind::Customers, three_years);
    let told = surroundings(&load(None, std::iter::empty()).unwrap(), &policy).unwrap().kept;
    assert_eq!(told[0].span, register::Span::Stated(three_years), "as the policy says");
}

#[test]
fn a_country_is_a_code() {
    for section in ["DATABASE", "AMQP", "SMTP", "SMS", "SMPP"] {
        let env = [(format!("DECLIC_{section}__COUNTRY"), "France".to_owned())];
        let error = load(None, env.into_iter()).unwrap_err().to_string();
        assert!(error.contains("COUNTRY") && error.contains("two capital letters"), "{error}");
    }
}
