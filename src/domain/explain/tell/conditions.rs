//! Conditions in words: what each said, what it read, and which part decided.

use super::super::words::{Language, Phrase};
use super::{Page, shown};
use crate::domain::rules::condition::Truth;
use crate::domain::rules::condition::explain::{Judged, Read};

impl Page {
    /// What a condition says, with what it read.
    pub(super) fn verdict(&self, judged: &Judged) -> String {
        let condition = format!("`{}`", judged.expression);
        let phrase = match judged.truth {
            Truth::True => Phrase::True,
            Truth::False => Phrase::False,
            Truth::Unknown(_) => Phrase::Unknown,
        };
        let mut verdict = self.say(phrase, &[("condition", &condition)]);
        let missing = judged.reads.iter().any(|read| read.value.is_none());
        if let Truth::Unknown(why) = &judged.truth
            && judged.join.is_none()
            && !missing
        {
            // The core's own words are English.
            let why = match self.language {
                Language::English => why.clone(),
                Language::French => self.say(Phrase::Unlike, &[]),
            };
            verdict = self.say(Phrase::Because, &[("verdict", &verdict), ("why", &why)]);
        }
        if judged.reads.is_empty() {
            return verdict;
        }
        let read = |read: &Read| match &read.value {
            Some(value) => self.say(Phrase::ReadIs, &[("path", &read.path), ("value", &shown(value))]),
            None => self.say(Phrase::ReadMissing, &[("path", &read.path)]),
        };
        let reads: Vec<String> = judged.reads.iter().map(read).collect();
        self.say(Phrase::Reads, &[("verdict", &verdict), ("reads", &reads.join(", "))])
    }

    pub(super) fn parts(&mut self, judged: &Judged, depth: usize) {
        for part in &judged.parts {
            let phrase = if judged.is_decided_by(part) { Phrase::Decides } else { Phrase::Beside };
            let words = self.say(phrase, &[("part", &self.verdict(part))]);
            self.line(depth, &words);
            self.parts(part, depth + 1);
        }
    }
}
