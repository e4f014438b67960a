//! What a register that is written from files alone leaves open: for people to say, or to mend.

use std::collections::BTreeSet;

use super::sensitive::looks_sensitive;
use super::{Activity, Field, Kind, Measure, Reader, Register, Role, Span, is_in_eea};
use crate::domain::consent::Channel;
use crate::domain::rules::catalogue::Catalogue;
use crate::domain::rules::policy::is_built_in;

/// One thing that is not stated, or not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// Nothing says whether there is a data protection officer.
    NoOfficer,
    /// No rule is of this purpose, which the policy names.
    UnusedPurpose(String),
    /// Events of this type are taken in and kept, and no rule has a use for them.
    UnreadEvent(String),
    /// A rule has no description: what it is for is not told.
    NoDescription { rule: String },
    /// Rules write on this channel and no provider is named.
    NoProvider(Channel),
    /// Where this recipient works is not stated.
    NoCountry(Role),
    /// Data leaves the EEA and nothing says what protects it.
    NoSafeguard { role: Role, country: String },
    /// How long this is kept is not stated.
    NoTimeLimit(Kind),
    /// A field whose name looks like a special category of data.
    Sensitive { purpose: String, field: String, readers: BTreeSet<Reader> },
    /// A whole profile, or all data of an event: which data is not told.
    Everything { purpose: String, of: Option<String>, readers: BTreeSet<Reader> },
    /// A measure that could be on and is not.
    Off(Measure),
}

/// All gaps of a register, in its own order.
pub(super) fn gaps(register: &Register, unused: &[Activity], events: Option<&Catalogue>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if register.declared.dpo.is_none() {
        gaps.push(Gap::NoOfficer);
    }
    // Those that are always there nobody can take out.
    let unused = unused.iter().filter(|activity| !is_built_in(&activity.purpose));
    gaps.extend(unused.map(|activity| Gap::UnusedPurpose(activity.purpose.clone())));
    let is_read = |kind: &&str| register.activities.iter().any(|a| a.reads.events.contains_key(*kind));
    let unread = events.into_iter().flat_map(Catalogue::own).filter(|kind| !is_read(kind));
    gaps.extend(unread.map(|kind| Gap::UnreadEvent(kind.to_owned())));
    register.activities.iter().for_each(|activity| of_activity(activity, &mut gaps));
    let used: BTreeSet<Channel> =
        register.activities.iter().flat_map(|a| a.channels.iter().copied()).collect();
    let provided = |channel: &Channel| register.recipients.iter().any(|r| r.role.channel() == Some(*channel));
    gaps.extend(used.into_iter().filter(|channel| !provided(channel)).map(Gap::NoProvider));
    for recipient in &register.recipients {
        let role = recipient.role;
        match &recipient.country {
            None => gaps.push(Gap::NoCountry(role)),
            Some(country) if is_in_eea(country) || register.declared.safeguards.contains_key(country) => {}
            Some(country) => gaps.push(Gap::NoSafeguard { role, country: country.clone() }),
        }
    }
    let endless = register.kept.iter().filter(|kept| kept.span == Span::UntilErased);
    gaps.extend(endless.map(|kept| Gap::NoTimeLimit(kept.what)));
    gaps.extend(register.measures.iter().filter(|(_, on)| !on).map(|(measure, _)| Gap::Off(*measure)));
    gaps
}

fn of_activity(activity: &Activity, gaps: &mut Vec<Gap>) {
    let purpose = &activity.purpose;
    let silent = activity.rules.iter().filter(|(_, description)| description.trim().is_empty());
    gaps.extend(silent.map(|(rule, _)| Gap::NoDescription { rule: rule.clone() }));
    let of_profile = activity.reads.customer.iter().map(|(field, readers)| (None, field, readers));
    let of_events =
        activity.reads.events.iter().flat_map(|(kind, fields)| {
            fields.iter().map(move |(field, readers)| (Some(kind), field, readers))
        });
    for (event, field, readers) in of_profile.chain(of_events) {
        let (purpose, readers) = (purpose.clone(), readers.clone());
        match field {
            Field::All => gaps.push(Gap::Everything { purpose, of: event.cloned(), readers }),
            Field::Named(name) if looks_sensitive(name) => {
                let field = match event {
                    Some(_) => format!("data.{name}"),
                    None => format!("customer.{name}"),
                };
                gaps.push(Gap::Sensitive { purpose, field, readers });
            }
            Field::Named(_) => {}
        }
    }
}
