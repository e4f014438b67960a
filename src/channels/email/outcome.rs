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
            // Nothing of the message has been said yet, so it is not its fault.
            Self::Lost(reply) if step <= Step::Mail => Answer::Busy { reply },
            // A message that makes the server break off must not come again for ever: it costs an attempt.
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
        if busy(step, code, enhanced, &text) { Answer::Busy { reply } } else { Answer::Retry { reply } }
    } else if step <= Step::Mail || about_us(step, code, enhanced, &text) {
        Answer::ProviderRefused { reply }
    } else {
        Answer::Refused { reply, bad_address: step == Step::Rcpt && nobody_there(code, enhanced) }
    }
}

/// Whether a "try later" is about the provider or our pace, so that the next mail would fare no better: before the
/// recipient is named; a closing connection (421), but not as the answer to a whole mail, which may be what broke it;
/// a system that takes no mail (X.3.2); policy (X.7, as of limits), or words about a limit. Greylisting is about one
/// recipient, whatever its code.
fn busy(step: Step, code: u16, enhanced: Option<(u16, u16)>, text: &str) -> bool {
    const PACE: [&str; 7] =
        ["too many", "too fast", "throttl", "rate limit", "sending rate", "rate exceeded", "slow down"];
    let text = text.to_lowercase();
    if ["greylist", "graylist", "grey list", "gray list"].iter().any(|word| text.contains(word)) {
        return false;
    }
    step <= Step::Mail
        || (code == 421 && step < Step::Dot)
        || matches!(enhanced, Some((3, 2) | (7, _)))
        || PACE.iter().any(|words| text.contains(words))
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
            Answer::Busy { .. } => "busy",
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
            (Step::Connect, 421, "busy", "busy"),
            (Step::Connect, 535, "5.7.8 bad credentials", "us"),
            (Step::Connect, 454, "4.7.0 try later", "busy"),
            (Step::Mail, 550, "5.1.0 sender rejected", "us"),
            (Step::Mail, 451, "greylisted", "retry"),
            (Step::Mail, 452, "4.3.1 mail system full", "busy"),
            (Step::Mail, 451, "4.3.2 system not accepting messages", "busy"),
            (Step::Rcpt, 421, "4.4.2 shutting down", "busy"),
            (Step::Rcpt, 451, "4.3.2 please try again later", "busy"),
            (Step::Rcpt, 450, "4.7.28 unusual rate of mail", "busy"),
            (Step::Rcpt, 451, "4.7.1 Greylisted, come back in 5 minutes", "retry"),
            (Step::Rcpt, 452, "too many recipients this hour", "busy"),
            (Step::Rcpt, 450, "4.2.1 mailbox busy", "retry"),
            (Step::Data, 421, "closing", "busy"),
            (Step::Dot, 454, "Throttling failure: Maximum sending rate exceeded", "busy"),
            (Step::Dot, 421, "4.3.0 not taken", "retry"),
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
        for step in [Step::Connect, Step::Mail] {
            assert!(matches!(Failure::Lost(String::new()).outcome(step), Answer::Busy { .. }), "{step:?}");
        }
        for step in [Step::Rcpt, Step::Data] {
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
