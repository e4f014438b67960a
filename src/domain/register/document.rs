//! The register in words: a title, and sections of fields, tables and lists, which each form writes in its way.

mod gaps;

use chrono::{DateTime, Utc};

use super::words::{self, Heading, pick};
use super::{Activity, Field, Kind, Officer, Reader, Recipient, Register, is_in_eea};
use crate::domain::consent::Channel;
use crate::domain::explain::Language;
use crate::domain::rules::Basis;

/// The whole, in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub language: Language,
    pub title: String,
    /// Whose register it is, and as of when.
    pub lead: String,
    pub sections: Vec<Section>,
}

/// A heading with what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub heading: String,
    pub blocks: Vec<Block>,
}

/// What a section is made of. All text is plain: whoever writes it out escapes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Each with a name and one line or more.
    Fields(Vec<(String, Vec<String>)>),
    /// With a caption, where the section has more than one.
    Table {
        caption: Option<String>,
        head: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    List {
        caption: Option<String>,
        items: Vec<String>,
    },
}

impl Register {
    /// Puts the register into words, as of `at`.
    pub fn document(&self, language: Language, at: DateTime<Utc>) -> Document {
        let teller = Teller { register: self, language };
        let day = at.format(pick(language, "%Y-%m-%d", "%d/%m/%Y"));
        let as_of = pick(language, "as configured on", "d’après la configuration du");
        let mut sections = vec![teller.controller(), teller.overview()];
        sections.extend(self.activities.iter().map(|activity| teller.activity(activity)));
        sections.extend([teller.recipients(), teller.limits(), teller.measures(), teller.rights()]);
        sections.push(teller.gaps());
        Document {
            language,
            title: Heading::Title.text(language).to_owned(),
            lead: format!("{}, {as_of} {day}", self.controller.name),
            sections,
        }
    }

    /// The sheet of one activity: the columns of article 30(1) and of the CNIL's model, each with its lines.
    pub fn sheet(&self, activity: &Activity, language: Language) -> Vec<(String, Vec<String>)> {
        Teller { register: self, language }.sheet(activity)
    }

    /// Who the controller is, on the lines of article 30(1)(a).
    pub fn who(&self, language: Language) -> Vec<(String, Vec<String>)> {
        Teller { register: self, language }.who()
    }

    /// The gaps in words, with what mends each.
    pub fn gaps_in_words(&self, language: Language) -> Vec<String> {
        let teller = Teller { register: self, language };
        self.gaps.iter().map(|gap| teller.gap(gap)).collect()
    }
}

/// A register and the language it is told in.
struct Teller<'a> {
    register: &'a Register,
    language: Language,
}

impl Teller<'_> {
    fn pick<'t>(&self, english: &'t str, french: &'t str) -> &'t str {
        pick(self.language, english, french)
    }

    fn heading(&self, heading: Heading) -> String {
        heading.text(self.language).to_owned()
    }

    fn section(&self, heading: Heading, blocks: Vec<Block>) -> Section {
        Section { heading: self.heading(heading), blocks }
    }

    /// `name: text`, as the language spaces it.
    fn named(&self, name: &str, text: &str) -> String {
        format!("{name}{}{text}", self.pick(": ", " : "))
    }

    fn controller(&self) -> Section {
        self.section(Heading::Controller, vec![Block::Fields(self.who())])
    }

    fn who(&self) -> Vec<(String, Vec<String>)> {
        let (sender, declared) = (&self.register.controller, &self.register.declared);
        let officer = match &declared.dpo {
            None => self.pick("not stated", "non précisé"),
            Some(Officer::None) => self.pick("none designated", "aucun n’est désigné"),
            Some(Officer::Is(words)) => words,
        };
        let lines = [
            (Heading::Name, Some(sender.name.as_str())),
            (Heading::PostalAddress, Some(&sender.postal_address)),
            (Heading::Email, Some(&sender.email)),
            (Heading::Website, sender.website.as_deref()),
            (Heading::JointController, declared.joint_controller.as_deref()),
            (Heading::Representative, declared.representative.as_deref()),
            (Heading::Officer, Some(officer)),
        ];
        let said = lines.into_iter().filter_map(|(heading, line)| Some((heading, line?)));
        said.map(|(heading, line)| (self.heading(heading), vec![line.to_owned()])).collect()
    }

    fn overview(&self) -> Section {
        let head =
            [Heading::Activity, Heading::Basis, Heading::SubPurposes].map(|h| self.heading(h)).to_vec();
        let rows = self.register.activities.iter().map(|activity| {
            let rules: Vec<&str> = activity.rules.keys().map(String::as_str).collect();
            vec![
                self.purpose(activity),
                words::basis(self.language, activity.basis).to_owned(),
                rules.join(", "),
            ]
        });
        self.section(Heading::Activities, vec![Block::Table { caption: None, head, rows: rows.collect() }])
    }

    /// What an activity is called: in the shop's words, else in ours, else by its name; with its name.
    fn purpose(&self, activity: &Activity) -> String {
        let code = self.pick("en", "fr");
        let labels = || activity.label.iter();
        let own =
            labels().find(|(tag, _)| tag.split('-').next() == Some(code)).map(|(_, words)| words.as_str());
        let own = own.or_else(|| words::purpose(self.language, &activity.purpose));
        match own.or_else(|| labels().next().map(|(_, words)| words.as_str())) {
            Some(words) => format!("{words} ({})", activity.purpose),
            None => activity.purpose.clone(),
        }
    }

    fn activity(&self, activity: &Activity) -> Section {
        let heading = self.named(Heading::Activity.text(self.language), &self.purpose(activity));
        // What is the same for all activities has sections of its own.
        let common = [Heading::Limits, Heading::Measures].map(|h| self.heading(h));
        let mut sheet = self.sheet(activity);
        for (_, lines) in sheet.iter_mut().filter(|(name, _)| common.contains(name)) {
            *lines = vec![
                self.pick("see below, for all activities", "voir plus bas, pour toutes les activités")
                    .to_owned(),
            ];
        }
        Section { heading, blocks: vec![Block::Fields(sheet), self.readers(activity)] }
    }

    fn sheet(&self, activity: &Activity) -> Vec<(String, Vec<String>)> {
        let rules = activity.rules.iter().map(|(name, description)| match description.trim() {
            "" => name.clone(),
            said => self.named(name, said),
        });
        let mut basis = words::basis(self.language, activity.basis).to_owned();
        if activity.double_opt_in {
            basis +=
                self.pick(", confirmed by a link (double opt-in)", ", confirmé par un lien (double opt-in)");
        }
        let limits = self.register.kept.iter().filter(|kept| concerns(kept.what, activity));
        let limits = limits.map(|k| self.named(words::kind(self.language, k.what), &self.span(*k)));
        vec![
            (self.heading(Heading::Purpose), vec![self.purpose(activity)]),
            (self.heading(Heading::SubPurposes), rules.collect()),
            (self.heading(Heading::Basis), vec![basis]),
            (self.heading(Heading::Persons), vec![self.persons(activity).to_owned()]),
            (self.heading(Heading::Data), self.data(activity)),
            (
                self.heading(Heading::Recipients),
                or_nobody(self.register.recipients_of(activity).map(|r| self.recipient(r)).collect(), self),
            ),
            (self.heading(Heading::Transfers), self.transfers(activity)),
            (self.heading(Heading::Limits), limits.collect()),
            (self.heading(Heading::Measures), self.measures_that_are(true)),
        ]
    }

    /// Rules look at every customer whom their trigger concerns; messages go to fewer.
    fn persons(&self, activity: &Activity) -> &'static str {
        match activity.basis {
            Basis::Consent => pick(
                self.language,
                "customers; messages go to those who agreed only",
                "clients ; les messages ne vont qu’à ceux qui ont donné leur accord",
            ),
            Basis::LegitimateInterest => pick(
                self.language,
                "customers; messages go to those who have not objected only",
                "clients ; les messages ne vont qu’à ceux qui ne s’y sont pas opposés",
            ),
            Basis::Contract => {
                pick(self.language, "customers whom the contract concerns", "clients que le contrat concerne")
            }
        }
    }

    fn data(&self, activity: &Activity) -> Vec<String> {
        let mut lines = Vec::new();
        let fields = |fields: &super::reads::Fields| {
            let names: Vec<String> = fields.keys().map(|field| self.field(field)).collect();
            names.join(", ")
        };
        if !activity.reads.customer.is_empty() {
            lines.push(self.named(self.pick("profile", "profil"), &fields(&activity.reads.customer)));
        }
        for (kind, of) in &activity.reads.events {
            let name = format!("{} {kind}", self.pick("event", "événement"));
            lines.push(match of.is_empty() {
                true => self.named(&name, self.pick("that it happened, and when", "sa venue et son heure")),
                false => self.named(&name, &fields(of)),
            });
        }
        lines.push(self.pick("messages: states and times", "messages : états et heures").to_owned());
        if activity.promo_codes {
            lines.push(self.pick("promo codes", "codes promotionnels").to_owned());
        }
        if activity.basis != Basis::Contract {
            let words = self
                .pick("consents and objections, with proofs", "consentements et oppositions, avec preuves");
            lines.push(words.to_owned());
        }
        lines
    }

    fn field(&self, field: &Field) -> String {
        match field {
            Field::All => self.pick("all of it", "en entier").to_owned(),
            Field::Named(name) => name.clone(),
        }
    }

    fn readers(&self, activity: &Activity) -> Block {
        let head = [Heading::Of, Heading::Field, Heading::ReadBy].map(|h| self.heading(h)).to_vec();
        let profile = self.pick("profile", "profil");
        let of_profile = activity.reads.customer.iter().map(|(field, by)| (profile, field, by));
        let of_events = activity
            .reads
            .events
            .iter()
            .flat_map(|(kind, fields)| fields.iter().map(|(field, by)| (kind.as_str(), field, by)));
        let rows = of_profile.chain(of_events).map(|(of, field, by)| {
            let readers: Vec<String> = by.iter().map(|reader| self.reader(reader)).collect();
            vec![of.to_owned(), self.field(field), readers.join(", ")]
        });
        Block::Table { caption: Some(self.heading(Heading::WhatIsRead)), head, rows: rows.collect() }
    }

    fn reader(&self, reader: &Reader) -> String {
        match reader {
            Reader::Message => self.pick("each message", "chaque message").to_owned(),
            Reader::Rule(name) => format!("{} {name}", self.pick("rule", "règle")),
            Reader::Template(name) => format!("{} {name}", self.pick("template", "modèle")),
        }
    }

    /// Who and where, in one line.
    fn recipient(&self, recipient: &Recipient) -> String {
        let role = words::role(self.language, recipient.role);
        format!("{}, {role} ({})", self.name(recipient), self.country(recipient))
    }

    fn name(&self, recipient: &Recipient) -> String {
        match &recipient.provider {
            Some(provider) => format!("{provider} ({})", recipient.host),
            None => recipient.host.clone(),
        }
    }

    fn country(&self, recipient: &Recipient) -> String {
        match &recipient.country {
            Some(country) => country.clone(),
            None => self.pick("country not stated", "pays non précisé").to_owned(),
        }
    }

    /// The transfer that handing data to a recipient is; none within the EEA, or where nobody said.
    fn transfer(&self, recipient: &Recipient) -> String {
        let Some(country) = &recipient.country else {
            return self.pick("not stated", "non précisé").to_owned();
        };
        if is_in_eea(country) {
            return self.pick("none", "aucun").to_owned();
        }
        let safeguard = self.register.declared.safeguards.get(country);
        let safeguard =
            safeguard.map_or(self.pick("no safeguard stated", "aucune garantie précisée"), String::as_str);
        self.named(country, safeguard)
    }

    fn transfers(&self, activity: &Activity) -> Vec<String> {
        let abroad = |r: &&Recipient| r.country.as_deref().is_none_or(|country| !is_in_eea(country));
        let lines = self.register.recipients_of(activity).filter(abroad);
        let lines: Vec<String> = lines.map(|r| self.named(&self.name(r), &self.transfer(r))).collect();
        or_nobody(lines, self)
    }

    fn recipients(&self) -> Section {
        let columns =
            [Heading::Recipient, Heading::Part, Heading::Country, Heading::Transfer, Heading::Protection];
        let rows = self.register.recipients.iter().map(|r| {
            vec![
                self.name(r),
                words::role(self.language, r.role).to_owned(),
                self.country(r),
                self.transfer(r),
                words::transport(self.language, r.transport).to_owned(),
            ]
        });
        let head = columns.map(|h| self.heading(h)).to_vec();
        self.section(Heading::Recipients, vec![Block::Table { caption: None, head, rows: rows.collect() }])
    }

    fn span(&self, kept: super::Kept) -> String {
        words::span(self.language, kept.what, kept.span)
    }

    fn limits(&self) -> Section {
        let rows = self.register.kept.iter();
        let rows = rows.map(|k| vec![words::kind(self.language, k.what).to_owned(), self.span(*k)]).collect();
        let head = [Heading::KindOfData, Heading::HowLong].map(|h| self.heading(h)).to_vec();
        self.section(Heading::Limits, vec![Block::Table { caption: None, head, rows }])
    }

    fn measures_that_are(&self, on: bool) -> Vec<String> {
        let measures = self.register.measures.iter().filter(|(_, is_on)| *is_on == on);
        measures.map(|(measure, _)| words::measure(self.language, *measure)).collect()
    }

    fn measures(&self) -> Section {
        let blocks = [(Heading::On, true), (Heading::Off, false)].map(|(heading, on)| Block::List {
            caption: Some(self.heading(heading)),
            items: or_nobody(self.measures_that_are(on), self),
        });
        self.section(Heading::Measures, blocks.into())
    }

    fn rights(&self) -> Section {
        let items = words::rights(self.language).map(str::to_owned).to_vec();
        self.section(Heading::Rights, vec![Block::List { caption: None, items }])
    }

    fn gaps(&self) -> Section {
        let items = or_nobody(self.register.gaps_in_words(self.language), self);
        self.section(Heading::Gaps, vec![Block::List { caption: None, items }])
    }
}

/// Whether an activity leaves this kind of data.
fn concerns(kind: Kind, activity: &Activity) -> bool {
    match kind {
        Kind::Profiles | Kind::Events | Kind::Messages | Kind::Suppressions | Kind::DeadLetters => true,
        Kind::Consents => activity.basis != Basis::Contract,
        Kind::Bounces => activity.channels.contains(&Channel::Email),
        Kind::Receipts | Kind::Texts => activity.channels.contains(&Channel::Sms),
    }
}

/// The lines; a word for none where there are none.
fn or_nobody(lines: Vec<String>, teller: &Teller<'_>) -> Vec<String> {
    if lines.is_empty() { vec![teller.pick("none", "aucun").to_owned()] } else { lines }
}
