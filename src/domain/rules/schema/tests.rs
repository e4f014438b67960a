//! The schemas against the readers: what one lets through, the other does, and each field has its words.

use serde_json::{Value, json};

use super::Schema;
use crate::domain::diagnostic::{Diagnostic, Severity, SourceFile, render};
use crate::domain::rules::compile::{compile, tests as rules};
use crate::domain::rules::policy::{EXAMPLE, tests as policies};
use crate::domain::rules::scenario::tests as scenarios;

/// What is wrong with the look of a file, which a schema can tell.
const LOOKS: &[&str] = &[
    "E0104", "E0105", "E0106", "E0202", "E0203", "E0208", "E0209", "E0217", "E0218", "E0704", "E0706",
    "E0708",
];

struct Validator {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Validator {
    fn new(schema: Schema) -> Self {
        let mut compiler = boon::Compiler::new();
        let place = format!("{}.json", schema.name());
        compiler.add_resource(&place, schema.value()).unwrap();
        let mut schemas = boon::Schemas::new();
        let index = compiler.compile(&place, &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// Why it refuses the file; none when it does not.
    fn refusal(&self, file: &Value) -> Option<String> {
        self.schemas.validate(file, self.index).err().map(|error| format!("{error:#}"))
    }
}

/// The file as an editor reads it.
fn seen(text: &str) -> Option<Value> {
    // YAML 1.2: `NO` is a text.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).ok()
}

/// What its reader finds, and the files for showing it.
fn read(schema: Schema, text: &str) -> (Vec<Diagnostic>, Vec<SourceFile>) {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let files = match schema {
        Schema::Test => {
            let path = "rules/cart.test.yaml";
            return (scenarios::read_as(path, text).1, vec![file(path, text)]);
        }
        Schema::Policy => vec![file("rules/policy.yaml", text)],
        Schema::Events => vec![file("rules/policy.yaml", EXAMPLE), file("rules/events.yaml", text)],
        Schema::Rule => vec![file("rules/policy.yaml", EXAMPLE), file("rules/r.yaml", text)],
    };
    (compile(&files).diagnostics, files)
}

fn has_errors(findings: &[Diagnostic]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// Right files that together say all that can be said, so that each mapping of each reader is met.
fn samples() -> Vec<(Schema, String)> {
    let rule = |trigger: &str, rest: &str| {
        format!(
            "rule: r\npurpose: marketing\ntrigger: {trigger}\n{rest}\nsteps: [{{ send: {{ email: a }} }}]\n"
        )
    };
    let steps = "\
rule: r
description: All that steps can be.
enabled: true
purpose: marketing
priority: 10
trigger: { event: cart.updated, if: size(data.items) > 0, key: data.cart_id }
re_entry: restart
exit_on: [order.placed, cart.emptied]
on_change: migrate
steps:
  - { wait: 1h, id: hour }
  - { wait: { until: \"09:00\", id: morning } }
  - { send: { email: a, sms: b, prefer: sms, expire_after: 3d, wait_for_consent: 7d, id: first } }
  - if: data.total >= 50
    id: large
    then:
      - { promo_code: { prefix: CART, discount: 10%, valid_for: 7d, id: code } }
      - { send: { sms: b }, id: second }
    else: [{ send: { email: 404 } }]
";
    vec![
        (Schema::Rule, steps.to_owned()),
        (Schema::Rule, rule("{ event: cart.updated }", "exit_on: order.placed\nre_entry: after 30d")),
        (
            Schema::Rule,
            rule(
                "{ absent: order.placed, for: 90d, if: customer.vip, key: data.id }",
                "re_entry: { after: 30d }",
            ),
        ),
        (
            Schema::Rule,
            rule("{ anniversary: customer.birthday, at: \"09:00\", leap_day: skip }", "on_change: exit"),
        ),
        (
            Schema::Rule,
            rule(
                "{ schedule: \"0 9 * * Mon\", timezone: Europe/Paris, audience: customer.vip }",
                "enabled: false",
            ),
        ),
        (Schema::Test, scenarios::WHOLE.to_owned()),
        (
            Schema::Test,
            "rules: [cart]\ntests:\n  - name: a\n    start: 2026-03-02T10:00:00+01:00\n    rules: all\n    expect: []\n"
                .to_owned(),
        ),
        (Schema::Policy, EXAMPLE.to_owned()),
        (Schema::Policy, format!("{EXAMPLE}{}", policies::WHOLE)),
        (Schema::Policy, format!("{EXAMPLE}{}", policies::SMS)),
        (
            Schema::Policy,
            format!(
                "{EXAMPLE}retention:\n  events: {{ active: 2y, archive: 1y6mo }}\n  customers: {{ active: 3y }}\n  \
                 texts: {{ active: 90d }}\n"
            ),
        ),
        (
            Schema::Policy,
            "default_locale: fr-CH\ndefault_timezone: Europe/Zurich\nmax_age: 1d\ncatch_up: 6h\n\
             purposes: { newsletter: consent, news: legitimate_interest, receipt: contract }\n\
             sender: { name: S, email: a@b.example, reply_to: c@b.example, website: \"https://b.example\", \
             postal_address: Lyon }\n\
             quiet_hours: { spread: none, rules: [{ allowed: [\"08:00-12:00\", \"13:00-20:00\"] }] }\n\
             sms: { sender: 36180, stop_number: 36180 }\n"
                .to_owned(),
        ),
        (
            Schema::Events,
            "events: { cart.updated: [cart_id], newsletter.opened: , order.placed: { id: text } }\n"
                .to_owned(),
        ),
        (Schema::Events, "events: [cart.updated, order.placed]\n".to_owned()),
    ]
}

#[test]
fn right_files_fit() {
    for (schema, text) in samples() {
        let (findings, files) = read(schema, &text);
        assert!(!has_errors(&findings), "{}", render(&findings, &files, false));
        assert_eq!(Validator::new(schema).refusal(&seen(&text).unwrap()), None, "{text}");
    }
}

/// Each mistake that the readers' own tests know.
#[test]
fn mistakes_in_looks_do_not_fit() {
    let mut refused = 0;
    let [rule, test, policy] = [Schema::Rule, Schema::Test, Schema::Policy].map(Validator::new);
    let mistakes = rules::MISTAKES
        .iter()
        .map(|(from, to, code, _, words)| (&rule, rules::with(from, to), *code, *words));
    let hours = policies::MISTAKES.iter().map(|(from, to, code, _, words)| {
        (&policy, format!("{EXAMPLE}{}", policies::WHOLE.replacen(from, to, 1)), *code, *words)
    });
    let tests = scenarios::MISTAKES
        .iter()
        .map(|(from, to, _, code, words)| (&test, scenarios::WHOLE.replacen(from, to, 1), *code, *words));
    for (validator, text, code, words) in mistakes.chain(hours).chain(tests) {
        let Some(file) = seen(&text).filter(|_| LOOKS.contains(&code)) else { continue };
        // Of the file as a whole only the reader knows.
        if words == "two steps" {
            continue;
        }
        assert!(validator.refusal(&file).is_some(), "{code} ({words}) fits:\n{text}");
        refused += 1;
    }
    assert!(refused >= 55, "only {refused}");
}

/// Whatever is taken out of a right file, put into it or replaced in it: the schema refuses nothing that the reader
/// takes, and refuses what the reader finds wrong in its looks.
#[test]
fn the_schemas_and_the_readers_agree() {
    let (mut tried, mut refused, mut failures) = (0, 0, String::new());
    for (schema, text) in samples() {
        let validator = Validator::new(schema);
        for (what, file) in edits(&seen(&text).unwrap()) {
            // JSON is YAML too.
            let (findings, files) = read(schema, &file.to_string());
            let refusal = validator.refusal(&file);
            let shown = render(&findings, &files, false);
            tried += 1;
            refused += usize::from(refusal.is_some());
            let looks_wrong = findings.iter().any(|finding| LOOKS.contains(&finding.code));
            match refusal {
                Some(words) if !has_errors(&findings) => {
                    failures += &format!("{what}: the reader takes it, the schema says {words}\n");
                }
                None if looks_wrong => failures += &format!("{what}: the schema lets it through\n{shown}\n"),
                _ => {}
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(tried > 500 && refused > 300, "{tried} edits tried, {refused} refused");
}

/// Where the reader wants one of a few words, it names those that the schema has.
#[test]
fn the_words_to_choose_from_are_the_same() {
    let mut compared = 0;
    for (schema, text) in samples() {
        let (whole, file) = (schema.value(), seen(&text).unwrap());
        let enums: Vec<(String, Value)> = places(&whole, "")
            .into_iter()
            .filter_map(|place| Some((place.clone(), whole.pointer(&place)?.get("enum")?.clone())))
            .collect();
        for place in places(&file, "") {
            let mut edited = file.clone();
            *edited.pointer_mut(&place).unwrap() = json!("certainly not!");
            let (findings, _) = read(schema, &edited.to_string());
            let Some(finding) = findings.iter().find(|f| f.code == "E0217") else { continue };
            let help = finding.help.as_deref().unwrap();
            let mut words: Vec<&str> = help.split('`').skip(1).step_by(2).collect();
            if words == ["true", "false"] {
                continue;
            }
            words.sort_unstable();
            let same = |words: &[&str]| {
                enums.iter().any(|(at, known)| {
                    let mut known: Vec<&str> =
                        known.as_array().unwrap().iter().filter_map(Value::as_str).collect();
                    known.sort_unstable();
                    known == words
                        && [place.rsplit('/').next().unwrap(), "purposes", "consents", "events"]
                            .iter()
                            .any(|p| at.contains(p))
                })
            };
            assert!(same(&words), "at {place} the reader knows {words:?}");
            compared += 1;
        }
    }
    assert!(compared >= 10, "only {compared}");
}

/// The file after each single edit, and what the edit was.
fn edits(file: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for place in places(file, "") {
        let mut edit = |what: &str, change: &dyn Fn(&mut Value)| {
            let mut edited = file.clone();
            change(edited.pointer_mut(&place).unwrap());
            found.push((format!("{what} at {place:?}"), edited));
        };
        match file.pointer(&place).unwrap() {
            Value::Object(fields) => {
                edit("an unknown field", &|value| value["colour"] = json!("red"));
                for name in fields.keys() {
                    edit(&format!("without {name}"), &|value| {
                        value.as_object_mut().unwrap().remove(name);
                    });
                }
            }
            Value::Array(_) => edit("an empty list", &|value| *value = json!([])),
            _ => {}
        }
        for other in
            [json!("certainly not!"), json!({ "odd": 1 }), json!([["odd"]]), json!(12.5), json!(null)]
        {
            edit(&format!("{other} instead"), &|value| *value = other.clone());
        }
    }
    found
}

/// The JSON pointers of a value and of all within it.
fn places(value: &Value, at: &str) -> Vec<String> {
    let within: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    let deeper = within.iter().flat_map(|(name, value)| places(value, &format!("{at}/{}", escaped(name))));
    std::iter::once(at.to_owned()).chain(deeper).collect()
}

#[test]
fn every_field_is_explained_and_its_examples_fit() {
    for schema in Schema::ALL {
        let whole = schema.value();
        let mut explained = 0;
        for place in places(&whole, "") {
            let shape = whole.pointer(&place).unwrap();
            // What only asks something of a mapping explains nothing.
            let mapping = shape.get("type").and_then(|_| shape.get("properties"));
            if let Some(fields) = mapping.and_then(Value::as_object) {
                assert!(shape["additionalProperties"].is_boolean(), "{place}");
                for (name, field) in fields.iter().filter(|(_, field)| field.get("$ref").is_none()) {
                    let words = field["description"].as_str().unwrap_or_default();
                    assert!(
                        words.len() > 10
                            && words.ends_with(|c: char| c == '.' || c.is_alphanumeric() || c == ')'),
                        "{name}: {words:?}"
                    );
                    explained += 1;
                }
            }
            let examples = shape.get("examples").and_then(Value::as_array);
            let pattern = shape.get("pattern").and_then(Value::as_str);
            for (example, pattern) in examples.into_iter().flatten().zip(pattern) {
                let mut schemas = boon::Schemas::new();
                let mut compiler = boon::Compiler::new();
                compiler.add_resource("e.json", json!({ "pattern": pattern })).unwrap();
                let index = compiler.compile("e.json", &mut schemas).unwrap();
                assert!(schemas.validate(example, index).is_ok(), "{example} is no {pattern}");
            }
        }
        assert!(explained > 0);
    }
}
