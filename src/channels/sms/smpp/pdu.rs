//! Protocol data units of SMPP 3.4: those that a client writes, and those that it is sent.
//!
//! Written here rather than taken from a library for the reading: message centres leave out bodies, terminating
//! zeros and whole fields, and one odd receipt must not cost the connection with everything under way on it.
//! Whatever can be read is read; the frame alone is taken strictly.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Command ids (SMPP 3.4, 5.1.2.1); an answer has the same with the highest bit set.
pub mod command {
    pub const GENERIC_NACK: u32 = 0x8000_0000;
    pub const BIND_RECEIVER: u32 = 0x01;
    pub const BIND_TRANSMITTER: u32 = 0x02;
    pub const SUBMIT_SM: u32 = 0x04;
    pub const DELIVER_SM: u32 = 0x05;
    pub const UNBIND: u32 = 0x06;
    pub const BIND_TRANSCEIVER: u32 = 0x09;
    pub const OUTBIND: u32 = 0x0b;
    pub const ENQUIRE_LINK: u32 = 0x15;
    pub const ALERT_NOTIFICATION: u32 = 0x102;
    pub const DATA_SM: u32 = 0x103;
    /// Set in an answer.
    pub const RESPONSE: u32 = 0x8000_0000;
}

/// Optional parameters (SMPP 3.4, 5.3.2) that we read.
pub mod tag {
    pub const RECEIPTED_MESSAGE_ID: u16 = 0x001e;
    pub const USER_MESSAGE_REFERENCE: u16 = 0x0204;
    pub const NETWORK_ERROR_CODE: u16 = 0x0423;
    pub const MESSAGE_PAYLOAD: u16 = 0x0424;
    pub const MESSAGE_STATE: u16 = 0x0427;
}

/// Bits of `esm_class` (SMPP 3.4, 5.2.12).
pub mod esm {
    /// The text begins with a user data header.
    pub const HEADER: u8 = 0x40;
    /// The bits that say what kind of message it is, and two of the kinds.
    pub const KIND: u8 = 0x3c;
    pub const RECEIPT: u8 = 0x04;
    pub const INTERMEDIATE: u8 = 0x20;
}

const HEADER: usize = 16;
/// `message_payload` has at most 64 KiB; a frame that says it is longer is not SMPP.
const LONGEST: usize = HEADER + 68 * 1024;
/// What we say we speak.
const VERSION: u8 = 0x34;

/// One unit as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub command: u32,
    pub status: u32,
    pub sequence: u32,
    pub body: Vec<u8>,
}

impl Frame {
    /// The next unit, or an error when the stream ends or holds something else. Not to be dropped half-way.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).await?;
        let word =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let length = word(0) as usize;
        if !(HEADER..=LONGEST).contains(&length) {
            let words = format!("what the provider says is not SMPP (a unit of {length} octets)");
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        let mut body = vec![0; length - HEADER];
        stream.read_exact(&mut body).await?;
        Ok(Self { command: word(4), status: word(8), sequence: word(12), body })
    }

    /// The message id that answers to `submit_sm` consist of; empty where the body is left out.
    pub fn message_id(&self) -> String {
        Fields(&self.body).text().unwrap_or_default().trim().to_owned()
    }
}

/// A whole unit as bytes.
pub fn unit(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    for word in [length, command, status, sequence] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes.extend_from_slice(body);
    bytes
}

/// The body of each of the three binds (SMPP 3.4, 4.1).
pub fn bind(system_id: &str, password: &str, system_type: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for text in [system_id, password, system_type] {
        put_text(&mut body, text);
    }
    // Address range: all that are routed to this account.
    body.extend_from_slice(&[VERSION, 0, 0, 0]);
    body
}

/// An address with its type of number and numbering plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub ton: u8,
    pub npi: u8,
    pub digits: String,
}

/// `submit_sm` (SMPP 3.4, 4.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    pub source: Address,
    pub dest: Address,
    pub esm_class: u8,
    /// As 7.1.1 writes times; empty leaves it to the provider.
    pub validity_period: String,
    pub registered_delivery: bool,
    pub data_coding: u8,
    /// At most 254 octets.
    pub short_message: Vec<u8>,
}

impl Submit {
    pub fn body(&self) -> Vec<u8> {
        let mut body = vec![0]; // service_type: the default one
        for address in [&self.source, &self.dest] {
            body.extend_from_slice(&[address.ton, address.npi]);
            put_text(&mut body, &address.digits);
        }
        // esm_class, protocol_id, priority_flag, schedule_delivery_time: now
        body.extend_from_slice(&[self.esm_class, 0, 0, 0]);
        put_text(&mut body, &self.validity_period);
        // registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
        body.extend_from_slice(&[u8::from(self.registered_delivery), 0, self.data_coding, 0]);
        let text = &self.short_message[..self.short_message.len().min(254)];
        body.push(text.len() as u8);
        body.extend_from_slice(text);
        body
    }
}

/// What `deliver_sm` and `data_sm` bring (SMPP 3.4, 4.6.1 and 4.7.1): a receipt, or a customer's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    pub source: Address,
    pub dest: Address,
    pub esm_class: u8,
    pub data_coding: u8,
    /// `short_message`, or `message_payload` where that is empty.
    pub message: Vec<u8>,
    tlvs: Vec<(u16, Vec<u8>)>,
}

impl Delivered {
    /// None: the body ends before its mandatory part does.
    pub fn parse(frame: &Frame) -> Option<Self> {
        let mut fields = Fields(&frame.body);
        fields.text()?; // service_type
        let source = fields.address()?;
        let dest = fields.address()?;
        let esm_class = fields.octet()?;
        let data_coding;
        let mut message = Vec::new();
        if frame.command == command::DATA_SM {
            fields.octet()?; // registered_delivery
            data_coding = fields.octet()?;
        } else {
            fields.take(2)?; // protocol_id, priority_flag
            fields.text()?; // schedule_delivery_time
            fields.text()?; // validity_period
            fields.take(2)?; // registered_delivery, replace_if_present_flag
            data_coding = fields.octet()?;
            fields.octet()?; // sm_default_msg_id
            let length = fields.octet()?;
            message = fields.take(usize::from(length))?.to_vec();
        }
        let tlvs = fields.tlvs();
        if message.is_empty()
            && let Some((_, payload)) = tlvs.iter().find(|(tag, _)| *tag == tag::MESSAGE_PAYLOAD)
        {
            message.clone_from(payload);
        }
        Some(Self { source, dest, esm_class, data_coding, message, tlvs })
    }

    /// The value of an optional parameter.
    pub fn tlv(&self, tag: u16) -> Option<&[u8]> {
        self.tlvs.iter().find(|(found, _)| *found == tag).map(|(_, value)| value.as_slice())
    }
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    // A zero would end the field early; what comes from outside is checked before, with words.
    body.extend(text.bytes().filter(|byte| *byte != 0));
    body.push(0);
}

/// What is left to read of a body.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1).map(|octet| octet[0])
    }

    /// A C-octet string. Each octet is a character: ASCII by the standard, Latin-1 where a provider does not mind.
    fn text(&mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().position(|octet| *octet == 0).unwrap_or(self.0.len());
        let text = self.take(end)?.iter().map(|octet| char::from(*octet)).collect();
        self.0 = self.0.get(1..).unwrap_or_default();
        Some(text)
    }

    fn address(&mut self) -> Option<Address> {
        Some(Address { ton: self.octet()?, npi: self.octet()?, digits: self.text()? })
    }

    /// All that follow; what is cut short at the end is left out.
    fn tlvs(&mut self) -> Vec<(u16, Vec<u8>)> {
        let mut found = Vec::new();
        while let Some(head) = self.take(4) {
            let length = u16::from_be_bytes([head[2], head[3]]);
            let Some(value) = self.take(usize::from(length)) else { break };
            found.push((u16::from_be_bytes([head[0], head[1]]), value.to_vec()));
        }
        found
    }
}
