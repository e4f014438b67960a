//! The attributes that each MJML element has here. The compiler drops any other in silence, those of MJML that it does
//! not know among them.

use std::collections::BTreeSet;

use super::lint::Finding;
use super::markup::{Attribute, Masked, Tag};
use super::mjml::finding;
use crate::domain::diagnostic::{Severity, did_you_mean};

const EVERYWHERE: &[&str] = &["css-class", "mj-class"];

const PADDING: &[&str] = &["padding", "padding-top", "padding-right", "padding-bottom", "padding-left"];

const BORDER: &[&str] =
    &["border", "border-top", "border-right", "border-bottom", "border-left", "border-radius"];

const BACKGROUND: &[&str] = &[
    "background-color",
    "background-position",
    "background-position-x",
    "background-position-y",
    "background-repeat",
    "background-size",
    "background-url",
];

/// What a column asks of whatever stands in it.
const IN_COLUMN: &[&str] = &["align", "container-background-color", "vertical-align"];

const FONT: &[&str] = &["color", "font-family", "font-size", "line-height"];

const STYLE: &[&str] = &["font-style", "font-weight", "text-decoration", "text-transform", "letter-spacing"];

const LINK: &[&str] = &["href", "name", "rel", "target"];

const ICON: &[&str] = &[
    "icon-align",
    "icon-height",
    "icon-position",
    "icon-unwrapped-alt",
    "icon-unwrapped-url",
    "icon-width",
    "icon-wrapped-alt",
    "icon-wrapped-url",
];

/// Each element of a body and its attributes. The parser itself warns of those of a head.
const TABLE: &[(&str, &[&[&str]])] = &[
    ("mj-body", &[&["background-color", "width"]]),
    ("mj-section", &[PADDING, BORDER, BACKGROUND, &["direction", "full-width", "text-align"]]),
    ("mj-wrapper", &[PADDING, BORDER, BACKGROUND, &["direction", "full-width", "text-align"]]),
    (
        "mj-column",
        &[
            PADDING,
            BORDER,
            &["background-color", "direction", "vertical-align", "width"],
            &["inner-background-color", "inner-border", "inner-border-bottom", "inner-border-left"],
            &["inner-border-radius", "inner-border-right", "inner-border-top"],
        ],
    ),
    ("mj-group", &[&["background-color", "direction", "vertical-align", "width"]]),
    (
        "mj-hero",
        &[
            PADDING,
            &["align", "background-color", "background-height", "background-position", "background-url"],
            &[
                "background-width",
                "height",
                "inner-background-color",
                "inner-padding",
                "inner-padding-bottom",
            ],
            &[
                "inner-padding-left",
                "inner-padding-right",
                "inner-padding-top",
                "mode",
                "vertical-align",
                "width",
            ],
        ],
    ),
    ("mj-text", &[IN_COLUMN, PADDING, FONT, STYLE, &["height"]]),
    (
        "mj-button",
        &[
            IN_COLUMN,
            PADDING,
            BORDER,
            FONT,
            STYLE,
            LINK,
            &["background-color", "height", "inner-padding", "text-align", "width"],
        ],
    ),
    (
        "mj-image",
        &[
            IN_COLUMN,
            PADDING,
            LINK,
            &["alt", "border", "border-radius", "fluid-on-mobile", "font-size", "height", "max-height"],
            &["src", "srcset", "title", "usemap", "width"],
        ],
    ),
    ("mj-divider", &[IN_COLUMN, PADDING, &["border-color", "border-style", "border-width", "width"]]),
    ("mj-spacer", &[IN_COLUMN, PADDING, &["height"]]),
    (
        "mj-table",
        &[IN_COLUMN, PADDING, FONT, &["border", "cellpadding", "cellspacing", "table-layout", "width"]],
    ),
    (
        "mj-social",
        &[
            IN_COLUMN,
            PADDING,
            FONT,
            &["border-radius", "font-style", "font-weight", "icon-height", "icon-padding", "icon-size"],
            &["inner-padding", "mode", "text-decoration", "text-padding"],
        ],
    ),
    (
        "mj-social-element",
        &[
            PADDING,
            FONT,
            LINK,
            &["align", "alt", "background-color", "border-radius", "font-style", "font-weight"],
            &["icon-height", "icon-padding", "icon-size", "src", "text-decoration", "text-padding", "title"],
            &["vertical-align"],
        ],
    ),
    (
        "mj-navbar",
        &[
            IN_COLUMN,
            PADDING,
            &[
                "base-url",
                "hamburger",
                "ico-align",
                "ico-close",
                "ico-color",
                "ico-font-family",
                "ico-font-size",
            ],
            &["ico-line-height", "ico-open", "ico-padding", "ico-padding-bottom", "ico-padding-left"],
            &["ico-padding-right", "ico-padding-top", "ico-text-decoration", "ico-text-transform"],
        ],
    ),
    ("mj-navbar-link", &[PADDING, FONT, STYLE, LINK]),
    ("mj-accordion", &[IN_COLUMN, PADDING, ICON, &["border", "font-family"]]),
    ("mj-accordion-element", &[ICON, &["background-color", "border", "font-family"]]),
    (
        "mj-accordion-title",
        &[PADDING, ICON, &["background-color", "border", "color", "font-family", "font-size"]],
    ),
    ("mj-accordion-text", &[PADDING, FONT, &["background-color", "border", "font-weight", "letter-spacing"]]),
    (
        "mj-carousel",
        &[
            IN_COLUMN,
            PADDING,
            &["border-radius", "icon-width", "left-icon", "right-icon", "tb-border", "tb-border-radius"],
            &["tb-hover-border-color", "tb-selected-border-color", "tb-width", "thumbnails"],
        ],
    ),
    (
        "mj-carousel-image",
        &[
            &["alt", "border-radius", "href", "rel", "src", "target", "tb-border", "tb-border-radius"],
            &["tb-width", "thumbnails-src", "title"],
        ],
    ),
];

/// Warns of attributes of a tag that come to nothing.
pub fn check(masked: &Masked<'_>, tag: &Tag<'_>, findings: &mut Vec<Finding>) {
    let Some((_, own)) = TABLE.iter().find(|(element, _)| *element == tag.name) else { return };
    let known = || own.iter().copied().chain([EVERYWHERE]).flatten().copied();
    let mut seen = BTreeSet::new();
    for Attribute { at, name, .. } in &tag.attributes {
        // What is no name at all is the parser's to complain of, and once is enough.
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !seen.insert(*name) {
            continue;
        }
        // An expression in the place of an attribute is an error of its own.
        if known().any(|k| k == *name) || masked.within(&tag.range).iter().any(|mark| mark.word == *name) {
            continue;
        }
        let offset = masked.original(*at);
        let message = format!("<{}> has no attribute `{name}`: it comes to nothing", tag.name);
        let help = did_you_mean(name, known()).map(|near| format!("did you mean `{near}`?"));
        findings.push(Finding { severity: Severity::Warning, ..finding(offset, "E0536", message, help) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each element a body that shows all it can, with `@` for the attribute that is tried, and what else it needs.
    const SHAPES: &[(&str, &str)] = &[
        (
            "mj-section",
            "<mj-section background-url=\"https://a.example/a\" @><mj-column><mj-text>x</mj-text></mj-column></mj-section>",
        ),
        (
            "mj-wrapper",
            "<mj-wrapper background-url=\"https://a.example/a\" @><mj-section><mj-column><mj-text>x</mj-text></mj-column></mj-section></mj-wrapper>",
        ),
        (
            "mj-column",
            "<mj-section><mj-column padding=\"10px\" @><mj-text>x</mj-text></mj-column><mj-column></mj-column></mj-section>",
        ),
        (
            "mj-group",
            "<mj-section><mj-group @><mj-column><mj-text>x</mj-text></mj-column></mj-group><mj-column></mj-column></mj-section>",
        ),
        (
            "mj-hero",
            "<mj-hero height=\"300px\" background-url=\"https://a.example/a\" background-height=\"200px\" background-width=\"300px\" @><mj-text>x</mj-text></mj-hero>",
        ),
        ("mj-text", "<mj-text @>x</mj-text>"),
        ("mj-button", "<mj-button href=\"https://a.example\" @>x</mj-button>"),
        ("mj-image", "<mj-image src=\"https://a.example/a\" href=\"https://a.example\" @ />"),
        ("mj-divider", "<mj-divider @ />"),
        ("mj-spacer", "<mj-spacer @ />"),
        ("mj-table", "<mj-table @><tr><td>x</td></tr></mj-table>"),
        (
            "mj-social",
            "<mj-social @><mj-social-element name=\"facebook\" href=\"https://a.example\">F</mj-social-element></mj-social>",
        ),
        (
            "mj-social-element",
            "<mj-social><mj-social-element name=\"facebook\" href=\"https://a.example\" @>F</mj-social-element></mj-social>",
        ),
        (
            "mj-navbar",
            "<mj-navbar hamburger=\"hamburger\" @><mj-navbar-link href=\"/a\">F</mj-navbar-link></mj-navbar>",
        ),
        ("mj-navbar-link", "<mj-navbar><mj-navbar-link href=\"/a\" @>F</mj-navbar-link></mj-navbar>"),
        (
            "mj-accordion",
            "<mj-accordion @><mj-accordion-element><mj-accordion-title>a</mj-accordion-title></mj-accordion-element></mj-accordion>",
        ),
        (
            "mj-accordion-element",
            "<mj-accordion><mj-accordion-element @><mj-accordion-title>a</mj-accordion-title></mj-accordion-element></mj-accordion>",
        ),
        (
            "mj-accordion-title",
            "<mj-accordion><mj-accordion-element><mj-accordion-title @>a</mj-accordion-title></mj-accordion-element></mj-accordion>",
        ),
        (
            "mj-accordion-text",
            "<mj-accordion><mj-accordion-element><mj-accordion-text @>b</mj-accordion-text></mj-accordion-element></mj-accordion>",
        ),
        (
            "mj-carousel",
            "<mj-carousel @><mj-carousel-image src=\"https://a.example/a\" /><mj-carousel-image src=\"https://a.example/b\" /></mj-carousel>",
        ),
        (
            "mj-carousel-image",
            "<mj-carousel><mj-carousel-image src=\"https://a.example/a\" href=\"https://a.example\" @ /></mj-carousel>",
        ),
    ];

    /// One of these makes a difference for each attribute that is read.
    const VALUES: &[&str] = &[
        "7px",
        "1px solid red",
        "full-width",
        "right",
        "bottom",
        "rtl",
        "hidden",
        "true",
        "fluid",
        "vertical",
        "no-repeat",
        "twitter",
        "7",
    ];

    /// The HTML of a body, without the ids that are made up anew each time.
    fn html(shape: &str, attribute: &str) -> String {
        // The attribute that is tried takes the place of its namesake.
        let name = attribute.split('=').next().unwrap();
        let given = shape.split_once(&format!(" {name}=\"")).filter(|(before, _)| {
            !attribute.is_empty() && before.rfind('<') == shape.split('@').next().unwrap().rfind('<')
        });
        let shape = match given {
            Some((before, rest)) => format!("{before}{}", rest.split_once('"').unwrap().1),
            None => shape.to_owned(),
        };
        let body = shape.replace('@', attribute);
        let body = match body.starts_with("<mj-section")
            || body.starts_with("<mj-wrapper")
            || body.starts_with("<mj-hero")
        {
            true => body,
            false => format!("<mj-section><mj-column>{body}</mj-column></mj-section>"),
        };
        let parsed = mrml::parse(format!("<mjml><mj-body>{body}</mj-body></mjml>")).unwrap();
        let html = parsed.element.render(&Default::default()).unwrap();
        html.split(|c: char| !c.is_ascii_hexdigit())
            .filter(|run| run.len() >= 8)
            .fold(html.clone(), |html, id| html.replace(id, "ID"))
    }

    #[test]
    fn the_compiler_reads_every_attribute_of_the_table() {
        for (element, own) in TABLE.iter().filter(|(element, _)| *element != "mj-body") {
            let (_, shape) = SHAPES.iter().find(|(shown, _)| shown == element).expect(element);
            let plain = html(shape, "");
            for name in own.iter().copied().flatten() {
                let differs = |value: &&&str| html(shape, &format!("{name}=\"{value}\"")) != plain;
                assert!(VALUES.iter().any(|value| differs(&value)), "<{element}> drops `{name}`");
            }
        }
    }

    #[test]
    fn the_compiler_drops_what_the_warning_says() {
        for (element, shape) in SHAPES {
            for name in ["colour", "role", "gap"] {
                assert_eq!(
                    html(shape, &format!("{name}=\"7px\"")),
                    html(shape, ""),
                    "<{element}> reads `{name}`"
                );
            }
        }
    }
}
