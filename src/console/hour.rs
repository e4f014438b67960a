//! What happened in a stretch of time, beside the one before: why sends dropped at two.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use axum::extract::{Extension, Query, State};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::frame::{Place, Visit, below, in_query, link};
use super::overview::happened;
use super::plot;
use super::stretches::{acts, stretches};
use super::sums::Sums;
use super::{Console, Shown, words};
use crate::domain::figures::{Figure, Grain};
use crate::ops::page::escape;

/// The longest stretch that is looked at.
const LONGEST: TimeDelta = TimeDelta::days(7);

/// Lines of a table at most.
const LINES: usize = 12;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

pub(super) async fn show(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Shown {
    let lang = visit.lang;
    let asked = asked
        .ok()
        .map(|Query(asked)| asked)
        .filter(|asked| asked.from < asked.until && asked.until - asked.from <= LONGEST);
    let Some(Asked { from, until }) = asked else {
        let words = lang.pick("Date invalide.", "This is no time.");
        return Ok(visit.missing(Place::Overview, words));
    };
    let length = until - from;
    let store = &console.store;
    // Hours where the stretch is made of them, and long enough to be worth it.
    let whole = |at: DateTime<Utc>| Grain::Hour.start(at) == at;
    let coarse = whole(from) && whole(until) && length >= TimeDelta::hours(2);
    let grain = if coarse { Grain::Hour } else { Grain::Slot };
    let now_figures = store.figures_over_time(from, until, grain).await?;
    let (now, before) =
        (Sums::of(&now_figures), Sums::of(&store.figures_over_time(from - length, from, grain).await?));
    let title = format!("{} {} – {}", visit.day(from), visit.hour(from), visit.hour(until));
    let (earlier, later) = lang.pick(("← avant", "après →"), ("← before", "after →"));
    let mut main = format!(
        "<h1>{title}</h1>\n<nav class=\"spans\" aria-label=\"{}\"><a href=\"{}\">{earlier}</a><a href=\"{}\">{later}</a></nav>",
        lang.pick("Temps", "Time"),
        escape(&plot::hour(from - length, from)),
        escape(&plot::hour(until, until + length)),
    );
    let mut stories: Vec<String> = now
        .trouble
        .iter()
        .map(|(about, seconds)| {
            let words = escape(&words::trouble(lang, about));
            format!("<li class=\"grave\">{words}{}{}</li>", visit.colon(), words::lasting(*seconds))
        })
        .collect();
    let acts = acts(&console).await?;
    for stretch in stretches(&acts).iter().filter(|stretch| stretch.touches(from, until)) {
        let until = stretch
            .until
            .map_or_else(|| lang.pick("et encore", "and still").to_owned(), |until| visit.time(until));
        let why = stretch
            .why
            .as_deref()
            .map_or(String::new(), |why| format!("{}{}", visit.colon(), visit.quoted(why)));
        let (words, by) = (escape(&stretch.words(&visit)), escape(&stretch.by));
        stories.push(format!(
            "<li class=\"grave\"><span>{words}, {} – {until}, {by}{why}</span></li>",
            visit.time(stretch.since)
        ));
    }
    for (at, words) in happened(&console, &visit, from, until, &now_figures, &acts).await? {
        stories.push(format!("<li class=\"mild\"><span>{} {}</span></li>", visit.time(at), escape(&words)));
    }
    if stories.is_empty() {
        let nothing = lang.pick(
            "Aucune panne, pause, publication ni démarrage n’est connu de ce temps.",
            "No fault, pause, publication or start is known of this time.",
        );
        let _ = write!(main, "<p class=\"lead\">{nothing}</p>");
    } else {
        let _ = write!(main, "<ul class=\"matters\">{}</ul>", stories.concat());
    }
    main.push_str(&totals(&visit, &now, &before));
    let rules = |figures: Vec<Figure>| -> Vec<Figure> {
        figures.into_iter().filter(|figure| !figure.rule.is_empty()).collect()
    };
    let by_rule = rules(store.figures_by_rule(from, until, grain).await?);
    let by_rule_before = rules(store.figures_by_rule(from - length, from, grain).await?);
    main.push_str(&of_rules(&visit, &by_rule, &by_rule_before));
    let to = format!("/messages?until={}", in_query(&until.to_rfc3339()));
    let _ = write!(
        main,
        "<p>{}</p>",
        link(&to, lang.pick("Les messages prévus jusque-là", "The messages planned until then"))
    );
    Ok(visit.page(Place::Overview, &title, &main))
}

/// What came to what, in this time and in the one before.
fn totals(visit: &Visit, now: &Sums, before: &Sums) -> String {
    let lang = visit.lang;
    let mut lines = vec![
        (lang.pick("Événements reçus", "Events taken in").to_owned(), before.events, now.events),
        (lang.pick("Événements inutilisables", "Unusable events").to_owned(), before.refused, now.refused),
        (lang.pick("Parcours commencés", "Journeys begun").to_owned(), before.begun, now.begun),
        (lang.pick("Codes promo", "Promo codes").to_owned(), before.codes, now.codes),
    ];
    let all: BTreeSet<&String> = now.messages.keys().chain(before.messages.keys()).collect();
    let count = |sums: &Sums, what: &str| sums.messages.get(what).copied().unwrap_or(0);
    lines.extend(all.into_iter().map(|what| {
        let meant = match what.as_str() {
            "pending" => lang.pick("décidés, à envoyer", "decided, to be sent").to_owned(),
            other => words::what(visit, other),
        };
        let words = format!("Messages{}{meant}", visit.colon());
        (words, count(before, what), count(now, what))
    }));
    lines.retain(|(_, before, now)| *before > 0 || *now > 0);
    table(
        visit,
        lang.pick("Ce qui a changé", "What changed"),
        lang.pick("Quoi", "What"),
        lines.into_iter().map(|(name, before, now)| (escape(&name), before, now)),
    )
}

/// The messages sent by each rule, those that changed most first.
fn of_rules(visit: &Visit, now: &[Figure], before: &[Figure]) -> String {
    let names: BTreeSet<&str> = now.iter().chain(before).map(|figure| figure.rule.as_str()).collect();
    let sent =
        |figures: &[Figure], rule: &str| Sums::of(figures.iter().filter(|figure| figure.rule == rule)).sent;
    let mut lines: Vec<_> =
        names.into_iter().map(|rule| (rule, sent(before, rule), sent(now, rule))).collect();
    lines.retain(|(_, before, now)| *before > 0 || *now > 0);
    lines.sort_by_key(|(_, before, now)| std::cmp::Reverse((before - now).abs()));
    let lang = visit.lang;
    let lines =
        lines.into_iter().map(|(rule, before, now)| (link(&below("/rules", rule), rule), before, now));
    table(visit, lang.pick("Envoyés, par règle", "Sent, by rule"), lang.pick("Règle", "Rule"), lines)
}

fn table(visit: &Visit, title: &str, what: &str, lines: impl Iterator<Item = (String, i64, i64)>) -> String {
    let mut rows = String::new();
    for (name, before, now) in lines.take(LINES * 2) {
        let change = now - before;
        let class = if change < 0 { "n down" } else { "n" };
        let plus = if change > 0 { "+" } else { "" };
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{name}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"{class}\">{plus}{}</td></tr>",
            visit.number(before),
            visit.number(now),
            visit.number(change)
        );
    }
    if rows.is_empty() {
        return String::new();
    }
    let (before, now, change) = visit.lang.pick(("avant", "alors", "écart"), ("before", "then", "change"));
    format!(
        "<h2>{title}</h2><div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table><thead><tr><th scope=\"col\">{what}</th>\
         <th scope=\"col\" class=\"n\">{before}</th><th scope=\"col\" class=\"n\">{now}</th><th scope=\"col\" class=\"n\">{change}</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}
