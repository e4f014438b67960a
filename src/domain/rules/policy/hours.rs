//! `quiet_hours` of the policy, and the shipped presets, which are written alike.

use chrono::{TimeDelta, Timelike};

use super::super::Policy;
use super::super::reader::{Fields, Reader, listed};
use super::super::timing::parse_time;
use super::super::tree::{self, Kind, Node};
use super::country;
use super::{channel, purpose};
use crate::domain::diagnostic::{Diagnostic, did_you_mean};
use crate::domain::hours::holidays::Calendar;
use crate::domain::hours::{Holidays, Hours, HoursRule, QuietHours, Range, presets};
use crate::domain::rules::Basis;

/// The fields of `quiet_hours`, and of each of its rules.
pub(in super::super) const FIELDS: [&str; 2] = ["spread", "rules"];
pub(in super::super) const RULE: [&str; 6] = ["channel", "purpose", "country", "use", "allowed", "holidays"];

const WHAT: &str = "a rule of `quiet_hours`";

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What people write instead of days, in small letters.
const MEANT: [(&str, &str); 7] = [
    ("weekday", "mon-fri"),
    ("weekdays", "mon-fri"),
    ("weekend", "sat-sun"),
    ("weekends", "sat-sun"),
    ("daily", "mon-sun"),
    ("everyday", "mon-sun"),
    ("all", "mon-sun"),
];

const MIDNIGHT: u32 = 86_400;

const EXAMPLE: &str = "allowed: { mon-fri: \"08:00-20:00\" }";

/// Reads `quiet_hours`. The policy's purposes must be known.
pub(super) fn quiet_hours<'a>(reader: &mut Reader<'a>, node: &'a Node, policy: &Policy) -> QuietHours {
    let mut hours = QuietHours::default();
    let Some(fields) = reader.fields(node, "`quiet_hours`", &FIELDS) else { return hours };
    let mut nodes = Vec::new();
    if let Some(list) = fields.get("rules") {
        match &list.kind {
            Kind::List(rules) => {
                for node in rules {
                    if let Some(rule) = rule(reader, node, policy) {
                        hours.rules.push(rule);
                        nodes.push(node);
                    }
                }
            }
            other => {
                let message = format!("`rules` of `quiet_hours` must be a list, not {}", other.words());
                let diagnostic = Diagnostic::error("E0105", reader.path, list.span.clone(), message);
                reader.report(diagnostic.help("begin each with a dash: `- { channel: sms, use: fr-sms }`"));
            }
        }
    }
    for (later, node) in nodes.into_iter().enumerate() {
        let unreached = |earlier: &&HoursRule| covers(earlier, &hours.rules[later], policy);
        if hours.rules[..later].iter().any(|earlier| unreached(&earlier)) {
            let message = "this rule never holds: an earlier one fits all that it fits";
            let diagnostic = Diagnostic::error("E0405", reader.path, first_key(node), message);
            reader.report(diagnostic.help("the first that fits holds: put the narrower one first"));
        }
    }
    if let Some(node) = fields.get("spread") {
        hours.spread = spread(reader, node, &hours).unwrap_or(hours.spread);
    }
    hours
}

/// Reads the hours of a shipped preset.
///
/// # Errors
/// What is wrong with it: a mistake of ours, which a test finds.
pub(in crate::domain) fn shipped_hours(name: &str, text: &str) -> Result<Hours, Vec<Diagnostic>> {
    let tree = tree::parse(name, text)?;
    let mut reader = Reader::new(name, text);
    let hours = reader
        .fields(&tree, "a preset", &["allowed", "holidays"])
        .and_then(|fields| allowed_hours(&mut reader, &fields));
    hours.filter(|_| reader.diagnostics.is_empty()).ok_or(reader.diagnostics)
}

fn rule<'a>(reader: &mut Reader<'a>, node: &'a Node, policy: &Policy) -> Option<HoursRule> {
    let fields = reader.fields(node, WHAT, &RULE)?;
    let before = reader.diagnostics.len();
    let rule = HoursRule {
        channel: fields.get("channel").and_then(|node| channel(reader, node)),
        purpose: fields.get("purpose").and_then(|node| purpose(reader, node, policy)),
        countries: fields.get("country").map_or_else(Vec::new, |node| country::list(reader, node)),
        hours: hours(reader, &fields),
    };
    // A rule with a mistake would seem wider than it was meant.
    (reader.diagnostics.len() == before).then_some(rule)
}

/// The hours of a rule: a preset's or its own; none for `use: none`, or after a report.
fn hours<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> Option<Hours> {
    let Some((key, preset)) = fields.entry("use") else { return allowed_hours(reader, fields) };
    if fields.get("allowed").is_some() {
        let message = format!("{WHAT} takes either `use` or `allowed`, not both");
        reader.error("E0405", key.span.clone(), message);
        return None;
    }
    let known: Vec<(&str, Option<&Hours>)> =
        presets::names().map(|name| (name, presets::named(name))).chain([("none", None)]).collect();
    let preset = reader.choice(preset, "use", &known)?;
    let days_off = fields.entry("holidays");
    let Some(preset) = preset else {
        if let Some((key, _)) = days_off {
            let diagnostic =
                Diagnostic::error("E0405", reader.path, key.span.clone(), "`use: none` knows no holidays");
            reader.report(
                diagnostic.help("for any time but on holidays, write `allowed: \"00:00-24:00\"` instead"),
            );
        }
        return None;
    };
    let mut hours = preset.clone();
    if let Some((_, node)) = days_off {
        hours.holidays = holidays(reader, node)?;
    }
    Some(hours)
}

fn allowed_hours<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> Option<Hours> {
    let week = reader.required(fields, "allowed", WHAT, EXAMPLE).and_then(|node| week(reader, node));
    let holidays = match fields.get("holidays") {
        Some(node) => holidays(reader, node),
        None => Some(Holidays::None),
    };
    Some(Hours { week: week?, holidays: holidays? })
}

fn holidays<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<Holidays> {
    let text = reader.text(node, "holidays")?;
    let words = [("none", Holidays::None), ("local", Holidays::Local)];
    let calendars = Calendar::ALL.map(|calendar| (calendar.name(), Holidays::Of(calendar)));
    let known = || words.iter().chain(&calendars);
    if let Some((_, holidays)) = known().find(|(name, _)| *name == text) {
        return Some(*holidays);
    }
    let near = known()
        .map(|(name, _)| *name)
        .find(|name| name.eq_ignore_ascii_case(text) || name.eq_ignore_ascii_case(&format!("FR-{text}")))
        .or_else(|| did_you_mean(text, known().map(|(name, _)| *name)));
    let diagnostic = Diagnostic::error(
        "E0405",
        reader.path,
        node.span.clone(),
        format!("no holidays are known for `{text}`"),
    );
    let names: Vec<&str> = known().map(|(name, _)| *name).collect();
    reader.report(match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("it is one of {}", listed(&names))),
    });
    None
}

/// The days of a week and their hours, or the same for every day.
fn week<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<[Vec<Range>; 7]> {
    if let Kind::Scalar(_) | Kind::List(_) = &node.kind {
        let ranges = ranges(reader, node, "allowed")?;
        return Some(std::array::from_fn(|_| ranges.clone()));
    }
    let mut week: [Option<Vec<Range>>; 7] = Default::default();
    let fields = reader.open_fields(node, "`allowed`")?;
    let before = reader.diagnostics.len();
    for (key, value) in fields.iter() {
        let days = match days(&key.name) {
            Ok(days) => days,
            Err(help) => {
                let message = format!("`{}` is not a day, nor days", key.name);
                reader.report(Diagnostic::error("E0405", reader.path, key.span.clone(), message).help(help));
                continue;
            }
        };
        let Some(ranges) = ranges(reader, value, &key.name) else { continue };
        if let Some(day) = days.iter().find(|day| week[**day].is_some()) {
            let message = format!("`{}` is given its hours twice", DAYS[*day]);
            let diagnostic = Diagnostic::error("E0405", reader.path, key.span.clone(), message);
            reader.report(diagnostic.help("name each day once, with a list where it has several hours"));
        }
        for day in days {
            week[day] = Some(ranges.clone());
        }
    }
    let week = week.map(Option::unwrap_or_default);
    if reader.diagnostics.len() > before {
        return None;
    }
    if week.iter().all(Vec::is_empty) {
        let message = "no day has hours: nothing would ever be sent";
        let diagnostic = Diagnostic::error("E0405", reader.path, node.span.clone(), message);
        reader.report(diagnostic.help(format!(
            "name days and hours, like `{EXAMPLE}`; for messages at any time, write `use: none`"
        )));
        return None;
    }
    Some(week)
}

/// The days that a key names: `mon`, `mon-fri` or `sat-mon`.
fn days(text: &str) -> Result<Vec<usize>, String> {
    let day = |word: &str| {
        DAYS.iter().position(|day| *day == word).ok_or_else(|| {
            let lower = word.to_lowercase();
            if let Some((_, meant)) = MEANT.iter().find(|(word, _)| *word == lower) {
                return format!("did you mean `{meant}`?");
            }
            let short = lower.chars().take(3).collect::<String>();
            match DAYS.iter().find(|day| **day == short).copied().or_else(|| did_you_mean(&short, DAYS)) {
                Some(near) => format!("did you mean `{}`?", text.replacen(word, near, 1)),
                None => format!("the days are {}, or several like `mon-fri`", listed(&DAYS)),
            }
        })
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (day(first.trim())?, day(last.trim())?),
        None => (day(text)?, day(text)?),
    };
    Ok((0..=(last + 7 - first) % 7).map(|more| (first + more) % 7).collect())
}

/// One range of hours or a list of them; what touches is joined.
fn ranges<'a>(reader: &mut Reader<'a>, node: &'a Node, field: &str) -> Option<Vec<Range>> {
    let nodes = match &node.kind {
        Kind::List(nodes) => nodes.iter().collect(),
        _ => vec![node],
    };
    if nodes.is_empty() {
        let diagnostic =
            Diagnostic::error("E0105", reader.path, node.span.clone(), format!("`{field}` is empty"));
        reader.report(diagnostic.help("leave out a day on which nothing may go"));
        return None;
    }
    let mut all: Vec<(Range, &Node)> = Vec::new();
    let before = reader.diagnostics.len();
    for node in nodes {
        if let Some(range) = range(reader, node, field) {
            all.push((range, node));
        }
    }
    all.sort_by_key(|(range, _)| *range);
    for pair in all.windows(2) {
        if pair[1].0.from < pair[0].0.to {
            let message = format!("`{field}` has hours that overlap: write them as one");
            reader.error("E0405", pair[1].1.span.clone(), message);
        }
    }
    let mut joined: Vec<Range> = Vec::new();
    for (range, _) in all {
        match joined.last_mut() {
            Some(last) if last.to == range.from => last.to = range.to,
            _ => joined.push(range),
        }
    }
    (reader.diagnostics.len() == before).then_some(joined)
}

/// `08:00-20:00`; the day may end at 24:00.
fn range<'a>(reader: &mut Reader<'a>, node: &'a Node, field: &str) -> Option<Range> {
    let text = reader.text(node, field)?;
    let Some((from, to)) = text.split_once('-') else {
        let message = format!("`{text}` are not hours: write them like `\"08:00-20:00\"`");
        reader.error("E0207", node.span.clone(), message);
        return None;
    };
    let end = |text: &str| match text.trim() {
        "24:00" => Ok(MIDNIGHT),
        text => parse_time(text).map(|time| time.num_seconds_from_midnight()),
    };
    let ends = end(from).and_then(|from| Ok(Range { from, to: end(to)? }));
    let range = reader.checked(node, "E0207", ends)?;
    if range.from >= range.to {
        let message = format!("`{text}` ends before it begins");
        let help = "`allowed` are the hours in which messages go; hours over midnight are two: \
                    `[\"20:00-24:00\", \"00:00-08:00\"]`";
        reader.report(Diagnostic::error("E0405", reader.path, node.span.clone(), message).help(help));
        return None;
    }
    Some(range)
}

fn spread<'a>(reader: &mut Reader<'a>, node: &'a Node, hours: &QuietHours) -> Option<TimeDelta> {
    if reader.text(node, "spread")? == "none" {
        return Some(TimeDelta::zero());
    }
    let spread = reader.duration(node, "spread")?;
    let own = hours.rules.iter().filter_map(|rule| rule.hours.as_ref());
    let shortest = own.flat_map(|hours| hours.week.iter().flatten()).map(|range| range.length()).min();
    let shortest = shortest.unwrap_or(TimeDelta::hours(11));
    if spread > shortest {
        let minutes = shortest.num_minutes();
        let message = format!("`spread` is longer than the shortest hours, which are {minutes} minutes");
        let diagnostic = Diagnostic::error("E0405", reader.path, node.span.clone(), message);
        reader.report(
            diagnostic.help(
                "deferred messages leave within this time after the hours begin; 15m is enough for most",
            ),
        );
        return None;
    }
    Some(spread)
}

/// Whether `earlier` fits whatever `later` fits.
fn covers(earlier: &HoursRule, later: &HoursRule, policy: &Policy) -> bool {
    let no_contract = |purpose: &str| policy.purposes.get(purpose).is_none_or(|p| p.basis != Basis::Contract);
    let purposes = match (&earlier.purpose, &later.purpose) {
        (None, None) => true,
        (None, Some(purpose)) => no_contract(purpose),
        (Some(earlier), later) => later.as_ref() == Some(earlier),
    };
    let countries = earlier.countries.is_empty()
        || (!later.countries.is_empty() && later.countries.iter().all(|c| earlier.countries.contains(c)));
    purposes && countries && (earlier.channel.is_none() || earlier.channel == later.channel)
}

fn first_key(node: &Node) -> std::ops::Range<usize> {
    match &node.kind {
        Kind::Map(entries) => entries.first().map_or(node.span.clone(), |(key, _)| key.span.clone()),
        _ => node.span.clone(),
    }
}
