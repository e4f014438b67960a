//! The first page: what needs somebody, what waits, and what went through over time.

use std::fmt::Write as _;

use axum::extract::{Extension, Query, State};
use chrono::{DateTime, Utc};

use super::frame::{Place, Visit};
use super::plot::{self, Column};
use super::stretches::{acts, stretches};
use super::sums::{Asked, Span, Sums};
use super::{Console, Shown, attention, words};
use crate::domain::figures::{Figure, Kind};
use crate::domain::message::MessageState;
use crate::ops::page::escape;
use crate::store::{Act, Counts, StoreError};

pub(super) async fn show(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Query(asked): Query<Asked>,
) -> Shown {
    let (lang, now) = (visit.lang, console.now());
    let span = asked.span();
    let counts = console.looked.borrow().clone();
    let figures = console.store.figures_over_time(span.since(now), span.until(now), span.grain()).await?;
    let sums = Sums::of(&figures);
    let pauses = console.pauses().await?;
    let matters = attention::matters(&console, &visit, counts.as_ref(), &sums, &pauses).await?;
    let mut main =
        format!("<h1>{}</h1>\n<div id=\"overview\" data-live>", lang.pick("Vue d’ensemble", "Overview"));
    if matters.is_empty() {
        let _ = write!(main, "<p class=\"well\">{}</p>", lang.pick("Tout va bien.", "All is well."));
    } else {
        main.push_str("<ul class=\"matters\">");
        for matter in &matters {
            let class = if matter.grave { "grave" } else { "mild" };
            let _ = write!(main, "<li class=\"{class}\"><span>{}</span>{}</li>", matter.words, matter.way);
        }
        main.push_str("</ul>");
    }
    main.push_str(&spans(&visit, "/", span));
    main.push_str(&tiles(&visit, counts.as_ref(), &sums, span));
    main.push_str(&plots(&console, &visit, span, &figures, now).await?);
    main.push_str("</div>");
    if !pauses.targets().contains("everything") {
        main.push_str(&kill_switch(&visit));
    }
    Ok(visit.page(Place::Overview, lang.pick("Vue d’ensemble", "Overview"), &main))
}

/// Links to other lengths of time.
pub(super) fn spans(visit: &Visit, page: &str, chosen: Span) -> String {
    let mut links = format!("<nav class=\"spans\" aria-label=\"{}\">", visit.lang.pick("Durée", "Span"));
    for span in Span::ALL {
        let name = match span {
            Span::Hours => visit.lang.pick("3 heures", "3 hours"),
            Span::Day => visit.lang.pick("24 heures", "24 hours"),
            Span::Week => visit.lang.pick("7 jours", "7 days"),
        };
        let current = if span == chosen { " aria-current=\"true\"" } else { "" };
        let _ = write!(links, "<a href=\"{page}?span={}\"{current}>{name}</a>", span.as_str());
    }
    links.push_str("</nav>");
    links
}

fn tiles(visit: &Visit, counts: Option<&Counts>, sums: &Sums, span: Span) -> String {
    let lang = visit.lang;
    let waits = |states: &[MessageState]| -> i64 {
        counts.map_or(0, |counts| states.iter().filter_map(|state| counts.messages.get(state)).sum())
    };
    let over = format!("?span={}", span.as_str());
    let tiles = [
        (lang.pick("Événements reçus", "Events taken in"), sums.events, String::new()),
        (lang.pick("Envoyés", "Sent"), sums.sent, "/messages?state=sent".to_owned()),
        (lang.pick("Non envoyés", "Not sent"), sums.held, format!("/rules{over}")),
        (lang.pick("Échoués", "Failed"), sums.failed, "/messages?state=failed".to_owned()),
        (
            lang.pick("À envoyer", "To be sent"),
            waits(&[MessageState::Pending, MessageState::Claimed, MessageState::Sending]),
            "/messages?state=pending".to_owned(),
        ),
        (
            lang.pick("Reportés", "Put off"),
            waits(&[MessageState::Deferred]),
            "/messages?state=deferred".to_owned(),
        ),
        (
            lang.pick("En pause", "Paused"),
            waits(&[MessageState::Paused]),
            "/messages?state=paused".to_owned(),
        ),
        (
            lang.pick("Parcours en cours", "Journeys under way"),
            counts.map_or(0, |counts| counts.active_entries),
            "/rules".to_owned(),
        ),
    ];
    let titles = lang.pick(["Pendant ce temps", "Maintenant"], ["In this time", "Now"]);
    let mut html = String::new();
    for (n, (name, value, to)) in tiles.into_iter().enumerate() {
        if n % 4 == 0 {
            let close = if n == 0 { "" } else { "</ul>" };
            let _ = write!(html, "{close}<h2 class=\"small\">{}</h2><ul class=\"tiles\">", titles[n / 4]);
        }
        let inner = format!("<b>{}</b><span>{name}</span>", visit.number(value));
        let _ = match to.is_empty() {
            true => write!(html, "<li><div>{inner}</div></li>"),
            false => write!(html, "<li><a href=\"{}\">{inner}</a></li>", escape(&to)),
        };
    }
    html.push_str("</ul>");
    html
}

async fn plots(
    console: &Console,
    visit: &Visit,
    span: Span,
    figures: &[Figure],
    now: DateTime<Utc>,
) -> Result<String, StoreError> {
    let lang = visit.lang;
    let (since, until) = (span.since(now), span.until(now));
    let acts = acts(console).await?;
    let happened = happened(console, visit, since, until, figures, &acts).await?;
    let stretches = stretches(&acts);
    let (mut messages, mut events) = (Vec::new(), Vec::new());
    for (from, until, sums) in span.sums(figures, now) {
        let faults = sums.trouble.iter().map(|(about, seconds)| {
            format!("{} ({})", words::trouble(lang, about), words::lasting(*seconds))
        });
        let paused = stretches.iter().filter(|stretch| from <= now && stretch.touches(from, until.min(now)));
        let trouble: Vec<String> = faults.chain(paused.map(|stretch| stretch.words(visit))).collect();
        let marks: Vec<String> = happened
            .iter()
            .filter(|(at, _)| (from..until).contains(at))
            .map(|(_, words)| words.clone())
            .collect();
        let column =
            |values| Column { from, until, values, trouble: trouble.join(", "), marks: marks.clone() };
        messages.push(column(plot::of_messages(&sums)));
        events.push(column(vec![sums.events, sums.refused]));
    }
    let of_events =
        [("events", lang.pick("reçus", "taken in")), ("failed", lang.pick("inutilisables", "unusable"))];
    let hint = lang.pick(
        "Chaque colonne mène à ce qui s’est passé. Un trait : une panne ou une pause. Un point : quelqu’un a agi, des règles ont été publiées ou un processus a démarré.",
        "Each column leads to what happened in it. A line: a fault or a pause. A dot: somebody acted, rules were published or a worker started.",
    );
    Ok(format!(
        "{}{}<p class=\"hint\">{hint}</p>",
        plot::messages(visit, &messages),
        plot::bars(visit, lang.pick("Événements", "Events"), &of_events, &events),
    ))
}

/// What was done in a time, the earliest first: acts of operators, rules published, workers started.
pub(super) async fn happened(
    console: &Console,
    visit: &Visit,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    figures: &[Figure],
    acts: &[Act],
) -> Result<Vec<(DateTime<Utc>, String)>, StoreError> {
    let lang = visit.lang;
    let within = |at: &DateTime<Utc>| (from..until).contains(at);
    let mut all: Vec<(DateTime<Utc>, String)> = acts
        .iter()
        .filter(|act| within(&act.at))
        .map(|act| (act.at, format!("{}: {} {}", act.actor, act.action, act.target)))
        .collect();
    let published = console.store.rule_sets_published(100).await?;
    let words = lang.pick("règles publiées, édition", "rules published, edition");
    all.extend(
        published
            .into_iter()
            .filter(|(.., at)| within(at))
            .map(|(generation, _, at)| (at, format!("{words} {generation}"))),
    );
    let started = lang.pick("processus démarré, version", "worker started, version");
    all.extend(
        figures
            .iter()
            .filter(|figure| figure.kind == Kind::Started && within(&figure.slot))
            .map(|figure| (figure.slot, format!("{started} {}", figure.what))),
    );
    all.sort();
    Ok(all)
}

/// Stops everything, after a second thought.
fn kill_switch(visit: &Visit) -> String {
    let words = visit.lang.pick(
        [
            "Arrêter tous les envois",
            "Une seconde après, plus rien ne part d’aucun processus. Les règles continuent de décider ; ce qu’elles décident attend la reprise.",
            "Tout arrêter",
        ],
        [
            "Stop all sends",
            "A second later nothing leaves any worker. Rules go on deciding; what they decide waits until you resume.",
            "Stop everything",
        ],
    );
    visit.considered("pause", "everything", words, true)
}
