//! A text as the handlebars parser is given it: its expressions, and of what stands between them only the ends.
//!
//! The parser looks at every character several times over and counts lines anew for each expression, which for the HTML
//! of a mail takes longer than all else. It sees the ends of a stretch of text, for they say what white space goes, and
//! its line ends, for the places of what follows; the rest is put back afterwards.

use handlebars::Template;
use handlebars::template::TemplateElement;

use super::markup::expressions;

/// What is left out is longer than this, in bytes: its number takes some too.
const SHORT: usize = 16;

/// Stands before and after the number of what was left out. A text that has it itself is parsed whole.
const MARK: char = '\u{1}';

pub struct Skeleton<'a> {
    pub text: String,
    whole: &'a str,
    /// Where each expression begins, here and in the whole text.
    starts: Vec<(usize, usize)>,
    left_out: Vec<&'a str>,
}

impl<'a> Skeleton<'a> {
    pub fn of(whole: &'a str) -> Self {
        let mut skeleton = Self { text: String::new(), whole, starts: vec![(0, 0)], left_out: Vec::new() };
        let mut at = 0;
        let bounds = if whole.contains(MARK) { Vec::new() } else { expressions(whole) };
        for range in bounds {
            skeleton.stretch(&whole[at..range.start]);
            skeleton.starts.push((skeleton.text.len(), range.start));
            skeleton.text.push_str(&whole[range.clone()]);
            at = range.end;
        }
        // An expression that is not closed is in the last stretch, for the parser to complain of.
        match whole[at..].contains("{{") || whole.contains(MARK) {
            true => skeleton.text.push_str(&whole[at..]),
            false => skeleton.stretch(&whole[at..]),
        }
        skeleton
    }

    /// The place in the whole text of one in an expression.
    pub fn original(&self, at: usize) -> usize {
        let after = self.starts.partition_point(|(start, _)| *start <= at);
        let (start, whole) = self.starts[after.saturating_sub(1)];
        whole + (at - start)
    }

    /// Puts into a parsed template what was left out, and the places of the whole text.
    pub fn complete(&self, template: &mut Template) {
        self.completed_from(&mut Walk::default(), template);
    }

    fn completed_from(&self, walk: &mut Walk, template: &mut Template) {
        for (index, element) in template.elements.iter_mut().enumerate() {
            if let Some(place) = template.mapping.get_mut(index) {
                // Each line end is still there; columns may have moved.
                let at = self.original(walk.to(&self.text, place.0, place.1));
                let start = self.whole[..at].rfind('\n').map_or(0, |end| end + 1);
                place.1 = self.whole[start..at].chars().count() + 1;
            }
            match element {
                TemplateElement::RawString(text) if text.contains(MARK) => *text = self.completed(text),
                TemplateElement::HelperBlock(block) => {
                    let inner = block.template.iter_mut().chain(block.inverse.iter_mut());
                    inner.for_each(|template| self.completed_from(walk, template));
                }
                _ => {}
            }
        }
    }

    /// Leaves out all but what the parser goes by: the white space at both ends, a character beside it, and the
    /// backslashes before an expression.
    fn stretch(&mut self, stretch: &'a str) {
        let begin = stretch.len() - stretch.trim_start().len();
        let first = stretch[begin..].chars().next().map_or(0, char::len_utf8);
        let body = stretch.trim_end().trim_end_matches('\\');
        let last = body.chars().next_back().map_or(0, char::len_utf8);
        let (from, to) = (begin + first, body.len().saturating_sub(last));
        let Some(middle) = stretch.get(from..to).filter(|middle| middle.len() > SHORT) else {
            return self.text.push_str(stretch);
        };
        self.text.push_str(&stretch[..from]);
        self.text.push_str(&format!("{MARK}{}{MARK}", self.left_out.len()));
        self.text.extend(middle.chars().filter(|c| *c == '\n'));
        self.text.push_str(&stretch[to..]);
        self.left_out.push(middle);
    }

    fn completed(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, (number, after))) =
            rest.split_once(MARK).and_then(|(before, marked)| Some((before, marked.split_once(MARK)?)))
        {
            let middle =
                number.parse().ok().and_then(|n: usize| self.left_out.get(n)).copied().unwrap_or_default();
            out.push_str(before);
            out.push_str(middle);
            // Its line ends stood for it.
            rest = &after[middle.matches('\n').count()..];
        }
        out + rest
    }
}

/// Places in a text one after the other, without counting from its beginning each time.
struct Walk {
    at: usize,
    line: usize,
    column: usize,
}

impl Default for Walk {
    fn default() -> Self {
        Self { at: 0, line: 1, column: 1 }
    }
}

impl Walk {
    /// The byte at a line and a column, both from one; the end of the text at most.
    fn to(&mut self, text: &str, line: usize, column: usize) -> usize {
        if (line, column) < (self.line, self.column) {
            *self = Self::default();
        }
        for c in text[self.at..].chars() {
            if (self.line, self.column) >= (line, column) {
                break;
            }
            self.at += c.len_utf8();
            (self.line, self.column) =
                if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is parsed by way of a skeleton is what is parsed of the whole.
    fn same(whole: &str) -> Result<(), TestCaseError> {
        let skeleton = Skeleton::of(whole);
        match (Template::compile(&skeleton.text), Template::compile(whole)) {
            (Ok(mut template), Ok(expected)) => {
                skeleton.complete(&mut template);
                prop_assert_eq!(template, expected);
            }
            (Err(_), Err(_)) => {}
            (found, expected) => prop_assert!(false, "{:?} and not {:?}", found, expected),
        }
        Ok(())
    }

    #[test]
    fn long_stretches_are_short_and_come_back() {
        let whole = format!("{}é\n{{{{a}}}}{}{{{{b}}}}", "x\n".repeat(500), "y".repeat(500));
        let skeleton = Skeleton::of(&whole);
        assert!(skeleton.text.len() < 600, "{}", skeleton.text.len());
        assert_eq!(skeleton.text.matches('\n').count(), 501);
        for name in ["{{a}}", "{{b}}"] {
            assert_eq!(whole.find(name), skeleton.text.find(name).map(|at| skeleton.original(at)));
        }
        same(&whole).unwrap();
    }

    proptest! {
        #[test]
        fn a_skeleton_is_parsed_like_the_whole(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("{{#if a}}".to_owned()), Just("{{/if}}".to_owned()), Just("{{else}}".to_owned()),
                    Just("{{~b~}}".to_owned()), Just("\\{{c}}".to_owned()), Just("{{!-- d --}}".to_owned()),
                    Just("{{".to_owned()), Just("\n".to_owned()), Just("  \n".to_owned()), Just("\\".to_owned()), Just("\\\\{{c}}".to_owned()), Just("some more words here, as it were\\".to_owned()),
                    (1_usize..400).prop_map(|n| " ".repeat(n)), (1_usize..400).prop_map(|n| "<é>\n ".repeat(n)),
                    (1_usize..400).prop_map(|n| "x".repeat(n)),
                ],
                0..12,
            )
        ) {
            same(&parts.concat())?;
        }
    }
}
