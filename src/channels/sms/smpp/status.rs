//! What a provider's answer means for the message, the number and the provider (SMPP 3.4, 5.1.3).
//!
//! Refusals have a scope, as with e-mail: ours (nothing goes out until somebody mends it), the number's, or the
//! message's. Anything but `ESME_ROK` says that the message was certainly not accepted.

use crate::channels::Answer;

pub const OK: u32 = 0x00;
pub const INVALID_COMMAND_LENGTH: u32 = 0x02;
pub const INVALID_COMMAND: u32 = 0x03;
pub const WRONG_BIND_STATE: u32 = 0x04;
/// What we answer when we could not keep what came in: deliver it again.
pub const TRY_AGAIN: u32 = 0x64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Accepted,
    /// Too much, or no session: nothing is wrong with any message, and none would fare better just now.
    Busy,
    /// The provider failed, perhaps at this very message: worth another attempt, a limited number of times.
    Retry,
    Message,
    Number,
    Us,
}

/// (code, name, what it means for a message that is submitted). Codes for operations that we do not use are left out.
#[rustfmt::skip]
const KNOWN: &[(u32, &str, Scope)] = &[
    (OK, "ESME_ROK", Scope::Accepted),
    (0x01, "ESME_RINVMSGLEN", Scope::Message),
    // Our units are all of one shape: the next would be refused likewise.
    (INVALID_COMMAND_LENGTH, "ESME_RINVCMDLEN", Scope::Us),
    (INVALID_COMMAND, "ESME_RINVCMDID", Scope::Us),
    (WRONG_BIND_STATE, "ESME_RINVBNDSTS", Scope::Busy),
    (0x05, "ESME_RALYBND", Scope::Busy),
    (0x06, "ESME_RINVPRTFLG", Scope::Us),
    (0x07, "ESME_RINVREGDLVFLG", Scope::Us),
    (0x08, "ESME_RSYSERR", Scope::Retry),
    (0x0a, "ESME_RINVSRCADR", Scope::Us),
    (0x0b, "ESME_RINVDSTADR", Scope::Number),
    (0x0d, "ESME_RBINDFAIL", Scope::Us),
    (0x0e, "ESME_RINVPASWD", Scope::Us),
    (0x0f, "ESME_RINVSYSID", Scope::Us),
    (0x14, "ESME_RMSGQFUL", Scope::Busy),
    (0x15, "ESME_RINVSERTYP", Scope::Us),
    (0x43, "ESME_RINVESMCLASS", Scope::Message),
    // Some send it for a passing trouble, some for good.
    (0x45, "ESME_RSUBMITFAIL", Scope::Retry),
    (0x48, "ESME_RINVSRCTON", Scope::Us),
    (0x49, "ESME_RINVSRCNPI", Scope::Us),
    (0x50, "ESME_RINVDSTTON", Scope::Us),
    (0x51, "ESME_RINVDSTNPI", Scope::Us),
    (0x53, "ESME_RINVSYSTYP", Scope::Us),
    (0x58, "ESME_RTHROTTLED", Scope::Busy),
    (0x61, "ESME_RINVSCHED", Scope::Message),
    (0x62, "ESME_RINVEXPIRY", Scope::Message),
    (TRY_AGAIN, "ESME_RX_T_APPN", Scope::Retry),
    (0x65, "ESME_RX_P_APPN", Scope::Message),
    (0x66, "ESME_RX_R_APPN", Scope::Message),
    (0xc0, "ESME_RINVOPTPARSTREAM", Scope::Message),
    (0xc1, "ESME_ROPTPARNOTALLWD", Scope::Message),
    (0xc2, "ESME_RINVPARLEN", Scope::Message),
    // An optional parameter that this provider demands, in all messages.
    (0xc3, "ESME_RMISSINGOPTPARAM", Scope::Us),
    (0xc4, "ESME_RINVOPTPARAMVAL", Scope::Message),
    (0xfe, "ESME_RDELIVERYFAILURE", Scope::Message),
    (0xff, "ESME_RUNKNOWNERR", Scope::Retry),
    // SMPP 5.0.
    (0x100, "ESME_RSERTYPUNAUTH", Scope::Us),
    (0x101, "ESME_RPROHIBITED", Scope::Us),
    (0x102, "ESME_RSERTYPUNAVAIL", Scope::Busy),
    (0x103, "ESME_RSERTYPDENIED", Scope::Us),
    (0x104, "ESME_RINVDCS", Scope::Message),
];

/// The code's name in the standard; `other` for a provider's own.
pub fn name(code: u32) -> &'static str {
    KNOWN.iter().find(|(known, ..)| *known == code).map_or("other", |(_, name, _)| *name)
}

/// What a code means. A provider's own codes (0x400 to 0x4ff) are in its manual only: another attempt, of which
/// there is a limited number.
pub fn scope(code: u32) -> Scope {
    KNOWN.iter().find(|(known, ..)| *known == code).map_or(Scope::Retry, |(.., scope)| *scope)
}

/// The code for people.
pub fn words(code: u32) -> String {
    match name(code) {
        "other" => format!("the provider's own code {code:#06x}"),
        name => format!("{name} ({code:#04x})"),
    }
}

/// What a refused submit means.
pub fn refusal(code: u32) -> Answer {
    let reply = words(code);
    match scope(code) {
        // The caller has dealt with what is accepted.
        Scope::Accepted | Scope::Retry => Answer::Retry { reply },
        Scope::Busy => Answer::Busy { reply },
        Scope::Message => Answer::Refused { reply, bad_address: false },
        Scope::Number => Answer::Refused { reply, bad_address: true },
        Scope::Us => Answer::ProviderRefused { reply },
    }
}

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Not reached, or lost: it may be there again in a moment.
    Lost(String),
    /// Somebody has to mend it: the account is refused, the certificate does not hold.
    Refused(String),
}

impl Failure {
    /// What a bind that was answered with `code` means.
    pub fn bind(code: u32) -> Self {
        let words = format!("the provider refuses the bind: {}", words(code));
        match scope(code) {
            Scope::Busy | Scope::Retry => Self::Lost(words),
            Scope::Accepted | Scope::Message | Scope::Number | Scope::Us => Self::Refused(words),
        }
    }

    pub fn words(&self) -> &str {
        match self {
            Self::Lost(words) | Self::Refused(words) => words,
        }
    }

    /// What it means for a message of which nothing has been written.
    pub fn answer(self) -> Answer {
        match self {
            Self::Lost(reply) => Answer::Busy { reply },
            Self::Refused(reply) => Answer::ProviderRefused { reply },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_scope() {
        let cases = [
            (0x58, "busy"),
            (0x14, "busy"),
            (0x04, "busy"),
            (0x08, "retry"),
            (0x45, "retry"),
            (0x0b, "number"),
            (0x01, "message"),
            (0x62, "message"),
            (0x0a, "us"),
            (0x0e, "us"),
            (0x0f, "us"),
            (0x410, "retry"),
        ];
        for (code, expected) in cases {
            let scope = match refusal(code) {
                Answer::Busy { .. } => "busy",
                Answer::Retry { .. } => "retry",
                Answer::ProviderRefused { .. } => "us",
                Answer::Refused { bad_address: true, .. } => "number",
                Answer::Refused { bad_address: false, .. } => "message",
                other => panic!("{other:?}"),
            };
            assert_eq!(scope, expected, "{}", words(code));
        }
    }

    #[test]
    fn refused_binds() {
        for code in [0x0d, 0x0e, 0x0f, 0x53] {
            assert!(matches!(Failure::bind(code), Failure::Refused(_)), "{}", words(code));
        }
        for code in [0x05, 0x08, 0x14, 0x58, 0x499] {
            assert!(matches!(Failure::bind(code), Failure::Lost(_)), "{}", words(code));
        }
    }

    #[test]
    fn codes_for_people() {
        assert_eq!(words(0x58), "ESME_RTHROTTLED (0x58)");
        assert_eq!(words(0x410), "the provider's own code 0x0410");
    }
}
