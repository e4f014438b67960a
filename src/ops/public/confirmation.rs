//! `/c/TOKEN`: the confirmation of a consent that was asked for (double opt-in).
//!
//! The link confirms only what is pending, within its time, and never what was refused after its message was sent. Each
//! other case has a page of its own that says so, and changes nothing.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};

use super::super::page::Lang;
use super::form::{Form, proof};
use super::word::Word;
use super::{Known, Public, Token, frame, invalid, limited, text};
use crate::domain::consent::{CONFIRMATION, CONFIRMED, ConsentStatus, SHOWN_AT};
use crate::domain::rules::{Basis, Policy};
use crate::domain::token::{Confirmation, Preferences};

/// What a link can still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    Confirmed,
    /// Refused after the message was sent.
    Refused,
    Expired,
    /// The shop does not write for this purpose any more, or nobody asked for it.
    Nothing,
    Erased,
}

/// What the link can do, by all that is known.
fn standing(link: &Confirmation, policy: &Policy, known: &Known, now: DateTime<Utc>) -> Standing {
    if known.erased {
        return Standing::Erased;
    }
    let purpose = policy.purposes.get(&link.purpose);
    if purpose.is_none_or(|purpose| purpose.basis == Basis::Contract) {
        return Standing::Nothing;
    }
    let word = known.consents.latest(link.channel, &link.purpose).map(|fact| fact.status);
    if word == Some(ConsentStatus::Granted) {
        return Standing::Confirmed;
    }
    // Also one that was followed by a new wish: that has a message of its own.
    let refused = known.consents.0.iter().any(|fact| {
        fact.channel == link.channel
            && fact.purpose == link.purpose
            && fact.status >= ConsentStatus::Denied
            && fact.at >= link.mailed_at
    });
    match word {
        _ if refused => Standing::Refused,
        Some(ConsentStatus::Pending) if link.has_expired(now) => Standing::Expired,
        Some(ConsentStatus::Pending) => Standing::Open,
        Some(ConsentStatus::Denied | ConsentStatus::Withdrawn) => Standing::Refused,
        Some(ConsentStatus::Granted) | None => Standing::Nothing,
    }
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
    let Some(link) = Confirmation::open(text(&token), &public.keys) else {
        return frame::invalid_link(lang, &public);
    };
    match look(lang, &public, &link).await {
        Ok((lang, standing)) => page(lang, &public, &link, standing, StatusCode::OK),
        Err(refusal) => refusal,
    }
}

pub(super) async fn act(
    State(public): State<Public>,
    token: Token,
    extensions: Extensions,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let lang = Lang::of(&headers);
    let Some(link) = Confirmation::open(text(&token), &public.keys) else {
        return invalid(&public, lang, &extensions, &headers);
    };
    let (lang, standing) = match look(lang, &public, &link).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let asked = match &body {
        Ok(body) if Form::of(&headers, body).has("confirm", "yes") => StatusCode::OK,
        Ok(_) => StatusCode::BAD_REQUEST,
        Err(rejection) => rejection.status(),
    };
    if standing != Standing::Open || asked != StatusCode::OK {
        return page(lang, &public, &link, standing, asked);
    }
    let (field, source) = CONFIRMED;
    let mut proof = proof(source, "page", &extensions, &headers);
    debug_assert!(proof.contains_key(field), "what makes it a confirmation");
    let mailed_at = link.mailed_at.to_rfc3339_opts(SecondsFormat::Micros, true);
    proof.insert(SHOWN_AT.to_owned(), mailed_at.into());
    let word = Word {
        source: CONFIRMATION,
        customer_id: &link.customer_id,
        message_id: &link.message_id,
        channel: link.channel,
        purpose: &link.purpose,
        status: ConsentStatus::Granted,
        proof,
    };
    if let Err(error) = (public.tell)(vec![word.event("", (public.now)())]).await {
        tracing::error!(message_id = link.message_id, %error, "a confirmation could not be recorded");
        return frame::unavailable(lang, &public, Some("confirm"));
    }
    // A refusal may have come at the same moment, and that one holds.
    match look(lang, &public, &link).await {
        Ok((lang, Standing::Confirmed)) => thanks(lang, &public, &link),
        Ok((lang, standing)) => page(lang, &public, &link, standing, StatusCode::OK),
        Err(refusal) => refusal,
    }
}

/// The customer's language, and what the link can still do.
async fn look(lang: Lang, public: &Public, link: &Confirmation) -> Result<(Lang, Standing), Response> {
    match (public.ask)(link.customer_id.clone(), link.message_id.clone()).await {
        Ok(known) => {
            let lang = Lang::of_locale(known.locale.as_deref()).unwrap_or(lang);
            Ok((lang, standing(link, &(public.policy)(), &known, (public.now)())))
        }
        Err(error) => {
            tracing::error!(message_id = link.message_id, %error, "a customer's consents could not be read");
            Err(frame::unavailable(lang, public, None))
        }
    }
}

/// `asked` is what there is to say of a request while the link can still confirm.
fn page(lang: Lang, public: &Public, link: &Confirmation, standing: Standing, asked: StatusCode) -> Response {
    let what = || frame::messages(lang, public, link.channel, &link.purpose);
    let (status, title, text) = match standing {
        Standing::Erased => return frame::erased(lang, public),
        Standing::Open => return question(lang, public, link, asked),
        Standing::Confirmed => (
            StatusCode::OK,
            lang.pick("C’est déjà confirmé", "Already confirmed"),
            format!("{} {}.", lang.pick("Vous recevez", "You receive"), what()),
        ),
        Standing::Refused => (
            StatusCode::GONE,
            lang.pick("Vous avez dit non depuis", "You have said no since"),
            lang.pick(
                "Vous vous êtes désinscrit après l’envoi de ce lien : il ne vous inscrit plus. Rien n’a changé.",
                "You unsubscribed after this link was sent, so it no longer signs you up. Nothing has changed.",
            )
            .to_owned(),
        ),
        Standing::Expired => (
            StatusCode::GONE,
            lang.pick("Ce lien n’est plus valable", "This link has expired"),
            lang.pick(
                "Il est resté trop longtemps sans réponse, et vous n’êtes pas inscrit. Pour l’être, demandez-le de nouveau.",
                "It went unanswered for too long, and you are not signed up. To be, ask for it again.",
            )
            .to_owned(),
        ),
        Standing::Nothing => (
            StatusCode::GONE,
            lang.pick("Il n’y a rien à confirmer", "There is nothing to confirm"),
            lang.pick(
                "Cette inscription n’existe pas ou plus. Rien n’a changé.",
                "There is no such sign-up, or not any more. Nothing has changed.",
            )
            .to_owned(),
        ),
    };
    let body = format!("<p>{text}</p>\n{}", preferences(lang, public, link));
    frame::respond(lang, public, status, title, &body)
}

fn question(lang: Lang, public: &Public, link: &Confirmation, status: StatusCode) -> Response {
    let title = lang.pick("Confirmer votre inscription ?", "Confirm your sign-up?");
    let note = lang.pick(
        "Rien ne change tant que vous n’avez pas cliqué. Si vous n’avez rien demandé, fermez cette page.",
        "Nothing changes until you click. If you did not ask for this, close this page.",
    );
    let body = format!(
        "<p>{text} {what}.</p>\n{button}\n<p class=\"quiet\">{note}</p>",
        text = lang.pick("Vous recevrez", "You will receive"),
        what = frame::messages(lang, public, link.channel, &link.purpose),
        button = frame::button("confirm", lang.pick("Confirmer", "Confirm")),
    );
    frame::respond(lang, public, status, title, &body)
}

fn thanks(lang: Lang, public: &Public, link: &Confirmation) -> Response {
    let title = lang.pick("C’est confirmé", "Confirmed");
    let note = lang.pick(
        "Vous pouvez vous désinscrire à tout moment, par le lien de chaque message.",
        "You can unsubscribe at any time, by the link in each message.",
    );
    let body = format!(
        "<p>{text} {what}.</p>\n<p class=\"quiet\">{note}</p>\n{all}",
        text = lang.pick("Merci. Vous recevrez", "Thank you. You will receive"),
        what = frame::messages(lang, public, link.channel, &link.purpose),
        all = preferences(lang, public, link),
    );
    frame::respond(lang, public, StatusCode::OK, title, &body)
}

fn preferences(lang: Lang, public: &Public, link: &Confirmation) -> String {
    let link = Preferences { customer_id: link.customer_id.clone(), message_id: link.message_id.clone() };
    frame::to_preferences(lang, public, &link)
}

#[cfg(test)]
mod tests;
