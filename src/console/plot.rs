//! Bars over time, as SVG that needs no script: each column leads to what happened in it.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::frame::{Visit, in_query};
use super::sums::Sums;
use crate::ops::page::escape;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 132.0;
/// Room for the numbers on the left, and for what happened and the hours below.
const LEFT: f64 = 48.0;
const BELOW: f64 = 34.0;

/// One column.
pub(super) struct Column {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// One for each series, from the bottom up.
    pub values: Vec<i64>,
    /// What was wrong meanwhile, in words; empty where nothing was.
    pub trouble: String,
    /// What was done meanwhile, in words.
    pub marks: Vec<String>,
}

/// Columns of several series on top of each other, with their names for the legend.
pub(super) fn bars(visit: &Visit, title: &str, series: &[(&str, &str)], columns: &[Column]) -> String {
    let most = columns.iter().map(|column| column.values.iter().sum()).max().unwrap_or(0).max(1);
    let top = round_up(most);
    let width = (WIDTH - LEFT) / columns.len().max(1) as f64;
    let mut svg =
        format!("<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {}\" aria-hidden=\"true\">", HEIGHT + BELOW);
    for part in [0, 1, 2] {
        let y = HEIGHT - (HEIGHT - 8.0) * f64::from(part) / 2.0;
        let value =
            if part == 1 && top == 1 { String::new() } else { visit.number(top * i64::from(part) / 2) };
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/>\
             <text class=\"axis end\" x=\"{}\" y=\"{}\">{value}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    // As many hours below as there is room for.
    let every = columns.len().div_ceil(8).max(1);
    for (n, column) in columns.iter().enumerate() {
        let x = LEFT + width * n as f64;
        let _ = write!(
            svg,
            "<a tabindex=\"-1\" href=\"{}\"><title>{}</title><rect class=\"ground\" x=\"{x:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{}\"/>",
            escape(&hour(column.from, column.until)),
            escape(&describe(visit, series, column)),
            HEIGHT + 14.0
        );
        let mut y = HEIGHT;
        for (value, (class, _)) in column.values.iter().zip(series).filter(|(value, _)| **value > 0) {
            let tall = ((HEIGHT - 8.0) * *value as f64 / top as f64).max(1.0);
            y -= tall;
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"/>",
                x + 1.0,
                (width - 2.0).max(1.0)
            );
        }
        if !column.trouble.is_empty() {
            let _ = write!(
                svg,
                "<rect class=\"trouble\" x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"5\"/>",
                HEIGHT + 3.0
            );
        }
        if !column.marks.is_empty() {
            let _ = write!(
                svg,
                "<circle class=\"mark\" cx=\"{:.1}\" cy=\"{}\" r=\"4\"/>",
                x + width / 2.0,
                HEIGHT + 5.5
            );
        }
        svg.push_str("</a>");
        if n % every == 0 {
            let _ = write!(
                svg,
                "<text class=\"axis\" x=\"{x:.1}\" y=\"{}\">{}</text>",
                HEIGHT + 28.0,
                label(visit, columns, column.from)
            );
        }
    }
    svg.push_str("</svg>");
    format!(
        "<figure><figcaption>{}<span class=\"legend\">{}</span></figcaption>{svg}{}</figure>",
        escape(title),
        series
            .iter()
            .map(|(class, name)| format!("<span class=\"{class}\">{name}</span>"))
            .collect::<String>(),
        table(visit, title, series, columns),
    )
}

/// Columns of what became of messages, each made by [`of_messages`].
pub(super) fn messages(visit: &Visit, columns: &[Column]) -> String {
    let series = [
        ("sent", visit.lang.pick("envoyés", "sent")),
        ("held", visit.lang.pick("non envoyés", "not sent")),
        ("failed", visit.lang.pick("échoués", "failed")),
    ];
    bars(visit, "Messages", &series, columns)
}

/// The values of such a column.
pub(super) fn of_messages(sums: &Sums) -> Vec<i64> {
    vec![sums.sent, sums.held, sums.failed]
}

/// The page of what happened in that time.
pub(super) fn hour(from: DateTime<Utc>, until: DateTime<Utc>) -> String {
    format!("/when?from={}&until={}", stamp(from), stamp(until))
}

fn stamp(at: DateTime<Utc>) -> String {
    in_query(&at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The days where the columns are of several, else the hour.
fn label(visit: &Visit, columns: &[Column], at: DateTime<Utc>) -> String {
    let long = columns.first().zip(columns.last()).is_some_and(|(a, b)| (b.until - a.from).num_hours() > 48);
    if long { format!("{} {}", visit.day(at), visit.hour(at)) } else { visit.hour(at) }
}

fn describe(visit: &Visit, series: &[(&str, &str)], column: &Column) -> String {
    let mut words =
        format!("{} {} – {}", visit.day(column.from), visit.hour(column.from), visit.hour(column.until));
    for (value, (_, name)) in column.values.iter().zip(series) {
        let _ = write!(words, "\n{name}: {}", visit.number(*value));
    }
    for more in std::iter::once(&column.trouble).filter(|trouble| !trouble.is_empty()).chain(&column.marks) {
        let _ = write!(words, "\n{more}");
    }
    words
}

/// The same in a table, for whoever does not see the bars or has no mouse.
fn table(visit: &Visit, title: &str, series: &[(&str, &str)], columns: &[Column]) -> String {
    let heads: String = series.iter().map(|(_, name)| format!("<th scope=\"col\">{name}</th>")).collect();
    let mut rows = String::new();
    for column in columns.iter().rev() {
        let values: String = column
            .values
            .iter()
            .map(|value| format!("<td class=\"n\">{}</td>", visit.number(*value)))
            .collect();
        let more: Vec<&str> =
            std::iter::once(column.trouble.as_str()).chain(column.marks.iter().map(String::as_str)).collect();
        let _ = write!(
            rows,
            "<tr><th scope=\"row\"><a href=\"{}\">{} {} – {}</a></th>{values}<td>{}</td></tr>",
            escape(&hour(column.from, column.until)),
            visit.day(column.from),
            visit.hour(column.from),
            visit.hour(column.until),
            escape(more.join(" · ").trim_matches([' ', '·'])),
        );
    }
    let (as_table, when, events) = visit
        .lang
        .pick(("En tableau", "Quand", "Ce qui s’est passé"), ("As a table", "When", "What happened"));
    format!(
        "<details><summary>{as_table}</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><thead><tr>\
         <th scope=\"col\">{when}</th>{heads}<th scope=\"col\">{events}</th></tr></thead><tbody>{rows}</tbody></table></div></details>",
        escape(title)
    )
}

/// The next round number: 1, 2 or 5 with zeros.
fn round_up(most: i64) -> i64 {
    let mut unit = 1_i64;
    loop {
        for factor in [1, 2, 5] {
            let round = unit.saturating_mul(factor);
            if round >= most {
                return round;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::round_up;

    #[test]
    fn the_axis_ends_at_a_round_number() {
        for (most, top) in [(1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (999, 1000), (1001, 2000)] {
            assert_eq!(round_up(most), top, "{most}");
        }
        assert!(round_up(i64::MAX) == i64::MAX);
    }
}
