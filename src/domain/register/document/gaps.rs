//! Gaps in words, each with what mends it.

use std::collections::BTreeSet;

use super::Teller;
use crate::domain::explain::Language;
use crate::domain::register::{Gap, Kind, Measure, Reader, words};

impl Teller<'_> {
    pub(super) fn gap(&self, gap: &Gap) -> String {
        let french = self.language == Language::French;
        match gap {
            Gap::NoOfficer => self
                .pick(
                    "No data protection officer is named: write `register: { dpo: … }` in rules/policy.yaml, or \
                     `dpo: none` where the law asks for none",
                    "Aucun délégué à la protection des données n’est nommé : écrivez `register: { dpo: … }` dans \
                     rules/policy.yaml, ou `dpo: none` si la loi n’en demande pas",
                )
                .to_owned(),
            Gap::UnusedPurpose(purpose) if french => {
                format!("Aucune règle n’a la finalité `{purpose}` : retirez-la de rules/policy.yaml, ou écrivez une règle")
            }
            Gap::UnusedPurpose(purpose) => {
                format!("No rule is of the purpose `{purpose}`: take it out of rules/policy.yaml, or write a rule")
            }
            Gap::UnreadEvent(kind) if french => format!(
                "Les événements `{kind}` sont reçus et conservés, et aucune règle ne s’en sert : n’envoyez que ce qui sert \
                 (article 5(1)(c)), ou retirez-les de rules/events.yaml s’ils ne viennent plus"
            ),
            Gap::UnreadEvent(kind) => format!(
                "Events `{kind}` are taken in and kept, and no rule has a use for them: send only what is used (article \
                 5(1)(c)), or take them out of rules/events.yaml if they no longer come"
            ),
            Gap::NoDescription { rule } if french => {
                format!("La règle `{rule}` ne dit pas à quoi elle sert : écrivez sa `description`")
            }
            Gap::NoDescription { rule } => {
                format!("The rule `{rule}` does not say what it is for: write its `description`")
            }
            Gap::NoProvider(channel) => {
                let channel = words::channel(self.language, *channel);
                match french {
                    true => format!(
                        "Des règles écrivent par {channel} et aucun prestataire n’est configuré : ces messages ne sont \
                         que capturés, et le registre ne nomme pas qui les recevra"
                    ),
                    false => format!(
                        "Rules write by {channel} and no provider is configured: these messages are only captured, and \
                         the register does not name who will get them"
                    ),
                }
            }
            Gap::NoCountry(role) => {
                let (who, section) = (words::short_role(self.language, *role), role.section());
                match french {
                    true => format!("Le pays du destinataire « {who} » n’est pas précisé : écrivez `country` dans `[{section}]`"),
                    false => format!("The country of the {who} is not stated: write `country` in `[{section}]`"),
                }
            }
            Gap::NoSafeguard { role, country } => {
                let who = words::short_role(self.language, *role);
                match french {
                    true => format!(
                        "Rien ne dit ce qui protège les données chez le destinataire « {who} » ({country}) : écrivez \
                         `register: {{ safeguards: {{ {country}: … }} }}` dans rules/policy.yaml"
                    ),
                    false => format!(
                        "Nothing says what protects data with the {who} ({country}): write \
                         `register: {{ safeguards: {{ {country}: … }} }}` in rules/policy.yaml"
                    ),
                }
            }
            Gap::NoTimeLimit(kind) => self.endless(*kind),
            Gap::Sensitive { purpose, field, readers } => {
                let by = self.readers_of(readers);
                match french {
                    true => format!(
                        "`{field}` a le nom d’une donnée particulièrement protégée (articles 9, 10 et 87), lue pour \
                         `{purpose}` par : {by}. Vérifiez ce qui l’autorise"
                    ),
                    false => format!(
                        "`{field}` is named like data that is protected more (articles 9, 10 and 87), read for \
                         `{purpose}` by: {by}. Make sure what allows it"
                    ),
                }
            }
            Gap::Everything { purpose, of, readers } => {
                let by = self.readers_of(readers);
                let what = match of {
                    Some(kind) => self.named(self.pick("all data of events", "toutes les données des événements"), kind),
                    None => self.pick("the whole profile", "le profil entier").to_owned(),
                };
                match french {
                    true => format!("Lu pour `{purpose}` : {what}, par : {by}. Lisez plutôt des champs nommés"),
                    false => format!("Read for `{purpose}`: {what}, by: {by}. Read fields by name instead"),
                }
            }
            Gap::Off(measure) => self.off(*measure),
        }
    }

    fn endless(&self, kind: Kind) -> String {
        let what = words::kind(self.language, kind);
        match self.language {
            Language::English => format!("No time limit is stated for: {what}"),
            Language::French => format!("Aucun délai d’effacement n’est précisé pour : {what}"),
        }
    }

    fn off(&self, measure: Measure) -> String {
        let what = words::measure(self.language, measure);
        let what = self.named(self.pick("Not in place", "Pas en place"), &what);
        let how = match measure {
            Measure::SecretApart
            | Measure::ProofsEncrypted
            | Measure::LedgerChained
            | Measure::LinksSealed => self.pick("give a `secret`", "donnez un `secret`").to_owned(),
            Measure::AdminGuarded => self
                .pick(
                    "give an `admin.token`, or listen on loopback (`admin.listen`)",
                    "donnez un `admin.token`, ou écoutez sur la boucle locale (`admin.listen`)",
                )
                .to_owned(),
            Measure::PublicOverTls => self
                .pick("write `public.base_url` with `https://`", "écrivez `public.base_url` en `https://`")
                .to_owned(),
            Measure::Transport(role) => {
                let section = role.section();
                match self.language {
                    Language::English => format!("require TLS in `[{section}]`"),
                    Language::French => format!("exigez TLS dans `[{section}]`"),
                }
            }
            Measure::LedgerAppendOnly
            | Measure::LogsMasked
            | Measure::ErasureFinal
            | Measure::ProfilesEncrypted => return what,
        };
        format!("{what}{}{how}", self.pick(": ", " : "))
    }

    fn readers_of(&self, readers: &BTreeSet<Reader>) -> String {
        readers.iter().map(|reader| self.reader(reader)).collect::<Vec<_>>().join(", ")
    }
}
