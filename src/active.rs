//! The rules and templates in force, checked as a whole and swapped whole.

use std::sync::{Arc, RwLock};

use sha2::{Digest, Sha256};

use crate::domain::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::domain::rules::book::Book;
use crate::domain::rules::{Op, RuleSet, compile};
use crate::domain::templates::{self, Templates};

/// Everything compiled from one set of files.
#[derive(Debug, Clone)]
pub struct Active {
    pub book: Book,
    pub templates: Templates,
    /// Of the text of all files: what tells two sets apart.
    pub hash: String,
}

/// A set of files, compiled, and all that is wrong with it.
#[derive(Debug)]
pub struct Checked {
    pub rules: RuleSet,
    pub templates: Templates,
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// Compiles rules, policy and templates, and checks each against the others.
    pub fn new(files: &[SourceFile]) -> Self {
        let (rule_files, template_files): (Vec<_>, Vec<_>) =
            files.iter().cloned().partition(|f| f.path.starts_with("rules/"));
        let compiled = compile::compile(&rule_files);
        let (templates, template_findings) =
            templates::compile(&template_files, &compiled.rules.policy.default_locale);
        let mut diagnostics = compiled.diagnostics;
        diagnostics.extend(template_findings);
        diagnostics.extend(missing_templates(&compiled.rules, &templates, files));
        diagnostics.sort_by(|a, b| (&a.path, a.span.start, a.code).cmp(&(&b.path, b.span.start, b.code)));
        Self { rules: compiled.rules, templates, diagnostics }
    }

    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// Ready for use, with the secret that promo codes are derived from. The caller has seen to it that there are
    /// no errors.
    pub fn activate(self, files: &[SourceFile], secret: Vec<u8>) -> Active {
        Active { book: Book::new(self.rules, [], secret), templates: self.templates, hash: hash(files) }
    }
}

/// Templates that rules name and nobody has written.
fn missing_templates(rules: &RuleSet, templates: &Templates, files: &[SourceFile]) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for rule in rules.rules.values() {
        let path = format!("rules/{}.yaml", rule.name);
        let source = files.iter().find(|f| f.path == path).map_or("", |f| f.text.as_str());
        for op in &rule.program {
            let Op::Send(send) = op else { continue };
            if templates.contains(&send.email) {
                continue;
            }
            let start = place_of(source, &send.email);
            let mut finding = Diagnostic::error(
                "E0501",
                &path,
                start..(start + send.email.len()).min(source.len()),
                format!("there is no template `{}`", send.email),
            );
            finding = match crate::domain::diagnostic::did_you_mean(&send.email, templates.names()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("write templates/{}/email.LOCALE.mjml", send.email)),
            };
            findings.push(finding);
        }
    }
    findings
}

/// Where a `send` names the template: after the last `email:` that is followed by it.
fn place_of(source: &str, template: &str) -> usize {
    source
        .match_indices("email:")
        .filter_map(|(at, key)| {
            let after = at + key.len();
            let value = source[after..].trim_start_matches([' ', '"', '\'']);
            value.starts_with(template).then_some(source.len() - value.len())
        })
        .last()
        .unwrap_or(0)
}

/// SHA-256 over all paths and texts, in hexadecimal.
pub fn hash(files: &[SourceFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        for part in [&file.path, &file.text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the set in force is kept. Readers take it whole; the swap is one pointer.
#[derive(Debug, Clone)]
pub struct Shelf(Arc<RwLock<Arc<Active>>>);

impl Shelf {
    pub fn new(active: Active) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(active))))
    }

    pub fn get(&self) -> Arc<Active> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub fn swap(&self, active: Active) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(active);
    }
}
