//! Whether a message from a customer asks to stop.
//!
//! The rule: the whole message is a keyword, give or take case, accents, punctuation, repetition, courtesy ("STOP svp")
//! and the number it is sent to ("STOP au 36180", as the wording has it). A keyword within a sentence is a sentence:
//! "don't stop" must not stop anything, and people read those.

use super::plain;

/// Longer messages are sentences, whatever is in them.
const MAX_CHARS: usize = 80;

/// CTIA's and Twilio's; those of 47 CFR 64.1200(a)(10) ("stop", "quit", "end", "revoke", "opt out", "cancel",
/// "unsubscribe"); Canada's ARRET (CWTA guidelines); what customers of other languages are told or write. Folded: in
/// capitals, without accents, words set apart by one space.
const KEYWORDS: [&str; 34] = [
    "STOP",
    "STOPALL",
    "STOP ALL",
    "STOPP",
    "STOP SMS",
    "STOPSMS",
    "STOP PUB",
    "STOP PUBLICITE",
    "STOP TEXTING",
    "STOP TEXTING ME",
    "STOP MESSAGES",
    "UNSUBSCRIBE",
    "UNSUB",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "REMOVE",
    "OPTOUT",
    "OPT OUT",
    "ARRET",
    "ARRET SMS",
    "ARRETER",
    "ARRETEZ",
    "DESABONNER",
    "ME DESABONNER",
    "DESABONNEMENT",
    "DESINSCRIRE",
    "ME DESINSCRIRE",
    "DESINSCRIPTION",
    "BAJA",
    "ABMELDEN",
    "AFMELDEN",
    "NO MAS",
];

/// What may stand before or after the keyword.
const COURTESY: [&[&str]; 12] = [
    &["PLEASE"],
    &["PLS"],
    &["THANKS"],
    &["THANK", "YOU"],
    &["BONJOUR"],
    &["MERCI"],
    &["SVP"],
    &["STP"],
    &["S", "IL", "VOUS", "PLAIT"],
    &["S", "IL", "TE", "PLAIT"],
    &["BITTE"],
    &["POR", "FAVOR"],
];

/// The keyword that a message consists of, if it asks to stop.
pub fn stop_keyword(text: &str) -> Option<&'static str> {
    if text.chars().take(MAX_CHARS + 1).count() > MAX_CHARS {
        return None;
    }
    let folded = fold(text);
    let mut words: Vec<&str> = folded.split_whitespace().collect();
    words.dedup();
    let mut words = without_courtesy(&words);
    if let [head @ .., last] = words
        && !head.is_empty()
        && last.bytes().all(|b| b.is_ascii_digit())
    {
        words = match head {
            [head @ .., "AU" | "TO" | "AN" | "AL" | "NAAR" | "PARA"] => head,
            head => head,
        };
    }
    let asked = words.join(" ");
    KEYWORDS.iter().find(|keyword| **keyword == asked).copied()
}

fn without_courtesy<'a, 'b>(mut words: &'b [&'a str]) -> &'b [&'a str] {
    loop {
        let shorter = COURTESY.iter().find_map(|c| words.strip_suffix(*c).or_else(|| words.strip_prefix(*c)));
        match shorter {
            Some(rest) if !rest.is_empty() => words = rest,
            _ => return words,
        }
    }
}

/// Capitals without accents; what is neither a letter nor a digit is a space.
fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match plain::base_letters(c) {
            // Accents written apart, and characters without width, are nothing.
            _ if matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{fe0f}') => {}
            Some(letters) => out.push_str(&letters.to_uppercase()),
            None if c.is_alphanumeric() => out.extend(c.to_uppercase()),
            None => out.push(' '),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_to_stop() {
        let cases = [
            ("STOP", "STOP"),
            (" stop \n", "STOP"),
            ("Stop.", "STOP"),
            ("\"STOP\" !!!", "STOP"),
            ("stop🙏", "STOP"),
            ("STOP STOP stop", "STOP"),
            ("Stop svp", "STOP"),
            ("Bonjour, STOP s'il vous plaît. Merci", "STOP"),
            ("please stop", "STOP"),
            ("STOP au 36180", "STOP"),
            ("stop 36180", "STOP"),
            ("STOP SMS", "STOP SMS"),
            ("StopAll", "STOPALL"),
            ("stop-pub", "STOP PUB"),
            ("Unsubscribe", "UNSUBSCRIBE"),
            ("opt-out", "OPT OUT"),
            ("CANCEL", "CANCEL"),
            ("end", "END"),
            ("Quit", "QUIT"),
            ("ARRET", "ARRET"),
            ("arrêt", "ARRET"),
            ("ARRE\u{302}T", "ARRET"),
            ("Arrêtez !", "ARRETEZ"),
            ("désabonner", "DESABONNER"),
            ("Me désinscrire, merci", "ME DESINSCRIRE"),
            ("No más", "NO MAS"),
            ("Baja", "BAJA"),
        ];
        for (text, keyword) in cases {
            assert_eq!(stop_keyword(text), Some(keyword), "{text}");
        }
    }

    #[test]
    fn what_does_not() {
        let long = format!("STOP{}", " ".repeat(100));
        for text in [
            "",
            " ",
            "don't stop",
            "Ne stoppez pas",
            "non-stop",
            "unstop",
            "Can you stop by the shop tomorrow?",
            "stop by at 5",
            "cancel my order",
            "Annulez ma commande",
            "the end",
            "merci",
            "thanks",
            "36180",
            "au 36180",
            "STOPPED",
            "S T O P",
            "Ok",
            "START",
            "arrêt maladie",
            &long,
            "ne pas arrêter",
            "СТОП",
        ] {
            assert_eq!(stop_keyword(text), None, "{text}");
        }
    }

    #[test]
    fn keywords_are_folded_and_found() {
        for keyword in KEYWORDS {
            assert_eq!(fold(keyword), keyword);
            assert_eq!(stop_keyword(&keyword.to_lowercase()), Some(keyword));
        }
    }
}
