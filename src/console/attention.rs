//! What needs somebody: all that stands still or goes wrong, each with where to go on.

use chrono::{DateTime, Utc};

use super::frame::{Visit, link};
use super::sums::Sums;
use super::{Console, words};
use crate::domain::message::MessageState;
use crate::domain::pause::Pauses;
use crate::ops::health::Check;
use crate::ops::page::escape;
use crate::store::{Counts, StoreError};

/// What is later than this needs a look, in seconds.
const LATE: i64 = 60;

/// One thing, as HTML.
pub(super) struct Matter {
    pub grave: bool,
    pub words: String,
    /// What can be done about it.
    pub way: String,
}

/// Everything that needs somebody; `lately` is what the last hours came to.
pub(super) async fn matters(
    console: &Console,
    visit: &Visit,
    counts: Option<&Counts>,
    lately: &Sums,
    pauses: &Pauses,
) -> Result<Vec<Matter>, StoreError> {
    let (lang, colon) = (visit.lang, visit.colon());
    let mut matters: Vec<Matter> = (console.health)()
        .await
        .into_iter()
        .filter(|check| !check.ok)
        .map(|check| unwell(visit, &check))
        .collect();
    for pause in pauses.lasting() {
        let target = pause.target.to_string();
        let why = pause
            .why
            .as_deref()
            .map_or(String::new(), |why| format!("{}{}", visit.colon(), visit.quoted(why)));
        let (paused, by, resume) = lang.pick(("En pause", "par", "Reprendre"), ("Paused", "by", "Resume"));
        matters.push(Matter {
            grave: true,
            words: format!(
                "{paused}{colon}{} ({}, {by} {}{why})",
                escape(&words::target(visit, &target)),
                visit.time(pause.since),
                escape(&pause.by)
            ),
            way: visit.button("resume", &target, resume, "small"),
        });
    }
    for (flow, _) in console.providers.iter().filter(|(flow, _)| !flow.may_begin(None)) {
        let words = format!("{}{colon}{}", words::channel(visit, flow.channel()), escape(&flow.describe()));
        matters.push(Matter { grave: true, words, way: link("/providers", lang.pick("Voir", "Look")) });
    }
    if let Some(counts) = counts {
        let now = console.now();
        let late =
            |at: Option<DateTime<Utc>>| at.map(|at| (now - at).num_seconds()).filter(|late| *late > LATE);
        if let Some(late) = late(counts.oldest_due_message) {
            let words = lang.pick(
                "Le plus ancien message à envoyer attend depuis",
                "The oldest message to be sent has waited for",
            );
            let to = "/messages?state=pending";
            matters.push(matter(
                true,
                format!("{words} {}", words::lasting(late)),
                link(to, lang.pick("Les messages", "The messages")),
            ));
        }
        if let Some(late) = late(counts.oldest_due_entry) {
            let words = lang.pick(
                "La plus ancienne étape à faire est en retard de",
                "The oldest step to be done is late by",
            );
            matters.push(matter(
                true,
                format!("{words} {}", words::lasting(late)),
                link("/providers", lang.pick("Santé", "Health")),
            ));
        }
    }
    let letters = console.store.dead_letter_count().await?;
    if letters > 0 {
        let words = match (letters, lang.pick(true, false)) {
            (1, true) => "1 rejet".to_owned(),
            (n, true) => format!("{} rejets", visit.number(n)),
            (1, false) => "1 dead letter".to_owned(),
            (n, false) => format!("{} dead letters", visit.number(n)),
        };
        matters.push(matter(false, words, link("/dead-letters", lang.pick("Les voir", "Look at them"))));
    }
    let uncertain = lately.in_states(&[MessageState::Uncertain]);
    if uncertain > 0 {
        let words = lang.pick("Nul ne sait s’ils sont partis", "Nobody knows whether they went out");
        let way = link("/messages?state=uncertain", lang.pick("Les messages", "The messages"));
        matters.push(matter(true, format!("{words}{colon}{}", visit.number(uncertain)), way));
    }
    Ok(matters)
}

fn matter(grave: bool, words: String, way: String) -> Matter {
    Matter { grave, words, way }
}

fn unwell(visit: &Visit, check: &Check) -> Matter {
    let way = link("/providers", visit.lang.pick("Santé", "Health"));
    matter(
        true,
        format!("<strong>{}</strong>{}{}", escape(&check.name), visit.colon(), escape(&check.detail)),
        way,
    )
}
