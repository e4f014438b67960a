//! The conservation law: every event is accounted for, every message that the rules ask for has exactly one end, what the
//! providers hold is what the store says, and no marketing message went out twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::plan::{Plan, RULES};
use crate::run::{Ground, Servers};
use crate::smsc::Smsc;
use crate::support::mailbox::Mailbox;
use crate::support::run as finish;
use crate::support::shop::lines;

/// Everything that is not as it must be, in words.
pub fn breaches(
    ground: &Ground,
    servers: &Servers,
    plan: &Plan,
    mailbox: &Mailbox,
    smsc: &Smsc,
) -> Vec<String> {
    let list = ["messages", "list", "--limit", "1000000", "--format", "ndjson"];
    let messages = lines(&finish(ground.declic().args(list)));
    let mut found = Vec::new();
    events(ground, servers, plan, &mut found);
    ends(plan, &messages, &mut found);
    mails(&messages, mailbox, &mut found);
    texts(&messages, smsc, &mut found);
    outcomes(&messages, &ground.outcomes(servers), &mut found);
    found
}

fn text<'a>(message: &'a Value, field: &str) -> &'a str {
    message[field].as_str().unwrap_or_default()
}

fn is_contract(message: &Value) -> bool {
    RULES.iter().any(|rule| rule.name == text(message, "rule") && rule.is_contract())
}

/// Each event once, each unusable one parked once.
fn events(ground: &Ground, servers: &Servers, plan: &Plan, found: &mut Vec<String>) {
    let known = ground.sql(servers, "SELECT COUNT(*) FROM events").remove(0);
    let told = plan.sign_ups.len() + plan.distinct;
    if known != told.to_string() {
        found.push(format!("{told} events were told and {known} are known"));
    }
    let list = ["dead-letters", "list", "--limit", "1000", "--format", "ndjson"];
    let letters = lines(&finish(ground.declic().args(list)));
    let parked: BTreeSet<&str> = letters.iter().map(|letter| text(letter, "body")).collect();
    let nonsense: BTreeSet<&str> = plan.nonsense.iter().map(String::as_str).collect();
    if parked != nonsense || letters.len() != nonsense.len() {
        found.push(format!("dead letters: {letters:?}, expected {nonsense:?}"));
    }
}

/// Each message that the rules ask for, and no other, in a state in which it may end.
fn ends(plan: &Plan, messages: &[Value], found: &mut Vec<String>) {
    let mut by_identity: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for message in messages {
        by_identity.entry((text(message, "customer"), text(message, "rule"))).or_default().push(message);
    }
    for expected in &plan.expected {
        let key = (expected.customer.as_str(), expected.rule.name);
        let states: Vec<&str> =
            by_identity.remove(&key).unwrap_or_default().into_iter().map(|m| text(m, "state")).collect();
        let fits = match states.as_slice() {
            [] => expected.states.contains(&"absent"),
            [state] => expected.states.contains(state),
            _ => false,
        };
        if !fits {
            found.push(format!("{key:?} is {states:?}, expected one of {:?}", expected.states));
        }
    }
    found.extend(by_identity.into_keys().map(|key| format!("{key:?}: a message that nobody asked for")));
}

/// What the mail server holds is what the store says.
fn mails(messages: &[Value], mailbox: &Mailbox, found: &mut Vec<String>) {
    let taken = mailbox.taken();
    let mut by_id: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for mail in &taken {
        by_id.entry(&mail.id).or_default().push(mail.told);
    }
    for message in messages.iter().filter(|m| text(m, "channel") == "email") {
        let times = by_id.remove(text(message, "id")).unwrap_or_default();
        judge(message, times.len(), times.contains(&true), found);
    }
    found.extend(
        by_id.into_keys().map(|id| format!("the mail server has {id:?}, which the store does not know")),
    );
}

/// What the message centre holds is what the store says. Whom an SMS is for and which rule it is from is its text.
fn texts(messages: &[Value], smsc: &Smsc, found: &mut Vec<String>) {
    let accepted = smsc.accepted();
    let mut by_text: BTreeMap<String, usize> = BTreeMap::new();
    for sms in &accepted {
        let words: Vec<&str> = sms.text.split_whitespace().take(3).collect();
        *by_text.entry(words.join(" ")).or_default() += 1;
    }
    for message in messages.iter().filter(|m| text(m, "channel") == "sms") {
        let words = format!("for {} {}", text(message, "customer"), text(message, "rule"));
        let times = by_text.remove(&words).unwrap_or_default();
        judge(message, times, times > 0, found);
    }
    found.extend(
        by_text.into_keys().map(|words| format!("the message centre has {words:?}, which nobody sent")),
    );
}

/// `times`: how often a provider has taken it; `told`: whether it has ever said so.
fn judge(message: &Value, times: usize, told: bool, found: &mut Vec<String>) {
    let name = format!("{} {} of {}", text(message, "id"), text(message, "rule"), text(message, "customer"));
    let state = text(message, "state");
    if times > 1 && !is_contract(message) {
        found.push(format!("{name} went out {times} times"));
    }
    match state {
        "sent" | "delivered" if !told => found.push(format!("{name} is {state} and no provider said so")),
        "suppressed" | "failed" | "expired" if times > 0 => {
            found.push(format!("{name} is {state} and went out {times} times"));
        }
        _ => {}
    }
}

/// The shop was told the end of each message, and of each promo code before its mail.
fn outcomes(messages: &[Value], told: &[String], found: &mut Vec<String>) {
    let told: BTreeSet<&str> = told.iter().map(String::as_str).collect();
    let mut codes = BTreeSet::new();
    for message in messages {
        let id = format!("{}-{}", text(message, "id"), text(message, "state"));
        if !told.contains(id.as_str()) {
            found.push(format!("the shop was not told {id}"));
        }
        let code = text(message, "promo_code");
        if code.is_empty() || text(message, "state") == "suppressed" {
            continue;
        }
        if !told.contains(format!("promo-{code}").as_str()) {
            found.push(format!("the shop does not know the promo code of {id}"));
        }
        if !codes.insert(code) {
            found.push(format!("{id} has the promo code of another"));
        }
    }
}
