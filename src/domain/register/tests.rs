//! What rules and templates are found to read, and what a register finds missing.

use super::*;
use crate::domain::diagnostic::{SourceFile, render};
use crate::domain::explain::Language;
use crate::domain::rules::compile::compile;
use crate::domain::rules::policy::EXAMPLE;
use crate::domain::templates;

/// A shop of one rule (`rule: r`, its purpose, `send: { email: t }` last unless it says otherwise) and its template.
struct Shop {
    policy: String,
    rule: String,
    events: Option<&'static str>,
    files: Vec<(&'static str, String)>,
}

impl Shop {
    fn new(rule: &str) -> Self {
        let files = vec![
            ("templates/t/email.fr.mjml", mjml("Bonjour", "Bonjour")),
            ("templates/t/sms.fr.txt", "Bonjour".to_owned()),
        ];
        let rule = format!("rule: r\ndescription: Says hello.\n{rule}\n");
        Self { policy: EXAMPLE.to_owned(), rule, events: None, files }
    }

    fn file(mut self, path: &'static str, text: impl Into<String>) -> Self {
        self.files.retain(|(known, _)| *known != path);
        self.files.push((path, text.into()));
        self
    }

    fn policy(mut self, lines: &str) -> Self {
        self.policy += lines;
        self
    }

    fn register_in(&self, surroundings: Surroundings) -> Register {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let mut rules = vec![file("rules/r.yaml", &self.rule), file("rules/policy.yaml", &self.policy)];
        rules.extend(self.events.map(|text| file("rules/events.yaml", text)));
        let compiled = compile(&rules);
        assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &rules, false));
        let texts: Vec<SourceFile> = self.files.iter().map(|(path, text)| file(path, text)).collect();
        let (templates, found) = templates::compile(&texts, "fr");
        assert!(found.is_empty(), "{}", render(&found, &texts, false));
        Register::of(&compiled.rules, &templates, compiled.events.as_ref(), surroundings)
    }

    fn register(&self) -> Register {
        self.register_in(nothing())
    }

    /// What the one activity reads, but for what every message does: `customer.city`, `cart.updated.total`.
    fn reads(&self) -> Vec<String> {
        let register = self.register();
        let [activity] = &register.activities[..] else { panic!("{:?}", register.activities) };
        let name = |field: &Field| match field {
            Field::All => "*".to_owned(),
            Field::Named(name) => name.clone(),
        };
        let alone = BTreeSet::from([Reader::Message]);
        let of_profile = activity.reads.customer.iter().filter(|(_, by)| **by != alone);
        let mut all: Vec<String> = of_profile.map(|(field, _)| format!("customer.{}", name(field))).collect();
        for (kind, fields) in &activity.reads.events {
            all.push(kind.clone());
            all.extend(fields.keys().map(|field| format!("{kind}.{}", name(field))));
        }
        all
    }
}

fn mjml(subject: &str, body: &str) -> String {
    format!(
        "---\nsubject: '{subject}'\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-text>{body}</mj-text>\n\
         </mj-column></mj-section></mj-body></mjml>\n"
    )
}

fn nothing() -> Surroundings {
    Surroundings {
        recipients: vec![],
        kept: vec![],
        secret: SecretKept::Apart,
        public_over_tls: true,
        admin_guarded: true,
        profiles_encrypted: false,
    }
}

const CART: &str = "purpose: marketing\ntrigger: { event: cart.updated }\nsteps: [{ send: { email: t } }]";

#[test]
fn conditions_are_read() {
    for (rule, expected) in [
        (CART, &["cart.updated"][..]),
        (
            "purpose: marketing\ntrigger: { event: e, if: customer.city == \"Lyon\" && event.data.total > 5 }\n\
             steps: [{ send: { email: t } }]",
            &["customer.city", "e", "e.total"],
        ),
        (
            "purpose: marketing\ntrigger: { event: e, key: data.cart.id }\nexit_on: [stop]\n\
             steps: [{ send: { email: t } }]",
            &["e", "e.cart.id", "stop", "stop.cart.id"],
        ),
        (
            "purpose: marketing\ntrigger: { event: e }\nsteps:\n  - if: data.total > 5\n    then:\n      \
             - if: has(customer.vip)\n        then: [{ send: { email: t } }]\n    else:\n      - wait: 1h",
            &["customer.vip", "e", "e.total"],
        ),
        (
            "purpose: marketing\ntrigger: { absent: order.placed, for: 90d, if: \"data.items.exists(i, i.price > 5)\" }\n\
             steps: [{ send: { email: t } }]",
            &["order.placed", "order.placed.items", "order.placed.items.price"],
        ),
        (
            "purpose: marketing\ntrigger: { anniversary: customer.birthday, at: \"09:00\" }\n\
             steps: [{ send: { email: t } }]",
            &["customer.birthday"],
        ),
        (
            "purpose: marketing\ntrigger: { schedule: \"0 9 * * Mon\", audience: '\"vip\" in customer.tags' }\n\
             steps: [{ send: { email: t } }]",
            &["customer.tags"],
        ),
        (
            "purpose: marketing\ntrigger: { event: e, if: size(customer) > 3 || size(data) > 2 }\n\
             steps: [{ send: { email: t } }]",
            &["customer.*", "e", "e.*"],
        ),
        (
            "purpose: marketing\ntrigger: { event: e, if: event.time < now && event.source == \"/shop\" }\n\
             steps: [{ send: { email: t } }]",
            &["e"],
        ),
    ] {
        assert_eq!(Shop::new(rule).reads(), expected, "{rule}");
    }
}

#[test]
fn templates_are_read() {
    for (subject, body, expected) in [
        ("Bonjour {{customer.first_name}}", "x", "customer.first_name"),
        ("x", "{{data.total}}", "cart.updated.total"),
        ("x", "{{event.data.total}}", "cart.updated.total"),
        ("x", "{{money data.total data.currency}}", "cart.updated.currency cart.updated.total"),
        (
            "x",
            "{{#if customer.vip}}{{data.a}}{{else}}{{data.b}}{{/if}}",
            "customer.vip cart.updated.a cart.updated.b",
        ),
        (
            "x",
            "{{#each data.items}}{{this.name}} {{@root.customer.city}}{{/each}}",
            "customer.city cart.updated.items cart.updated.items.name",
        ),
        ("x", "{{default customer.nickname customer.first_name}}", "customer.first_name customer.nickname"),
        ("x", "{{lookup customer \"city\"}}", "customer.*"),
        ("x", "{{#with data}}{{total}}{{/with}}", "cart.updated.* cart.updated.total"),
        (
            "x",
            "{{#each data.items as |item i|}}{{item.name}} {{i}}{{#each item.tags}}{{this.label}}{{/each}}{{/each}}",
            "cart.updated.items cart.updated.items.name cart.updated.items.tags cart.updated.items.tags.label",
        ),
        ("x", "{{sender.name}} {{now}} {{customer.id}} {{unsubscribe_url}}", ""),
    ] {
        let shop = Shop::new(CART).file("templates/t/email.fr.mjml", mjml(subject, body));
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        let at = expected.iter().position(|name| !name.starts_with("customer")).unwrap_or(expected.len());
        expected.insert(at, "cart.updated");
        assert_eq!(shop.reads(), expected, "{subject}: {body}");
    }
}

#[test]
fn every_part_and_version_of_a_template_is_read() {
    let with_partial = "---\nsubject: x\n---\n<mjml><mj-body><mj-section><mj-column>\n<mj-include path=\"p\" />\n\
                        </mj-column></mj-section></mj-body></mjml>\n";
    let both = "purpose: marketing\ntrigger: { event: e }\nsteps: [{ send: { email: t, sms: t } }]";
    let shop = Shop::new(both)
        .file("templates/t/email.fr.mjml", with_partial)
        .file("templates/_partials/p.mjml", "<mj-text>{{customer.of_partial}}</mj-text>\n")
        .file("templates/t/email.fr.txt", "{{customer.of_text}}\n")
        .file("templates/t/email.en.mjml", mjml("x", "{{customer.of_english}}"))
        .file("templates/t/sms.fr.txt", "{{customer.of_sms}}\n")
        .file("templates/other/email.fr.mjml", mjml("x", "{{customer.of_other}}"));
    let expected = ["of_english", "of_partial", "of_sms", "of_text"].map(|name| format!("customer.{name}"));
    assert_eq!(shop.reads()[..4], expected);
    let activity = &shop.register().activities[0];
    let message =
        |name: &str| activity.reads.customer[&Field::Named(name.to_owned())].contains(&Reader::Message);
    assert!(["email", "phone", "locale", "timezone", "country"].iter().all(|name| message(name)));
    assert_eq!(activity.channels, BTreeSet::from([Channel::Email, Channel::Sms]));
    // A rule by mail only reads no number.
    let mail = Shop::new(CART).register();
    assert!(!mail.activities[0].reads.customer.contains_key(&Field::Named("phone".to_owned())));
}

#[test]
fn a_rule_that_is_disabled_reads_nobody() {
    let register = Shop::new(&format!("enabled: false\n{CART}")).register();
    assert_eq!((register.activities, register.gaps), (vec![], vec![Gap::NoOfficer]));
}

#[test]
fn a_purpose_is_used_by_the_rule_that_has_it_confirmed() {
    let rule =
        "purpose: transactional\ntrigger: { event: e }\nsteps: [{ send: { email: t, confirm: news } }]";
    let shop = Shop::new(rule)
        .policy("purposes: { news: { basis: consent, double_opt_in: true } }\n")
        .file("templates/t/email.fr.mjml", mjml("x", "{{confirm_url}}"));
    let register = shop.register();
    let told: Vec<_> = register.activities.iter().map(|a| (a.purpose.as_str(), a.rules.len())).collect();
    assert_eq!(told, [("news", 1), ("transactional", 1)]);
    assert!(!register.gaps.iter().any(|gap| matches!(gap, Gap::UnusedPurpose(_))), "{:?}", register.gaps);
}

#[test]
fn what_is_missing_is_said() {
    let readers = |by: &[Reader]| by.iter().cloned().collect::<BTreeSet<_>>();
    let purpose = || "marketing".to_owned();
    let complete = "register: { dpo: none, safeguards: { US: standard contractual clauses } }\n";
    let mail = Recipient {
        role: Role::Mail,
        host: "smtp.example".to_owned(),
        provider: None,
        country: Some("FR".to_owned()),
        transport: Transport::Tls,
    };
    let whole = Surroundings {
        recipients: vec![mail.clone()],
        kept: vec![Kept { what: Kind::Bounces, span: Span::Days(30) }],
        ..nothing()
    };
    let shop = || Shop::new(CART).policy(complete);
    let gaps = |shop: Shop, surroundings: &Surroundings| shop.register_in(surroundings.clone()).gaps;
    let with = |change: &dyn Fn(&mut Surroundings)| {
        let mut changed = whole.clone();
        change(&mut changed);
        changed
    };
    assert_eq!(gaps(shop(), &whole), []);
    assert_eq!(gaps(Shop::new(CART), &whole), [Gap::NoOfficer]);
    assert_eq!(
        gaps(shop().policy("purposes: { news: consent }\n"), &whole),
        [Gap::UnusedPurpose("news".to_owned())]
    );
    let mut talkative = shop();
    talkative.events = Some("events: [cart.updated, cart.viewed]\n");
    assert_eq!(gaps(talkative, &whole), [Gap::UnreadEvent("cart.viewed".to_owned())]);
    let mut silent = shop();
    silent.rule = silent.rule.replace("description: Says hello.\n", "");
    assert_eq!(gaps(silent, &whole), [Gap::NoDescription { rule: "r".to_owned() }]);
    assert_eq!(gaps(shop(), &with(&|s| s.recipients.clear())), [Gap::NoProvider(Channel::Email)]);
    assert_eq!(gaps(shop(), &with(&|s| s.recipients[0].country = None)), [Gap::NoCountry(Role::Mail)]);
    assert_eq!(gaps(shop(), &with(&|s| s.recipients[0].country = Some("US".to_owned()))), []);
    let gap = Gap::NoSafeguard { role: Role::Mail, country: "IN".to_owned() };
    assert_eq!(gaps(shop(), &with(&|s| s.recipients[0].country = Some("IN".to_owned()))), [gap]);
    let endless = Kept { what: Kind::Events, span: Span::UntilErased };
    assert_eq!(gaps(shop(), &with(&|s| s.kept.push(endless))), [Gap::NoTimeLimit(Kind::Events)]);
    let open = with(&|s| s.recipients[0].transport = Transport::Open);
    assert_eq!(gaps(shop(), &open), [Gap::Off(Measure::Transport(Role::Mail))]);
    let reading = |text: &str| shop().file("templates/t/email.fr.mjml", mjml("x", text));
    let template = readers(&[Reader::Template("t".to_owned())]);
    let field = "customer.etat_de_sante".to_owned();
    assert_eq!(
        gaps(reading("{{customer.etat_de_sante}}"), &whole),
        [Gap::Sensitive { purpose: purpose(), field, readers: template.clone() }]
    );
    assert_eq!(
        gaps(reading("{{lookup data \"a\"}}"), &whole),
        [Gap::Everything { purpose: purpose(), of: Some("cart.updated".to_owned()), readers: template }]
    );
}

#[test]
fn nothing_is_claimed_that_is_off() {
    let surroundings = Surroundings {
        secret: SecretKept::Missing,
        public_over_tls: false,
        admin_guarded: false,
        ..nothing()
    };
    let register = Shop::new(CART).register_in(surroundings);
    let off: Vec<Measure> = register.measures.iter().filter(|(_, on)| !on).map(|(m, _)| *m).collect();
    let expected = [
        Measure::ProofsEncrypted,
        Measure::SecretApart,
        Measure::LedgerChained,
        Measure::LinksSealed,
        Measure::AdminGuarded,
        Measure::PublicOverTls,
    ];
    assert_eq!(off, expected);
    let encrypted = Surroundings { profiles_encrypted: true, ..nothing() };
    let encrypted = Shop::new(CART).register_in(encrypted).measures;
    assert!(encrypted.contains(&(Measure::ProfilesEncrypted, true)));
    assert!(!register.measures.iter().any(|(measure, _)| *measure == Measure::ProfilesEncrypted));
    // What is off is no measure of any activity.
    for language in [Language::English, Language::French] {
        let sheet = register.sheet(&register.activities[0], language);
        let (_, told) = sheet.iter().find(|(name, _)| name.ends_with("(g)")).unwrap();
        assert_eq!(told.len(), register.measures.len() - off.len());
        assert_eq!(register.gaps_in_words(language).len(), register.gaps.len());
    }
}
