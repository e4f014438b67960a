//! What laws and industry codes want of advertising by SMS: how a message tells the way to stop it, and whether a STOP is
//! confirmed. Data with their sources; not legal advice.

use super::sender::{self, Kind};

struct Law {
    country: &'static str,
    /// The languages of its wordings here, the usual one first.
    languages: &'static [&'static str],
    /// Whether one last message confirms a STOP.
    confirms: bool,
}

/// Every advertising message says how to stop it: in the EU by directive 2002/58/EC, article 13(2) and (4); in the
/// United Kingdom by PECR, regulation 22 and 23. Countries that are not listed get the same.
const LAWS: [Law; 14] = [
    // Code des postes et des communications électroniques, article L34-5; af2m, Charte Business Messaging (STOP on the
    // short code that it names). French providers confirm each STOP by one free message.
    Law { country: "FR", languages: &["fr"], confirms: true },
    Law { country: "BE", languages: &["nl", "fr", "de"], confirms: false },
    // Loi fédérale contre la concurrence déloyale, article 3(1)(o).
    Law { country: "CH", languages: &["de", "fr", "it"], confirms: false },
    Law { country: "LU", languages: &["fr", "de"], confirms: false },
    // Gesetz gegen den unlauteren Wettbewerb, § 7(2) and (3).
    Law { country: "DE", languages: &["de"], confirms: false },
    Law { country: "AT", languages: &["de"], confirms: false },
    // Ley 34/2002 (LSSI), article 21(2).
    Law { country: "ES", languages: &["es"], confirms: false },
    Law { country: "IT", languages: &["it"], confirms: false },
    Law { country: "NL", languages: &["nl"], confirms: false },
    Law { country: "PT", languages: &["pt"], confirms: false },
    Law { country: "GB", languages: &["en"], confirms: false },
    Law { country: "IE", languages: &["en"], confirms: false },
    // CTIA, Messaging Principles and Best Practices, §5.1.3; one confirming text, within five minutes, is allowed by
    // 47 CFR 64.1200(a)(12).
    Law { country: "US", languages: &["en", "es"], confirms: true },
    // CWTA, Canadian Common Short Code Application Guidelines: STOP and ARRET, each confirmed in its language.
    Law { country: "CA", languages: &["en", "fr"], confirms: true },
];

/// Territories under the law of another country in this matter.
fn law(country: &str) -> Option<&'static Law> {
    let country = match country {
        "RE" | "GP" | "MQ" | "GF" | "YT" | "MF" | "BL" | "PM" => "FR",
        "PR" | "VI" | "GU" | "AS" | "MP" => "US",
        other => other,
    };
    LAWS.iter().find(|law| law.country == country)
}

struct Wording {
    language: &'static str,
    /// None: where no other of the language is for the country.
    country: Option<&'static str>,
    /// For a sender that takes replies.
    reply: &'static str,
    /// Before the number that takes the STOP.
    to: &'static str,
}

/// All in GSM-7: a wording must not double the price of the text it is added to.
#[rustfmt::skip]
const WORDINGS: [Wording; 8] = [
    Wording { language: "fr", country: Some("CA"), reply: "Répondez ARRET pour vous désabonner", to: "ARRET au" },
    Wording { language: "fr", country: None, reply: "Répondez STOP pour vous désinscrire", to: "STOP au" },
    Wording { language: "en", country: None, reply: "Reply STOP to opt out", to: "To opt out, text STOP to" },
    Wording { language: "de", country: None, reply: "Abmelden: mit STOP antworten", to: "Abmelden: STOP an" },
    Wording { language: "es", country: None, reply: "Baja: responde STOP", to: "Baja: STOP al" },
    Wording { language: "it", country: None, reply: "Per disiscriverti rispondi STOP", to: "Per disiscriverti: STOP al" },
    Wording { language: "nl", country: None, reply: "Afmelden? Antwoord STOP", to: "Afmelden? STOP naar" },
    Wording { language: "pt", country: None, reply: "Para sair responda STOP", to: "Para sair: STOP para" },
];

/// How a customer can stop the messages.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// Of the text: BCP 47.
    pub language: &'a str,
    /// ISO 3166-1 alpha-2, upper case; none where it is not known.
    pub country: Option<&'a str>,
    /// None: the provider's choice.
    pub sender: Option<&'a str>,
    pub stop_number: Option<&'a str>,
}

/// The sender is a name, which takes no replies, and there is no number to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoWay;

/// The text, and on a line of its own the way to stop, unless the text tells it already. For every message that is not
/// part of a contract.
pub fn with_opt_out(text: &str, way: &Way<'_>) -> Result<String, NoWay> {
    let number = way.number()?;
    let named = way.sender.is_some_and(sender::is_name).then_some(number).flatten();
    if tells_the_way(text, named) {
        return Ok(text.to_owned());
    }
    let wording = way.wording();
    Ok(match number {
        Some(number) => format!("{text}\n{} {number}", wording.to),
        None => format!("{text}\n{}", wording.reply),
    })
}

/// Whether one last message confirms a STOP from this country.
pub fn confirms_stop(country: Option<&str>) -> bool {
    country.and_then(law).is_some_and(|law| law.confirms)
}

/// The template of a confirmation. The shop's own takes the place of the one that is built in.
pub const STOP_CONFIRMATION: &str = "stop-confirmation";

/// The built-in template, by locale.
pub const CONFIRMATIONS: [(&str, &str); 2] = [
    ("en", "{{sender.name}}: you are unsubscribed and will receive no more advertising from us by SMS."),
    ("fr", "{{sender.name}} : c'est noté, vous ne recevrez plus de publicité de notre part par SMS."),
];

impl<'a> Way<'a> {
    /// The number to name: where nobody can reply to the sender, or where it is usual.
    fn number(&self) -> Result<Option<&'a str>, NoWay> {
        match self.sender.map(|sender| (sender, sender::kind(sender))) {
            Some((_, Ok(Kind::Name))) => self.stop_number.map(Some).ok_or(NoWay),
            Some((code, Ok(Kind::ShortCode)))
                if self.country.and_then(law).is_some_and(|l| l.country == "FR") =>
            {
                Ok(Some(code))
            }
            Some(_) => Ok(None),
            None => Ok(self.stop_number),
        }
    }

    fn wording(&self) -> &'static Wording {
        let law = self.country.and_then(law);
        let country = law.map(|law| law.country);
        let wanted = primary(self.language);
        let usual = law.and_then(|law| law.languages.first()).copied().unwrap_or("en");
        let find = |language: &str| {
            WORDINGS.iter().find(|w| w.language == language && (w.country.is_none() || w.country == country))
        };
        find(&wanted).or_else(|| find(usual)).unwrap_or(&WORDINGS[2])
    }
}

/// Whether the text names the word to send, in capitals as such words are written, and `number` where nobody can reply.
/// "Non-stop" tells nothing, nor does "STOP !" at the head of an advertisement.
fn tells_the_way(text: &str, number: Option<&str>) -> bool {
    let word = ["STOP", "ARRET", "ARRÊT"].iter().any(|word| {
        text.match_indices(word).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            !before.ends_with(char::is_alphanumeric)
                && !after.starts_with(char::is_alphanumeric)
                && !after.trim_start().starts_with('!')
        })
    });
    let compact = || text.chars().filter(|c| !c.is_whitespace() && *c != '.').collect::<String>();
    word && number.is_none_or(|number| compact().contains(number))
}

fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sms::Encoding;

    fn way<'a>(language: &'a str, country: &'a str, sender: &'a str, number: &'a str) -> Way<'a> {
        let some = |text: &'a str| Some(text).filter(|t| !t.is_empty());
        Way { language, country: some(country), sender: some(sender), stop_number: some(number) }
    }

    #[test]
    fn wordings() {
        let cases = [
            (way("fr", "FR", "Lumen", "36180"), "STOP au 36180"),
            (way("fr-CH", "CH", "Lumen", "36180"), "STOP au 36180"),
            (way("fr", "RE", "38123", ""), "STOP au 38123"),
            (way("fr", "FR", "+33755512345", ""), "Répondez STOP pour vous désinscrire"),
            (way("fr", "CA", "12345", ""), "Répondez ARRET pour vous désabonner"),
            (way("fr", "", "", "36180"), "STOP au 36180"),
            (way("fr", "", "", ""), "Répondez STOP pour vous désinscrire"),
            (way("en", "US", "+14155552671", "36180"), "Reply STOP to opt out"),
            (way("en", "GB", "Lumen", "60777"), "To opt out, text STOP to 60777"),
            (way("es", "US", "+14155552671", ""), "Baja: responde STOP"),
            // A language without a wording: that of the country, else English.
            (way("br", "FR", "Lumen", "36180"), "STOP au 36180"),
            (way("pl", "", "", ""), "Reply STOP to opt out"),
            (way("de", "AT", "Lumen", "36180"), "Abmelden: STOP an 36180"),
        ];
        for (way, expected) in cases {
            assert_eq!(with_opt_out("Bonjour", &way), Ok(format!("Bonjour\n{expected}")), "{way:?}");
        }
        assert_eq!(with_opt_out("Bonjour", &way("fr", "FR", "Lumen", "")), Err(NoWay));
    }

    #[test]
    fn a_text_that_tells_the_way_stays() {
        let named = way("fr", "FR", "Lumen", "36180");
        let number = way("fr", "FR", "38123", "");
        let cases = [
            ("Soldes. STOP au 36180", named, true),
            ("Soldes. STOP au 36 180.", named, true),
            ("Soldes. Répondez STOP", number, true),
            ("Soldes (ARRÊT=fin)", number, true),
            // The number is not the one that takes it, or there is none.
            ("Soldes. STOP au 36111", named, false),
            ("Soldes. Répondez STOP", named, false),
            ("STOP ! Dernier jour, 36180 articles", named, false),
            ("Musique non-stop", number, false),
            ("Non-STOPPABLE", number, false),
        ];
        for (text, way, stays) in cases {
            assert_eq!(with_opt_out(text, &way).unwrap() == text, stays, "{text}");
        }
        let once = with_opt_out("Bonjour", &named).unwrap();
        assert_eq!(with_opt_out(&once, &named), Ok(once));
    }

    #[test]
    fn wordings_and_confirmations_are_cheap() {
        for wording in WORDINGS {
            assert_eq!(Encoding::of(wording.reply), Encoding::Gsm7, "{}", wording.reply);
            assert_eq!(Encoding::of(wording.to), Encoding::Gsm7, "{}", wording.to);
        }
        for (_, text) in CONFIRMATIONS {
            assert!(Encoding::of(text) == Encoding::Gsm7 && text.len() < 140, "{text}");
        }
        assert!(confirms_stop(Some("US")) && confirms_stop(Some("RE")) && !confirms_stop(Some("DE")));
        assert!(!confirms_stop(None));
    }
}
