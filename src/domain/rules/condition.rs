//! Conditions: CEL expressions over an event, a customer, an entry and the present instant.
//!
//! A condition is true, false, or cannot be told; the third is never silently one of the others. Nothing here
//! panics on any text or data. Whatever evaluation cannot report well is refused when the rule is read: unknown
//! names (CEL would hide them in `true || nope`), unknown functions, needless cost. CEL itself
//! (<https://cel.dev>) is wrapped here and appears nowhere else. Called by `compile` and by the deciding core.

mod arithmetic;
mod check;
pub mod explain;
mod scope;
mod syntax;
#[cfg(test)]
mod tests;
mod unlike;
mod words;

use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, LazyLock};

use cel::{Env, IdedExpr};
use serde::Serialize;

pub use explain::Judged;
pub use scope::Scope;
pub use unlike::Type;

/// The longest condition accepted, in bytes. CEL has no cost limit of its own.
pub const MAX_LENGTH: usize = 2_000;

/// A compiled condition. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Condition(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    source: String,
    expression: IdedExpr,
    found: check::Found,
    /// The names with which it could begin to read something. By its text, so that none can be overlooked.
    roots: Vec<&'static str>,
}

/// What a condition says of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "snake_case")]
pub enum Truth {
    True,
    False,
    /// The missing field's name (`customer.tags`), or what was unlike in plain words.
    Unknown(String),
}

/// Why a text is not a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    /// In plain words, without a full stop.
    pub message: String,
    /// A byte range of the condition's text, never out of bounds.
    pub offset: Range<usize>,
    pub help: Option<String>,
}

impl ConditionError {
    fn new(offset: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), offset, help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// CEL's standard library and our arithmetic on mixed numbers; the same for parsing and for evaluating.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    arithmetic::declare(&mut env);
    Arc::new(env)
});

impl Condition {
    /// Parses and checks a condition.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place in `text`.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MAX_LENGTH {
            let message = format!("a condition has at most {MAX_LENGTH} characters");
            return Err(ConditionError::new(0..text.len(), message));
        }
        if text.trim().is_empty() {
            return Err(ConditionError::new(0..text.len(), "the condition is empty"));
        }
        syntax::scan(text)?;
        let (expression, found) = parsed(text, || {
            let program = ENV.compile(text).map_err(|errors| syntax::reword(text, &errors))?;
            let found = check::check(text, &program)?;
            let mut expression = program.expression().clone();
            arithmetic::widen(&mut expression);
            Ok((expression, found))
        })?;
        let roots = check::ROOTS.into_iter().filter(|root| text.contains(root)).collect();
        Ok(Self(Arc::new(Compiled { source: text.to_owned(), expression, found, roots })))
    }

    /// Says whether the condition holds in `scope`.
    pub fn eval(&self, scope: &Scope<'_>) -> Truth {
        scope.eval(&self.0)
    }

    /// Says the same as [`Self::eval`], with what it read and which part decided.
    pub fn explain(&self, scope: &Scope<'_>) -> Judged {
        explain::explain(self, scope)
    }

    /// The text it was parsed from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What it reads, as dotted paths in the order of the text: `customer.country`, `data.total`. `event.data.x`
    /// is given as `data.x`. A path ends where it stops being known, as at `data.items[0]` (`data.items`).
    pub fn reads(&self) -> &[String] {
        &self.0.found.reads
    }

    /// What it reads of the items that `exists` and the like go through, from the root: `data.items.price`.
    pub fn items(&self) -> &[String] {
        &self.0.found.within
    }

    /// What can never be told, since it compares values of unlike types. `type_of` says what a field (`data.total`,
    /// `customer.country`) holds, where that is known.
    pub fn unlike(&self, type_of: impl Fn(&str) -> Option<Type>) -> Vec<ConditionError> {
        self.0.found.uses.iter().filter_map(|u| u.complaint(&type_of)).collect()
    }

    /// Whether it names this root (`customer`, `entry`): a scope need not be given what is not named.
    pub fn names(&self, root: &str) -> bool {
        self.0.roots.contains(&root)
    }

    /// Whether its answer may depend on this attribute of the customer. A path does not tell `customer.a.b` from
    /// `customer["a.b"]`, so both `a` and `a.b` may be meant.
    pub fn reads_attribute(&self, name: &str) -> bool {
        self.0.found.reads.iter().filter_map(|path| path.strip_prefix("customer")).any(|rest| {
            let names = rest.strip_prefix('.').and_then(|rest| rest.strip_prefix(name));
            rest.is_empty() || names.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// Whether its answer depends on the customer's profile.
    pub fn reads_customer(&self) -> bool {
        self.0.found.reads.iter().any(|path| path == "customer" || path.starts_with("customer."))
    }
}

/// The stack given to parsing. In a debug build each bracket takes the parser some 150 KiB, and a worker's thread
/// has 2 MiB; the depth that `syntax::scan` lets through needs about 5.
const PARSER_STACK: usize = 16 * 1024 * 1024;

thread_local! {
    /// Whether this thread has that room.
    static ROOMY: Cell<bool> = const { Cell::new(false) };
}

/// Does work that parses many conditions on one thread with room for them all: starting one for each would take longer
/// than parsing does.
pub(super) fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let work = || {
            ROOMY.set(true);
            work()
        };
        let thread = std::thread::Builder::new().name("conditions".to_owned()).stack_size(PARSER_STACK);
        // Unwrap safety: without a thread there is no memory left either.
        let thread = thread.spawn_scoped(scope, work).expect("a thread for conditions");
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Parses one condition, where there is room. Conditions are parsed when files are read, never for an event.
fn parsed<T: Send>(
    text: &str,
    parse: impl FnOnce() -> Result<T, ConditionError> + Send,
) -> Result<T, ConditionError> {
    let parse = move || {
        // A panic of the parser, if it has one left, is a condition that cannot be read.
        catch_unwind(AssertUnwindSafe(parse))
            .unwrap_or_else(|_| Err(ConditionError::new(0..text.len(), "this condition cannot be read")))
    };
    if ROOMY.get() { parse() } else { with_room(parse) }
}
