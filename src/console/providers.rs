//! Providers: whether they take messages, the limits that are kept, what they answered last; and the worker's health.

use std::fmt::Write as _;

use axum::extract::{Extension, State};

use super::frame::{Place, Visit, below};
use super::{Console, Limits, Shown, words};
use crate::domain::message::MessageState;
use crate::domain::pause::Target;
use crate::ops::page::escape;
use crate::store::MessagePage;

/// The newest answers that are shown.
const ANSWERS: usize = 10;

pub(super) async fn show(State(console): State<Console>, Extension(visit): Extension<Visit>) -> Shown {
    let lang = visit.lang;
    let title = lang.pick("Fournisseurs", "Providers");
    let mut main = format!("<h1>{title}</h1><div id=\"providers\" data-live>");
    let pauses = console.pauses().await?;
    for (flow, limits) in &console.providers {
        let channel = flow.channel();
        let name = words::channel(&visit, channel);
        let well = flow.may_begin(None);
        let target = Target::Channel(channel).to_string();
        let paused = pauses.targets().contains(&target);
        let (class, word) = match (paused, well) {
            (true, _) => ("waits", lang.pick("en pause", "paused")),
            (false, true) => ("good", lang.pick("prend les messages", "takes messages")),
            (false, false) => ("bad", lang.pick("ne prend rien", "takes nothing")),
        };
        let _ = write!(
            main,
            "<section class=\"card block\"><h2>{name} <span class=\"state {class}\">{word}</span></h2><dl class=\"facts\"><dt>{}</dt><dd>{}</dd><dt>{}</dt><dd>{}</dd></dl>",
            lang.pick("État", "State"),
            escape(&flow.describe()),
            lang.pick("Limites", "Limits"),
            kept(&visit, *limits),
        );
        let button = match paused {
            true => visit.button("resume", &target, lang.pick("Reprendre", "Resume"), ""),
            false => visit.pausing(&target, lang.pick("Ses messages attendent.", "Its messages wait.")),
        };
        let _ = write!(main, "{button}{}</section>", answers(&console, &visit, channel).await?);
    }
    let _ = write!(
        main,
        "<h2>{}</h2><ul class=\"matters\">",
        lang.pick("Santé de ce processus", "Health of this worker")
    );
    for check in (console.health)().await {
        let class = if check.ok { "fine" } else { "grave" };
        let _ = write!(
            main,
            "<li class=\"{class}\"><span><strong>{}</strong>{}{}</span></li>",
            escape(&check.name),
            visit.colon(),
            escape(&check.detail)
        );
    }
    main.push_str("</ul></div>");
    Ok(visit.page(Place::Providers, title, &main))
}

/// The limits that are kept, in words.
fn kept(visit: &Visit, limits: Limits) -> String {
    let lang = visit.lang;
    if limits.captured {
        return lang
            .pick("capturé : rien ne quitte cette machine", "captured: nothing leaves this machine")
            .to_owned();
    }
    let rate = match limits.max_rate {
        Some(rate) => format!("{rate} {}", lang.pick("par seconde", "a second")),
        None => lang.pick("débit non limité", "no limit of rate").to_owned(),
    };
    format!("{rate}, {} {}", limits.at_once, lang.pick("à la fois", "at once"))
}

/// What the provider answered last, to messages that it refused or took.
async fn answers(
    console: &Console,
    visit: &Visit,
    channel: crate::domain::consent::Channel,
) -> Result<String, crate::store::StoreError> {
    let mut rows = String::new();
    for state in [MessageState::Failed, MessageState::Sent] {
        let page =
            MessagePage { channel: Some(channel), state: Some(state), limit: 20, ..MessagePage::default() };
        let found = console.store.messages_page(&page).await?;
        let answered = found.messages.iter().filter_map(|message| Some((message, message.reply.as_deref()?)));
        for (message, reply) in answered.take(ANSWERS / 2) {
            let _ = write!(
                rows,
                "<tr><td><a href=\"{}\">{}</a></td><td>{}</td><td class=\"why\">{}</td></tr>",
                escape(&below("/messages", &message.id)),
                visit.time(message.sent_at.unwrap_or(message.planned_at)),
                words::state(visit, message.state),
                escape(reply),
            );
        }
    }
    if rows.is_empty() {
        return Ok(String::new());
    }
    let title = visit.lang.pick("Ses dernières réponses", "Its last answers");
    Ok(format!(
        "<h3>{title}</h3><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table><tbody>{rows}</tbody></table></div>"
    ))
}
