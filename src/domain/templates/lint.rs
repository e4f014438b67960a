//! What can be known to be wrong in a template's expressions before any customer is seen.
//!
//! Walks the parsed handlebars tree: unknown roots, unknown expressions, wrong arguments, and the parts of the
//! dialect that we leave out because they render wrongly or unsafely. Also lists the variables that are read.

use std::collections::{BTreeMap, BTreeSet};

use handlebars::TemplateErrorReason;
use handlebars::template::{BlockParam, HelperTemplate, Parameter, TemplateElement};

use super::expressions::{SIGNATURES, Signature, signature};
use super::markup::expressions;
use super::skeleton::Skeleton;
use super::{FIELDS, ROOTS};
use crate::domain::diagnostic::{Severity, did_you_mean};

/// Deeper nesting than any letter needs; bounds the recursion of the parser and of rendering.
const MAX_DEPTH: usize = 32;

/// A parse error; line and column count from one.
pub struct ParseError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// One finding, at a byte offset of the text that was parsed.
pub struct Finding {
    pub offset: usize,
    pub severity: Severity,
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

/// Parses handlebars text.
pub fn parse(text: &str) -> Result<handlebars::Template, ParseError> {
    if let Some(offset) = too_deep(text) {
        let (line, column) = line_column(text, offset);
        return Err(ParseError { line, column, message: format!("blocks nest deeper than {MAX_DEPTH}") });
    }
    let skeleton = Skeleton::of(text);
    let in_text = |line, column| skeleton.original(offset_of(&skeleton.text, line, column)).min(text.len());
    let mut template = handlebars::Template::compile(&skeleton.text).map_err(|error| {
        let at = error.pos().map_or(0, |(line, column)| in_text(line, column));
        let (at, message) = match error.reason() {
            // The parser lists all that it would have taken.
            TemplateErrorReason::InvalidSyntax(_) => blame(text, at),
            other => (at, other.to_string()),
        };
        let (line, column) = line_column(text, at);
        ParseError { line, column, message }
    })?;
    skeleton.complete(&mut template);
    Ok(template)
}

/// What makes a text unreadable, and where: a block or a brace that is not closed, or what stands at `at`.
fn blame(text: &str, at: usize) -> (usize, String) {
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut end = 0;
    for range in expressions(text) {
        end = range.end;
        let inner = text[range.clone()].trim_matches(['{', '}', '~', ' ']);
        if let Some(inner) = inner.strip_prefix('#') {
            open.push((range.start, inner.split_whitespace().next().unwrap_or_default()));
        } else if let Some(inner) = inner.strip_prefix('/') {
            match open.pop() {
                Some(_) => {}
                None => return (range.start, format!("`{{{{/{inner}}}}}` closes nothing")),
            }
        }
    }
    if let Some(brace) = text[end..].find("{{") {
        return (end + brace, "this `{{` has no `}}`".to_owned());
    }
    match open.last() {
        Some((start, name)) => (*start, format!("`{{{{#{name} …}}}}` has no `{{{{/{name}}}}}`")),
        None => (at, "this is not an expression".to_owned()),
    }
}

fn too_deep(text: &str) -> Option<usize> {
    let (mut blocks, mut parens) = (0_usize, 0_usize);
    for (at, _) in text.match_indices(['{', '(', ')']) {
        let rest = &text[at..];
        if rest.starts_with("{{#") || rest.starts_with("{{~#") || rest.starts_with("{{{{") {
            blocks += 1;
        } else if rest.starts_with("{{/") || rest.starts_with("{{~/") {
            blocks = blocks.saturating_sub(1);
        } else if rest.starts_with("{{") {
            parens = 0;
        } else if rest.starts_with('(') {
            parens += 1;
        } else if rest.starts_with(')') {
            parens = parens.saturating_sub(1);
        }
        if blocks > MAX_DEPTH || parens > MAX_DEPTH {
            return Some(at);
        }
    }
    None
}

/// The byte offset of a line and column (in characters), both from one; the end of the text at most.
pub fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
}

/// Line and column (in characters) of a byte offset, both from one.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The dotted paths a template reads from the context.
pub fn reads(template: &handlebars::Template) -> Vec<String> {
    let mut walk = Walk::new("");
    walk.template(template);
    walk.reads.into_keys().collect()
}

/// The dotted paths it reads of the items of collections and of what `#with` opens: `data.items.name` for `{{this.name}}`
/// within `{{#each data.items}}`.
pub fn reads_within(template: &handlebars::Template) -> Vec<String> {
    let mut walk = Walk::new("");
    walk.template(template);
    walk.within.into_iter().collect()
}

/// Everything wrong in a parsed template, and where each variable is first read, as it is spelt there.
pub fn check(text: &str, template: &handlebars::Template) -> (Vec<Finding>, BTreeMap<String, usize>) {
    let mut walk = Walk::new(text);
    walk.template(template);
    (walk.findings, walk.spelt)
}

/// What a name without `this` or `../` means at a place: the root, or an item of a collection, whose path is given where
/// it can be told.
#[derive(Clone, PartialEq)]
enum Scope {
    Root,
    Local(Option<String>),
}

/// A path as it is spelt, taken apart.
struct Spelt {
    /// Which scope it starts in.
    depth: usize,
    /// Whether it says so itself (`this.`, `../`, `@root.`).
    explicit: bool,
    /// The rest, dotted.
    path: String,
    first: String,
}

struct Walk<'a> {
    text: &'a str,
    scopes: Vec<Scope>,
    /// Names that blocks give their items, with the path of the collection.
    block_params: Vec<(String, Option<String>)>,
    offset: usize,
    findings: Vec<Finding>,
    reads: BTreeMap<String, usize>,
    within: BTreeSet<String>,
    spelt: BTreeMap<String, usize>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            scopes: vec![Scope::Root],
            block_params: Vec::new(),
            offset: 0,
            findings: Vec::new(),
            reads: BTreeMap::new(),
            within: BTreeSet::new(),
            spelt: BTreeMap::new(),
        }
    }

    fn error(&mut self, code: &'static str, message: impl Into<String>, help: Option<String>) {
        let (offset, message) = (self.offset, message.into());
        self.findings.push(Finding { offset, severity: Severity::Error, code, message, help });
    }

    fn template(&mut self, template: &handlebars::Template) {
        for (index, element) in template.elements.iter().enumerate() {
            if let Some(place) = template.mapping.get(index) {
                self.offset = offset_of(self.text, place.0, place.1);
            }
            self.element(element);
        }
    }

    fn element(&mut self, element: &TemplateElement) {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::Expression(call) => self.call(call),
            TemplateElement::HelperBlock(call) => self.block(call),
            TemplateElement::HtmlExpression(call) => {
                self.call(call);
                self.error(
                    "E0521",
                    "unescaped output is not allowed: a customer's name could contain markup",
                    Some("write {{…}} with two braces".to_owned()),
                );
            }
            TemplateElement::PartialExpression(_) | TemplateElement::PartialBlock(_) => self.error(
                "E0522",
                "handlebars partials are not supported here",
                Some("share a part with <mj-include path=\"…\" />, from templates/_partials/".to_owned()),
            ),
            TemplateElement::DecoratorExpression(_) | TemplateElement::DecoratorBlock(_) => {
                self.error("E0523", "handlebars decorators are not supported", None);
            }
            _ => self.error("E0523", "this kind of expression is not supported", None),
        }
    }

    fn call(&mut self, call: &HelperTemplate) {
        let bare = call.params.is_empty() && call.hash.is_empty();
        match &call.name {
            Parameter::Path(_) | Parameter::Name(_) => {
                let name = call.name.as_name().unwrap_or_default().to_owned();
                if bare && signature(&name).is_none() {
                    self.path(&name);
                } else {
                    self.signature(&name, call, false);
                }
            }
            Parameter::Literal(_) => self.error("E0523", "a literal alone is not an expression", None),
            Parameter::Subexpression(_) => self.parameter(&call.name),
            _ => self.error("E0523", "this kind of expression is not supported", None),
        }
        self.arguments(call);
    }

    fn arguments(&mut self, call: &HelperTemplate) {
        for parameter in call.params.iter().chain(call.hash.values()) {
            self.parameter(parameter);
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        match parameter {
            Parameter::Path(_) | Parameter::Name(_) => {
                let name = parameter.as_name().unwrap_or_default().to_owned();
                self.path(&name);
            }
            Parameter::Subexpression(inner) => match inner.as_element() {
                // `(name)` without arguments is a call here, unlike `{{name}}`.
                TemplateElement::Expression(call) => {
                    let name = call.name.as_name().unwrap_or_default().to_owned();
                    self.signature(&name, call, false);
                    self.arguments(call);
                }
                other => self.element(other),
            },
            // Literals need no check.
            _ => {}
        }
    }

    fn block(&mut self, call: &HelperTemplate) {
        let name = call.name.as_name().unwrap_or_default().to_owned();
        self.signature(&name, call, true);
        self.arguments(call);
        let local = matches!(name.as_str(), "each" | "with");
        let known = self.block_params.len();
        if local {
            let of = call.params.first().and_then(Parameter::as_name).and_then(|raw| self.resolved(raw));
            // The first name is the item, or what is opened; the second an index.
            let names = block_param_names(call).into_iter().zip([of.clone(), None]);
            self.scopes.push(Scope::Local(of));
            self.block_params.extend(names);
        }
        if let Some(inner) = &call.template {
            self.template(inner);
        }
        if local {
            self.scopes.pop();
            self.block_params.truncate(known);
        }
        if let Some(inverse) = &call.inverse {
            self.template(inverse);
        }
    }

    /// Checks a call against the table of what there is.
    fn signature(&mut self, name: &str, call: &HelperTemplate, block: bool) {
        let Some(known) = signature(name) else {
            let near =
                did_you_mean(name, SIGNATURES.iter().map(|s| s.name)).map(|n| format!("did you mean `{n}`?"));
            let all = || SIGNATURES.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
            let help = near.unwrap_or_else(|| format!("there are {}", all()));
            return self.error("E0511", format!("there is no expression `{name}`"), Some(help));
        };
        if known.block != block {
            let form = if known.block {
                format!("{{{{#{name} …}}}}…{{{{/{name}}}}}")
            } else {
                format!("{{{{{name} …}}}}")
            };
            return self.error("E0512", format!("`{name}` is written {form}"), None);
        }
        self.arity(known, call);
    }

    fn arity(&mut self, known: &Signature, call: &HelperTemplate) {
        let (given, name) = (call.params.len(), known.name);
        if !known.arguments.contains(&given) {
            let (least, most) = (known.arguments.start(), known.arguments.end());
            let want = if least == most { least.to_string() } else { format!("{least} to {most}") };
            self.error("E0512", format!("`{name}` takes {want} value(s), here it has {given}"), None);
        }
        let mut names: Vec<&String> = call.hash.keys().collect();
        names.sort();
        for argument in names {
            if !known.named.contains(&argument.as_str()) {
                let near = did_you_mean(argument, known.named.iter().copied());
                let help = near.map(|n| format!("did you mean `{n}`?"));
                self.error("E0512", format!("`{name}` has no argument `{argument}`"), help);
            }
        }
        if name == "plural" && !call.hash.contains_key("other") {
            self.error("E0512", "`plural` needs other=\"…\", which every language has", None);
        }
        if name == "date"
            && let Some(Parameter::Literal(serde_json::Value::String(style))) = call.params.get(1)
            && !super::format::DATE_STYLES.contains(&style.as_str())
        {
            let styles = super::format::DATE_STYLES;
            let near = did_you_mean(style, styles.iter().copied()).map(|n| format!("did you mean {n:?}?"));
            let help = near.unwrap_or_else(|| format!("there are {}", styles.join(", ")));
            self.error("E0512", format!("`date` has no style {style:?}"), Some(help));
        }
    }

    /// Takes a path apart; none for `@index` and the like.
    fn located(&self, raw: &str) -> Option<Spelt> {
        let mut rest = raw;
        let mut depth = self.scopes.len() - 1;
        let mut explicit = false;
        while let Some(up) = rest.strip_prefix("../") {
            (rest, depth, explicit) = (up, depth.saturating_sub(1), true);
        }
        if let Some(special) = rest.strip_prefix('@') {
            let root = special.strip_prefix("root")?;
            (rest, depth, explicit) = (root, 0, true);
        }
        for prefix in ["this", "./", "."] {
            if let Some(tail) = rest.strip_prefix(prefix)
                && (tail.is_empty() || tail.starts_with(['.', '/']) || prefix == "./")
            {
                (rest, explicit) = (tail, true);
                break;
            }
        }
        let path = rest.trim_start_matches(['.', '/']).replace('/', ".");
        let first = path.split(['.', '[']).next().unwrap_or_default().to_owned();
        Some(Spelt { depth, explicit, path, first })
    }

    /// The path from the root of the context, where that can be told.
    fn resolved(&self, raw: &str) -> Option<String> {
        let Spelt { depth, explicit, path, first } = self.located(raw)?;
        if !explicit && let Some((_, of)) = self.block_params.iter().rfind(|(name, _)| *name == first) {
            return of.as_ref().map(|of| format!("{of}{}", &path[first.len()..]));
        }
        match self.scopes.get(depth)? {
            Scope::Root => ROOTS.contains(&first.as_str()).then_some(path),
            Scope::Local(of) if path.is_empty() => of.clone(),
            Scope::Local(of) => of.as_ref().map(|of| format!("{of}.{path}")),
        }
    }

    fn path(&mut self, raw: &str) {
        self.spelt.entry(raw.to_owned()).or_insert(self.offset);
        let Some(Spelt { depth, explicit, path, first }) = self.located(raw) else { return };
        if first.is_empty() {
            return;
        }
        if !explicit && self.block_params.iter().any(|(name, _)| *name == first) {
            self.within.extend(self.resolved(raw));
            return;
        }
        match self.scopes.get(depth).unwrap_or(&Scope::Root) {
            Scope::Local(_) if !explicit && ROOTS.contains(&first.as_str()) => {
                let help = format!("write `@root.{path}`, or `this.{path}` if the item has such a field");
                let message = format!("within a loop, `{path}` is a field of the item, not of the message");
                self.error("E0514", message, Some(help));
            }
            Scope::Local(_) => self.within.extend(self.resolved(raw)),
            Scope::Root => self.root(&path, &first),
        }
    }

    fn root(&mut self, path: &str, first: &str) {
        if ROOTS.contains(&first) {
            self.reads.entry(path.to_owned()).or_insert(self.offset);
            self.field(path, first);
            return;
        }
        let near = did_you_mean(first, ROOTS.iter().copied()).map(|n| format!("did you mean `{n}`?"));
        let help = near.unwrap_or_else(|| format!("a template can read {}", ROOTS.join(", ")));
        self.error("E0513", format!("there is no `{first}` in a message's context"), Some(help));
    }

    /// A misspelt field of these would make every mail of the template fail.
    fn field(&mut self, path: &str, first: &str) {
        let Some((_, known)) = FIELDS.iter().find(|(root, _)| *root == first) else { return };
        let Some(field) = path.split('.').nth(1).map(|f| f.trim_matches(['[', ']', '"', '\''])) else {
            return;
        };
        if known.contains(&field) {
            return;
        }
        let near = did_you_mean(field, known.iter().copied()).map(|n| format!("did you mean `{first}.{n}`?"));
        let help = near.unwrap_or_else(|| format!("`{first}` has {}", known.join(", ")));
        self.error("E0513", format!("`{first}` has no field `{field}`"), Some(help));
    }
}

fn block_param_names(call: &HelperTemplate) -> Vec<String> {
    let name = |p: &Parameter| p.as_name().map(str::to_owned);
    match &call.block_param {
        Some(BlockParam::Single(one)) => name(one).into_iter().collect(),
        Some(BlockParam::Pair((one, two))) => name(one).into_iter().chain(name(two)).collect(),
        _ => Vec::new(),
    }
}
