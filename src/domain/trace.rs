//! The place of a fact in somebody's trace: `traceparent` of the W3C Trace Context recommendation, and nothing else of it.
//!
//! It says nothing about a customer and decides nothing: it goes from the event along with what the event causes. What is
//! broken is as if it had not been there, for no event is refused because of it. Called by `event`; carried by entries,
//! messages and outcomes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hex;

/// The attribute of CloudEvents (Distributed Tracing extension 1.0), and the header of AMQP and HTTP.
pub const TRACEPARENT: &str = "traceparent";

/// `00-` trace-id `-` parent-id `-` flags (W3C Trace Context §3.2.2).
const LENGTH: usize = 55;

/// Bits of the flags that mean something: sampled, and that the trace id is random (Trace Context level 2). All others are
/// to be set to zero by whoever does not know them.
const KNOWN_FLAGS: u8 = 0b11;

/// Whoever began the trace keeps its spans, and we keep ours.
const SAMPLED: u8 = 0b01;

/// One span of one trace, which is the parent of what comes next. Displayed as the value of `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    /// Never all zeros.
    pub trace_id: [u8; 16],
    /// Never all zeros.
    pub span_id: [u8; 8],
    pub flags: u8,
}

impl Trace {
    /// Reads the value of `traceparent` (W3C Trace Context §3.2, §4.2.1): version 00 to the letter; of a later version, as
    /// that asks for, what version 00 would say, and whatever it adds behind another dash is passed over.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, rest) = (text.get(..LENGTH)?, text.get(LENGTH..)?);
        let mut parts = head.split('-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let [version] = bytes(version)?;
        let fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let [flags] = bytes(flags)?;
        let trace = Self { trace_id: bytes(trace_id)?, span_id: bytes(span_id)?, flags: flags & KNOWN_FLAGS };
        let is_valid = fits && parts.next().is_none() && trace.trace_id != [0; 16] && trace.span_id != [0; 8];
        is_valid.then_some(trace)
    }

    /// The trace's id as logs and trace viewers write it: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        hex::encode(&self.trace_id)
    }

    /// Whether whoever came before us keeps this trace's spans.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// Two lower-case digits a byte, as many bytes as asked for: capital letters are not valid here.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    hex::decode(text).filter(|_| text.bytes().all(lower))?.try_into().ok()
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, span_id) = (hex::encode(&self.trace_id), hex::encode(&self.span_id));
        write!(f, "00-{trace_id}-{span_id}-{:02x}", self.flags)
    }
}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not the value of a `traceparent`"))
    }
}

#[cfg(test)]
mod tests {
    use super::Trace;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn what_the_recommendation_says_of_it() {
        // (value, what is passed on: none when it is ignored)
        let kept = |flags: &str| Some(format!("00-{ID}-b7ad6b7169203331-{flags}"));
        let cases: &[(&str, Option<String>)] = &[
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", kept("01")),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", kept("00")),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", kept("03")),
            // Bits that nobody has given a meaning yet are not passed on.
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", kept("03")),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-08", kept("00")),
            // Later versions: what we know of them, with or without more behind.
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", kept("01")),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings", kept("01")),
            ("fe-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", kept("01")),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more", None),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", None),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            // Version 00 is as long as it is.
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-001", None),
            ("00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01", None),
            ("0-00af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            // All zeros are no id.
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None),
            // Lower-case hexadecimal digits, and dashes between.
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01", None),
            ("00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0.", None),
            (".0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            (" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0é", None),
            ("é0-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01", None),
            ("0af7651916cd43dd8448eb211c80319c", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(Trace::parse(value).map(|trace| trace.to_string()), *expected, "{value}");
        }
    }

    #[test]
    fn it_is_kept_as_it_is_written() {
        let trace = Trace::parse(&format!("00-{ID}-b7ad6b7169203331-01")).unwrap();
        assert_eq!((trace.id().as_str(), trace.is_sampled()), (ID, true));
        let json = serde_json::to_value(trace).unwrap();
        assert_eq!(json, format!("00-{ID}-b7ad6b7169203331-01"));
        assert_eq!(serde_json::from_value::<Trace>(json).unwrap(), trace);
        assert!(serde_json::from_value::<Trace>(serde_json::json!("00-")).is_err());
    }
}
