//! A compiled template and its rendering. Called for each message, so it parses nothing and shares everything.

use std::collections::{BTreeMap, BTreeSet};

use handlebars::{
    Context, Handlebars, Output, RenderContext, RenderErrorReason, Renderable, StringOutput, WriteOutput,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{RenderError, Rendered, TemplateSource, expressions, format, lint, mjml};
use crate::domain::hex;

/// One locale's version of a template, ready to render.
#[derive(Debug, Clone)]
pub struct Template {
    pub name: String,
    pub locale: String,
    /// Of the meaning (all of the source but its origins): 32 hexadecimal digits.
    pub hash: String,
    source: TemplateSource,
    subject: handlebars::Template,
    html: handlebars::Template,
    text: Option<handlebars::Template>,
    /// What the subject and each body read.
    reads: Reads,
}

#[derive(Debug, Clone)]
struct Reads {
    all: Vec<String>,
    bodies: Vec<(Body, Vec<String>)>,
}

/// A part of a mail that may be read without the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    Html,
    Text,
}

impl Template {
    /// What to store, so that a message can stay with the version it was first rendered from.
    pub fn source(&self) -> &TemplateSource {
        &self.source
    }

    /// Rebuilds a template from what was stored. Errors: an expression that does not parse.
    pub fn from_source(source: TemplateSource) -> Result<Self, RenderError> {
        let parse = |part: &str, text: &str| parse(&source.name, &source.locale, part, text);
        let subject = parse("subject", &source.subject)?;
        let html = parse("html", &source.html)?;
        let text = source.text.as_deref().map(|text| parse("text", text)).transpose()?;
        let of_text = text.as_ref().map(|text| (Body::Text, lint::reads(text)));
        let bodies: Vec<_> = std::iter::once((Body::Html, lint::reads(&html))).chain(of_text).collect();
        let all: BTreeSet<String> =
            bodies.iter().flat_map(|(_, reads)| reads.clone()).chain(lint::reads(&subject)).collect();
        Ok(Self {
            subject,
            html,
            text,
            reads: Reads { all: all.into_iter().collect(), bodies },
            name: source.name.clone(),
            locale: source.locale.clone(),
            hash: hash(&source),
            source,
        })
    }

    /// Renders for one customer. Within the context, null and missing are the same.
    ///
    /// Values are formatted for the customer's `locale` where it is of the template's language (`fr-CA` in a
    /// French text), otherwise for the template's own: no German dates in a French letter.
    pub fn render(&self, context: Value) -> Result<Rendered, RenderError> {
        let origin = self.origin();
        let context = origin.prepare(context);
        let subject = origin.part("subject", &self.subject, &expressions::TEXT, &context)?;
        let html = origin.part("html", &self.html, &expressions::HTML, &context)?;
        let text = match &self.text {
            Some(text) => origin.part("text", text, &expressions::TEXT, &context)?,
            None => self.derive_text(&html)?,
        };
        Ok(Rendered { subject: one_line(&subject), html, text, locale: self.locale.clone() })
    }

    /// The subject and the text of [`Self::render`], and its errors. The HTML is worked through for those and kept by
    /// nobody: it is the largest part by far.
    pub fn render_words(&self, context: Value) -> Result<(String, String), RenderError> {
        let Some(text) = &self.text else { return self.render(context).map(|all| (all.subject, all.text)) };
        let origin = self.origin();
        let context = origin.prepare(context);
        let subject = origin.part("subject", &self.subject, &expressions::TEXT, &context)?;
        let mut nowhere = WriteOutput::new(std::io::sink());
        origin.write("html", &self.html, &expressions::HTML, &context, &mut nowhere)?;
        let text = origin.part("text", text, &expressions::TEXT, &context)?;
        Ok((one_line(&subject), text))
    }

    /// The dotted paths it reads from the context, without what `#each` and `#with` make local.
    pub fn variables(&self) -> &[String] {
        &self.reads.all
    }

    /// The dotted paths it reads of items of collections, from the root: `data.items.name`.
    pub fn items(&self) -> Vec<String> {
        let parts = [&self.subject, &self.html].into_iter().chain(&self.text);
        let all: BTreeSet<String> = parts.flat_map(lint::reads_within).collect();
        all.into_iter().collect()
    }

    /// The bodies that were written, each with the dotted paths it reads.
    pub fn bodies(&self) -> &[(Body, Vec<String>)] {
        &self.reads.bodies
    }

    fn origin(&self) -> Origin<'_> {
        Origin { name: &self.name, locale: &self.locale, origins: &self.source.origins }
    }

    fn derive_text(&self, html: &str) -> Result<String, RenderError> {
        html2text::config::plain()
            .no_table_borders()
            .link_footnotes(true)
            .string_from_read(mjml::without_preheader(html).as_bytes(), 76)
            .map_err(|error| self.origin().error("text", None, &error.to_string()))
    }
}

/// Whose expressions they are, for rendering them and for saying what went wrong where.
pub(super) struct Origin<'a> {
    pub name: &'a str,
    pub locale: &'a str,
    /// Where each variable is first read (`path:line`).
    pub origins: &'a BTreeMap<String, String>,
}

impl Origin<'_> {
    /// The context with nulls taken out, and with a locale of the template's language.
    pub fn prepare(&self, mut context: Value) -> Context {
        remove_nulls(&mut context);
        let given = context.get("locale").and_then(Value::as_str).unwrap_or_default();
        if (language(given) != language(self.locale) || !format::is_locale(given))
            && let Some(object) = context.as_object_mut()
        {
            object.insert("locale".to_owned(), Value::String(self.locale.to_owned()));
        }
        Context::from(context)
    }

    pub fn part(
        &self,
        part: &str,
        template: &handlebars::Template,
        registry: &'static Handlebars<'static>,
        context: &Context,
    ) -> Result<String, RenderError> {
        let mut out = StringOutput::new();
        self.write(part, template, registry, context, &mut out)?;
        out.into_string().map_err(|error| self.error(part, None, &error.to_string()))
    }

    fn write(
        &self,
        part: &str,
        template: &handlebars::Template,
        registry: &'static Handlebars<'static>,
        context: &Context,
        out: &mut dyn Output,
    ) -> Result<(), RenderError> {
        let mut scratch = RenderContext::new(None);
        template.render(registry, context, &mut scratch, out).map_err(|error| self.explain(part, &error))
    }

    fn explain(&self, part: &str, error: &handlebars::RenderError) -> RenderError {
        let (variable, what) = match error.reason() {
            RenderErrorReason::MissingVariable(Some(path)) => (Some(path), format!("`{path}` has no value")),
            RenderErrorReason::MissingVariable(None) => (None, "a variable has no value".to_owned()),
            RenderErrorReason::Other(what) => (None, what.clone()),
            other => (None, other.to_string()),
        };
        let named = variable.map(String::as_str).or_else(|| what.split('`').nth(3));
        let origin = named.and_then(|path| self.origins.get(path)).cloned();
        let place = origin.or_else(|| error.line_no.map(|line| format!("line {line}")));
        self.error(part, place, &what)
    }

    pub fn error(&self, part: &str, place: Option<String>, what: &str) -> RenderError {
        let place = place.map(|p| format!(", {p}")).unwrap_or_default();
        RenderError { message: format!("template {} ({}), {part}{place}: {what}", self.name, self.locale) }
    }
}

/// A part of a stored template as expressions. The error names template and part.
pub(super) fn parse(
    name: &str,
    locale: &str,
    part: &str,
    text: &str,
) -> Result<handlebars::Template, RenderError> {
    lint::parse(text).map_err(|e| RenderError {
        message: format!("template {name} ({locale}), {part}, line {}: {}", e.line, e.message),
    })
}

fn language(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Takes null members out, so that strict mode treats null and missing alike.
fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

/// A header value is one line: control characters and runs of white space become one space.
fn one_line(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect();
    // Not `split_whitespace`, which would also take the no-break spaces of numbers.
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn hash(source: &TemplateSource) -> String {
    let fields = [&source.name, &source.locale, &source.subject, &source.html];
    let optional = [source.preheader.as_ref(), source.text.as_ref()];
    hash_of(fields.into_iter().map(Some).chain(optional))
}

/// 32 hexadecimal digits over fields in their order.
pub(super) fn hash_of<'a>(fields: impl Iterator<Item = Option<&'a String>>) -> String {
    let mut hasher = Sha256::new();
    for field in fields {
        // The length keeps neighbouring fields apart; a missing one differs from an empty one.
        hasher.update(field.map_or(u64::MAX, |f| f.len() as u64).to_be_bytes());
        hasher.update(field.map_or(&[][..], |f| f.as_bytes()));
    }
    hex::encode(&hasher.finalize()[..16])
}
