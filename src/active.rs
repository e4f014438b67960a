//! The rules and templates in force, checked as a whole and swapped whole.

use std::sync::{Arc, RwLock};

use sha2::{Digest, Sha256};

use crate::domain::agreement;
use crate::domain::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::domain::hex;
use crate::domain::rules::book::Book;
use crate::domain::rules::catalogue::Catalogue;
use crate::domain::rules::scenario::{self, Scenario, Surroundings};
use crate::domain::rules::{RuleSet, compile};
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
    /// What `rules/events.yaml` declares, if there is one.
    pub events: Option<Catalogue>,
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
        diagnostics.extend(agreement::check(&compiled.rules, &templates, compiled.events.as_ref(), files));
        let faulty = |d: &Diagnostic| d.severity == Severity::Error && d.path == compile::POLICY;
        if diagnostics.iter().any(faulty) {
            diagnostics.retain(|d| !agreement::GOES_BY_POLICY.contains(&d.code));
        }
        diagnostics.sort_by(|a, b| (&a.path, a.span.start, a.code).cmp(&(&b.path, b.span.start, b.code)));
        // A rule that names a template twice is told once.
        diagnostics.dedup();
        Self { rules: compiled.rules, templates, events: compiled.events, diagnostics }
    }

    /// The same with what is wrong with rule tests, which comes last.
    pub fn with_tests(files: &[SourceFile], tests: &[SourceFile]) -> Self {
        let mut checked = Self::new(files);
        let (_, of_tests) = checked.scenarios(files, tests);
        checked.diagnostics.extend(of_tests);
        checked
    }

    /// Reads rule tests, checked against these files.
    pub fn scenarios(&self, files: &[SourceFile], tests: &[SourceFile]) -> (Vec<Scenario>, Vec<Diagnostic>) {
        scenario::read(tests, Surroundings { rules: &self.rules, events: self.events.as_ref(), files })
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

/// SHA-256 over all paths and texts, in hexadecimal.
pub fn hash(files: &[SourceFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        for part in [&file.path, &file.text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hex::encode(&hash.finalize())
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
