//! What figures and states are called on the pages.

use super::frame::Visit;
use super::sums::state_of;
use crate::domain::consent::Channel;
use crate::domain::message::{Message, MessageState};
use crate::domain::verdict::Reason;
use crate::ops::page::{Lang, escape};

/// What a figure of messages means: `state` or `state:reason`, in words.
pub(super) fn what(visit: &Visit, what: &str) -> String {
    let language = visit.language();
    let state = MessageState::parse(state_of(what)).map_or(what, |state| language.state(state));
    match what.split_once(':').map(|(_, reason)| reason) {
        Some(reason) => format!("{state}{}{}", visit.colon(), self::reason(visit, reason)),
        None => state.to_owned(),
    }
}

/// A reason by its name, in words.
pub(super) fn reason(visit: &Visit, name: &str) -> String {
    Reason::parse(name).map_or_else(|| name.to_owned(), |reason| visit.language().reason(reason).into_owned())
}

/// How a state is shown: a coloured word.
pub(super) fn state(visit: &Visit, state: MessageState) -> String {
    format!("<span class=\"state {}\">{}</span>", class(state), visit.language().state(state))
}

fn class(state: MessageState) -> &'static str {
    match state {
        MessageState::Sent | MessageState::Delivered => "good",
        MessageState::Pending | MessageState::Claimed | MessageState::Sending => "busy",
        MessageState::Deferred | MessageState::Paused => "waits",
        MessageState::Suppressed | MessageState::Expired => "held",
        MessageState::Failed | MessageState::Uncertain | MessageState::Bounced | MessageState::Complained => {
            "bad"
        }
    }
}

/// Why a message is as it is, where there is a reason, with what is known beside it.
pub(super) fn why(visit: &Visit, message: &Message) -> String {
    let reason = message.reason.map(|reason| visit.language().reason(reason).into_owned());
    let all: Vec<String> = reason.into_iter().chain(message.detail.clone()).collect();
    escape(&all.join(" – "))
}

/// The channel's name.
pub(super) fn channel(visit: &Visit, channel: Channel) -> &'static str {
    visit.language().channel(channel)
}

/// What was in trouble, by the name of its figure.
pub(super) fn trouble(lang: Lang, about: &str) -> String {
    let known = match about {
        "broker" => ("le broker n’était pas joint", "the broker was not connected"),
        "database" => ("la base de données ne répondait pas", "the database did not answer"),
        "email" => ("le fournisseur d’e-mail ne prenait rien", "the e-mail provider took nothing"),
        "sms" => ("le fournisseur de SMS ne prenait rien", "the SMS provider took nothing"),
        "rules" => ("les fichiers de règles avaient des erreurs", "the rule files had errors"),
        other => return other.to_owned(),
    };
    lang.pick(known.0, known.1).to_owned()
}

/// How long something lasted.
pub(super) fn lasting(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// What can be paused, by how it is written.
pub(super) fn target(visit: &Visit, target: &str) -> String {
    match target.split_once(':') {
        None if target == "everything" => visit.lang.pick("tout", "everything").to_owned(),
        Some(("rule", name)) => format!("{} {name}", visit.lang.pick("la règle", "rule")),
        Some(("channel", name)) => {
            Channel::parse(name).map_or_else(|| target.to_owned(), |known| channel(visit, known).to_owned())
        }
        _ => target.to_owned(),
    }
}
