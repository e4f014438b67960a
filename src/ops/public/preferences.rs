//! `/p/TOKEN`: all that a customer can choose, as it holds now, and what they change of it.
//!
//! A tick by a link in a mail to the address that the customer has now is as good as a confirmation (double opt-in): what
//! they tick for another channel waits for one. Only what was changed is recorded. A form says what its reader saw; where something else holds by then, nothing is
//! recorded and the page is shown again. A grant carries the instant at which the choices were read, so that a refusal
//! which comes in between stands, in whatever order the two become known.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::super::page::Lang;
use super::form::{Form, proof};
use super::word::Word;
use super::{Known, Public, Token, frame, invalid, limited, text};
use crate::domain::consent::{BY_LINK, Channel, ConsentStatus, SHOWN_AT};
use crate::domain::event::Event;
use crate::domain::hex;
use crate::domain::rules::{Basis, Policy};
use crate::domain::token::Preferences;

/// The source of the events that this page makes.
const SOURCE: &str = "/declic/preferences";

/// The version of the page's own words, part of each proof. Whoever changes what a customer is told here changes it.
const WORDING: &str = "1";

/// One thing that a customer can choose.
#[derive(Debug, Clone, PartialEq)]
struct Choice {
    channel: Channel,
    purpose: String,
    /// Whether messages go, or would once the customer has confirmed.
    on: bool,
    /// Asked for, and to be confirmed by a link.
    pending: bool,
    /// The word that holds: its status and its instant.
    word: Option<(ConsentStatus, DateTime<Utc>)>,
}

impl Choice {
    /// The checkbox's name in the form.
    fn field(&self) -> String {
        format!("{}.{}", self.channel.as_str(), self.purpose)
    }
}

/// A message above the choices.
#[derive(Clone, Copy, PartialEq)]
enum Notice {
    None,
    Saved,
    /// Nothing was different from before.
    Unchanged,
    /// Other choices were made since the reader opened the page.
    Overtaken,
    /// The form did not say what to do.
    Unclear,
}

pub(super) async fn show(
    State(public): State<Public>,
    token: Token,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let lang = Lang::of(&headers);
    if let Some(refusal) = limited(&public, lang, &extensions, &headers) {
        return refusal;
    }
    let Some(link) = Preferences::open(text(&token), &public.keys) else {
        return frame::invalid_link(lang, &public);
    };
    page(lang, &public, &link, StatusCode::OK, Notice::None).await
}

pub(super) async fn act(
    State(public): State<Public>,
    token: Token,
    extensions: Extensions,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let lang = Lang::of(&headers);
    let Some(link) = Preferences::open(text(&token), &public.keys) else {
        return invalid(&public, lang, &extensions, &headers);
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return page(lang, &public, &link, rejection.status(), Notice::Unclear).await,
    };
    let form = Form::of(&headers, &body);
    let now = (public.now)();
    let known = match known(lang, &public, &link).await {
        Ok(known) => known,
        Err(refusal) => return refusal,
    };
    let choices = choices(&(public.policy)(), &known);
    let all = form.has("all", "yes");
    if !all && !form.has("save", "yes") {
        return page(lang, &public, &link, StatusCode::BAD_REQUEST, Notice::Unclear).await;
    }
    // Whoever wants nothing any more has seen enough.
    if !all && !form.has("seen", &fingerprint(&choices)) {
        return page(lang, &public, &link, StatusCode::CONFLICT, Notice::Overtaken).await;
    }
    let lang = Lang::of_locale(known.locale.as_deref()).unwrap_or(lang);
    let method = if all { "all" } else { "save" };
    let proof = proof("preference-centre", method, &extensions, &headers);
    let reached_by = known.reached_by;
    let events: Vec<Event> = choices
        .iter()
        .filter_map(|choice| {
            let wanted = !all && form.has(&choice.field(), "on");
            // Also what is not sent anyway: an older grant may still become known.
            let refuses = all && choice.word.is_none_or(|(status, _)| status < ConsentStatus::Denied);
            let changed = wanted != choice.on || refuses;
            changed.then(|| {
                let mut proof = proof.clone();
                if wanted && reached_by == Some(choice.channel) {
                    proof.insert(BY_LINK.to_owned(), true.into());
                }
                event(lang, &public, &link, choice, wanted, proof, now)
            })
        })
        .collect();
    if events.is_empty() {
        return page(lang, &public, &link, StatusCode::OK, Notice::Unchanged).await;
    }
    match (public.tell)(events).await {
        Ok(()) => page(lang, &public, &link, StatusCode::OK, Notice::Saved).await,
        Err(error) => {
            tracing::error!(message_id = link.message_id, %error, "a customer's choices could not be recorded");
            frame::unavailable(lang, &public, all.then_some("all"))
        }
    }
}

/// What is known of the customer, or the page that says why there is nothing to choose.
async fn known(lang: Lang, public: &Public, link: &Preferences) -> Result<Known, Response> {
    match (public.ask)(link.customer_id.clone(), link.message_id.clone()).await {
        Ok(known) if known.erased => Err(frame::erased(lang, public)),
        Ok(known) => Ok(known),
        Err(error) => {
            tracing::error!(message_id = link.message_id, %error, "a customer's choices could not be read");
            Err(frame::unavailable(lang, public, None))
        }
    }
}

/// All that can be chosen, by channel: those on which there is an address or a word.
fn choices(policy: &Policy, known: &Known) -> Vec<Choice> {
    let said = |channel: Channel| known.consents.0.iter().any(|fact| fact.channel == channel);
    let mut channels: Vec<Channel> = [Channel::Email, Channel::Sms]
        .into_iter()
        .filter(|channel| known.channels.contains(channel) || said(*channel))
        .collect();
    if channels.is_empty() {
        channels.push(Channel::Email);
    }
    let purposes = policy.purposes.iter().filter(|(_, purpose)| purpose.basis != Basis::Contract);
    let purposes: Vec<_> = purposes.collect();
    let choice = |channel: Channel| {
        let known = &known.consents;
        purposes.iter().map(move |(name, purpose)| {
            let word = known.latest(channel, name).map(|fact| (fact.status, fact.at));
            let pending =
                purpose.double_opt_in && word.is_some_and(|(status, _)| status == ConsentStatus::Pending);
            let on = match word.map(|(status, _)| status) {
                Some(ConsentStatus::Granted) => true,
                Some(ConsentStatus::Denied | ConsentStatus::Withdrawn) => false,
                Some(ConsentStatus::Pending) | None => pending || purpose.basis == Basis::LegitimateInterest,
            };
            Choice { channel, purpose: (*name).clone(), on, pending, word }
        })
    };
    channels.into_iter().flat_map(choice).collect()
}

/// What the reader of a page has seen, in 16 hexadecimal digits.
fn fingerprint(choices: &[Choice]) -> String {
    let mut seen = Sha256::new();
    for choice in choices {
        let word = choice.word.map(|(status, at)| (status.as_str(), at.timestamp_micros()));
        seen.update(format!("{} {} {word:?}\n", choice.field(), choice.on));
    }
    hex::encode(&seen.finalize()[..8])
}

fn event(
    lang: Lang,
    public: &Public,
    link: &Preferences,
    choice: &Choice,
    wanted: bool,
    mut proof: Map<String, Value>,
    now: DateTime<Utc>,
) -> Event {
    proof.insert("wording".to_owned(), WORDING.into());
    proof.insert("language".to_owned(), lang.code().into());
    proof.insert("words".to_owned(), frame::purpose_words(lang, public, &choice.purpose).into());
    if wanted {
        proof.insert(SHOWN_AT.to_owned(), now.to_rfc3339_opts(SecondsFormat::Micros, true).into());
    }
    let word = Word {
        source: SOURCE,
        customer_id: &link.customer_id,
        message_id: &link.message_id,
        channel: choice.channel,
        purpose: &choice.purpose,
        status: if wanted { ConsentStatus::Granted } else { ConsentStatus::Withdrawn },
        proof,
    };
    word.event(&format!("-{}", choice.field()), now)
}

/// The page with what holds now.
async fn page(
    lang: Lang,
    public: &Public,
    link: &Preferences,
    status: StatusCode,
    notice: Notice,
) -> Response {
    let known = match known(lang, public, link).await {
        Ok(known) => known,
        Err(refusal) => return refusal,
    };
    let lang = Lang::of_locale(known.locale.as_deref()).unwrap_or(lang);
    let policy = (public.policy)();
    let choices = choices(&policy, &known);
    let intro = lang.pick(
        "Cochez ce que vous voulez recevoir, puis enregistrez.",
        "Tick what you would like to receive, then save.",
    );
    let channels = [Channel::Email, Channel::Sms].map(|channel| fieldset(lang, public, channel, &choices));
    let save = lang.pick("Enregistrer mes choix", "Save my choices");
    let nothing = lang.pick("Me désinscrire de tout", "Unsubscribe from everything");
    let body = format!(
        "{notice}<p>{intro}</p>\n<form method=\"post\">\n<input type=\"hidden\" name=\"seen\" value=\"{seen}\">\n\
         {channels}<button name=\"save\" value=\"yes\">{save}</button>\n</form>\n{always}\
         <form method=\"post\" class=\"last\"><button class=\"plain\" name=\"all\" value=\"yes\">{nothing}</button></form>",
        notice = notice_words(lang, notice, &choices),
        seen = fingerprint(&choices),
        channels = channels.concat(),
        always = always(lang, public, &policy),
    );
    frame::respond(lang, public, status, lang.pick("Vos préférences", "Your preferences"), &body)
}

fn notice_words(lang: Lang, notice: Notice, choices: &[Choice]) -> String {
    let (words, wrong) = match notice {
        Notice::None => return String::new(),
        Notice::Saved if choices.iter().any(|choice| choice.pending) => (
            lang.pick(
                "Vos choix sont enregistrés. Ce qui reste à confirmer le sera par le lien d’un message que nous vous \
                 envoyons.",
                "Your choices are saved. What is still to be confirmed will be by the link in a message we send you.",
            ),
            false,
        ),
        Notice::Saved => (lang.pick("Vos choix sont enregistrés.", "Your choices are saved."), false),
        Notice::Unchanged => {
            (lang.pick("Rien n’était à changer.", "There was nothing to change."), false)
        }
        Notice::Overtaken => (
            lang.pick(
                "Vos choix ont changé depuis l’ouverture de cette page ; rien n’a été enregistré. Voici ce qui vaut \
                 maintenant.",
                "Your choices have changed since you opened this page, and nothing was saved. Here is what holds now.",
            ),
            true,
        ),
        Notice::Unclear => (
            lang.pick(
                "Votre demande est arrivée incomplète ; rien n’a été enregistré.",
                "Your request arrived incomplete, and nothing was saved.",
            ),
            true,
        ),
    };
    let (role, class) = if wrong { ("alert", "notice wrong") } else { ("status", "notice") };
    format!("<p class=\"{class}\" role=\"{role}\">{words}</p>\n")
}

/// The choices of one channel.
fn fieldset(lang: Lang, public: &Public, channel: Channel, choices: &[Choice]) -> String {
    let lines: String = choices
        .iter()
        .filter(|choice| choice.channel == channel)
        .map(|choice| {
            let (field, checked) = (choice.field(), if choice.on { " checked" } else { "" });
            let label = frame::purpose(lang, public, &choice.purpose);
            let (about, note) = match choice.pending {
                true => {
                    let words = lang.pick("en attente de votre confirmation", "waiting for your confirmation");
                    (
                        format!(" aria-describedby=\"{field}.note\""),
                        format!("<span class=\"quiet\" id=\"{field}.note\">{words}</span>"),
                    )
                }
                false => Default::default(),
            };
            format!(
                "<div class=\"choice\"><input type=\"checkbox\" id=\"{field}\" name=\"{field}\" value=\"on\"{checked}{about}>\
                 <label for=\"{field}\">{label}</label>{note}</div>\n"
            )
        })
        .collect();
    if lines.is_empty() {
        return lines;
    }
    let legend = match channel {
        Channel::Email => lang.pick("Par e-mail", "By e-mail"),
        Channel::Sms => lang.pick("Par SMS", "By text message"),
    };
    format!("<fieldset>\n<legend>{legend}</legend>\n{lines}</fieldset>\n")
}

/// What comes whatever was chosen, and why.
fn always(lang: Lang, public: &Public, policy: &Policy) -> String {
    let contract = policy.purposes.iter().filter(|(_, purpose)| purpose.basis == Basis::Contract);
    let items: String =
        contract.map(|(name, _)| format!("<li>{}</li>", frame::purpose(lang, public, name))).collect();
    if items.is_empty() {
        return items;
    }
    let title = lang.pick("Toujours envoyés", "Always sent");
    let why = lang.pick(
        "Ces messages font partie de ce que vous nous avez demandé (une commande, une inscription) ; ils ne contiennent \
         pas de publicité.",
        "These messages are part of what you have asked of us (an order, a sign-up); they hold no advertising.",
    );
    format!("<section>\n<h2>{title}</h2>\n<ul>{items}</ul>\n<p class=\"quiet\">{why}</p>\n</section>\n")
}

#[cfg(test)]
mod tests;
