//! The words of the register, in English and French side by side. Headings follow article 30(1) and the CNIL's model
//! (« modèle de registre simplifié »).

use super::{Kind, Measure, Role, Span, Transport};
use crate::domain::consent::Channel;
use crate::domain::explain::Language;
use crate::domain::retention::{self, Phases};
use crate::domain::rules::Basis;

/// The text of a language.
pub(super) fn pick<'a>(language: Language, english: &'a str, french: &'a str) -> &'a str {
    match language {
        Language::English => english,
        Language::French => french,
    }
}

macro_rules! headings {
    ($($name:ident $english:literal $french:literal,)+) => {
        /// What stands over or before something.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Heading { $($name,)+ }

        impl Heading {
            pub(super) fn text(self, language: Language) -> &'static str {
                match self { $(Self::$name => pick(language, $english, $french),)+ }
            }
        }
    };
}

headings! {
    Title "Record of processing activities" "Registre des activités de traitement",
    // (a)
    Controller "Controller (article 30(1)(a))" "Responsable du traitement (article 30(1)(a))",
    Name "Name" "Nom",
    PostalAddress "Postal address" "Adresse postale",
    Email "E-mail" "Adresse e-mail",
    Website "Website" "Site web",
    JointController "Joint controller" "Responsable conjoint",
    Representative "Representative in the Union" "Représentant dans l’Union",
    Officer "Data protection officer" "Délégué à la protection des données",
    // (b) and (c)
    Activities "Activities" "Activités",
    Activity "Activity" "Activité",
    Purpose "Main purpose (b)" "Finalité principale (b)",
    SubPurposes "Sub-purposes" "Sous-finalités",
    Basis "Legal basis" "Base légale",
    Persons "Categories of data subjects (c)" "Catégories de personnes concernées (c)",
    Data "Categories of data (c)" "Catégories de données (c)",
    // (d) to (g)
    Recipients "Categories of recipients (d)" "Catégories de destinataires (d)",
    Transfers "Transfers outside of the EEA (e)" "Transferts hors de l’EEE (e)",
    Limits "Time limits for erasure (f)" "Délais d’effacement (f)",
    Measures "Security measures (g)" "Mesures de sécurité (g)",
    Rights "Rights of data subjects" "Exercice des droits",
    WhatIsRead "What is read, and by what" "Ce qui est lu, et par quoi",
    Of "Of" "De",
    Field "Field" "Donnée",
    ReadBy "Read by" "Lue par",
    Recipient "Recipient" "Destinataire",
    Part "What it does" "Rôle",
    Country "Country" "Pays",
    Transfer "Transfer" "Transfert",
    Protection "On the way" "En chemin",
    KindOfData "Data" "Données",
    HowLong "Kept" "Conservation",
    On "In place" "En place",
    Off "Not in place" "Pas en place",
    Gaps "What is missing" "Ce qui manque",
}

pub(super) fn basis(language: Language, basis: Basis) -> &'static str {
    match basis {
        Basis::Consent => pick(language, "consent (article 6(1)(a))", "consentement (article 6(1)(a))"),
        Basis::Contract => pick(
            language,
            "performance of a contract (article 6(1)(b))",
            "exécution d’un contrat (article 6(1)(b))",
        ),
        Basis::LegitimateInterest => {
            pick(language, "legitimate interests (article 6(1)(f))", "intérêts légitimes (article 6(1)(f))")
        }
    }
}

/// What a purpose of ours is called where the shop gives it no label.
pub(super) fn purpose(language: Language, name: &str) -> Option<&'static str> {
    match name {
        "marketing" => Some(pick(language, "Offers and news", "Offres et nouveautés")),
        "service" => Some(pick(language, "Service messages", "Messages de service")),
        "transactional" => Some(pick(language, "Orders and accounts", "Suivi des commandes et des comptes")),
        _ => None,
    }
}

pub(super) fn channel(language: Language, channel: Channel) -> &'static str {
    match channel {
        Channel::Email => pick(language, "e-mail", "e-mail"),
        Channel::Sms => pick(language, "SMS", "SMS"),
    }
}

pub(super) fn role(language: Language, role: Role) -> &'static str {
    match role {
        Role::Mail => pick(language, "e-mail provider (SMTP)", "prestataire d’e-mail (SMTP)"),
        Role::SmsHttp => pick(language, "SMS provider (HTTP)", "prestataire de SMS (HTTP)"),
        Role::Smpp => pick(language, "SMS provider (SMPP)", "prestataire de SMS (SMPP)"),
        Role::Broker => pick(
            language,
            "message broker (RabbitMQ): the shop’s systems get what became of messages",
            "messagerie applicative (RabbitMQ) : les systèmes de la boutique reçoivent le sort des messages",
        ),
        Role::Database => pick(language, "database", "base de données"),
    }
}

pub(super) fn transport(language: Language, transport: Transport) -> &'static str {
    match transport {
        Transport::Tls => pick(language, "TLS required", "TLS exigé"),
        Transport::SameMachine => pick(language, "does not leave the machine", "ne quitte pas la machine"),
        Transport::Open => pick(language, "TLS not required", "TLS non exigé"),
    }
}

pub(super) fn kind(language: Language, kind: Kind) -> &'static str {
    match kind {
        Kind::Profiles => pick(
            language,
            "profiles, with every attribute that the shop sends",
            "profils, avec tous les attributs que la boutique envoie",
        ),
        Kind::Events => pick(
            language,
            "events, with all data that the shop sends",
            "événements, avec toutes les données que la boutique envoie",
        ),
        Kind::Messages => pick(
            language,
            "messages and promo codes: what was sent, when, and what became of it",
            "messages et codes promotionnels : ce qui a été envoyé, quand, et son sort",
        ),
        Kind::Consents => pick(language, "consents, with their proofs", "consentements, avec leurs preuves"),
        Kind::Suppressions => {
            pick(language, "addresses never written to again", "adresses auxquelles on n’écrit plus")
        }
        Kind::Bounces => {
            pick(language, "reports on mails that came back", "rapports sur les e-mails revenus")
        }
        Kind::Receipts => pick(language, "delivery receipts of SMS", "accusés de réception des SMS"),
        Kind::Texts => pick(language, "SMS from customers", "SMS reçus des clients"),
        Kind::DeadLetters => pick(language, "events that could not be used", "événements inutilisables"),
    }
}

pub(super) fn span(language: Language, kind: Kind, span: Span) -> String {
    match (span, kind) {
        (Span::Stated(Phases { active, archive: None }), _) => length(language, active),
        (Span::Stated(Phases { active, archive: Some(archive) }), _) => {
            let (active, archive) = (length(language, active), length(language, archive));
            match language {
                Language::English => format!("{active} in use, then {archive} in the archive"),
                Language::French => {
                    format!("{active} en base active, puis {archive} en archivage intermédiaire")
                }
            }
        }
        (Span::Days(days), _) => counted(language, days, "d"),
        (Span::UntilErased, Kind::DeadLetters) => pick(
            language,
            "until discarded, or the customer is erased",
            "jusqu’à leur rejet, ou l’effacement du client",
        )
        .to_owned(),
        (Span::UntilErased, _) => {
            pick(language, "until the customer is erased", "jusqu’à l’effacement du client").to_owned()
        }
        (Span::AsLongAsOwed, Kind::Suppressions) => pick(
            language,
            "until taken off the list; after an erasure as a keyed hash",
            "jusqu’au retrait de la liste ; après un effacement, sous forme d’empreinte à clé",
        )
        .to_owned(),
        (Span::AsLongAsOwed, _) => pick(
            language,
            "as proof (article 7(1)); the proof itself until the customer is erased",
            "à titre de preuve (article 7(1)) ; la preuve elle-même jusqu’à l’effacement du client",
        )
        .to_owned(),
    }
}

fn length(language: Language, span: retention::Span) -> String {
    span.parts().map(|(count, unit)| counted(language, count, unit)).collect::<Vec<_>>().join(" ")
}

/// `3 years`, of a unit as the policy writes it.
fn counted(language: Language, count: i64, unit: &str) -> String {
    let [english, french] = match (unit, count > 1) {
        ("y", false) => ["year", "an"],
        ("y", true) => ["years", "ans"],
        ("mo", false) => ["month", "mois"],
        ("mo", true) => ["months", "mois"],
        ("d", false) => ["day", "jour"],
        ("d", true) => ["days", "jours"],
        ("h", false) => ["hour", "heure"],
        ("h", true) => ["hours", "heures"],
        ("m", false) => ["minute", "minute"],
        ("m", true) => ["minutes", "minutes"],
        (_, false) => ["second", "seconde"],
        (_, true) => ["seconds", "secondes"],
    };
    format!("{count} {}", pick(language, english, french))
}

pub(super) fn measure(language: Language, measure: Measure) -> String {
    match measure {
        Measure::ProofsEncrypted => pick(
            language,
            "proofs of consents encrypted, under a key for each customer that an erasure destroys",
            "preuves des consentements chiffrées, sous une clé par client que l’effacement détruit",
        ),
        Measure::ProfilesEncrypted => pick(
            language,
            "customers’ profiles encrypted in the database (their events and messages are not)",
            "profils des clients chiffrés dans la base de données (leurs événements et messages ne le sont pas)",
        ),
        Measure::SecretApart => pick(
            language,
            "secret kept apart from the database",
            "secret conservé hors de la base de données",
        ),
        Measure::LedgerAppendOnly => pick(
            language,
            "append-only ledger of consents, held by triggers in the database",
            "registre des consentements en ajout seul, tenu par des déclencheurs de la base de données",
        ),
        Measure::LedgerChained => pick(
            language,
            "ledger of consents chained: an alteration shows",
            "registre des consentements chaîné : une altération se voit",
        ),
        Measure::LinksSealed => pick(
            language,
            "sealed links in messages, without an address",
            "liens scellés dans les messages, sans adresse",
        ),
        Measure::LogsMasked => {
            pick(language, "addresses masked in logs", "adresses masquées dans les journaux")
        }
        Measure::ErasureFinal => pick(
            language,
            "erasure that events sent again do not undo",
            "effacement que le renvoi d’anciens événements n’annule pas",
        ),
        Measure::AdminGuarded => pick(
            language,
            "operator’s pages closed to the network, or behind a token",
            "pages d’exploitation fermées au réseau, ou protégées par un jeton",
        ),
        Measure::PublicOverTls => {
            pick(language, "pages behind links reached over TLS", "pages derrière les liens servies par TLS")
        }
        Measure::Transport(to) => {
            let way = pick(language, "protected way to the", "liaison protégée :");
            return format!("{way} {}", short_role(language, to));
        }
    }
    .to_owned()
}

/// A recipient's part in a few words.
pub(super) fn short_role(language: Language, role: Role) -> &'static str {
    match role {
        Role::Broker => pick(language, "message broker", "messagerie applicative"),
        other => self::role(language, other),
    }
}

/// How a right is exercised, by its article.
pub(super) fn rights(language: Language) -> [&'static str; 5] {
    [
        pick(
            language,
            "access and portability (articles 15 and 20): `declic customers export`",
            "accès et portabilité (articles 15 et 20) : `declic customers export`",
        ),
        pick(
            language,
            "rectification (article 16): `declic customers correct`, or an event `customer.updated`",
            "rectification (article 16) : `declic customers correct`, ou un événement `customer.updated`",
        ),
        pick(
            language,
            "erasure (article 17): `declic customers erase`, or an event `customer.deleted`",
            "effacement (article 17) : `declic customers erase`, ou un événement `customer.deleted`",
        ),
        pick(
            language,
            "restriction (article 18): `declic customers restrict`",
            "limitation (article 18) : `declic customers restrict`",
        ),
        pick(
            language,
            "withdrawal and objection (articles 7(3) and 21): the link in each mail, STOP by SMS, or an event \
             `consent.changed`",
            "retrait et opposition (articles 7(3) et 21) : le lien de chaque e-mail, STOP par SMS, ou un événement \
             `consent.changed`",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_policy_says_of_time_is_said_in_words() {
        let length = |text: &str| retention::Span::parse(text).unwrap();
        let stated = |active: &str, archive: Option<&str>| {
            Span::Stated(Phases { active: length(active), archive: archive.map(length) })
        };
        for (active, archive, english, french) in [
            ("3y", None, "3 years", "3 ans"),
            (
                "1y",
                Some("18mo"),
                "1 year in use, then 1 year 6 months in the archive",
                "1 an en base active, puis 1 an 6 mois en archivage intermédiaire",
            ),
            (
                "90d",
                Some("1d"),
                "90 days in use, then 1 day in the archive",
                "90 jours en base active, puis 1 jour en archivage intermédiaire",
            ),
        ] {
            let said = |language| span(language, Kind::Events, stated(active, archive));
            assert_eq!(
                (said(Language::English), said(Language::French)),
                (english.to_owned(), french.to_owned())
            );
        }
        assert_eq!(span(Language::French, Kind::Texts, Span::Days(90)), "90 jours");
    }
}
