//! The register as CSV (RFC 4180, UTF-8): one row for each purpose, in the columns of its sheet, the controller first.
//!
//! Lines within a cell are kept. A cell that a spreadsheet would take for a formula is given a leading apostrophe, as
//! OWASP advises against CSV injection: rules are written by several people, and the register is opened by another.

use crate::domain::explain::Language;
use crate::domain::register::Register;

/// What makes a spreadsheet calculate.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The whole file.
pub fn of(register: &Register, language: Language) -> String {
    let who = register.who(language);
    let mut out = String::new();
    for (index, activity) in register.activities.iter().enumerate() {
        let columns: Vec<_> = who.iter().cloned().chain(register.sheet(activity, language)).collect();
        if index == 0 {
            row(&mut out, columns.iter().map(|(name, _)| name.clone()));
        }
        row(&mut out, columns.iter().map(|(_, lines)| lines.join("\n")));
    }
    out
}

fn row(out: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.map(|text| cell(&text)).collect();
    out.push_str(&cells.join(","));
    out.push_str("\r\n");
}

/// A cell in quotes, which no spreadsheet calculates.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(FORMULA) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text() {
        for (text, expected) in [
            ("", "\"\""),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+33612345678", "\"'+33612345678\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
