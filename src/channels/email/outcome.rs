//! What a provider's answer means for the message, the address and the provider.
//!
//! Refusals have a scope: ours (the provider pauses), the address's, or the message's. Reply codes are
//! RFC 5321 4.2, enhanced codes RFC 3463.

use crate::channels::Answer;

/// Where in the dialogue an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Greeting, EHLO, STARTTLS, AUTH.
    Connect,
    Mail,
    Rcpt,
    /// The DATA command and the body, before the final dot.
    Data,
    /// From the first byte of the final dot on.
    Dot,
}

/// A failed step.
#[derive(Debug)]
pub enum Failure {
    /// The server said no: its code and its words.
    Reply { code: u16, text: String },
    /// The connection is gone, or what came over it was not SMTP.
    Lost(String),
    /// We will not go on: no TLS where it is required, a certificate that does not hold, no way to sign in.
    Distrust(String),
    /// The server cannot carry this one mail.
    Unsupported(String),
}

impl Failure {
    /// Whether the connection can still be used.
    pub fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Reply { code, .. } => *code != 421,
            Self::Unsupported(_) => true,
            Self::Lost(_) | Self::Distrust(_) => false,
        }
    }

    pub fn outcome(self, step: Step) -> Answer {
        match self {
            Self::Lost(detail) if step >= Step::Dot => Answer::Uncertain { detail },
            Self::Lost(reply) => Answer::Retry { reply },
            Self::Unsupported(reply) => Answer::Refused { reply, bad_address: false },
            Self::Distrust(reply) => Answer::ProviderRefused { reply },
            Self::Reply { code, text } => refusal(step, code, text),
        }
    }
}

fn refusal(step: Step, code: u16, text: String) -> Answer {
    let reply = format!("{code} {text}").trim_end().to_owned();
    let enhanced = enhanced_code(&text);
    if (400..500).contains(&code) {
        Answer::Retry { reply }
    } else if step <= Step::Mail || about_us(step, code, enhanced, &text) {
        Answer::ProviderRefused { reply }
    } else {
        Answer::Refused { reply, bad_address: step == Step::Rcpt && nobody_there(code, enhanced) }
    }
}

/// Security and policy (X.7), the sender's own address (X.1.7, X.1.8), and sign-in wanted. Without an
/// enhanced code the words have to do.
fn about_us(step: Step, code: u16, enhanced: Option<(u16, u16)>, text: &str) -> bool {
    const POLICY: [&str; 9] =
        ["relay", "policy", "spam", "blacklist", "blocklist", "blocked using", "reputation", "dkim", "dmarc"];
    match enhanced {
        Some((7, _) | (1, 7 | 8)) => true,
        Some(_) => false,
        None if matches!(code, 530 | 535 | 538) => true,
        None => {
            let text = text.to_lowercase();
            step == Step::Rcpt && POLICY.iter().any(|word| text.contains(word))
        }
    }
}

/// Bad destination (X.1), or a bare "no such mailbox". 552 is a full mailbox: the address lives.
fn nobody_there(code: u16, enhanced: Option<(u16, u16)>) -> bool {
    match enhanced {
        Some((subject, _)) => subject == 1,
        None => matches!(code, 550 | 551 | 553),
    }
}

/// Subject and detail of the enhanced code that a refusal begins with, if it does.
fn enhanced_code(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split_whitespace().next()?.split('.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    if !matches!(class, "4" | "5") || parts.next().is_some() {
        return None;
    }
    Some((subject.parse().ok()?, detail.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(step: Step, code: u16, text: &str) -> &'static str {
        match (Failure::Reply { code, text: text.to_owned() }).outcome(step) {
            Answer::Retry { .. } => "retry",
            Answer::ProviderRefused { .. } => "us",
            Answer::Refused { bad_address: true, .. } => "address",
            Answer::Refused { bad_address: false, .. } => "message",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_refusal_has_its_scope() {
        let cases = [
            (Step::Connect, 554, "no", "us"),
            (Step::Connect, 421, "busy", "retry"),
            (Step::Connect, 535, "5.7.8 bad credentials", "us"),
            (Step::Connect, 454, "4.7.0 try later", "retry"),
            (Step::Mail, 550, "5.1.0 sender rejected", "us"),
            (Step::Mail, 451, "greylisted", "retry"),
            (Step::Rcpt, 550, "5.1.1 no such user", "address"),
            (Step::Rcpt, 550, "5.1.8 sender's domain not found", "us"),
            (Step::Rcpt, 550, "no such user", "address"),
            (Step::Rcpt, 553, "mailbox name not allowed", "address"),
            (Step::Rcpt, 550, "5.2.1 mailbox disabled", "message"),
            (Step::Rcpt, 552, "mailbox full", "message"),
            (Step::Rcpt, 452, "4.2.2 mailbox full", "retry"),
            (Step::Rcpt, 550, "5.7.1 relaying denied", "us"),
            (Step::Rcpt, 550, "relaying denied", "us"),
            (Step::Rcpt, 530, "authentication required", "us"),
            (Step::Rcpt, 501, "syntax", "message"),
            (Step::Data, 554, "no valid recipients", "message"),
            (Step::Dot, 554, "5.7.1 looks like spam", "us"),
            (Step::Dot, 552, "5.3.4 too big", "message"),
            (Step::Dot, 550, "5.1.1 gone after all", "message"),
            (Step::Dot, 451, "later", "retry"),
        ];
        for (step, code, text, expected) in cases {
            assert_eq!(scope(step, code, text), expected, "{step:?} {code} {text}");
        }
    }

    #[test]
    fn a_loss_is_uncertain_only_from_the_dot_on() {
        for step in [Step::Connect, Step::Mail, Step::Rcpt, Step::Data] {
            assert!(matches!(Failure::Lost(String::new()).outcome(step), Answer::Retry { .. }), "{step:?}");
        }
        assert!(matches!(Failure::Lost(String::new()).outcome(Step::Dot), Answer::Uncertain { .. }));
    }

    #[test]
    fn enhanced_codes() {
        assert_eq!(enhanced_code("5.1.1 no such user"), Some((1, 1)));
        assert_eq!(enhanced_code("no such user 5.1.1"), None);
        assert_eq!(enhanced_code("10.1.1 x"), None);
        assert_eq!(enhanced_code("5.1.1.2 x"), None);
        assert_eq!(enhanced_code(""), None);
    }
}
