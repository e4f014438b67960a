//! The steps of a rule, flattened into a program.
//!
//! Each step gets an id that survives edits elsewhere in the file: its own `id`, or one derived from its kind and
//! what it does, told apart by `-2`, `-3` in the order of the file.

use std::collections::BTreeSet;

use super::reader::{Fields, Reader, is_name};
use super::syntax::{Mentions, condition};
use super::tree::{Kind, Node};
use super::{Discount, Op, PromoSpec, Send, Wait};
use chrono::TimeDelta;

use crate::domain::consent::Channel;
use crate::domain::diagnostic::{Diagnostic, did_you_mean};

/// How long after its planned instant a message may still go, unless its step says otherwise.
const EXPIRE_AFTER: TimeDelta = TimeDelta::hours(24);

/// How deep `if` steps may stand in one another: no reader follows more.
const MAX_DEPTH: usize = 8;

/// The most steps of one rule.
const MAX_STEPS: usize = 200;

const KINDS: [&str; 4] = ["wait", "send", "if", "promo_code"];

/// The fields of each kind of step, and of the mappings within them.
pub(super) const WAIT_STEP: [&str; 2] = ["wait", "id"];
pub(super) const WAIT: [&str; 2] = ["until", "id"];
pub(super) const SEND_STEP: [&str; 2] = ["send", "id"];
pub(super) const SEND: [&str; 7] =
    ["email", "sms", "prefer", "expire_after", "wait_for_consent", "confirm", "id"];
pub(super) const IF_STEP: [&str; 4] = ["if", "then", "else", "id"];
pub(super) const PROMO_CODE_STEP: [&str; 2] = ["promo_code", "id"];
pub(super) const PROMO_CODE: [&str; 4] = ["prefix", "discount", "valid_for", "id"];

/// Reads the steps. `None` means that something was reported.
pub(super) fn program<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    mentions: &mut Mentions,
) -> Option<Vec<Op>> {
    let before = reader.diagnostics.len();
    let mut writer =
        Writer { mentions, ops: Vec::new(), places: Vec::new(), taken: BTreeSet::new(), branches: 0 };
    writer.take_given_ids(reader, node, 0);
    writer.steps(reader, node, 0);
    // Steps that could not be read would make promo codes look lost.
    if reader.diagnostics.len() == before {
        writer.check_promo_codes(reader);
    }
    if reader.diagnostics.len() != before {
        return None;
    }
    if !writer.ops.iter().any(|op| matches!(op, Op::Send(_))) {
        let warning = Diagnostic::warning("E0219", reader.path, node.span.clone(), "this rule sends nothing");
        reader.report(warning.help("add a step like `- send: { email: welcome }`"));
    }
    Some(writer.ops)
}

struct Writer<'r> {
    mentions: &'r mut Mentions,
    ops: Vec<Op>,
    /// For each operation, the place of its step.
    places: Vec<std::ops::Range<usize>>,
    taken: BTreeSet<String>,
    branches: usize,
}

impl Writer<'_> {
    /// Ids that are given are not derived for others, wherever in the file they stand.
    fn take_given_ids<'a>(&mut self, reader: &mut Reader<'a>, node: &'a Node, depth: usize) {
        let Kind::List(steps) = &node.kind else { return };
        for step in steps.iter().filter(|_| depth <= MAX_DEPTH) {
            let Kind::Map(entries) = &step.kind else { continue };
            let inner = entries.iter().filter_map(|(key, value)| match &value.kind {
                Kind::Map(inner) if KINDS.contains(&key.name.as_str()) => Some(inner.iter()),
                _ => None,
            });
            for (key, value) in entries.iter().chain(inner.flatten()).filter(|(key, _)| key.name == "id") {
                let Some(id) = reader.text(value, "id") else { continue };
                if !is_name(id) {
                    let message =
                        format!("`{id}` cannot be a step's id: use small letters, digits, `-` and `_`");
                    reader.error("E0209", value.span.clone(), message);
                } else if !self.taken.insert(id.to_owned()) {
                    reader.error(
                        "E0209",
                        key.span.start..value.span.end,
                        format!("two steps have the id `{id}`"),
                    );
                }
            }
            for (_, value) in entries.iter().filter(|(key, _)| key.name == "then" || key.name == "else") {
                self.take_given_ids(reader, value, depth + 1);
            }
        }
    }

    fn id(&mut self, given: Option<&Node>, derived: &str) -> String {
        if let Some(Node { kind: Kind::Scalar(id), .. }) = given {
            return id.trim().to_owned();
        }
        let mut id = derived.to_owned();
        let mut count = 1;
        while !self.taken.insert(id.clone()) {
            count += 1;
            id = format!("{derived}-{count}");
        }
        id
    }

    fn push(&mut self, op: Op, node: &Node) {
        self.ops.push(op);
        self.places.push(node.span.clone());
    }

    fn steps<'a>(&mut self, reader: &mut Reader<'a>, node: &'a Node, depth: usize) {
        let Kind::List(steps) = &node.kind else {
            let message = format!("steps must be a list, not {}", node.kind.words());
            let diagnostic = Diagnostic::error("E0208", reader.path, node.span.clone(), message);
            return reader
                .report(diagnostic.help("begin each step with `- `, like `- send: { email: welcome }`"));
        };
        if steps.is_empty() {
            reader.error("E0208", node.span.clone(), "there is no step here");
        }
        if depth > MAX_DEPTH {
            let message = format!("`if` steps stand more than {MAX_DEPTH} deep in one another");
            return reader.error("E0208", node.span.clone(), message);
        }
        for step in steps {
            if self.ops.len() > MAX_STEPS {
                return reader.error(
                    "E0208",
                    step.span.clone(),
                    format!("a rule has at most {MAX_STEPS} steps"),
                );
            }
            self.step(reader, step, depth);
        }
    }

    fn step<'a>(&mut self, reader: &mut Reader<'a>, node: &'a Node, depth: usize) {
        let names: Vec<&str> = match &node.kind {
            Kind::Map(entries) => entries.iter().map(|(key, _)| key.name.as_str()).collect(),
            _ => Vec::new(),
        };
        let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| names.contains(kind)).collect();
        match kinds.as_slice() {
            ["wait"] => self.wait(reader, node),
            ["send"] => self.send(reader, node),
            ["if"] => self.branch(reader, node, depth),
            [_] => self.promo_code(reader, node),
            [] => {
                let near = names.iter().find_map(|name| did_you_mean(name, KINDS));
                let message = "a step is one of `wait`, `send`, `if` and `promo_code`";
                let diagnostic = Diagnostic::error("E0208", reader.path, node.span.clone(), message);
                reader.report(match (near, &node.kind) {
                    (Some(near), _) => diagnostic.help(format!("did you mean `{near}`?")),
                    (None, Kind::Scalar(text)) if KINDS.iter().any(|kind| text.starts_with(kind)) => {
                        diagnostic.help("put a `:` and a space after its kind, like `- wait: 1h`")
                    }
                    _ => diagnostic.help("write it like `- wait: 1h`"),
                });
            }
            [first, second, ..] => {
                let message = format!("one step cannot be both `{first}` and `{second}`");
                let diagnostic = Diagnostic::error("E0208", reader.path, node.span.clone(), message);
                reader.report(diagnostic.help("begin the second one with `- ` on a line of its own"));
            }
        }
    }

    fn wait<'a>(&mut self, reader: &mut Reader<'a>, node: &'a Node) {
        let Some(fields) = reader.fields(node, "a `wait` step", &WAIT_STEP) else { return };
        let Some(value) = fields.get("wait") else { return };
        let given = fields.get("id");
        if !matches!(value.kind, Kind::Map(_)) {
            let Some(text) = reader.text(value, "wait") else { return };
            let Some(length) = reader.duration(value, "wait") else { return };
            let id = self.id(given, &format!("wait-{text}"));
            return self.push(Op::Wait { id, wait: Wait::For(length) }, node);
        }
        let Some(inner) = reader.fields(value, "`wait`", &WAIT) else { return };
        let example = "wait: { until: \"09:00\" }";
        let Some(until) = reader.required(&inner, "until", "`wait`", example) else { return };
        let Some(time) = reader.time(until, "until") else { return };
        let id = self.id(given.or(inner.get("id")), &format!("wait-until-{}", time.format("%H-%M")));
        self.push(Op::Wait { id, wait: Wait::Until(time) }, node);
    }

    fn send<'a>(&mut self, reader: &mut Reader<'a>, node: &'a Node) {
        let Some(fields) = reader.fields(node, "a `send` step", &SEND_STEP) else { return };
        let Some(value) = fields.get("send") else { return };
        if let Kind::Scalar(text) = &value.kind {
            let message = "`send` must say on which channel";
            let diagnostic = Diagnostic::error("E0105", reader.path, value.span.clone(), message);
            return reader.report(diagnostic.help(format!("write `send: {{ email: {text} }}`")));
        }
        let before = reader.diagnostics.len();
        let Some(inner) = reader.fields(value, "`send`", &SEND) else { return };
        if inner.get("email").is_none() && inner.get("sms").is_none() {
            // A misspelt channel has been reported already.
            if reader.diagnostics.len() != before {
                return;
            }
            let message = "`send` must say on which channel";
            let diagnostic = Diagnostic::error("E0105", reader.path, value.span.clone(), message);
            return reader
                .report(diagnostic.help("name a template, like `email: welcome` or `sms: welcome`"));
        }
        let email = template_name(reader, &inner, "email");
        let sms = template_name(reader, &inner, "sms");
        let prefer = preferred(reader, &inner);
        let expire_after = optional_duration(reader, &inner, "expire_after");
        let wait_for_consent = optional_duration(reader, &inner, "wait_for_consent");
        let (Some(email), Some(sms), Some(prefer)) = (email, sms, prefer) else { return };
        let (Some(expire_after), Some(wait_for_consent)) = (expire_after, wait_for_consent) else { return };
        let confirm = match inner.get("confirm") {
            Some(node) => match reader.text(node, "confirm") {
                Some(purpose) => {
                    self.mentions.confirmed.push((purpose.to_owned(), node.span.clone()));
                    Some(purpose.to_owned())
                }
                None => return,
            },
            None => None,
        };
        let name = email.as_ref().or(sms.as_ref()).map_or_else(String::new, |n| n.replace('/', "-"));
        let id = self.id(fields.get("id").or(inner.get("id")), &format!("send-{name}"));
        let send = Send {
            id,
            email,
            sms,
            prefer,
            expire_after: expire_after.unwrap_or(EXPIRE_AFTER),
            wait_for_consent,
            confirm,
        };
        self.push(Op::Send(send), node);
    }

    fn branch<'a>(&mut self, reader: &mut Reader<'a>, node: &'a Node, depth: usize) {
        let Some(fields) = reader.fields(node, "an `if` step", &IF_STEP) else { return };
        let condition = fields.get("if").and_then(|node| condition(reader, node, "if", self.mentions));
        self.branches += 1;
        let id = self.id(fields.get("id"), &format!("if-{}", self.branches));
        let at = self.ops.len();
        let unset = usize::MAX;
        // Goes on without its condition when that is wrong, to report what is wrong in the branches too.
        match condition {
            Some(condition) => self.push(Op::Branch { id, condition, on_false: unset, end: unset }, node),
            None => self.push(Op::Jump(at + 1), node),
        }
        if let Some(then) = reader.required(&fields, "then", "an `if` step", "then: [{ wait: 1h }]") {
            self.steps(reader, then, depth + 1);
        }
        let mut otherwise = self.ops.len();
        if let Some(node) = fields.get("else") {
            let jump = self.ops.len();
            self.push(Op::Jump(unset), node);
            otherwise = self.ops.len();
            self.steps(reader, node, depth + 1);
            self.ops[jump] = Op::Jump(self.ops.len());
        }
        let after = self.ops.len();
        if let Some(Op::Branch { on_false, end, .. }) = self.ops.get_mut(at) {
            (*on_false, *end) = (otherwise, after);
        }
    }

    fn promo_code<'a>(&mut self, reader: &mut Reader<'a>, node: &'a Node) {
        let Some(fields) = reader.fields(node, "a `promo_code` step", &PROMO_CODE_STEP) else { return };
        let Some(value) = fields.get("promo_code") else { return };
        let what = "`promo_code`";
        let Some(inner) = reader.fields(value, what, &PROMO_CODE) else {
            return;
        };
        let prefix = reader.required(&inner, "prefix", what, "prefix: CART").and_then(|node| {
            let text = reader.text(node, "prefix")?;
            let fits = text.len() <= 10 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if !fits {
                let message =
                    format!("`{text}` cannot begin a promo code: use at most 10 capital letters and digits");
                reader.error("E0210", node.span.clone(), message);
            }
            fits.then(|| text.to_owned())
        });
        let discount = reader.required(&inner, "discount", what, "discount: 10%").and_then(|node| {
            let text = reader.text(node, "discount")?;
            reader.checked(node, "E0210", parse_discount(text))
        });
        let valid_for = reader
            .required(&inner, "valid_for", what, "valid_for: 7d")
            .and_then(|node| reader.duration(node, "valid_for"));
        let (Some(prefix), Some(discount), Some(valid_for)) = (prefix, discount, valid_for) else { return };
        let id = self.id(fields.get("id").or(inner.get("id")), &format!("promo-{prefix}"));
        self.push(Op::PromoCode(PromoSpec { id, prefix, discount, valid_for }), node);
    }

    /// A code that no mail carries is never issued: that is a mistake.
    fn check_promo_codes(&self, reader: &mut Reader<'_>) {
        for (at, op) in self.ops.iter().enumerate() {
            if !matches!(op, Op::PromoCode(_)) {
                continue;
            }
            let (mut open, mut seen, mut carried) = (vec![at + 1], BTreeSet::new(), false);
            while let Some(next) = open.pop().filter(|_| !carried) {
                if !seen.insert(next) {
                    continue;
                }
                match self.ops.get(next) {
                    Some(Op::Send(_)) => carried = true,
                    Some(Op::Wait { .. }) => open.push(next + 1),
                    Some(Op::Branch { on_false, end, .. }) => open.extend([next + 1, *on_false, *end]),
                    Some(Op::Jump(to)) => open.push(*to),
                    // Another code takes this one's place.
                    Some(Op::PromoCode(_)) | None => {}
                }
            }
            if !carried {
                let message = "no `send` comes after this promo code, so nobody would ever see it";
                let diagnostic = Diagnostic::error("E0210", reader.path, self.places[at].clone(), message);
                reader.report(diagnostic.help("put it before the `send` whose mail shows it"));
            }
        }
    }
}

/// The template that `field` names. `Some(None)` when the field is not there, `None` when it is wrong.
fn template_name<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, field: &str) -> Option<Option<String>> {
    let Some(node) = fields.get(field) else { return Some(None) };
    let name = reader.text(node, field)?;
    if !name.split('/').all(is_name) {
        let message = format!("`{name}` cannot be a template's name: use small letters, digits, `-` and `_`");
        reader.error("E0218", node.span.clone(), message);
        return None;
    }
    Some(Some(name.to_owned()))
}

/// `prefer: email | sms`, where there are both to choose from.
fn preferred<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> Option<Option<Channel>> {
    let Some((key, node)) = fields.entry("prefer") else { return Some(None) };
    if fields.get("email").is_none() || fields.get("sms").is_none() {
        let message = "`prefer` has nothing to choose from: this step has one channel";
        let diagnostic = Diagnostic::error("E0211", reader.path, key.span.clone(), message);
        reader.report(diagnostic.help("name a template for the other channel too, or take `prefer` out"));
        return None;
    }
    let known = [("email", Channel::Email), ("sms", Channel::Sms)];
    reader.choice(node, "prefer", &known).map(Some)
}

/// `Some(None)` when the field is not there, `None` when it is wrong.
fn optional_duration<'a>(
    reader: &mut Reader<'a>,
    fields: &Fields<'a>,
    name: &str,
) -> Option<Option<TimeDelta>> {
    match fields.get(name) {
        Some(node) => reader.duration(node, name).map(Some),
        None => Some(None),
    }
}

/// Reads `10%` or `5 EUR`.
fn parse_discount(text: &str) -> Result<Discount, String> {
    const SHAPE: &str = "write it like `10%` or `5 EUR`";
    let wrong = || format!("`{text}` is not a discount: {SHAPE}");
    if let Some(percent) = text.strip_suffix('%') {
        let hundredths = hundredths(percent.trim_end()).ok_or_else(wrong)?;
        return match u32::try_from(hundredths) {
            Ok(value @ 1..=10_000) => Ok(Discount::Percent(value)),
            _ => Err(format!("a discount of `{text}` makes no sense: it goes from 0.01% to 100%")),
        };
    }
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, currency) = (&text[..split], text[split..].trim());
    let currency = match currency {
        "€" => return Err(format!("`{text}` is not a discount: write `{number} EUR`")),
        code if code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()) => code,
        _ => return Err(wrong()),
    };
    match hundredths(number).ok_or_else(wrong)? {
        0 => Err("a discount of nothing makes no sense".to_owned()),
        value => Ok(Discount::Amount(value, currency.to_owned())),
    }
}

/// `12.5` → 1250, at most two decimals.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 9 || decimals.len() > 2 {
        return None;
    }
    Some(whole.parse::<u64>().ok()? * 100 + format!("{decimals:0<2}").parse::<u64>().ok()?)
}
