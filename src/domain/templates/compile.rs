//! From the files under `templates/` to [`Templates`], with all that is wrong in them.
//!
//! A template with an error is left out; the others are not affected by it.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Arc;

use super::lint::{self, Finding};
use super::source::{self, Expanded, Files, Kind};
use super::{Sample, SmsSource, SmsTemplate, Template, TemplateSource, Templates, mjml};
use crate::domain::diagnostic::{Diagnostic, Severity, SourceFile, did_you_mean};

/// So many files are read sooner than a thread starts.
const FEW: usize = 16;

/// Compiles every template. Files that are none of ours (pictures, notes, other channels) are passed over.
pub fn compile(files: &[SourceFile], default_locale: &str) -> (Templates, Vec<Diagnostic>) {
    let mut templates = Templates { default_locale: default_locale.to_owned(), ..Templates::default() };
    let mut diagnostics = Vec::new();
    let set = Files::new(files);
    for (made, found) in on_all_cores(files, |file| read(file, &set)) {
        diagnostics.extend(found);
        match made {
            Some(Made::Email(template)) => {
                let locales = templates.by_name.entry(template.name.clone()).or_default();
                locales.insert(template.locale.clone(), template);
            }
            Some(Made::Sms(template)) => {
                let locales = templates.sms.entry(template.name.clone()).or_default();
                locales.insert(template.locale.clone(), template);
            }
            None => {}
        }
    }
    diagnostics.extend(without_default(&templates, files));
    templates.add_built_in();
    // Several templates may include the same faulty partial.
    let mut seen = HashSet::new();
    diagnostics.retain(|d| seen.insert(d.clone()));
    (templates, diagnostics)
}

/// What a file makes: a version of a template.
enum Made {
    Email(Arc<Template>),
    Sms(Arc<SmsTemplate>),
}

fn read(file: &SourceFile, set: &Files<'_>) -> (Option<Made>, Vec<Diagnostic>) {
    match source::kind(&file.path) {
        Kind::Mjml { name, locale } => {
            let (template, found) = one(file, name, locale, set);
            (template.map(|t| Made::Email(Arc::new(t))), found)
        }
        Kind::Sms { name, locale } => {
            let (template, found) = sms(file, name, locale, set);
            (template.map(|t| Made::Sms(Arc::new(t))), found)
        }
        Kind::Text { name, locale } => (None, orphan(file, name, locale, set).into_iter().collect()),
        Kind::Sample => (None, Sample::read(file).err().map(|found| *found).into_iter().collect()),
        Kind::Other => (None, misnamed(file).into_iter().collect()),
        Kind::Partial => (None, Vec::new()),
    }
}

/// Reads each file, in their order. A mail takes milliseconds, and a shop may have hundreds.
fn on_all_cores<T: Send>(files: &[SourceFile], read: impl Fn(&SourceFile) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let part = files.len().div_ceil(cores).max(FEW);
    if files.len() <= part {
        return files.iter().map(read).collect();
    }
    std::thread::scope(|scope| {
        let read = &read;
        let parts =
            files.chunks(part).map(|part| scope.spawn(move || part.iter().map(read).collect::<Vec<T>>()));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// A text without the MJML beside it.
fn orphan(file: &SourceFile, name: &str, locale: &str, files: &Files<'_>) -> Option<Diagnostic> {
    let wanted = format!("templates/{name}/email.{locale}.mjml");
    files
        .text(&wanted)
        .is_none()
        .then(|| Diagnostic::error("E0501", &file.path, 0..0, format!("there is no {wanted} for this text")))
}

/// A file that looks like a misspelt `email.LOCALE.mjml`.
fn misnamed(file: &SourceFile) -> Option<Diagnostic> {
    let name = file.path.rsplit('/').next()?;
    let stem = name.split('.').next()?;
    let ours =
        name.ends_with(".mjml") || (name.ends_with(".txt") && did_you_mean(stem, ["email", "sms"]).is_some());
    ours.then(|| {
        Diagnostic::warning("E0501", &file.path, 0..0, "this file is not used: it is not named like a template")
            .help("templates are templates/NAME/email.LOCALE.mjml and .txt, and sms.LOCALE.txt; shared parts templates/_partials/NAME.mjml")
    })
}

fn without_default(templates: &Templates, files: &[SourceFile]) -> Vec<Diagnostic> {
    let mails = templates.names().filter(|name| !templates.contains(name)).map(|n| (n, "email", "mjml"));
    let texts = templates.sms_names().filter(|name| !templates.contains_sms(name)).map(|n| (n, "sms", "txt"));
    mails
        .chain(texts)
        .filter_map(|(name, channel, extension)| {
            let prefix = format!("templates/{name}/{channel}.");
            let file = files.iter().find(|f| f.path.starts_with(&prefix))?;
            let locale = &templates.default_locale;
            let written = files.iter().any(|f| f.path == format!("{prefix}{locale}.{extension}"));
            // One that is there but faulty has its own error.
            (!written).then(|| {
                let message = format!("template `{name}` has no version in the default locale, {locale}");
                Diagnostic::error("E0505", &file.path, 0..0, message)
                    .help(format!("add {prefix}{locale}.{extension}: customers of other languages get it"))
            })
        })
        .collect()
}

fn sms(
    file: &SourceFile,
    name: &str,
    locale: &str,
    files: &Files<'_>,
) -> (Option<SmsTemplate>, Vec<Diagnostic>) {
    let mut report = Report { diagnostics: Vec::new(), origins: BTreeMap::new(), files };
    let (text, found) = files.expand(&file.path, 0..file.text.len(), locale, "txt");
    report.diagnostics.extend(found);
    report.handlebars(&text);
    if text.text.trim().is_empty() {
        report.diagnostics.push(Diagnostic::error("E0502", &file.path, 0..0, "the text is empty"));
    }
    if file.text.lines().next().is_some_and(|line| line.trim_end() == "---") {
        let diagnostic = Diagnostic::error("E0502", &file.path, 0..3, "an SMS has no front matter");
        report.diagnostics.push(diagnostic.help("take it out: all of the file is the text"));
    }
    let Report { diagnostics, origins, .. } = report;
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return (None, diagnostics);
    }
    let (name, locale, sms) = (name.to_owned(), locale.to_owned(), text.text);
    // Its expressions parse: the report has said so.
    (SmsTemplate::from_source(SmsSource { name, locale, sms, origins }).ok(), diagnostics)
}

fn one(
    file: &SourceFile,
    name: &str,
    locale: &str,
    files: &Files<'_>,
) -> (Option<Template>, Vec<Diagnostic>) {
    let (head, body_at) = match source::front_matter(file) {
        Ok(parsed) => parsed,
        Err(diagnostic) => return (None, vec![*diagnostic]),
    };
    let mut report = Report { diagnostics: Vec::new(), origins: BTreeMap::new(), files };
    for value in [Some(&head.subject), head.preheader.as_ref()].into_iter().flatten() {
        report.value(file, value);
    }
    if head.subject.value.trim().is_empty() {
        let span = source::value_span(file, &head.subject);
        report.diagnostics.push(Diagnostic::error("E0502", &file.path, span, "the subject is empty"));
    }
    let (body, found) = files.expand(&file.path, body_at..file.text.len(), locale, "mjml");
    report.diagnostics.extend(found);
    report.handlebars(&body);
    let preheader = head.preheader.map(|p| p.value);
    let subject = head.subject.value;
    let for_html = mjml::Head { locale, subject: &subject, preheader: preheader.as_deref() };
    let (html, found) = mjml::to_html(&body.text, &for_html);
    report.findings(&body, found);

    let text_path = format!("templates/{name}/email.{locale}.txt");
    let text = files.text(&text_path).map(|text| {
        let (text, found) = files.expand(&text_path, 0..text.len(), locale, "txt");
        report.diagnostics.extend(found);
        report.handlebars(&text);
        text.text
    });
    let Report { mut diagnostics, origins, .. } = report;
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return (None, diagnostics);
    }
    let Some(html) = html else { return (None, diagnostics) };
    let (name, locale) = (name.to_owned(), locale.to_owned());
    let source = TemplateSource { name, locale, subject, preheader, html, text, origins };
    match Template::from_source(source) {
        Ok(template) => (Some(template), diagnostics),
        Err(error) => {
            // The parts parse one by one, the whole does not: MJML has moved an expression.
            diagnostics.push(Diagnostic::error("E0510", &file.path, body_at..body_at, error.message));
            (None, diagnostics)
        }
    }
}

struct Report<'f, 'a> {
    diagnostics: Vec<Diagnostic>,
    origins: BTreeMap<String, String>,
    files: &'f Files<'a>,
}

impl Report<'_, '_> {
    /// Parses and checks the expressions of a text.
    fn handlebars(&mut self, text: &Expanded) {
        match lint::parse(&text.text) {
            Ok(template) => {
                let (found, spelt) = lint::check(&text.text, &template);
                self.findings(text, found);
                for (path, at) in spelt {
                    self.origins.entry(path).or_insert_with(|| text.place(at, self.files));
                }
            }
            Err(error) => {
                let offset = lint::offset_of(&text.text, error.line, error.column);
                let (severity, message, help) = (Severity::Error, error.message, None);
                self.findings(text, vec![Finding { offset, severity, code: "E0510", message, help }]);
            }
        }
    }

    /// The same for a value of the front matter, whose diagnostics all point at the value.
    fn value(&mut self, file: &SourceFile, value: &serde_saphyr::Spanned<String>) {
        let span = source::value_span(file, value);
        let place = format!("{}:{}", file.path, lint::line_column(&file.text, span.start).0);
        match lint::parse(&value.value) {
            Ok(template) => {
                let (found, spelt) = lint::check(&value.value, &template);
                for f in found {
                    self.push(&file.path, span.clone(), f);
                }
                for path in spelt.into_keys() {
                    self.origins.entry(path).or_insert_with(|| place.clone());
                }
            }
            Err(error) => {
                self.diagnostics.push(Diagnostic::error("E0510", &file.path, span, error.message));
            }
        }
    }

    fn findings(&mut self, text: &Expanded, found: Vec<Finding>) {
        for f in found {
            let (path, at) = text.locate(f.offset);
            let path = path.to_owned();
            let length = self.files.text(&path).unwrap_or_default();
            let at = at.min(length.len());
            // An expression or a tag; otherwise the rest of the line.
            let rest = length.get(at..).unwrap_or_default();
            let line = rest.find('\n').unwrap_or(rest.len());
            let close = if rest.starts_with("{{") { "}}" } else { ">" };
            let end = rest[..line].find(close).map_or(line, |n| n + close.len());
            self.push(&path, at..at + end, f);
        }
    }

    fn push(&mut self, path: &str, span: std::ops::Range<usize>, f: Finding) {
        let made = match f.severity {
            Severity::Error => Diagnostic::error(f.code, path, span, f.message),
            Severity::Warning => Diagnostic::warning(f.code, path, span, f.message),
        };
        self.diagnostics.push(match f.help {
            Some(help) => made.help(help),
            None => made,
        });
    }
}
