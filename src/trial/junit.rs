//! Tests that have run as JUnit's XML, which continuous integration shows.

use std::fmt::Write as _;

use chrono_tz::Tz;

use super::{Trial, failure};

/// One suite a file, one case a test.
pub fn junit(trials: &[Trial<'_>], zone: Tz) -> String {
    let counts = |trials: &[Trial<'_>]| {
        let failed = trials.iter().filter(|trial| !trial.passed()).count();
        format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\"", trials.len())
    };
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let _ = writeln!(xml, "<testsuites name=\"declic\" {}>", counts(trials));
    for suite in trials.chunk_by(|a, b| a.scenario.path == b.scenario.path) {
        let path = escaped(&suite[0].scenario.path);
        let _ = writeln!(xml, "  <testsuite name=\"{path}\" {}>", counts(suite));
        for trial in suite {
            let (name, line) = (escaped(&trial.scenario.name), trial.scenario.line);
            let _ = write!(
                xml,
                "    <testcase classname=\"{path}\" name=\"{name}\" file=\"{path}\" line=\"{line}\""
            );
            match trial.problems.first() {
                None => xml += "/>\n",
                Some(first) => {
                    let message = escaped(&format!("{}: {}", first.kind.as_str(), first.what));
                    let text = escaped(&failure(trial, zone));
                    let _ = writeln!(
                        xml,
                        ">\n      <failure message=\"{message}\">{text}</failure>\n    </testcase>"
                    );
                }
            }
        }
        xml += "  </testsuite>\n";
    }
    xml += "</testsuites>\n";
    xml
}

/// Text for an element or an attribute. What XML 1.0 cannot hold at all is shown as the replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
