//! The consent ledger as a chain: each line carries a keyed hash over itself and over the line before, so that a line
//! altered, put in or taken out shows to whoever has the key.
//!
//! What is personal in a line (its proof) is not hashed itself: the hash covers a commitment to its encrypted form, so
//! that erasing the proof and its key leaves the chain whole.

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::consent::{ConsentFact, ConsentStatus};
use super::hex;

/// The layout of what is hashed, first in it.
const LAYOUT: &str = "declic consent 1";

/// A line of the ledger as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What was said. Its proof is no part of the hash.
    pub fact: ConsentFact,
    pub recorded_at: DateTime<Utc>,
    /// Its place in the chain, from 1; none where a build from before the chain wrote it.
    pub sequence: Option<i64>,
    /// The encrypted proof; none without a proof, and once that was erased.
    pub sealed: Option<String>,
    /// The [`commitment`] to the encrypted proof; empty without a proof.
    pub commitment: String,
    /// The keyed hash, in hexadecimal.
    pub hash: String,
}

/// A customer's chain up to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    pub length: i64,
    /// The hash of the last line; empty before the first.
    pub head: String,
}

/// What an encrypted proof is represented by: its SHA-256, in hexadecimal.
pub fn commitment(sealed: &str) -> String {
    hex::encode(&Sha256::digest(sealed))
}

/// The hash of a line that follows the one whose hash is `previous`.
pub fn hash(key: &[u8], customer: &str, line: &Line, previous: &str) -> String {
    hex::encode(&mac(key, customer, line, previous).finalize().into_bytes())
}

fn mac(key: &[u8], customer: &str, line: &Line, previous: &str) -> Hmac<Sha256> {
    let fact = &line.fact;
    // An array of JSON has one reading only, whatever its texts hold.
    let text = json!([
        LAYOUT,
        previous,
        line.sequence,
        customer,
        fact.event_source,
        fact.event_id,
        fact.channel.as_str(),
        fact.purpose,
        fact.status.as_str(),
        fact.at.timestamp_micros(),
        fact.shown_at.map(|at| at.timestamp_micros()),
        fact.said.map(ConsentStatus::as_str),
        line.recorded_at.timestamp_micros(),
        line.commitment,
    ])
    .to_string();
    // Unwrap safety: HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac
}

/// What is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("line {0} is missing, or there twice")]
    Missing(i64),
    #[error("line {0} is not what was recorded: it, or one before it, was altered")]
    Altered(i64),
    #[error("the proof of line {0} is not what was recorded")]
    ProofAltered(i64),
    #[error("the proof of line {0} is gone, though the customer was never erased")]
    ProofGone(i64),
    #[error("the chain ends at line {found}, and {length} were recorded")]
    Cut { found: i64, length: i64 },
    #[error("line {0} is not the one that was noted elsewhere: the chain was written anew")]
    NotAsNoted(i64),
}

/// What was found by [`verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines in the chain.
    pub linked: i64,
    /// Lines from before there was a chain, of which nothing can be said.
    pub unlinked: i64,
    /// Proofs that were erased with their customer.
    pub erased_proofs: i64,
    pub faults: Vec<Fault>,
}

/// Follows a customer's chain from its first line to its end. `keys` are the present key and former ones; `noted` is
/// where the chain stood when it was noted outside of the database. Only the first altered line is told, since all after
/// it hang on it.
pub fn verify(
    keys: &[Vec<u8>],
    customer: &str,
    lines: &[Line],
    end: &End,
    was_erased: bool,
    noted: Option<&End>,
) -> Report {
    let mut report = Report::default();
    let mut linked: Vec<(i64, &Line)> = Vec::new();
    for line in lines {
        match line.sequence {
            Some(sequence) => linked.push((sequence, line)),
            None => report.unlinked += 1,
        }
    }
    linked.sort_by_key(|(sequence, _)| *sequence);
    let mut previous = "";
    let mut is_whole = true;
    for (place, (sequence, line)) in (1..).zip(&linked) {
        if is_whole && *sequence != place {
            report.faults.push(Fault::Missing(place));
            is_whole = false;
        }
        if is_whole && !keys.iter().any(|key| is_hash_of(key, customer, line, previous)) {
            report.faults.push(Fault::Altered(*sequence));
            is_whole = false;
        }
        if noted.is_some_and(|noted| noted.length == *sequence && noted.head != line.hash) {
            report.faults.push(Fault::NotAsNoted(*sequence));
        }
        match &line.sealed {
            Some(sealed) if commitment(sealed) != line.commitment => {
                report.faults.push(Fault::ProofAltered(*sequence));
            }
            None if !line.commitment.is_empty() && was_erased => report.erased_proofs += 1,
            None if !line.commitment.is_empty() => report.faults.push(Fault::ProofGone(*sequence)),
            Some(_) | None => {}
        }
        previous = &line.hash;
    }
    report.linked = linked.len() as i64;
    let length = noted.map_or(end.length, |noted| noted.length.max(end.length));
    let is_cut = report.linked < length || report.linked == end.length && previous != end.head;
    if is_cut && is_whole {
        report.faults.push(Fault::Cut { found: report.linked, length });
    }
    report
}

fn is_hash_of(key: &[u8], customer: &str, line: &Line, previous: &str) -> bool {
    hex::decode(&line.hash).is_some_and(|tag| mac(key, customer, line, previous).verify_slice(&tag).is_ok())
}
