//! What countries ask of marketing SMS: how the reader can stop them, which words mean that, and whether a stop is
//! confirmed.
//!
//! Sources. France: article L34-5 of the Code des postes et des communications électroniques (each message offers a
//! simple and free way to object), and the AF2M's rules for short numbers, which name the words STOP, ARRET and « STOP
//! SMS » and have a stop acknowledged. United States: 47 CFR 64.1200(a)(10) (the words stop, quit, end, revoke, opt out,
//! cancel, unsubscribe; in force since 11 April 2025) and (a)(12) (one confirmation within five minutes). What is said of
//! other countries is our reading: the wording of the customer's language, and no confirmation.

/// The template of a confirmation. The shop's own takes the place of the one that is built in.
pub const STOP_CONFIRMATION: &str = "stop-confirmation";

/// What the confirmation says where the shop has no template of its own.
pub const CONFIRMATIONS: [(&str, &str); 2] = [
    ("fr", "{{sender.name}} : c'est noté, vous ne recevrez plus de SMS publicitaires de notre part."),
    ("en", "{{sender.name}}: you are unsubscribed and will get no more marketing messages from us."),
];

/// Words that mean stop, as they are after [`words`]: capital letters without accents.
const STOP_WORDS: [&str; 22] = [
    "STOP",
    "STOPALL",
    "STOP ALL",
    "STOP SMS",
    "STOPSMS",
    "STOP PUB",
    "STOPPUB",
    "STOP TOUT",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "OPTOUT",
    "OPT OUT",
    "ARRET",
    "ARRETER",
    "ARRETEZ",
    "DESABONNER",
    "DESABONNEMENT",
    "DESINSCRIRE",
    "DESINSCRIPTION",
];

/// What people write around the word: « Stop svp », “please stop”.
const AROUND: [&str; 10] = ["PLEASE", "PLS", "SVP", "S", "V", "P", "MERCI", "THANKS", "THANK", "YOU"];

/// Countries whose law or industry code asks for a confirmation.
const CONFIRMING: [&str; 12] = ["FR", "RE", "GP", "MQ", "GF", "YT", "PM", "BL", "MF", "US", "CA", "PR"];

/// The word by which this message asks us to stop, if it does: the word alone or with a courtesy, whatever its case,
/// accents and punctuation. A longer sentence is for people to read: “don't stop” is none.
pub fn stop_keyword(text: &str) -> Option<&'static str> {
    let words = words(text);
    let bare: Vec<&str> = words.iter().map(String::as_str).filter(|w| !AROUND.contains(w)).collect();
    [words.join(" "), bare.join(" ")]
        .iter()
        .find_map(|said| STOP_WORDS.iter().find(|word| *word == said))
        .copied()
}

/// Words in capital letters without accents and punctuation.
fn words(text: &str) -> Vec<String> {
    let capital = |c: char| match c {
        'é' | 'è' | 'ê' | 'ë' | 'É' | 'È' | 'Ê' | 'Ë' => 'E',
        'ô' | 'Ô' => 'O',
        'î' | 'Î' => 'I',
        other => other.to_ascii_uppercase(),
    };
    let letters: String = text
        .chars()
        // A combining accent follows its letter, as some telephones write it.
        .filter(|c| !matches!(c, '\u{300}'..='\u{36f}'))
        .map(|c| if c.is_alphanumeric() { capital(c) } else { ' ' })
        .collect();
    letters.split_whitespace().map(str::to_owned).collect()
}

/// Whether a stop is answered by one confirmation, for a customer of this country (ISO 3166-1 alpha-2).
pub fn confirms_stop(country: Option<&str>) -> bool {
    country.is_some_and(|country| CONFIRMING.contains(&country))
}

/// The words that tell how to stop: in the text's language, by reply or to the number given.
pub fn opt_out_wording(language: &str, stop_number: Option<&str>) -> String {
    match (language, stop_number) {
        ("fr", Some(number)) => format!("STOP au {number}"),
        ("fr", None) => "STOP pour ne plus recevoir".to_owned(),
        (_, Some(number)) => format!("STOP to {number}"),
        (_, None) => "Reply STOP to opt out".to_owned(),
    }
}

/// Whether a text tells already how to stop: it holds one of the words in capital letters.
pub fn tells_how_to_stop(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric())
        .any(|word| matches!(word, "STOP" | "ARRET" | "ARRÊT" | "UNSUBSCRIBE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_stop_and_what_does_not() {
        for text in [
            "STOP",
            "stop",
            " Stop. ",
            "«STOP»",
            "Arrêt",
            "ARRET",
            "arre\u{302}t",
            "STOP SMS",
            "stopsms",
            "Stop svp",
            "STOP merci",
            "please stop",
            "Unsubscribe!",
            "opt-out",
            "Stop S.V.P.",
            "désabonner",
            "STOPALL",
            "end",
        ] {
            assert!(stop_keyword(text).is_some(), "{text:?}");
        }
        for text in [
            "",
            "don't stop",
            "ne pas arrêter",
            "Stop by the shop at 5",
            "bus stop",
            "non stop",
            "thanks",
            "merci",
            "the end of the year",
            "STOP 36180 ok",
        ] {
            assert_eq!(stop_keyword(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_text_that_tells_how_to_stop_is_left_alone() {
        assert!(tells_how_to_stop("Promo ! STOP au 36180") && tells_how_to_stop("(ARRET)"));
        assert!(!tells_how_to_stop("Non-stop, nonSTOPs") && !tells_how_to_stop("stop"));
        assert_eq!(opt_out_wording("fr", Some("36180")), "STOP au 36180");
        assert_eq!(opt_out_wording("de", None), "Reply STOP to opt out");
        assert!(confirms_stop(Some("FR")) && !confirms_stop(Some("DE")) && !confirms_stop(None));
    }
}
