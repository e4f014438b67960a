//! The phrases of a story, in English and in French, side by side.
//!
//! A name in braces stands for a value. French spaces before `:`, `;`, `?`, `!` and within « » are written as plain ones
//! here and set as French typography asks, so that the table can be read; values are never touched.

use std::borrow::Cow;

use crate::domain::consent::{Channel, ConsentStatus};
use crate::domain::message::MessageState;
use crate::domain::rules::Basis;
use crate::domain::verdict::Reason;

/// A language that a story can be told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    French,
}

macro_rules! phrases {
    ($($name:ident $english:literal $french:literal,)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Phrase { $($name,)+ }

        impl Phrase {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name,)+];

            pub(super) fn text(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$name, Language::English) => $english, (Self::$name, Language::French) => $french,)+
                }
            }
        }
    };
}

phrases! {
    Customer "Customer {id}" "Client {id}",
    Erased "erased: what is left are types, times, states and consents"
        "effacé : il ne reste que des types, des instants, des états et des consentements",
    Attribute "{name}: {value}" "{name} : {value}",
    Word "consent by {channel}, {purpose}: {word}" "consentement par {channel}, {purpose} : {word}",
    SuppressedAddress "the address for {channel} is on the suppression list"
        "l’adresse pour {channel} est sur la liste d’exclusion",
    Times "times in {zone}" "heures de {zone}",
    WordOn "{status} on {at}" "{status} le {at}",
    WordFrom "{status} on {at} ({source})" "{status} le {at} ({source})",
    NoWord "nothing said" "rien de dit",

    Rule "Rule {rule}" "Règle {rule}",
    InForce "in force" "en vigueur",
    AsSince "as it is since {at}" "telle qu’elle est depuis le {at}",
    Disabled "disabled: it begins nothing" "désactivée : elle ne commence rien",
    Deleted "no longer among the rules: it begins nothing" "ne figure plus parmi les règles : elle ne commence rien",
    UnderWay "under way for {occurrence}" "en cours pour {occurrence}",
    Over "for once only, and the customer has been through it: it does not begin again"
        "une seule fois, et le client l’a déjà parcourue : elle ne recommence pas",
    WaitsForEvent "begins with an event {event}" "commence par un événement {event}",
    WaitsForAbsence "begins when no {event} has come for long enough"
        "commence quand aucun {event} n’est venu depuis assez longtemps",
    Meeting "its condition: {condition}" "sa condition : {condition}",
    Last "the last one was on {at}" "le dernier date du {at}",
    NoneCame "none has come from this customer" "aucun n’est venu de ce client",
    AbsenceDue "without another it begins on {at}" "sans un autre, elle commence le {at}",
    AbsenceWas "the absence of another was complete on {at}" "l’absence d’un autre était accomplie le {at}",
    WaitsForDate "begins each year by {attribute}, which is {date}" "commence chaque année selon {attribute}, soit {date}",
    NoDate "begins each year by {attribute}, which the profile does not hold"
        "commence chaque année selon {attribute}, que le profil ne contient pas",
    WaitsForTick "begins at the times of its schedule" "commence aux heures de son calendrier",
    Next "next on {at}" "la prochaine fois le {at}",
    NeverNext "it does not come again" "cela ne revient pas",
    Audience "as things stand, its audience: {condition}" "en l’état, son public : {condition}",

    EventFrom "from {source}, id {id}, received on {at}" "de {source}, identifiant {id}, reçu le {at}",
    Forgotten "what it carried has been erased with the customer" "son contenu a été effacé avec le client",
    Carried "it carried {data}" "il portait {data}",
    ProfileSet "profile: {name} is {to}" "profil : {name} vaut {to}",
    ProfileChanged "profile: {name} is {to}, and was {from}" "profil : {name} vaut {to}, et valait {from}",
    Consent "consent" "consentement",
    Began "rule {rule}: begins" "règle {rule} : commence",
    BeganLater "rule {rule}: begins on {at}" "règle {rule} : commence le {at}",
    NotBegun "rule {rule}: does not begin, because {reason}" "règle {rule} : ne commence pas, car {reason}",
    Broken "rule {rule}: does not begin, because another such event came on {at}"
        "règle {rule} : ne commence pas, car un autre événement de ce type est venu le {at}",
    WouldBegin "rule {rule}: nothing is recorded, though by what is known today it would begin"
        "règle {rule} : rien n’est enregistré, bien que selon ce que l’on sait aujourd’hui elle commencerait",
    Ends "rule {rule}: its entry ends, because {reason}" "règle {rule} : son parcours prend fin, car {reason}",
    JudgedSince "judged by the rule as it is since {at}: what does not begin is not recorded"
        "jugé par la règle telle qu’elle est depuis le {at} : ce qui ne commence pas n’est pas enregistré",
    Tick "rule {rule}, its time {tick}" "règle {rule}, son heure {tick}",

    True "{condition} is true" "{condition} est vrai",
    False "{condition} is false" "{condition} est faux",
    Unknown "{condition} cannot be told" "{condition} ne peut pas être jugé",
    Reads "{verdict}: {reads}" "{verdict} : {reads}",
    ReadIs "{path} is {value}" "{path} vaut {value}",
    ReadMissing "{path} is missing" "{path} manque",
    Because "{verdict}: {why}" "{verdict} : {why}",
    Unlike "its values do not go together" "ses valeurs ne vont pas ensemble",
    Decides "→ {part}" "→ {part}",
    Beside "  {part}" "  {part}",

    Entry "entry into rule {rule}" "parcours de la règle {rule}",
    EntryKey "key {key}" "clé {key}",
    BegunBy "begun by {event} of {at}" "commencé par {event} du {at}",
    BegunByTick "begun by its time {occurrence}" "commencé par son heure {occurrence}",
    OldVersion "runs by version {version}, which is no longer the rule's" "suit la version {version}, qui n’est plus celle de la règle",
    VersionLost "the text of version {version} is not kept, so its steps are not known"
        "le texte de la version {version} n’est pas conservé, ses étapes ne sont donc pas connues",
    Differs "by what is known today it would have gone another way: what is recorded stands"
        "selon ce que l’on sait aujourd’hui il aurait suivi un autre chemin : ce qui est enregistré reste",
    Step "{id}: {what}" "{id} : {what}",
    WaitsUntil "waits until {at}" "attend jusqu’au {at}",
    Waited "waited until {at}" "a attendu jusqu’au {at}",
    PromoCode "a promo code for the message that follows" "un code promo pour le message qui suit",
    Offer "{template} by {channel}" "{template} par {channel}",
    OfferIs "{template} by {channel}: {state}" "{template} par {channel} : {state}",
    NextOn "next on {at}, {step}" "prochaine étape le {at}, {step}",
    NextDue "due since {at}, the worker takes it next, {step}" "échu depuis le {at}, le worker s’en charge, {step}",
    AwaitsConsent "waits for consent until {at}, {step}" "attend le consentement jusqu’au {at}, {step}",
    SetAside "set aside, see `declic dead-letters list`" "mis de côté, voir « declic dead-letters list »",
    EndsBy "{by} of {at} ends it" "{by} du {at} y met fin",
    Finished "came to its end" "est allé à son terme",
    EndedBy "ended by {by} of {at}: {reason}" "terminé par {by} du {at} : {reason}",
    Ended "ended: {reason}" "terminé : {reason}",

    MessageOf "rule {rule}, step {step}, message {id}" "règle {rule}, étape {step}, message {id}",
    To "to {address}" "à {address}",
    ToIn "to {address}, in {locale}" "à {address}, en {locale}",
    Why "because {reason}" "car {reason}",
    WhyMore "because {reason} ({detail})" "car {reason} ({detail})",
    Planned "planned for {at}" "prévu pour le {at}",
    Leaves "planned for {planned}, due on {at}, worthless after {expires}"
        "prévu pour le {planned}, échéance le {at}, sans intérêt après le {expires}",
    WasSent "planned for {planned}, sent on {at}" "prévu pour le {planned}, envoyé le {at}",
    Tries "hand-overs tried: {count}" "remises tentées : {count}",
    Reply "the provider said: {reply}" "le prestataire a dit : {reply}",
    Purpose "purpose {purpose}: {basis}" "finalité {purpose} : {basis}",
    ConsentThen "consent at that time: {word}" "consentement à cet instant : {word}",
    ConsentSince "newest word: {word}" "dernière parole : {word}",
    Code "promo code {code}" "code promo {code}",
    Goes "as things stand it leaves on {at}" "en l’état, il part le {at}",
    PutOff "as things stand it is put off until {at}, because {reason}" "en l’état, il est reporté au {at}, car {reason}",
    Refuses "as things stand it will not be sent, because {reason}" "en l’état, il ne sera pas envoyé, car {reason}",
}

impl Language {
    /// The phrase with its values.
    pub(super) fn say(self, phrase: Phrase, values: &[(&str, &str)]) -> String {
        let mut said = String::new();
        let mut rest = phrase.text(self);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            debug_assert!(value.is_some(), "{phrase:?} asks for {name}");
            said += &self.typeset(before);
            said += value.unwrap_or_default();
            rest = after;
        }
        said + &self.typeset(rest)
    }

    /// Spaces at which no line breaks: a narrow one before `;`, `?` and `!`, a whole one before `:` and within « ».
    fn typeset(self, text: &str) -> Cow<'_, str> {
        if self == Self::English {
            return text.into();
        }
        let set = [
            (" :", "\u{a0}:"),
            (" ;", "\u{202f};"),
            (" ?", "\u{202f}?"),
            (" !", "\u{202f}!"),
            ("« ", "«\u{a0}"),
            (" »", "\u{a0}»"),
        ];
        set.iter().fold(text.to_owned(), |text, (plain, set)| text.replace(plain, set)).into()
    }

    pub fn channel(self, channel: Channel) -> &'static str {
        match channel {
            Channel::Email => "e-mail",
            Channel::Sms => "SMS",
        }
    }

    pub fn status(self, status: ConsentStatus) -> &'static str {
        match (self, status) {
            (Self::English, ConsentStatus::Pending) => "asked for, not confirmed",
            (Self::English, status) => status.as_str(),
            (Self::French, ConsentStatus::Granted) => "accordé",
            (Self::French, ConsentStatus::Pending) => "demandé, non confirmé",
            (Self::French, ConsentStatus::Denied) => "refusé",
            (Self::French, ConsentStatus::Withdrawn) => "retiré",
        }
    }

    pub fn state(self, state: MessageState) -> &'static str {
        let (english, french) = match state {
            MessageState::Pending => ("waits", "en attente"),
            MessageState::Deferred => ("put off", "reporté"),
            MessageState::Paused => ("waits until its rule is resumed", "attend la reprise de sa règle"),
            MessageState::Claimed | MessageState::Sending => ("is being sent", "en cours d’envoi"),
            MessageState::Sent => ("sent", "envoyé"),
            MessageState::Delivered => ("sent, and delivered", "envoyé, et remis"),
            MessageState::Bounced => ("sent, and came back", "envoyé, et revenu"),
            MessageState::Complained => ("sent, and called unwanted", "envoyé, et signalé indésirable"),
            MessageState::Suppressed => ("not sent", "non envoyé"),
            MessageState::Failed => ("failed", "échoué"),
            MessageState::Expired => ("too late, not sent", "trop tard, non envoyé"),
            MessageState::Uncertain => ("sent or not, nobody knows", "envoyé ou non, nul ne le sait"),
        };
        if self == Self::English { english } else { french }
    }

    pub(super) fn basis(self, basis: Basis) -> &'static str {
        let (english, french) = match basis {
            Basis::Consent => ("only after consent", "seulement après consentement"),
            Basis::LegitimateInterest => ("unless the customer says no", "sauf si le client refuse"),
            Basis::Contract => {
                ("part of a contract, needs no consent", "fait partie d’un contrat, sans consentement")
            }
        };
        if self == Self::English { english } else { french }
    }

    pub fn reason(self, reason: Reason) -> Cow<'static, str> {
        match self {
            Self::English => reason.words().into(),
            Self::French => self.typeset(in_french(reason)),
        }
    }
}

/// [`Reason::words`] in French.
fn in_french(reason: Reason) -> &'static str {
    match reason {
        Reason::NoConsent => "le client n’a pas accepté ce genre de message sur ce canal",
        Reason::ConsentWithdrawn => "le client a retiré ou refusé son consentement",
        Reason::NothingToConfirm => {
            "le consentement que son lien confirme n’est pas en attente : déjà confirmé, retiré, ou jamais demandé"
        }
        Reason::TooOld => "cela aurait commencé trop loin dans le passé",
        Reason::NotInForce => "c’est arrivé avant que la règle ne soit en vigueur",
        Reason::Restricted => "le client a demandé que ses données soient conservées sans être utilisées",
        Reason::SuppressedAddress => "l’adresse a été rejetée, s’est plainte ou a été effacée",
        Reason::NoAddress => "le client n’a pas d’adresse sur ce canal",
        Reason::InvalidAddress => "l’adresse du client n’est pas de celles à qui l’on peut écrire",
        Reason::ConditionFalse => "la condition de la règle est fausse",
        Reason::MissingField => "la condition lit un champ qui manque ou qui est d’un autre genre",
        Reason::AlreadyEntered => "le client a déjà parcouru cette règle",
        Reason::Exited => "un événement de exit_on est venu avant",
        Reason::Restarted => "le déclencheur est revenu et a recommencé la règle",
        Reason::Superseded => "un fait antérieur arrivé plus tard a pris sa place",
        Reason::QuietHours => "le canal ne s’emploie pas à cette heure ou ce jour-là chez le client",
        Reason::FrequencyCap => "le client a reçu autant de messages de ce genre que la politique le permet",
        Reason::Expired => "il est trop tard pour l’envoyer",
        Reason::RuleDisabled => "la règle est désactivée",
        Reason::RuleDeleted => "la règle a été supprimée",
        Reason::RuleChanged => "la règle a changé et demande que les parcours en cours prennent fin",
        Reason::CustomerDeleted => "le client a été effacé",
        Reason::MissingTemplate => "le modèle n’existe plus",
        Reason::RenderFailed => "le modèle ne peut pas être rendu pour ce client",
        Reason::Refused => "le prestataire a refusé ce message pour de bon",
        Reason::RetriesExhausted => "le prestataire n’a cessé de demander d’essayer plus tard",
        Reason::Undelivered => "le prestataire n’a pas pu le remettre au téléphone",
        Reason::Bounced => {
            "le courrier à cette adresse est revenu : elle n’existe pas, ou n’en prend plus depuis des semaines"
        }
        Reason::Complained => "le lecteur a signalé un courrier comme indésirable",
        Reason::Manual => "un opérateur a inscrit l’adresse sur la liste",
        Reason::Cancelled => "un opérateur l’a annulé",
        Reason::CannotBeProcessed => "cela échoue à chaque essai : voir « declic dead-letters list »",
        Reason::OutcomeUnknown => "le prestataire l’a peut-être accepté, peut-être pas",
        Reason::Restored => {
            "la base de données a été ramenée à un état antérieur, et il a pu partir avant cela"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&str> {
        let mut names: Vec<&str> =
            text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn both_languages_say_the_same_values() {
        for phrase in Phrase::ALL {
            let [english, french] = [Language::English, Language::French].map(|l| phrase.text(l));
            assert_eq!(names(english), names(french), "{phrase:?}");
        }
    }

    #[test]
    fn french_is_set_as_french() {
        let phrases = Phrase::ALL.iter().map(|p| {
            let text = p.text(Language::French);
            let values: Vec<(&str, &str)> = names(text).into_iter().map(|name| (name, "x")).collect();
            Language::French.say(*p, &values)
        });
        let reasons = Reason::ALL.iter().map(|r| Language::French.reason(*r).into_owned());
        for said in phrases.chain(reasons) {
            assert!(!said.contains(['\'', '"']), "straight quotes in {said}");
            for (i, c) in said.char_indices() {
                let before = said[..i].chars().next_back();
                match c {
                    ':' | '»' => assert_eq!(before, Some('\u{a0}'), "{said}"),
                    ';' | '?' | '!' => assert_eq!(before, Some('\u{202f}'), "{said}"),
                    '«' => assert!(said[i..].starts_with("«\u{a0}"), "{said}"),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_value_is_never_touched() {
        let said = Language::French.say(Phrase::Carried, &[("data", r#"{"a": "b ? {id} : c"}"#)]);
        assert_eq!(said, r#"il portait {"a": "b ? {id} : c"}"#);
    }
}
