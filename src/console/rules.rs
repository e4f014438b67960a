//! Rules: what each began, sent and held back, and why; pausing one and resuming it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::{Extension, Path, Query, State};
use chrono::{DateTime, Utc};

use super::frame::{Place, Visit, below, in_query, link};
use super::overview::spans;
use super::plot::{self, Column};
use super::sums::{Asked, Span, Sums, state_of};
use super::{Console, Shown, words};
use crate::domain::figures::Figure;
use crate::domain::message::MessageState;
use crate::domain::rules::Rule;
use crate::ops::page::escape;

pub(super) async fn list(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Query(asked): Query<Asked>,
) -> Shown {
    let (lang, now) = (visit.lang, console.now());
    let span = asked.span();
    let figures = console.store.figures_by_rule(span.since(now), span.until(now), span.grain()).await?;
    let mut by_rule = BTreeMap::<&str, Vec<&Figure>>::new();
    for figure in figures.iter().filter(|figure| !figure.rule.is_empty()) {
        by_rule.entry(&figure.rule).or_default().push(figure);
    }
    let active = console.shelf.get();
    let rules = &active.book.active.rules;
    let pauses = console.pauses().await?;
    let mut rows = String::new();
    let gone = by_rule.keys().copied().filter(|name| !rules.contains_key(*name));
    for name in rules.keys().map(String::as_str).chain(gone) {
        let sums = Sums::of(by_rule.get(name).into_iter().flatten().copied());
        let standing = standing(&visit, rules.get(name).map(AsRef::as_ref), pauses.stops_rule(name));
        let cells: String = [sums.begun, sums.sent, sums.held, sums.failed, sums.codes]
            .into_iter()
            .map(|n| format!("<td class=\"n\">{}</td>", visit.number(n)))
            .collect();
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{}<span class=\"about\">{}</span></th><td>{standing}</td>{cells}</tr>",
            link(&format!("{}?span={}", below("/rules", name), span.as_str()), name),
            rules.get(name).map_or(String::new(), |rule| escape(&rule.description)),
        );
    }
    let title = lang.pick("Règles", "Rules");
    let heads: String = lang
        .pick(
            ["Commencés", "Envoyés", "Non envoyés", "Échoués", "Codes"],
            ["Begun", "Sent", "Not sent", "Failed", "Codes"],
        )
        .into_iter()
        .map(|head| format!("<th scope=\"col\" class=\"n\">{head}</th>"))
        .collect();
    let main = format!(
        "<h1>{title}</h1>{}<div class=\"card scroll\" id=\"rules\" data-live tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table><thead><tr><th scope=\"col\">{}</th>\
         <th scope=\"col\">{}</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>",
        spans(&visit, "/rules", span),
        lang.pick("Règle", "Rule"),
        lang.pick("État", "State"),
    );
    Ok(visit.page(Place::Rules, title, &main))
}

pub(super) async fn show(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Shown {
    let (lang, now) = (visit.lang, console.now());
    let span = asked.span();
    let active = console.shelf.get();
    let rule = active.book.active.rules.get(&name).map(AsRef::as_ref);
    let figures = console.store.figures_of(&name, span.since(now), span.until(now), span.grain()).await?;
    if rule.is_none() && figures.is_empty() {
        let words = lang.pick("Il n’y a pas de règle de ce nom.", "There is no rule of this name.");
        return Ok(visit.missing(Place::Rules, words));
    }
    let sums = Sums::of(&figures);
    let paused = console.pauses().await?.stops_rule(&name);
    let mut main = format!("<h1>{} {}</h1>", escape(&name), standing(&visit, rule, paused));
    if let Some(rule) = rule {
        let _ = write!(main, "<p class=\"lead\">{}</p>", escape(&rule.description));
    }
    main.push_str(&pausing(&visit, &name, paused));
    main.push_str(&spans(&visit, &below("/rules", &name), span));
    main.push_str("<div id=\"rule\" data-live>");
    main.push_str(&funnel(&visit, &name, &sums));
    main.push_str(&over_time(&visit, span, &figures, now));
    main.push_str(&reasons(&visit, &name, &sums));
    main.push_str("</div>");
    if let Some(rule) = rule {
        let _ = write!(
            main,
            "<details><summary>{}</summary><pre>{}</pre></details>",
            lang.pick("Le fichier en vigueur", "The file in force"),
            escape(&rule.source)
        );
    }
    Ok(visit.page(Place::Rules, &name, &main))
}

/// Whether a rule is in force, as a word.
fn standing(visit: &Visit, rule: Option<&Rule>, paused: bool) -> String {
    let lang = visit.lang;
    let (class, word) = match rule {
        _ if paused => ("waits", lang.pick("en pause", "paused")),
        None => ("held", lang.pick("supprimée", "deleted")),
        Some(rule) if !rule.enabled => ("held", lang.pick("désactivée", "disabled")),
        Some(_) => ("good", lang.pick("en vigueur", "in force")),
    };
    format!("<span class=\"state {class}\">{word}</span>")
}

fn pausing(visit: &Visit, name: &str, paused: bool) -> String {
    let target = format!("rule:{name}");
    let (resume, words) = visit.lang.pick(
        ("Reprendre", "Ses messages attendent ; ses parcours continuent."),
        ("Resume", "Its messages wait; its journeys go on."),
    );
    if paused {
        format!("<p>{}</p>", visit.button("resume", &target, resume, ""))
    } else {
        visit.pausing(&target, words)
    }
}

/// From the journeys begun to the messages that arrived, each part as wide as what is left.
fn funnel(visit: &Visit, name: &str, sums: &Sums) -> String {
    let lang = visit.lang;
    let decided = sums.messages.get("pending").copied().unwrap_or(0) + sums.held;
    let back = sums.in_states(&[MessageState::Bounced, MessageState::Complained]);
    let in_state = |state: &str| format!("/messages?rule={}&state={state}", in_query(name));
    let parts = [
        (lang.pick("parcours commencés", "journeys begun"), sums.begun, String::new()),
        (
            lang.pick("messages décidés", "messages decided"),
            decided,
            format!("/messages?rule={}", in_query(name)),
        ),
        (lang.pick("envoyés", "sent"), sums.sent, in_state("sent")),
        (lang.pick("revenus ou signalés", "came back or were called unwanted"), back, in_state("bounced")),
        (lang.pick("codes promo émis", "promo codes issued"), sums.codes, String::new()),
    ];
    let most = parts.iter().map(|(_, n, _)| *n).max().unwrap_or(0).max(1);
    let mut html =
        format!("<h2>{}</h2><ol class=\"funnel\">", lang.pick("De bout en bout", "From end to end"));
    for (words, n, to) in parts {
        let width = n.saturating_mul(100) / most;
        let words = if to.is_empty() { words.to_owned() } else { link(&to, words) };
        let _ = write!(
            html,
            "<li><svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"sent\" width=\"{width}\" height=\"8\"/></svg>\
             <b>{}</b> {words}</li>",
            visit.number(n)
        );
    }
    html.push_str("</ol>");
    html
}

fn over_time(visit: &Visit, span: Span, figures: &[Figure], now: DateTime<Utc>) -> String {
    let column = |(from, until, sums)| {
        let values = plot::of_messages(&sums);
        Column { from, until, values, trouble: String::new(), marks: Vec::new() }
    };
    plot::messages(visit, &span.sums(figures, now).into_iter().map(column).collect::<Vec<_>>())
}

/// Why messages were not sent, and why journeys were not begun, most first.
fn reasons(visit: &Visit, name: &str, sums: &Sums) -> String {
    let lang = visit.lang;
    let mut messages: Vec<(&String, &i64)> = sums
        .messages
        .iter()
        .filter(|(what, _)| !matches!(state_of(what), "pending" | "sent" | "delivered"))
        .collect();
    messages.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let mut skipped: Vec<(&String, &i64)> = sums.skipped.iter().collect();
    skipped.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let mut rows = String::new();
    for (what, n) in messages {
        let (state, reason) = what.split_once(':').unwrap_or((what, ""));
        let reason = if reason.is_empty() { String::new() } else { format!("&reason={}", in_query(reason)) };
        let to = format!("/messages?rule={}&state={}{reason}", in_query(name), in_query(state));
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td></tr>",
            link(&to, &words::what(visit, what)),
            visit.number(*n)
        );
    }
    for (reason, n) in skipped {
        let not_begun = lang.pick("parcours non commencé : ", "journey not begun: ");
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{not_begun}{}</th><td class=\"n\">{}</td></tr>",
            escape(&words::reason(visit, reason)),
            visit.number(*n)
        );
    }
    if rows.is_empty() {
        return String::new();
    }
    let title = lang.pick("Non envoyés, et pourquoi", "Not sent, and why");
    format!(
        "<h2>{title}</h2><div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table><tbody>{rows}</tbody></table></div>"
    )
}
