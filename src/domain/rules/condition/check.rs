//! What can be known of a parsed condition before any event comes: names, functions, cost, kind of answer.

use std::ops::Range;

use cel::Program;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::unlike::{self, Use};
use super::{ConditionError, ENV};
use crate::domain::diagnostic::did_you_mean;

/// The names a condition may begin a path with.
pub(super) const ROOTS: [&str; 5] = ["event", "data", "customer", "entry", "now"];

/// The attributes of an event (CloudEvents 1.0 §3.1).
const EVENT_FIELDS: [&str; 6] = ["id", "source", "type", "subject", "time", "data"];

/// The names of CEL's types, as in `type(data.total) == int`.
const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// The functions a condition may call; the list that "did you mean" draws on.
const FUNCTIONS: [&str; 38] = [
    "all",
    "bool",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "exists",
    "exists_one",
    "filter",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "has",
    "hasValue",
    "int",
    "map",
    "matches",
    "max",
    "min",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
    "value",
    "bytes",
    "existsOne",
];

/// How deep an expression may nest. Evaluation recurses, and its frames are large in a debug build.
const MAX_DEPTH: usize = 64;

/// What a program reads and asks.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Dotted paths from a root, in the order of the text.
    pub reads: Vec<String>,
    /// The same of the items that macros such as `exists` go through: `data.items.price`.
    pub within: Vec<String>,
    pub uses: Vec<Use>,
}

/// Checks a program, and lists what it reads and what it asks of that.
pub(super) fn check(text: &str, program: &Program) -> Result<Found, ConditionError> {
    let mut walk = Walk { text, program, bound: Vec::new(), items: Vec::new(), found: Found::default() };
    walk.visit(program.expression(), 0)?;
    not_a_question(program.expression()).map_or(Ok(walk.found), |kind| {
        let message = format!("the condition gives {kind}, not yes or no");
        Err(ConditionError::new(0..text.len(), message)
            .help("compare it with something, like `data.total >= 50`"))
    })
}

/// What an expression surely gives, if surely not a boolean.
fn not_a_question(expression: &IdedExpr) -> Option<&'static str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => None,
        Expr::Literal(LiteralValue::String(_)) => Some("a text"),
        Expr::Literal(LiteralValue::Null) => Some("nothing"),
        Expr::Literal(_) => Some("a number"),
        Expr::List(_) => Some("a list"),
        Expr::Map(_) | Expr::Struct(_) => Some("a map"),
        Expr::Ident(name) if ROOTS.contains(&name.as_str()) => Some("a whole object"),
        Expr::Call(call) => match call.func_name.as_str() {
            operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO => Some("the result of a calculation"),
            "size" | "int" | "double" | "uint" => Some("a number"),
            "string" => Some("a text"),
            _ => None,
        },
        _ => None,
    }
}

struct Walk<'a> {
    text: &'a str,
    program: &'a Program,
    /// The names that macros such as `exists` bind, innermost last.
    bound: Vec<&'a str>,
    /// The collections whose items they are, by their paths from a root, where that can be told.
    items: Vec<(&'a str, String)>,
    found: Found,
}

impl<'a> Walk<'a> {
    fn place(&self, id: u64, length: usize) -> Range<usize> {
        let (start, _) = self.program.source_info().offset_for(id).unwrap_or((0, 0));
        let mut start = (start as usize).min(self.text.len());
        let mut end = (start + length).min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }

    fn visit(&mut self, node: &'a IdedExpr, depth: usize) -> Result<(), ConditionError> {
        if depth > MAX_DEPTH {
            return Err(super::syntax::too_deep(self.text));
        }
        if let Some(path) = path_of(node) {
            return self.path(node, &path);
        }
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Ok(()),
            Expr::Call(call) => self.call(node, call, depth),
            Expr::Select(select) => self.visit(&select.operand, depth + 1),
            Expr::List(list) => list.elements.iter().try_for_each(|e| self.visit(e, depth + 1)),
            Expr::Map(map) => map.entries.iter().try_for_each(|e| self.entry(&e.expr, depth + 1)),
            Expr::Struct(s) => {
                let place = self.place(node.id, s.type_name.len());
                Err(ConditionError::new(place, format!("there is no type `{}` to build", s.type_name)))
            }
            Expr::Comprehension(c) => {
                if !self.bound.is_empty() && !self.rooted_in_bound(&c.iter_range) {
                    let place = self.place(node.id, 1);
                    return Err(ConditionError::new(place, "this loop inside a loop could take very long")
                        .help("an inner `all`, `exists`, `map` or `filter` may only go through a part of the outer one's item"));
                }
                self.visit(&c.iter_range, depth + 1)?;
                let (outer, outer_items) = (self.bound.len(), self.items.len());
                if let Some(of) = path_of(&c.iter_range).and_then(|path| self.resolved(&path)) {
                    self.items.push((c.iter_var.as_str(), of));
                }
                self.bound.extend([c.iter_var.as_str(), c.accu_var.as_str()]);
                self.bound.extend(c.iter_var2.as_deref());
                for part in [&c.accu_init, &c.loop_cond, &c.loop_step, &c.result] {
                    self.visit(part, depth + 1)?;
                }
                self.bound.truncate(outer);
                self.items.truncate(outer_items);
                Ok(())
            }
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr, depth: usize) -> Result<(), ConditionError> {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value, depth),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key, depth)?;
                self.visit(&entry.value, depth)
            }
        }
    }

    fn call(&mut self, node: &'a IdedExpr, call: &'a CallExpr, depth: usize) -> Result<(), ConditionError> {
        let name = call.func_name.as_str();
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) && !FUNCTIONS.contains(&name) {
            return Err(self.unknown_function(node, call));
        }
        if name == "matches" {
            self.pattern(call)?;
        }
        // An operator's place is its own; CEL writes it between underscores.
        let written = name.trim_matches(['_', '@']).len();
        self.found.uses.extend(unlike::uses(call, &self.place(node.id, written), &self.bound));
        call.target.iter().try_for_each(|target| self.visit(target, depth + 1))?;
        call.args.iter().try_for_each(|arg| self.visit(arg, depth + 1))
    }

    fn unknown_function(&self, node: &IdedExpr, call: &CallExpr) -> ConditionError {
        let name = &call.func_name;
        // The node's place is the opening bracket (or the dot); the name stands just before or after it.
        let near = self.place(node.id, 0).start;
        let from = near.saturating_sub(name.len() + 2);
        let from = (0..=from).rev().find(|i| self.text.is_char_boundary(*i)).unwrap_or(0);
        let place = match self.text[from..].find(name.as_str()) {
            Some(at) => from + at..from + at + name.len(),
            None => near..near,
        };
        let error = ConditionError::new(place, format!("there is no function `{name}`"));
        let other_word = match name.as_str() {
            "length" | "len" | "count" => Some("size"),
            "includes" => Some("contains"),
            "lower" | "upper" | "lowerAscii" | "toLowerCase" => None,
            "any" | "some" => Some("exists"),
            _ => did_you_mean(name, FUNCTIONS),
        };
        match other_word {
            Some(word) => error.help(format!("did you mean `{word}`?")),
            None => error,
        }
    }

    /// Tries a literal pattern on an empty text: a bad one would fail for each customer.
    fn pattern(&self, call: &CallExpr) -> Result<(), ConditionError> {
        let Some(last) = call.args.last() else { return Ok(()) };
        let Expr::Literal(LiteralValue::String(_)) = &last.expr else { return Ok(()) };
        let empty = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String("".into())) };
        let trial =
            CallExpr { func_name: "matches".into(), target: Some(Box::new(empty)), args: vec![last.clone()] };
        let context = cel::Context::with_env(ENV.clone());
        match context.resolve(&IdedExpr { id: 0, expr: Expr::Call(trial) }) {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(ConditionError::new(self.place(last.id, 1), "this pattern is not a regular expression"))
            }
        }
    }

    /// Checks a whole path and notes it.
    fn path(&mut self, node: &IdedExpr, path: &Path<'_>) -> Result<(), ConditionError> {
        // `.data` is the event's even where a macro has bound the name.
        let absolute = path.segments[0].starts_with('.');
        let root = path.segments[0].trim_start_matches('.');
        if !absolute && self.bound.contains(&root) {
            let item = self.resolved(path).filter(|path| !self.found.within.contains(path));
            // The item itself is what the collection holds.
            self.found.within.extend(item.filter(|_| path.segments.len() > 1));
            return Ok(());
        }
        if root.starts_with('@') || (path.segments.len() == 1 && TYPES.contains(&root)) {
            return Ok(());
        }
        let place = self.place(path.root, root.len());
        if !ROOTS.contains(&root) {
            let error = ConditionError::new(place, format!("there is no `{root}` here"));
            return Err(match (root, did_you_mean(root, ROOTS)) {
                ("True" | "TRUE", _) => error.help("write `true` in small letters"),
                ("False" | "FALSE", _) => error.help("write `false` in small letters"),
                (_, Some(near)) => error.help(format!("did you mean `{near}`?")),
                _ => error.help(format!(
                    "a condition sees `event`, `data`, `customer`, `entry` and `now`: perhaps `data.{root}` or `customer.{root}`, or \"{root}\" in quotes if it is a text"
                )),
            });
        }
        if let ("event", Some(field)) = (root, path.segments.get(1))
            && !EVENT_FIELDS.contains(field)
        {
            let place = self.place(node.id, 1 + field.len());
            let error = ConditionError::new(place, format!("an event has no `{field}`"));
            return Err(match did_you_mean(field, EVENT_FIELDS) {
                Some(near) => error.help(format!("did you mean `event.{near}`?")),
                None => error.help(format!("what it carries is in its data: `data.{field}`")),
            });
        }
        if root == "now" && path.segments.len() > 1 {
            return Err(ConditionError::new(place, "`now` is an instant and has no fields")
                .help("ask it for a part, like `now.getHours(\"Europe/Paris\")`"));
        }
        let dotted = path.dotted();
        if !self.found.reads.contains(&dotted) {
            self.found.reads.push(dotted);
        }
        Ok(())
    }

    /// The path from a root, of an item too; none where that cannot be told.
    fn resolved(&self, path: &Path<'_>) -> Option<String> {
        let root = path.segments[0];
        if !self.bound.contains(&root) {
            return Some(path.dotted());
        }
        let (_, of) = self.items.iter().rfind(|(name, _)| *name == root)?;
        Some(
            std::iter::once(of.as_str())
                .chain(path.segments[1..].iter().copied())
                .collect::<Vec<_>>()
                .join("."),
        )
    }

    fn rooted_in_bound(&self, range: &IdedExpr) -> bool {
        match path_of(range) {
            Some(path) => self.bound.contains(&path.segments[0]),
            None => match &range.expr {
                Expr::Call(call) => {
                    let operand = call.target.as_deref().or(call.args.first());
                    operand.is_some_and(|operand| self.rooted_in_bound(operand))
                }
                // `filter` and `map` of a part are still a part.
                Expr::Comprehension(c) => self.rooted_in_bound(&c.iter_range),
                _ => false,
            },
        }
    }
}

pub(super) struct Path<'a> {
    /// The node of the first segment.
    root: u64,
    pub segments: Vec<&'a str>,
}

impl Path<'_> {
    /// With `event.data` as `data`.
    fn dotted(&self) -> String {
        match (self.segments[0].trim_start_matches('.'), self.segments.get(1)) {
            ("event", Some(&"data")) => self.segments[1..].join("."),
            _ => self.segments.join(".").trim_start_matches('.').to_owned(),
        }
    }
}

/// The names of `a.b["c"].?d`, if the expression is such a path from its root on.
pub(super) fn path_of(node: &IdedExpr) -> Option<Path<'_>> {
    let mut segments = Vec::new();
    let mut node = node;
    loop {
        match &node.expr {
            Expr::Ident(name) => {
                segments.push(name.as_str());
                segments.reverse();
                return Some(Path { root: node.id, segments });
            }
            Expr::Select(select) => {
                segments.push(&select.field);
                node = &select.operand;
            }
            Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [operand, key]) => {
                    let Expr::Literal(LiteralValue::String(name)) = &key.expr else { return None };
                    segments.push(name.inner());
                    node = operand;
                }
                _ => return None,
            },
            _ => return None,
        }
    }
}
