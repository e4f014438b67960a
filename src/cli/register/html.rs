//! The register as a page: to read, to print and to hand over, with nothing loaded from elsewhere and no script.

use std::fmt::Write as _;

use crate::domain::explain::Language;
use crate::domain::register::document::{Block, Document};
use crate::ops::escape;

const CSS: &str = concat!(include_str!("../customers/page.css"), include_str!("page.css"));

/// The whole page.
pub fn of(document: &Document) -> String {
    let (title, lead) = (escape(&document.title), escape(&document.lead));
    let mut body = format!("<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n");
    for (index, section) in document.sections.iter().enumerate() {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(body, "<section aria-labelledby=\"s{index}\">");
        let _ = writeln!(body, "<h2 id=\"s{index}\">{}</h2>", escape(&section.heading));
        section.blocks.iter().for_each(|block| write_block(&mut body, block));
        body.push_str("</section>\n");
    }
    let lang = match document.language {
        Language::English => "en",
        Language::French => "fr",
    };
    format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn write_block(body: &mut String, block: &Block) {
    match block {
        Block::Fields(fields) => {
            body.push_str("<div class=\"row\"><dl>\n");
            for (name, lines) in fields {
                let _ = write!(body, "<div><dt>{}</dt><dd>", escape(name));
                match &lines[..] {
                    [line] => body.push_str(&words(line)),
                    lines => list(body, lines),
                }
                body.push_str("</dd></div>\n");
            }
            body.push_str("</dl></div>\n");
        }
        Block::Table { caption, head, rows } => {
            body.push_str("<div class=\"row\"><table>\n");
            if let Some(caption) = caption {
                let _ = writeln!(body, "<caption>{}</caption>", escape(caption));
            }
            body.push_str("<thead><tr>");
            head.iter().for_each(|name| body.push_str(&format!("<th scope=\"col\">{}</th>", escape(name))));
            body.push_str("</tr></thead>\n<tbody>\n");
            for row in rows {
                body.push_str("<tr>");
                row.iter().for_each(|cell| body.push_str(&format!("<td>{}</td>", words(cell))));
                body.push_str("</tr>\n");
            }
            body.push_str("</tbody>\n</table></div>\n");
        }
        Block::List { caption, items } => {
            body.push_str("<div class=\"row\">");
            if let Some(caption) = caption {
                let _ = write!(body, "<h3>{}</h3>", escape(caption));
            }
            list(body, items);
            body.push_str("</div>\n");
        }
    }
}

fn list(body: &mut String, items: &[String]) {
    body.push_str("<ul>\n");
    items.iter().for_each(|item| body.push_str(&format!("<li>{}</li>\n", words(item))));
    body.push_str("</ul>");
}

/// Text, in which what stands between a pair of backticks is code.
fn words(text: &str) -> String {
    let text = escape(text);
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return text;
    }
    let part = |(index, part): (usize, &&str)| match index % 2 {
        0 => (*part).to_owned(),
        _ => format!("<code>{part}</code>"),
    };
    parts.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::register::document::Section;

    #[test]
    fn what_shops_write_stays_text() {
        let evil = "</style><script>alert(1)</script>".to_owned();
        let one = || vec![evil.clone()];
        let blocks = vec![
            Block::Fields(vec![(evil.clone(), one())]),
            Block::Table { caption: Some(evil.clone()), head: one(), rows: vec![one()] },
            Block::List { caption: Some(evil.clone()), items: one() },
        ];
        let sections = vec![Section { heading: evil.clone(), blocks }];
        let document = Document { language: Language::French, title: evil.clone(), lead: evil, sections };
        let page = of(&document);
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 11);
    }
}
