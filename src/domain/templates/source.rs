//! Template files before compilation: which file is what, front matter, and the expansion of includes.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::lint::{line_column, offset_of};
use crate::domain::diagnostic::{Diagnostic, SourceFile, did_you_mean};

/// Larger than any mail a provider would take without clipping it; bounds all later work.
const MAX_BYTES: usize = 512 * 1024;

/// Includes within includes; more is taken for a circle.
const MAX_INCLUDES: usize = 8;

/// Includes in all: a partial that includes itself twice doubles at every level.
const MAX_EXPANSIONS: usize = 200;

/// What the path of a file under `templates/` says it is.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    Mjml {
        name: &'a str,
        locale: &'a str,
    },
    Text {
        name: &'a str,
        locale: &'a str,
    },
    Sms {
        name: &'a str,
        locale: &'a str,
    },
    /// What it is shown with.
    Sample,
    Partial,
    /// Pictures and notes.
    Other,
}

pub fn kind(path: &str) -> Kind<'_> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["templates", "_partials" | "_layouts", _] => Kind::Partial,
        ["templates", name, file] if !name.starts_with('_') => {
            match file.split('.').collect::<Vec<_>>()[..] {
                ["email", locale, "mjml"] if !locale.is_empty() => Kind::Mjml { name, locale },
                ["email", locale, "txt"] if !locale.is_empty() => Kind::Text { name, locale },
                ["sms", locale, "txt"] if !locale.is_empty() => Kind::Sms { name, locale },
                ["sample", "yaml"] => Kind::Sample,
                _ => Kind::Other,
            }
        }
        _ => Kind::Other,
    }
}

/// The head of an e-mail template.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontMatter {
    pub subject: Spanned<String>,
    pub preheader: Option<Spanned<String>>,
}

/// Splits `---` YAML `---` from the body. Gives the front matter and the body's offset.
pub fn front_matter(file: &SourceFile) -> Result<(FrontMatter, usize), Box<Diagnostic>> {
    let (path, text) = (file.path.as_str(), file.text.as_str());
    let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let missing = || {
        let message = "an e-mail template begins with its subject";
        let help = "put at the top of the file:\n---\nsubject: \"…\"\npreheader: \"…\"\n---";
        Box::new(Diagnostic::error("E0502", path, start..start, message).help(help))
    };
    let first = text[start..].split_inclusive('\n').next().filter(|line| line.trim_end() == "---");
    let yaml_at = start + first.ok_or_else(missing)?.len();
    let mut body_at = yaml_at;
    let mut end = None;
    for line in text[yaml_at..].split_inclusive('\n') {
        let at = body_at;
        body_at += line.len();
        if line.trim_end() == "---" {
            end = Some(at);
            break;
        }
    }
    let yaml_end = end.ok_or_else(|| {
        let message = "the front matter is not closed";
        let help = "close it with a line of three hyphens: ---";
        Box::new(Diagnostic::error("E0502", path, start..yaml_at, message).help(help))
    })?;
    let yaml = &text[yaml_at..yaml_end];
    let parsed: FrontMatter = serde_saphyr::from_str(yaml).map_err(|error| {
        let known = ["subject", "preheader"];
        Box::new(head_error(path, yaml, yaml_at, &error, &known))
    })?;
    Ok((parsed, body_at))
}

/// The front matter cannot be read.
fn head_error(
    path: &str,
    yaml: &str,
    yaml_at: usize,
    error: &serde_saphyr::Error,
    known: &[&str],
) -> Diagnostic {
    let (place, complaint) = complaint(yaml, error);
    let place = yaml_at + place.start..yaml_at + place.end;
    let message = format!("the head of this template cannot be read: {complaint}");
    let diagnostic = Diagnostic::error("E0503", path, place, message);
    if let Some(near) = meant_field(yaml, known) {
        diagnostic.help(format!("did you mean `{near}`?"))
    } else if yaml.lines().any(|line| line.contains(": {{") || line.matches(": ").count() > 1) {
        diagnostic.help("put quotes round the value: it contains {{ or a colon, which YAML reads as its own")
    } else {
        diagnostic
    }
}

/// Where a mapping cannot be read (to the end of the line), and why, in the library's words.
pub fn complaint(yaml: &str, error: &serde_saphyr::Error) -> (Range<usize>, String) {
    let error = error.without_snippet();
    let at = error.location().map_or(0, |l| offset_of(yaml, l.line() as usize, l.column() as usize));
    let line_end = yaml[at..].find('\n').map_or(yaml.len(), |n| at + n);
    // The library ends its own sentences with the place, which it counts from where the mapping begins.
    let complaint = error.to_string();
    let end = complaint.find(" at line").or_else(|| complaint.find('\n')).unwrap_or(complaint.len());
    (at..line_end, complaint[..end].to_owned())
}

/// The known field that a misspelt one was meant to be.
pub fn meant_field<'k>(yaml: &str, known: &[&'k str]) -> Option<&'k str> {
    let keys = yaml.lines().filter_map(|line| line.split_once(':')).map(|(key, _)| key.trim());
    keys.filter(|key| !known.contains(key)).find_map(|key| did_you_mean(key, known.iter().copied()))
}

/// The byte range of a front matter value in its file, for diagnostics about its text.
pub fn value_span(file: &SourceFile, value: &Spanned<String>) -> Range<usize> {
    let text = file.text.as_str();
    // YAML starts on the line after the first `---`.
    let at = offset_of(text, value.referenced.line() as usize + 1, value.referenced.column() as usize);
    let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
    at..end
}

/// A text made of pieces of several files, which remembers where each came from.
#[derive(Debug, Default)]
pub struct Expanded {
    pub text: String,
    /// (Offset in `text`, file, offset in the file), in order.
    pieces: Vec<(usize, String, usize)>,
}

impl Expanded {
    /// The file and offset that an offset of the text came from.
    pub fn locate(&self, at: usize) -> (&str, usize) {
        let index = self.pieces.partition_point(|(start, ..)| *start <= at).saturating_sub(1);
        self.pieces.get(index).map_or(("", 0), |(start, path, from)| (path, from + (at - start.min(&at))))
    }

    /// `path:line` of an offset.
    pub fn place(&self, at: usize, files: &Files<'_>) -> String {
        let (path, from) = self.locate(at);
        let text = files.text(path).unwrap_or_default();
        format!("{path}:{}", line_column(text, from).0)
    }

    fn push(&mut self, path: &str, text: &str, range: Range<usize>) {
        self.pieces.push((self.text.len(), path.to_owned(), range.start));
        self.text.push_str(&text[range]);
    }
}

/// The files of one set, by path.
pub struct Files<'a> {
    by_path: BTreeMap<&'a str, &'a str>,
}

impl<'a> Files<'a> {
    pub fn new(files: &'a [SourceFile]) -> Self {
        Self { by_path: files.iter().map(|f| (f.path.as_str(), f.text.as_str())).collect() }
    }

    pub fn text(&self, path: &str) -> Option<&'a str> {
        self.by_path.get(path).copied()
    }

    /// The partial that a reference means: of the locale, of its language, or of none.
    fn partial(&self, reference: &str, locale: &str, extension: &str) -> Option<(&'a str, &'a str)> {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        let name = name.strip_suffix(extension).unwrap_or(name).trim_end_matches('.');
        let language = locale.split(['-', '_']).next().unwrap_or_default();
        let variants = [format!("{name}.{locale}."), format!("{name}.{language}."), format!("{name}.")];
        variants.iter().find_map(|variant| {
            ["_partials", "_layouts"].iter().find_map(|folder| {
                let path = format!("templates/{folder}/{variant}{extension}");
                self.by_path.get_key_value(path.as_str()).map(|(path, text)| (*path, *text))
            })
        })
    }

    /// Replaces every include (`<mj-include path="…" />` in MJML, `{{> …}}` in text) by the partial's text.
    pub fn expand(
        &self,
        path: &str,
        body: Range<usize>,
        locale: &str,
        extension: &'static str,
    ) -> (Expanded, Vec<Diagnostic>) {
        let mut expansion = Expansion {
            files: self,
            locale,
            extension,
            out: Expanded::default(),
            count: 0,
            diagnostics: Vec::new(),
        };
        if let Some(text) = self.text(path) {
            expansion.file(path, text, body, 0);
        }
        (expansion.out, expansion.diagnostics)
    }
}

struct Expansion<'f, 'a> {
    files: &'f Files<'a>,
    locale: &'f str,
    extension: &'static str,
    out: Expanded,
    count: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Expansion<'_, '_> {
    fn file(&mut self, path: &str, text: &str, body: Range<usize>, depth: usize) {
        let mut at = body.start;
        while let Some((directive, reference)) = next_include(text, at, body.end, self.extension) {
            self.out.push(path, text, at..directive.start);
            at = directive.end;
            let error = |message: String| Diagnostic::error("E0504", path, directive.clone(), message);
            self.count += 1;
            if self.count > MAX_EXPANSIONS {
                self.diagnostics.push(error(format!("there are more than {MAX_EXPANSIONS} includes in all")));
                return;
            } else if depth >= MAX_INCLUDES {
                self.diagnostics.push(error(format!("`{reference}` is included within itself, or too deep")));
            } else if self.out.text.len() > MAX_BYTES {
                self.diagnostics.push(error(format!("the template is larger than {} KiB", MAX_BYTES / 1024)));
                return;
            } else if let Some((path, text)) = self.files.partial(&reference, self.locale, self.extension) {
                // Its last line end is the file's, not the text's.
                self.file(path, text, 0..text.trim_end_matches(['\r', '\n']).len(), depth + 1);
            } else {
                let known = self.files.by_path.keys().filter(|p| kind(p) == Kind::Partial);
                let names = known.filter_map(|p| p.rsplit('/').next()?.split('.').next());
                let near = did_you_mean(&reference, names).map(|n| format!("did you mean `{n}`?"));
                let wanted = format!("it would be templates/_partials/{reference}.{}", self.extension);
                self.diagnostics.push(
                    error(format!("there is no partial `{reference}` for locale {}", self.locale))
                        .help(near.unwrap_or(wanted)),
                );
            }
        }
        self.out.push(path, text, at..body.end);
        if self.out.text.len() > MAX_BYTES {
            let message = format!("the template is larger than {} KiB", MAX_BYTES / 1024);
            self.diagnostics.push(Diagnostic::error("E0504", path, body.start..body.start, message));
        }
    }
}

/// The next include at or after `at`: its range and what it refers to.
fn next_include(text: &str, at: usize, end: usize, extension: &str) -> Option<(Range<usize>, String)> {
    let mut from = at;
    let (open, close) = if extension == "mjml" { ("<mj-include", ">") } else { ("{{>", "}}") };
    loop {
        let start = from + text.get(from..end)?.find(open)?;
        // One that stands in a comment is not meant.
        let commented = text[at..start].rfind("<!--").is_some_and(|c| !text[at + c..start].contains("-->"));
        let stop = start + text[start..end].find(close)? + close.len();
        from = stop;
        if commented {
            continue;
        }
        let inner = &text[start + open.len()..stop - close.len()];
        let reference = if extension == "mjml" { attribute(inner, "path") } else { Some(inner.trim()) };
        let closing = "</mj-include>";
        let stop = if text[stop..end].trim_start().starts_with(closing) && !inner.ends_with('/') {
            stop + text[stop..end].find(closing)? + closing.len()
        } else {
            stop
        };
        return Some((start..stop, reference.unwrap_or_default().to_owned()));
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let rest = tag.split_once(name)?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].split(quote).next()
}
