//! The register as Markdown (CommonMark, with the tables of GitHub's).

use std::fmt::Write as _;

use crate::domain::explain::Language;
use crate::domain::register::document::{Block, Document};

/// The whole text.
pub fn of(document: &Document) -> String {
    let mut out = format!("# {}\n\n{}\n", escape(&document.title), escape(&document.lead));
    let colon = match document.language {
        Language::English => ":",
        Language::French => " :",
    };
    for section in &document.sections {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(out, "\n## {}", escape(&section.heading));
        for block in &section.blocks {
            out.push('\n');
            write_block(&mut out, block, colon);
        }
    }
    out
}

fn write_block(out: &mut String, block: &Block, colon: &str) {
    match block {
        Block::Fields(fields) => {
            for (name, lines) in fields {
                let name = escape(name);
                match &lines[..] {
                    [line] => {
                        let _ = writeln!(out, "- **{name}{colon}** {}", escape(line));
                    }
                    lines => {
                        let _ = writeln!(out, "- **{name}{colon}**");
                        for line in lines {
                            let _ = writeln!(out, "  - {}", escape(line));
                        }
                    }
                }
            }
        }
        Block::Table { caption, head, rows } => {
            title(out, caption.as_deref());
            let line = |cells: &[String]| {
                let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
                format!("| {} |\n", cells.join(" | "))
            };
            out.push_str(&line(head));
            out.push_str(&line(&vec!["---".to_owned(); head.len()]));
            rows.iter().for_each(|row| out.push_str(&line(row)));
        }
        Block::List { caption, items } => {
            title(out, caption.as_deref());
            for item in items {
                let _ = writeln!(out, "- {}", escape(item));
            }
        }
    }
}

fn title(out: &mut String, caption: Option<&str>) {
    if let Some(caption) = caption {
        let _ = writeln!(out, "### {}\n", escape(caption));
    }
}

/// Plain text, of which Markdown makes nothing else. What stands between backticks is ours and stays code, as long as
/// they come in pairs; within it only what would end a table's cell is escaped.
fn escape(text: &str) -> String {
    let paired = text.matches('`').count().is_multiple_of(2);
    let mut out = String::with_capacity(text.len());
    let (mut code, mut before) = (false, ' ');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let within =
            |next: Option<&char>| before.is_alphanumeric() && next.is_some_and(|n| n.is_alphanumeric());
        match c {
            '`' if paired => code = !code,
            '|' => out.push('\\'),
            '\n' | '\r' => {
                out.push(' ');
                continue;
            }
            '`' | '\\' | '*' | '[' | ']' | '<' | '>' | '#' | '&' | '~' if !code => out.push('\\'),
            '_' if !code && !within(chars.peek()) => out.push('\\'),
            _ => {}
        }
        out.push(c);
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shops_write_stays_text() {
        for (text, expected) in [
            ("order_id, total", "order_id, total"),
            ("_emphasis_ **bold**", "\\_emphasis\\_ \\*\\*bold\\*\\*"),
            ("<script> & [link](x) # a|b", "\\<script\\> \\& \\[link\\](x) \\# a\\|b"),
            ("two\nlines", "two lines"),
            ("write `register: { dpo: … }` a|b", "write `register: { dpo: … }` a\\|b"),
            ("one ` only", "one \\` only"),
        ] {
            assert_eq!(escape(text), expected);
        }
    }
}
