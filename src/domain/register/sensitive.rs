//! Names of fields that look like data which the GDPR protects more: special categories (article 9), offences
//! (article 10), national numbers (article 87). A name only hints; whoever answers for the register must look.

/// Words, in small letters and without accents, that a name's own words are or begin with.
const WORDS: &[&str] = &[
    // Health, disability.
    "allerg",
    "diagnos",
    "disab",
    "disease",
    "handicap",
    "health",
    "illness",
    "maladie",
    "medic",
    "patholog",
    "pregnan",
    "grossesse",
    "sante",
    "therap",
    "vaccin",
    // Religion, philosophy.
    "belief",
    "casher",
    "confession",
    "croyance",
    "faith",
    "halal",
    "kosher",
    "religi",
    // Origin.
    "ethni",
    "racial",
    "race",
    // Opinions, unions.
    "politi",
    "syndic",
    "union",
    // Sex life and orientation.
    "sexual",
    "sexuel",
    // Genetic and biometric.
    "biometr",
    "fingerprint",
    "genet",
    "genom",
    // Offences.
    "convict",
    "crimin",
    "infraction",
    "offence",
    "offense",
    // National identification numbers.
    "nir",
    "secu",
    "ssn",
];

/// Words of the list that must be the whole word: they begin many that mean something else.
const WHOLE: &[&str] = &["nir", "race", "secu", "ssn", "union"];

/// Whether a field's dotted name looks like such data.
pub fn looks_sensitive(path: &str) -> bool {
    words(path).any(|word| {
        WORDS.iter().any(|known| if WHOLE.contains(known) { word == *known } else { word.starts_with(known) })
    })
}

/// The words of `data.healthNotes`, `état_de_santé`, in small letters and without accents.
fn words(path: &str) -> impl Iterator<Item = String> {
    let mut split = String::with_capacity(path.len() + 4);
    let mut after_small = false;
    for c in path.chars() {
        if c.is_uppercase() && after_small {
            split.push(' ');
        }
        after_small = c.is_lowercase();
        split.push(if c.is_alphanumeric() { c } else { ' ' });
    }
    split
        .split_whitespace()
        .map(|word| word.to_lowercase().chars().map(plain).collect())
        .collect::<Vec<_>>()
        .into_iter()
}

fn plain(c: char) -> char {
    match c {
        'à' | 'â' | 'ä' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'î' | 'ï' => 'i',
        'ô' | 'ö' => 'o',
        'ù' | 'û' | 'ü' => 'u',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hint() {
        for name in [
            "health",
            "customer_health",
            "data.healthNotes",
            "etat_de_sante",
            "état_de_santé",
            "religion",
            "Religious",
            "allergies",
            "trade_union",
            "numero_secu",
            "nir",
            "criminalRecord",
            "ethnicité",
            "profile.politicalViews",
            "handicapé",
            "medications",
        ] {
            assert!(looks_sensitive(name), "{name}");
        }
        for name in [
            "email",
            "first_name",
            "total",
            "items",
            "trace",
            "racecourse",
            "security_level",
            "reunion",
            "nirvana",
            "consented",
            "brace",
            "metadata",
            "country",
            "unions",
            "gender",
            "description",
        ] {
            assert!(!looks_sensitive(name), "{name}");
        }
    }
}
