//! Where the GDPR holds, so that handing data there is no transfer to a third country (chapter V).

/// The member states of the Union with the regions of theirs that have codes of their own and are part of it (TFEU
/// article 355), and Iceland, Liechtenstein and Norway (EEA agreement, decision 154/2018).
const EEA: [&str; 37] = [
    "AT", "AX", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GF", "GP", "GR", "HR", "HU",
    "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MF", "MQ", "MT", "NL", "NO", "PL", "PT", "RE", "RO", "SE",
    "SI", "SK", "YT",
];

/// Whether a country (ISO 3166-1 alpha-2) lies within the European Economic Area.
pub fn is_in_eea(country: &str) -> bool {
    EEA.contains(&country)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::countries::is_code;

    #[test]
    fn thirty_states_and_seven_regions() {
        assert!(EEA.iter().all(|code| is_code(code)) && EEA.is_sorted());
        let regions = ["AX", "GF", "GP", "MF", "MQ", "RE", "YT"];
        assert_eq!(EEA.iter().filter(|code| !regions.contains(code)).count(), 30);
        // New Caledonia is French and not of the Union; Switzerland and the United Kingdom are third countries.
        assert!(["CH", "GB", "NC", "US"].iter().all(|code| !is_in_eea(code)));
    }
}
