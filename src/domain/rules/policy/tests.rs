//! Hours and caps as a policy writes them, and every mistake in them.

use chrono::TimeDelta;

use super::EXAMPLE;
use crate::domain::caps::{Cap, WhenFull};
use crate::domain::consent::Channel;
use crate::domain::diagnostic::{SourceFile, lsp, render};
use crate::domain::hours::holidays::Calendar;
use crate::domain::hours::{Holidays, HoursRule, Range, presets};
use crate::domain::register::Officer;
use crate::domain::rules::compile::{Compiled, compile};

fn read(lines: &str) -> (Compiled, Vec<SourceFile>) {
    let text = format!("{EXAMPLE}{lines}");
    let files = vec![SourceFile { path: "rules/policy.yaml".to_owned(), text }];
    (compile(&files), files)
}

/// A policy that says all that can be said of hours and caps, from its eighth line on.
pub(in crate::domain::rules) const WHOLE: &str = "\
default_country: FR
quiet_hours:
  spread: 10m
  rules:
    - { channel: sms, purpose: marketing, country: [FR, RE], use: fr-sms, holidays: FR-alsace-moselle }
    - { channel: sms, country: US, use: us-tcpa }
    - { channel: sms, purpose: service, use: none }
    - channel: email
      purpose: marketing
      allowed:
        mon-wed: [\"14:00-24:00\", 08:00-12:00, 12:00-13:00]
        sat: 09:00 - 18:00
        fri: 10:00-10:30
      holidays: local
frequency_caps:
  - { channel: sms, purpose: marketing, limit: 2 per 7d }
  - { limit: 10 per week, when_full: defer }
  - { channel: email, limit: 1 per day, when_full: skip }
";

#[test]
fn a_whole_policy_means_what_it_says() {
    let (compiled, files) = read(WHOLE);
    assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &files, false));
    let policy = compiled.rules.policy;
    assert_eq!(policy.default_country.as_deref(), Some("FR"));
    let hours = policy.quiet_hours;
    assert_eq!(hours.spread, TimeDelta::minutes(10));
    let [french, american, service, email] = &hours.rules[..] else { panic!("{:?}", hours.rules) };
    assert_eq!(french.countries, ["FR", "RE"]);
    let french = french.hours.as_ref().unwrap();
    assert_eq!(french.week, presets::named("fr-sms").unwrap().week);
    assert_eq!(french.holidays, Holidays::Of(Calendar::AlsaceMoselle));
    assert_eq!(american.hours.as_ref(), presets::named("us-tcpa"));
    let expected = HoursRule {
        channel: Some(Channel::Sms),
        purpose: Some("service".into()),
        countries: vec![],
        hours: None,
    };
    assert_eq!(service, &expected);
    let email = email.hours.as_ref().unwrap();
    let range = |from: u32, to: u32| Range { from: from * 60, to: to * 60 };
    let early = vec![range(8 * 60, 13 * 60), range(14 * 60, 24 * 60)];
    assert!(email.week[..3].iter().all(|day| *day == early));
    assert_eq!(email.week[3], []);
    assert_eq!(email.week[4], [range(10 * 60, 10 * 60 + 30)]);
    assert_eq!(email.week[5], [range(9 * 60, 18 * 60)]);
    assert_eq!(email.holidays, Holidays::Local);
    let cap = |channel, purpose: Option<&str>, limit, days, when_full| Cap {
        channel,
        purpose: purpose.map(str::to_owned),
        limit,
        period: TimeDelta::days(days),
        when_full,
    };
    let expected = [
        cap(Some(Channel::Sms), Some("marketing"), 2, 7, WhenFull::Skip),
        cap(None, None, 10, 7, WhenFull::Defer),
        cap(Some(Channel::Email), None, 1, 1, WhenFull::Skip),
    ];
    assert_eq!(policy.frequency_caps, expected);
}

/// What is written instead of what in [`WHOLE`]; the code, the line within it, and words of the report.
pub(in crate::domain::rules) const MISTAKES: &[(&str, &str, &str, usize, &str)] = &[
    ("default_country: FR", "default_country: France", "E0407", 1, "did you mean `FR`"),
    ("default_country: FR", "default_country: uk", "E0407", 1, "did you mean `GB`"),
    ("default_country: FR", "default_country: fr", "E0407", 1, "did you mean `FR`"),
    ("default_country: FR", "default_country: XX", "E0407", 1, "two capital letters"),
    ("default_country: FR", "default_county: FR", "E0104", 1, "did you mean `default_country`"),
    // spread
    ("spread: 10m", "spread: 31m", "E0405", 3, "which are 30 minutes"),
    ("spread: 10m", "spread: 0m", "E0204", 3, "longer than zero"),
    ("spread: 10m", "spread: 10", "E0204", 3, "no unit"),
    ("spread: 10m", "spraed: 10m", "E0104", 3, "did you mean `spread`"),
    // what a rule fits
    ("channel: sms, country: US", "channel: text, country: US", "E0217", 6, "`email` and `sms`"),
    ("channel: sms, country: US", "chanel: sms, country: US", "E0104", 6, "did you mean `channel`"),
    ("country: US", "country: USA", "E0407", 6, "did you mean `US`"),
    ("country: [FR, RE]", "country: [FR, Reunion]", "E0407", 5, "did you mean `RE`"),
    ("country: [FR, RE]", "country: []", "E0105", 5, "leave it out"),
    ("purpose: service", "purpose: sevice", "E0402", 7, "did you mean `service`"),
    ("purpose: service", "purpose: newsletters", "E0402", 7, "the purposes are `marketing`"),
    (
        "channel: sms, country: US",
        "purpose: marketing, country: FR, channel: sms",
        "E0405",
        6,
        "an earlier one",
    ),
    (
        "{ channel: sms, country: US, use: us-tcpa }",
        "{ channel: sms, use: none }",
        "E0405",
        7,
        "an earlier one",
    ),
    // hours
    ("use: fr-sms", "use: fr-sns", "E0217", 5, "did you mean `fr-sms`"),
    ("use: us-tcpa", "use: tcpa", "E0217", 6, "`fr-sms`, `us-tcpa`, `us-strict` and `none`"),
    ("use: us-tcpa", "use: us-tcpa, allowed: 08:00-20:00", "E0405", 6, "not both"),
    (", use: us-tcpa", "", "E0106", 6, "needs a field `allowed`"),
    ("use: none", "use: none, holidays: FR", "E0405", 7, "00:00-24:00"),
    ("    - { channel: sms, country: US, use: us-tcpa }\n", "    - us-tcpa\n", "E0105", 6, "a mapping"),
    ("holidays: local", "holidays: re", "E0405", 14, "did you mean `FR-RE`"),
    ("holidays: local", "holidays: fr", "E0405", 14, "did you mean `FR`"),
    ("holidays: local", "holidays: FR-alsace", "E0405", 14, "`FR-alsace-moselle`"),
    ("holidays: local", "holidays: DE", "E0405", 14, "`none`, `local`, `FR`"),
    ("fri: 10:00-10:30", "fri: 20:00-08:00", "E0405", 13, "`[\"20:00-24:00\", \"00:00-08:00\"]`"),
    ("fri: 10:00-10:30", "fri: 10:00-10:00", "E0405", 13, "ends before it begins"),
    ("fri: 10:00-10:30", "fri: 10h-12h", "E0207", 13, "not a time of day"),
    ("fri: 10:00-10:30", "fri: 24:00-10:30", "E0405", 13, "ends before it begins"),
    ("fri: 10:00-10:30", "fri: 10:00", "E0207", 13, "08:00-20:00"),
    ("fri: 10:00-10:30", "fri:", "E0105", 13, "empty"),
    ("fri: 10:00-10:30", "fri: []", "E0105", 13, "leave out a day"),
    ("fri: 10:00-10:30", "fri: [10:00-12:00, 11:59-13:00]", "E0405", 13, "overlap"),
    ("fri: 10:00-10:30", "fri: [10:00-12:00, 10:00-12:00]", "E0405", 13, "overlap"),
    ("fri: 10:00-10:30", "friday: 10:00-10:30", "E0405", 13, "did you mean `fri`"),
    ("fri: 10:00-10:30", "Fri: 10:00-10:30", "E0405", 13, "did you mean `fri`"),
    ("fri: 10:00-10:30", "weekdays: 10:00-10:30", "E0405", 13, "`mon-fri`"),
    ("fri: 10:00-10:30", "tue-thu: 10:00-10:30", "E0405", 13, "`tue` is given its hours twice"),
    ("fri: 10:00-10:30", "fri-mon: 10:00-10:30", "E0405", 13, "`sat` is given"),
    ("fri: 10:00-10:30", "sat: 10:00-10:30", "E0102", 13, "given twice"),
    // caps
    ("limit: 2 per 7d", "limit: 0 per day", "E0406", 16, "leave it out"),
    ("limit: 2 per 7d", "limit: 2", "E0406", 16, "`2 per 7d` or `1 per day`"),
    ("limit: 2 per 7d", "limit: two per 7d", "E0406", 16, "not a number of messages"),
    ("limit: 2 per 7d", "limit: 2000 per 7d", "E0406", 16, "from 1 to 1000"),
    ("limit: 2 per 7d", "limit: -1 per 7d", "E0406", 16, "from 1 to 1000"),
    ("limit: 2 per 7d", "limit: 2 per month", "E0204", 16, "`30d`"),
    ("limit: 2 per 7d", "limit: 2 per 7 days", "E0204", 16, "write it `7d`"),
    ("limit: 2 per 7d", "limt: 2 per 7d", "E0104", 16, "did you mean `limit`"),
    (", limit: 2 per 7d", "", "E0106", 16, "limit: 2 per 7d"),
    ("when_full: defer", "when_full: wait", "E0217", 17, "`skip` and `defer`"),
    ("when_full: defer", "when_full: defr", "E0217", 17, "did you mean `defer`"),
    ("{ channel: email, limit: 1 per day", "{ limit: 5 per 7d", "E0406", 18, "keep the lower"),
    ("{ limit: 10 per week, when_full: defer }", "10 per week", "E0105", 17, "a mapping"),
];

#[test]
fn each_mistake_is_reported_once_in_its_place() {
    let before = EXAMPLE.lines().count();
    let mut failures = String::new();
    for (from, to, code, line, words) in MISTAKES {
        assert!(WHOLE.contains(from), "{from}");
        let (compiled, files) = read(&WHOLE.replacen(from, to, 1));
        let json = lsp(&compiled.diagnostics, &files);
        let found = &json[0];
        let text = format!("{} {} {}", found["message"], found["label"], found["help"]).replace("\\\"", "\"");
        let right = compiled.diagnostics.len() == 1
            && compiled.has_errors()
            && found["code"] == *code
            && found["range"]["start"]["line"] == before + line - 1
            && text.contains(words);
        if !right {
            let shown = render(&compiled.diagnostics, &files, false);
            failures += &format!("`{to}`, expected {code} on line {line} with \"{words}\":\n{shown}\n");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn lists_and_days_are_wanted() {
    for (lines, code, words) in [
        ("quiet_hours: fr-sms\n", "E0105", "a mapping of fields"),
        ("quiet_hours: { rules: { use: fr-sms } }\n", "E0105", "`- { channel: sms, use: fr-sms }`"),
        ("quiet_hours: { rules: [{ allowed: {} }] }\n", "E0405", "nothing would ever be sent"),
        ("quiet_hours: { rules: [{ allowed: [] }] }\n", "E0105", "`allowed` is empty"),
        ("quiet_hours: { spread: 12h }\n", "E0405", "660 minutes"),
        ("frequency_caps: { limit: 2 per 7d }\n", "E0105", "`- { channel: sms, limit: 2 per 7d }`"),
    ] {
        let (compiled, files) = read(lines);
        let shown = render(&compiled.diagnostics, &files, false);
        assert_eq!(compiled.diagnostics.len(), 1, "{shown}");
        assert!(shown.contains(code) && shown.contains(words), "{lines}{shown}");
    }
}

#[test]
fn shorter_ways_to_write_the_same() {
    let week = |allowed: &str| {
        let (compiled, files) =
            read(&format!("quiet_hours: {{ spread: none, rules: [{{ allowed: {allowed} }}] }}\n"));
        assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &files, false));
        assert_eq!(compiled.rules.policy.quiet_hours.spread, TimeDelta::zero());
        compiled.rules.policy.quiet_hours.rules[0].hours.clone().unwrap().week
    };
    assert_eq!(week("08:00-20:00"), week("{ mon-sun: 08:00-20:00 }"));
    assert_eq!(week("{ fri-mon: 08:00-20:00 }"), week("{ mon: 08:00-20:00, fri-sun: 08:00-20:00 }"));
    assert_eq!(week("[08:00-12:00, 12:00-20:00]"), week("08:00-20:00"));
}

pub(in crate::domain::rules) const SMS: &str = "\
sms:
  sender: MaisonLumen
  senders: { US: +14155552671, CA: \"36180\" }
  stop_number: \"36180\"
  max_segments: 3
  transliterate: false
  segment_cost: 0.045 EUR
";

#[test]
fn a_whole_sms_section_means_what_it_says() {
    let (compiled, files) = read(SMS);
    assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &files, false));
    let sms = compiled.rules.policy.sms;
    assert_eq!(sms.sender_in(Some("FR")), Some("MaisonLumen"));
    assert_eq!(sms.sender_in(Some("US")), Some("+14155552671"));
    assert_eq!(sms.stop_number.as_deref(), Some("36180"));
    assert_eq!((sms.max_segments, sms.transliterate), (3, false));
    assert_eq!(sms.segment_cost, Some((4_500, "EUR".to_owned())));
}

#[test]
fn the_sender_suits_the_country_where_most_messages_go() {
    let cases = [
        ("default_country: US\nsms: { sender: MaisonLumen }\n", Some("accept no names")),
        ("default_country: FR\nsms: { sender: +33612345678 }\n", Some("may not come from a mobile number")),
        ("default_country: FR\nsms: { sender: MaisonLumen }\n", None),
        ("default_country: US\nsms: { sender: MaisonLumen, senders: { US: +14155552671 } }\n", None),
        ("sms: { sender: MaisonLumen }\n", None),
    ];
    for (text, expected) in cases {
        let (compiled, files) = read(text);
        let shown = render(&compiled.diagnostics, &files, false);
        assert_eq!(compiled.diagnostics.len(), usize::from(expected.is_some()), "{text}: {shown}");
        let Some(words) = expected else { continue };
        let finding = &compiled.diagnostics[0];
        assert!(finding.code == "E0408" && shown.contains(words), "{text}: {shown}");
        let place = &files[0].text[finding.span.clone()];
        assert!(place == "MaisonLumen" || place == "+33612345678", "it points at {place}");
    }
}

#[test]
fn mistakes_about_sms() {
    for (from, to, code, words) in [
        ("sender: MaisonLumen", "sender: Maison Lumen SA", "E0408", "3 to 11 characters"),
        ("sender: MaisonLumen", "sender: 0612345678", "E0408", "a number with `+`"),
        ("US: +14155552671", "US: Lumen", "E0408", "accept no names"),
        ("US: +14155552671", "USA: \"36180\"", "E0407", "did you mean `US`"),
        ("stop_number: \"36180\"", "stop_number: STOP", "E0408", "`\"36180\"`"),
        ("max_segments: 3", "max_segments: 0", "E0408", "from 1 to 10"),
        ("transliterate: false", "transliterate: no", "E0217", "`true` and `false`"),
        ("0.045 EUR", "4.5 cents", "E0408", "`0.045 EUR`"),
        ("sender: MaisonLumen", "from: MaisonLumen", "E0104", "from"),
    ] {
        let (compiled, files) = read(&SMS.replacen(from, to, 1));
        let shown = render(&compiled.diagnostics, &files, false);
        assert_eq!(compiled.diagnostics.len(), 1, "{to}: {shown}");
        assert!(shown.contains(code) && shown.contains(words), "{to}: {shown}");
    }
}

const REGISTER: &str = "\
register:
  joint_controller: Shop B, 2 rue X, Lyon
  representative: Jean Dupont, Paris
  dpo: Jeanne Martin, dpo@my-shop.example
  safeguards: { US: standard contractual clauses, IN: binding corporate rules }
";

#[test]
fn a_whole_register_section_means_what_it_says() {
    let (compiled, files) = read(REGISTER);
    assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &files, false));
    let declared = compiled.rules.policy.register;
    assert_eq!(declared.joint_controller.as_deref(), Some("Shop B, 2 rue X, Lyon"));
    assert_eq!(declared.representative.as_deref(), Some("Jean Dupont, Paris"));
    assert_eq!(declared.dpo, Some(Officer::Is("Jeanne Martin, dpo@my-shop.example".to_owned())));
    assert_eq!(declared.safeguards["IN"], "binding corporate rules");
    let (without, _) = read("register: { dpo: none }\n");
    assert_eq!(without.rules.policy.register.dpo, Some(Officer::None));
    assert_eq!(read("").0.rules.policy.register.dpo, None);
}

#[test]
fn mistakes_about_the_register() {
    for (from, to, code, words) in [
        ("representative: Jean", "representant: Jean", "E0104", "did you mean `representative`"),
        ("dpo: Jeanne Martin, dpo@my-shop.example", "dpo: \"two\\nlines\"", "E0403", "`dpo` is one line"),
        ("US: standard", "USA: standard", "E0407", "did you mean `US`"),
        ("US: standard contractual clauses", "US: \"a\\tb\"", "E0403", "`US` is one line"),
    ] {
        let (compiled, files) = read(&REGISTER.replacen(from, to, 1));
        let shown = render(&compiled.diagnostics, &files, false);
        assert_eq!(compiled.diagnostics.len(), 1, "{to}: {shown}");
        assert!(shown.contains(code) && shown.contains(words), "{to}: {shown}");
    }
}
