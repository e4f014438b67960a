//! What message centres tell of their own accord: receipts (SMPP 3.4, appendix B and 5.3.2) and customers' messages.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::address::{is_national, plain};
use super::alphabet;
use super::config::{ReceiptIds, SmppConfig};
use super::pdu::{Delivered, esm, tag};
use super::segment::without_header;
use crate::channels::sms::{Inbound, Incoming, Receipt, ReceiptState};
use crate::domain::hex;

/// Characters of a receipt that are kept for people.
const LONGEST_DETAIL: usize = 200;
/// Network type and code of `network_error_code` (5.3.2.31) for a subscriber that GSM does not know (TS 29.002).
const UNKNOWN_SUBSCRIBER: [u8; 3] = [3, 0, 1];

/// How ids and codes of this provider are to be read.
#[derive(Debug, Clone)]
pub struct Dialect {
    ids: ReceiptIds,
    bad_number_errors: Vec<String>,
}

impl Dialect {
    pub fn new(config: &SmppConfig) -> Self {
        let codes = config.bad_number_errors.iter().map(|code| code.trim().to_owned());
        Self { ids: config.receipt_ids, bad_number_errors: codes.collect() }
    }

    /// The id that an answer to a submit gave, in the form in which [`Dialect::read`] gives the ids of receipts:
    /// decimal, wherever one side writes it to another base.
    pub fn submitted(&self, id: &str) -> String {
        match self.ids {
            ReceiptIds::Same => id.to_owned(),
            ReceiptIds::HexToDecimal => number(id, 16),
            ReceiptIds::DecimalToHex => number(id, 10),
        }
    }

    fn receipted(&self, id: &str) -> String {
        match self.ids {
            ReceiptIds::Same => id.to_owned(),
            ReceiptIds::HexToDecimal => number(id, 10),
            ReceiptIds::DecimalToHex => number(id, 16),
        }
    }

    /// What a delivery says, at `now`. None: a receipt that does not say for what.
    pub fn read(&self, delivered: &Delivered, now: DateTime<Utc>) -> Option<Incoming> {
        let kind = delivered.esm_class & esm::KIND;
        let state = delivered.tlv(tag::MESSAGE_STATE).and_then(|value| value.first().copied());
        // Some leave esm_class at 0. The text alone proves nothing: anybody can send us one that reads like a receipt.
        let told = delivered.tlv(tag::RECEIPTED_MESSAGE_ID).is_some() && state.is_some();
        if matches!(kind, esm::RECEIPT | esm::INTERMEDIATE) || (kind == 0 && told) {
            return self.receipt(delivered, kind, state, now).map(Incoming::Receipt);
        }
        Some(Incoming::Text(inbound(delivered, now)))
    }

    /// `at` is our own time: receipts have a date, but without a zone.
    fn receipt(
        &self,
        delivered: &Delivered,
        kind: u8,
        state: Option<u8>,
        now: DateTime<Utc>,
    ) -> Option<Receipt> {
        let text = alphabet::decode(&delivered.message, delivered.data_coding);
        let parameter = delivered.tlv(tag::RECEIPTED_MESSAGE_ID).map(c_string).filter(|id| !id.is_empty());
        let printed = field(&text, "id:");
        // The parameter is in the form of the answer by the standard, and the printed id in the form that was
        // configured; where those differ only the latter is sure.
        let id = match self.ids {
            ReceiptIds::Same => parameter.as_deref().or(printed),
            ReceiptIds::HexToDecimal | ReceiptIds::DecimalToHex => printed.or(parameter.as_deref()),
        }?;
        let word = field(&text, "stat:").unwrap_or_default();
        let error = field(&text, "err:").unwrap_or_default();
        let network = delivered.tlv(tag::NETWORK_ERROR_CODE);
        let bad_address =
            self.bad_number_errors.iter().any(|code| code == error) || network == Some(&UNKNOWN_SUBSCRIBER);
        let state = match (kind, state) {
            (esm::INTERMEDIATE, _) => ReceiptState::Pending,
            (_, Some(state)) => state_of(state, bad_address),
            (_, None) => state_named(word, bad_address),
        };
        let head = text.get(..text_begins(&text)).unwrap_or_default().trim();
        let detail: String = head.chars().filter(|c| !c.is_control()).take(LONGEST_DETAIL).collect();
        Some(Receipt {
            provider_id: self.receipted(id),
            state,
            at: now,
            detail: (!detail.is_empty()).then_some(detail),
        })
    }
}

/// `message_state` (5.2.28). What we do not know yet is pending.
fn state_of(state: u8, bad_address: bool) -> ReceiptState {
    match state {
        2 => ReceiptState::Delivered,
        3 => ReceiptState::Failed { bad_address: false }, // EXPIRED
        4 => ReceiptState::Failed { bad_address: false }, // DELETED
        5 | 8 => ReceiptState::Failed { bad_address },    // UNDELIVERABLE, REJECTED
        _ => ReceiptState::Pending,                       // ENROUTE, ACCEPTED, UNKNOWN
    }
}

/// The same as appendix B prints it, cut to seven letters or not.
fn state_named(word: &str, bad_address: bool) -> ReceiptState {
    let word = word.to_ascii_uppercase();
    let known = [("DELIV", 2), ("EXPIR", 3), ("DELET", 4), ("UNDEL", 5), ("REJEC", 8), ("FAILED", 5)];
    let state = known.iter().find(|(begin, _)| word.starts_with(begin)).map_or(7, |(_, state)| *state);
    state_of(state, bad_address)
}

/// Where the customer's own text begins, whose words are not the receipt's.
fn text_begins(text: &str) -> usize {
    find(text, "text:").unwrap_or(text.len())
}

/// The word after a field's name, in any case, before the customer's text.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = text.get(..text_begins(text))?;
    let value = head.get(find(head, name)? + name.len()..)?.trim_start();
    value.split_whitespace().next()
}

/// Where a field begins: at the start, or after a blank ("id:" is not the end of "mid:").
fn find(text: &str, name: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let begins = |at: &usize| *at == 0 || lower.as_bytes()[at - 1].is_ascii_whitespace();
    lower.match_indices(name).map(|(at, _)| at).find(begins)
}

/// The number in decimal, without leading zeros; what is no number stays as it is.
fn number(id: &str, base: u32) -> String {
    u128::from_str_radix(id, base).map_or_else(|_| id.to_owned(), |number| number.to_string())
}

/// A C-octet string in an optional parameter, with its zero or without.
fn c_string(value: &[u8]) -> String {
    let text = value.split(|octet| *octet == 0).next().unwrap_or_default();
    text.iter().map(|octet| char::from(*octet)).collect::<String>().trim().to_owned()
}

/// A customer's message. Each part of a long one stands for itself: to hold the first back, unacknowledged, until
/// the last is here would block providers that wait for each answer, and to acknowledge it would be to lose it.
fn inbound(delivered: &Delivered, now: DateTime<Utc>) -> Inbound {
    let header = delivered.esm_class & esm::HEADER != 0;
    let octets = if header { without_header(&delivered.message).0 } else { &delivered.message };
    Inbound {
        id: inbound_id(delivered, now),
        from: plain(&delivered.source),
        national: is_national(&delivered.source),
        to: plain(&delivered.dest),
        text: alphabet::decode(octets, delivered.data_coding),
        at: now,
    }
}

/// `deliver_sm` has no id of its own. A digest of what it says and of the minute makes one delivered again at once the
/// same, and a second STOP after a START another one. That one delivered again later counts twice is the lesser
/// evil: STOP twice is STOP.
fn inbound_id(delivered: &Delivered, now: DateTime<Utc>) -> String {
    if let Some(id) = delivered.tlv(tag::RECEIPTED_MESSAGE_ID).map(c_string).filter(|id| !id.is_empty()) {
        return id;
    }
    let mut hash = Sha256::new();
    let reference = delivered.tlv(tag::USER_MESSAGE_REFERENCE).unwrap_or_default();
    let minute = (now.timestamp() / 60).to_be_bytes();
    let (source, dest) = (delivered.source.digits.as_bytes(), delivered.dest.digits.as_bytes());
    for part in
        [source, dest, &[delivered.esm_class, delivered.data_coding], &delivered.message, reference, &minute]
    {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..16])
}
