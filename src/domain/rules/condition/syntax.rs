//! Texts that are not CEL, explained: first the mistakes that people make, then what the parser says.

use cel::ParseErrors;

use super::ConditionError;

/// Looks for what other languages allow and CEL does not, outside of quoted texts.
pub(super) fn scan(text: &str) -> Result<(), ConditionError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut nesting = Nesting::default();
    while let Some(c) = text[at..].chars().next() {
        let place = at..at + c.len_utf8();
        let (before, after) = (at.checked_sub(1).map(|i| bytes[i]), bytes.get(at + 1).copied());
        if nesting.goes_too_deep(c) {
            return Err(too_deep(text));
        }
        match c {
            '"' | '\'' => {
                at = end_of_text(text, at)?;
                continue;
            }
            '‘' | '’' | '“' | '”' | '«' | '»' => {
                return Err(ConditionError::new(
                    place,
                    format!("`{c}` is not a quote that a condition understands"),
                )
                .help("write straight quotes: \"…\""));
            }
            '=' if after == Some(b'=') => at += 1,
            '=' if matches!(before, Some(b'<' | b'>' | b'!')) => {}
            '=' if matches!(after, Some(b'>' | b'<')) => {
                let right = if after == Some(b'>') { ">=" } else { "<=" };
                return Err(ConditionError::new(
                    at..at + 2,
                    format!("`={}` is not a comparison", &right[..1]),
                )
                .help(format!("write `{right}`")));
            }
            '=' => {
                return Err(ConditionError::new(place, "a single `=` compares nothing").help("write `==`"));
            }
            '<' if after == Some(b'>') => {
                return Err(ConditionError::new(at..at + 2, "`<>` is not a comparison").help("write `!=`"));
            }
            '&' | '|' if after == Some(c as u8) => at += 1,
            '&' | '|' => {
                return Err(ConditionError::new(place, format!("a single `{c}` means nothing here"))
                    .help(format!("write `{c}{c}`")));
            }
            '#' | ';' | '$' | '@' | '~' | '^' | '\\' | '€' | '£' => {
                return Err(ConditionError::new(place, format!("`{c}` means nothing in a condition")));
            }
            c if c.is_alphabetic() || c == '_' => {
                let length =
                    text[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len() - at);
                word(text, at, length)?;
                if &text[at..at + length] == "in" && nesting.goes_too_deep('+') {
                    return Err(too_deep(text));
                }
                at += length;
                continue;
            }
            _ => {}
        }
        at += c.len_utf8();
    }
    Ok(())
}

/// How deep the syntax tree may get, judged from the characters alone: the parser and the evaluator recurse, and
/// must not be given what would overflow a worker thread's stack.
#[derive(Default)]
struct Nesting {
    /// For each open bracket, outermost first, and for what is outside of all: the operators in a row there
    /// (a chain of them nests) and the `?` (which nest across `&&` and `||` too).
    levels: Vec<(usize, usize)>,
    here: (usize, usize),
}

impl Nesting {
    const LIMIT: usize = 24;

    fn goes_too_deep(&mut self, c: char) -> bool {
        match c {
            '(' | '[' | '{' => self.levels.push(std::mem::take(&mut self.here)),
            ')' | ']' | '}' => self.here = self.levels.pop().map_or((1, 0), |(row, asked)| (row + 1, asked)),
            // Chains of these are kept flat or balanced by the parser.
            '&' | '|' | ',' => self.here.0 = 0,
            '?' => self.here.1 += 1,
            '.' | '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' | '=' => self.here.0 += 1,
            _ => return false,
        }
        let depth: usize = self.levels.iter().chain([&self.here]).map(|(row, asked)| 1 + row + asked).sum();
        depth > Self::LIMIT
    }
}

pub(super) fn too_deep(text: &str) -> ConditionError {
    ConditionError::new(0..text.len(), "the condition is nested too deeply").help(
        "split it into several `if` steps, or compare with a list: `customer.country in [\"FR\", \"BE\"]`",
    )
}

fn word(text: &str, at: usize, length: usize) -> Result<(), ConditionError> {
    let word = &text[at..at + length];
    let operator = match word {
        "and" | "AND" | "And" => "&&",
        "or" | "OR" | "Or" => "||",
        "not" | "NOT" | "Not" => "!",
        _ if word.is_ascii() => return Ok(()),
        _ => {
            let message = format!("the name `{word}` has letters that CEL does not allow in names");
            return Err(ConditionError::new(at..at + length, message)
                .help(format!("write the field in brackets, like `data[\"{word}\"]`")));
        }
    };
    // A field or a function of that name is fine: `data.or`, `.or(…)`.
    if text[..at].trim_end().ends_with('.') {
        return Ok(());
    }
    Err(ConditionError::new(at..at + length, format!("`{word}` is not how a condition says it"))
        .help(format!("write `{operator}`")))
}

/// The place after the text that begins with the quote at `at`.
pub(super) fn end_of_text(text: &str, at: usize) -> Result<usize, ConditionError> {
    let rest = &text[at..];
    let quote = &rest[..1];
    if let Some(long) = [r#"""""#, "'''"].into_iter().find(|q| rest.starts_with(q)) {
        return match rest[3..].find(long) {
            Some(end) => Ok(at + 3 + end + 3),
            None => Err(ConditionError::new(
                at..text.len(),
                format!("the text that begins here has no closing {long}"),
            )),
        };
    }
    let raw = text[..at].ends_with(['r', 'R']);
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if !raw => escaped = true,
            '\n' => break,
            _ if quote.starts_with(c) => return Ok(at + i + 1),
            _ => {}
        }
    }
    let line = rest.find('\n').map_or(text.len(), |end| at + end);
    Err(ConditionError::new(at..line, format!("the text that begins here has no closing {quote}")))
}

/// The parser's first complaint in plain words.
pub(super) fn reword(text: &str, errors: &ParseErrors) -> ConditionError {
    let Some(error) = errors.errors.iter().min_by_key(|e| (e.pos, !e.msg.contains("EOF"))) else {
        return ConditionError::new(0..text.len(), "this is not a condition");
    };
    // An unfinished text makes the parser complain of its beginning too; the end is what explains it.
    let ends_early = errors.errors.iter().find(|e| e.msg.contains("'<EOF>' expecting"));
    let error = match ends_early {
        Some(end) if error.msg.starts_with("Incomplete") => end,
        _ => error,
    };
    let at = offset(text, error.pos);
    let msg = error.msg.as_str();
    let found = text[at..].chars().next();
    if msg.contains("Recursion limit") {
        return ConditionError::new(0..text.len(), "the condition is nested too deeply");
    }
    if let Some(word) = msg.strip_prefix("reserved identifier: ") {
        let place = at..(at + word.len()).min(text.len());
        return ConditionError::new(place, format!("`{word}` is a reserved word and cannot be a name here"));
    }
    if msg.contains("missing ')'") {
        return ConditionError::new(at..at, "a closing `)` is missing");
    }
    if msg.contains("argument must be a simple name") {
        return ConditionError::new(at..at, "the first part must be a new name for the item")
            .help("like `data.items.exists(item, item.price > 10)`");
    }
    if msg.contains("has() macro") {
        return ConditionError::new(at..at, "`has` asks for a field").help("like `has(data.coupon)`");
    }
    if msg.contains("invalid int literal") || msg.contains("invalid double literal") {
        return ConditionError::new(at..at, "this number is too large");
    }
    if msg.contains("invalid string literal") {
        return ConditionError::new(at..at, "this text holds a `\\` that means nothing")
            .help("write `\\\\` for a `\\`");
    }
    match found {
        None => ConditionError::new(at..at, "the condition ends too early"),
        Some(',') if text[..at].ends_with(|c: char| c.is_ascii_digit()) => {
            ConditionError::new(at..at + 1, "`,` is not expected here")
                .help("write decimals with a point: `50.5`")
        }
        Some(c) => {
            let length = match c.is_alphanumeric() {
                true => {
                    text[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len() - at)
                }
                false => c.len_utf8(),
            };
            ConditionError::new(at..at + length, format!("`{}` is not expected here", &text[at..at + length]))
        }
    }
}

/// The byte at a line and column, both counted from 1 and the column in characters.
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &text[start.min(text.len())..];
    start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}
