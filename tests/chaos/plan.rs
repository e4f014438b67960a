//! What a seed fixes: the shop's customers and events, and what the rules ask for, worked out here and not by the core.

use serde_json::json;

use crate::support::random::Random;
use crate::support::shop::event;

const CUSTOMERS: usize = 50;

pub const POLICY: &str = "default_locale: en\ndefault_timezone: UTC\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 Main Street }\n\
    quiet_hours: { rules: [{ channel: sms, use: none }] }\n\
    sms: { sender: Shop, stop_number: \"36180\" }\n";

pub const MAIL: &str = "---\nsubject: Hello\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>\
    {{#if promo_code}}{{promo_code.code}}{{/if}} {{#if unsubscribe_url}}{{unsubscribe_url}}{{/if}}\
    </mj-text></mj-column></mj-section></mj-body></mjml>\n";

/// Whom it is for and which rule it is from is all that an SMS says.
pub const SMS: &str = "for {{customer.first_name}} #\n";

/// A rule of one event and one message.
pub struct Rule {
    pub name: &'static str,
    kind: &'static str,
    pub purpose: &'static str,
    before: &'static str,
    pub channel: &'static str,
}

/// `later` waits two seconds on the wall: rules run twenty times as fast.
pub const RULES: [Rule; 6] = [
    Rule { name: "news", kind: "news.wanted", purpose: "marketing", before: "", channel: "email" },
    Rule {
        name: "offer",
        kind: "offer.wanted",
        purpose: "marketing",
        before: "  - promo_code: { prefix: AB, discount: 10%, valid_for: 7d }\n",
        channel: "email",
    },
    Rule {
        name: "later",
        kind: "later.wanted",
        purpose: "marketing",
        before: "  - wait: 40s\n",
        channel: "email",
    },
    Rule { name: "receipt", kind: "order.placed", purpose: "transactional", before: "", channel: "email" },
    Rule { name: "parcel", kind: "parcel.sent", purpose: "transactional", before: "", channel: "sms" },
    Rule { name: "flash", kind: "flash.sale", purpose: "marketing", before: "", channel: "sms" },
];

impl Rule {
    pub fn file(&self) -> String {
        let exit = if self.name == "later" { "exit_on: [later.cancelled]\n" } else { "" };
        format!(
            "rule: {}\npurpose: {}\ntrigger: {{ event: {} }}\n{exit}steps:\n{}  - send: {{ {}: {} }}\n",
            self.name, self.purpose, self.kind, self.before, self.channel, self.name
        )
    }

    pub fn is_contract(&self) -> bool {
        self.purpose == "transactional"
    }
}

/// A message that the rules ask for.
pub struct Expected {
    pub customer: String,
    pub rule: &'static Rule,
    /// The states in which it may end, and `absent` where it need not have begun.
    pub states: Vec<&'static str>,
}

pub struct Plan {
    /// Who there is. Taken in before anything else is told, for without them there is no consent.
    pub sign_ups: Vec<String>,
    /// What happens, some of it told twice, in no order.
    pub events: Vec<String>,
    /// Distinct events among `events`.
    pub distinct: usize,
    /// What cannot be used, each different.
    pub nonsense: Vec<String>,
    pub expected: Vec<Expected>,
}

impl Plan {
    /// `now` is the time of all that happens.
    pub fn of(seed: u64, now: &str) -> Self {
        let mut random = Random::new(seed, 1);
        let mut plan = Self {
            sign_ups: Vec::new(),
            events: Vec::new(),
            distinct: 0,
            nonsense: (0..random.between(1, 5)).map(|n| format!("nonsense {n} of seed {seed}")).collect(),
            expected: Vec::new(),
        };
        for n in 0..CUSTOMERS {
            plan.add_customer(n, now, &mut random);
        }
        plan.distinct = plan.events.len();
        let again: Vec<String> = plan.events.iter().filter(|_| random.one_in(8)).cloned().collect();
        plan.events.extend(again);
        random.shuffle(&mut plan.events);
        plan
    }

    fn add_customer(&mut self, n: usize, now: &str, random: &mut Random) {
        let id = format!("c{n}");
        let (agreed, withdraws, nobody) = (!random.one_in(5), random.one_in(10), random.one_in(12));
        let consents: Vec<_> = ["email", "sms"]
            .iter()
            .filter(|_| agreed)
            .map(|channel| json!({"channel": channel, "purpose": "marketing", "status": "granted", "source": "form"}))
            .collect();
        let email = if nobody { format!("nobody+{n}@example.com") } else { format!("c{n}@example.com") };
        let phone = format!("+336{:08}", 10_000_000 + n);
        let profile = json!({"email": email, "phone": phone, "first_name": id, "consents": consents});
        // Before all else, so that a withdrawal is newer.
        self.sign_ups.push(event(
            &format!("{id}-0"),
            "customer.signed_up",
            &id,
            "2026-01-01T00:00:00Z",
            profile,
        ));
        for rule in &RULES {
            if random.one_in(2) {
                continue;
            }
            self.events.push(event(&format!("{id}-{}", rule.name), rule.kind, &id, now, json!({"n": n})));
            let cancelled = rule.name == "later" && random.one_in(3);
            if cancelled {
                self.events.push(event(&format!("{id}-cancel"), "later.cancelled", &id, now, json!({})));
            }
            let mut states = fates(rule, agreed, nobody && rule.channel == "email");
            if withdraws && !rule.is_contract() {
                states.push("suppressed");
            }
            if cancelled {
                states.extend(["absent", "suppressed"]);
            }
            self.expected.push(Expected { customer: id.clone(), rule, states });
        }
        if withdraws {
            let words: Vec<_> = ["email", "sms"]
                .map(|channel| json!({"channel": channel, "purpose": "marketing", "status": "withdrawn"}))
                .to_vec();
            self.events.push(event(
                &format!("{id}-word"),
                "consent.changed",
                &id,
                now,
                json!({"consents": words}),
            ));
        }
    }
}

/// The states in which a message may end whatever goes wrong around it: a contract's is never left unknown.
fn fates(rule: &Rule, agreed: bool, nobody: bool) -> Vec<&'static str> {
    match (rule.is_contract(), agreed, nobody) {
        (false, false, _) => vec!["suppressed"],
        // Refused, or never tried because the address was refused before.
        (true, _, true) => vec!["failed", "suppressed"],
        (false, _, true) => vec!["failed", "suppressed", "uncertain"],
        (true, ..) => vec!["sent", "delivered"],
        (false, ..) => vec!["sent", "delivered", "uncertain"],
    }
}
