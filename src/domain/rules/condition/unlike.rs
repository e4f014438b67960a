//! Values that never go together, such as a number and a text: CEL could tell for no customer, or always says no.
//!
//! What a field of the event or the profile holds is known to the catalogue only, so a parsed condition keeps what it
//! compares until someone asks.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::ConditionError;
use super::check::path_of;

/// What a value is, as far as a condition tells values apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Text,
    Number,
    YesNo,
    Instant,
    Duration,
    List,
    Object,
}

impl Type {
    /// The types that JSON has, as `rules/events.yaml` names them.
    pub const OF_FIELDS: [(&str, Self); 5] = [
        ("text", Self::Text),
        ("number", Self::Number),
        ("boolean", Self::YesNo),
        ("list", Self::List),
        ("object", Self::Object),
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::YesNo => "a yes or no",
            Self::Instant => "an instant",
            Self::Duration => "a duration",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// Something that only certain values can be used for, and where it is written.
#[derive(Debug)]
pub(super) struct Use {
    place: Range<usize>,
    of: Of,
}

#[derive(Debug)]
enum Of {
    /// Compared with each other: they must be of one type.
    Compared(Operand, Operand),
    /// Beside `&&` or `||`, or after `!`: a yes or no.
    Asked(Operand),
    /// After `in`: a list, or an object for its names.
    SearchedIn(Operand),
}

/// A value: of a type that its form tells, or a field.
#[derive(Debug, Clone)]
enum Operand {
    Is(Type),
    Field(String),
}

/// What one call asks of its operands. `bound` are the names that macros have bound, of which nothing is known.
pub(super) fn uses(call: &CallExpr, place: &Range<usize>, bound: &[&str]) -> Vec<Use> {
    let operand = |node: &IdedExpr| operand(node, bound);
    let compared = |left: &IdedExpr, right: &IdedExpr| Some(Of::Compared(operand(left)?, operand(right)?));
    let of: Vec<Option<Of>> = match (call.func_name.as_str(), call.args.as_slice()) {
        (
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS,
            [left, right],
        ) => vec![compared(left, right)],
        (operators::IN, [item, IdedExpr { expr: Expr::List(list), .. }]) => {
            list.elements.iter().map(|element| compared(item, element)).collect()
        }
        (operators::IN, [_, searched]) => vec![operand(searched).map(Of::SearchedIn)],
        (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, asked) => {
            asked.iter().map(|asked| operand(asked).map(Of::Asked)).collect()
        }
        _ => Vec::new(),
    };
    of.into_iter().flatten().map(|of| Use { place: place.clone(), of }).collect()
}

impl Use {
    /// Why this can never work, if it cannot. `type_of` tells what a field holds, where that is known.
    pub fn complaint(&self, type_of: impl Fn(&str) -> Option<Type>) -> Option<ConditionError> {
        let known = |operand: &Operand| match operand {
            Operand::Is(kind) => Some((*kind, kind.words().to_owned())),
            Operand::Field(path) => type_of(path).map(|kind| (kind, format!("`{path}` ({})", kind.words()))),
        };
        let (message, help) = match &self.of {
            Of::Compared(left, right) => {
                let ((left, named), (right, with)) = (known(left)?, known(right)?);
                if left == right {
                    return None;
                }
                (format!("{named} is compared with {with}"), how_to_compare(left, right))
            }
            Of::Asked(operand) => {
                let (kind, named) = known(operand)?;
                if kind == Type::YesNo {
                    return None;
                }
                let help = "write each comparison in full, like `customer.country == \"FR\" || \
                            customer.country == \"BE\"`, or `customer.country in [\"FR\", \"BE\"]`";
                (format!("{named} is taken for a yes or no"), Some(help))
            }
            Of::SearchedIn(operand) => {
                let (kind, named) = known(operand)?;
                if matches!(kind, Type::List | Type::Object) {
                    return None;
                }
                let help = "for a part of a text, write it like `data.coupon.contains(\"VIP\")`";
                (format!("`in` looks into lists, not into {named}"), (kind == Type::Text).then_some(help))
            }
        };
        let error = ConditionError::new(self.place.clone(), message);
        Some(match help {
            Some(help) => error.help(help),
            None => error,
        })
    }
}

fn how_to_compare(left: Type, right: Type) -> Option<&'static str> {
    let pair = |a, b| (left, right) == (a, b) || (left, right) == (b, a);
    let has = |kind| left == kind || right == kind;
    if pair(Type::Number, Type::Text) {
        Some("write a number without quotes; `double(…)` makes one of a text")
    } else if pair(Type::YesNo, Type::Text) {
        Some("write `true` or `false` without quotes")
    } else if has(Type::Instant) {
        Some("make an instant of a text, like `timestamp(\"2026-01-31T00:00:00Z\")`")
    } else if has(Type::Duration) {
        Some("write a duration like `duration(\"24h\")`")
    } else if pair(Type::List, Type::Number) {
        Some("`size(…)` says how many there are in a list")
    } else if has(Type::List) {
        Some("to look for something in a list, write it like `\"vip\" in customer.tags`")
    } else {
        None
    }
}

/// What an expression is, if that can be known.
fn operand(node: &IdedExpr, bound: &[&str]) -> Option<Operand> {
    let kind = |node: &IdedExpr| match operand(node, bound) {
        Some(Operand::Is(kind)) => Some(kind),
        _ => None,
    };
    let is = match &node.expr {
        // `has(data.total)`
        Expr::Select(select) if select.test => Type::YesNo,
        Expr::Literal(LiteralValue::Boolean(_)) => Type::YesNo,
        Expr::Literal(LiteralValue::String(_)) => Type::Text,
        // Whatever is missing may be compared with nothing.
        Expr::Literal(LiteralValue::Null | LiteralValue::Bytes(_)) => return None,
        Expr::Literal(_) => Type::Number,
        Expr::List(_) => Type::List,
        Expr::Map(_) => Type::Object,
        // `all` and `exists` gather a yes or no, `map` and `filter` a list.
        Expr::Comprehension(c) => match &c.accu_init.expr {
            Expr::Literal(LiteralValue::Boolean(_)) => Type::YesNo,
            Expr::List(_) => Type::List,
            _ => return None,
        },
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (
                operators::EQUALS
                | operators::NOT_EQUALS
                | operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS
                | operators::IN
                | operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | operators::LOGICAL_NOT
                | "bool"
                | "contains"
                | "endsWith"
                | "hasValue"
                | "matches"
                | "startsWith",
                _,
            ) => Type::YesNo,
            ("string", _) => Type::Text,
            ("timestamp", _) => Type::Instant,
            ("duration", _) => Type::Duration,
            ("size" | "int" | "double" | "uint", _) => Type::Number,
            (name, _) if name.starts_with("get") => Type::Number,
            (operators::MULTIPLY | operators::DIVIDE | operators::MODULO, _) => Type::Number,
            (operators::NEGATE, [value]) => kind(value)?,
            (operators::CONDITIONAL, [_, one, other]) => kind(one).filter(|one| kind(other) == Some(*one))?,
            (operators::SUBSTRACT, [left, right]) => match (kind(left)?, kind(right)?) {
                (Type::Instant, Type::Instant) => Type::Duration,
                (left @ (Type::Instant | Type::Number | Type::Duration), _) => left,
                _ => return None,
            },
            (operators::ADD, [left, right]) => {
                let (left, right) = (kind(left)?, kind(right)?);
                if right == Type::Instant { right } else { left }
            }
            _ => return field(node, bound),
        },
        _ => return field(node, bound),
    };
    Some(Operand::Is(is))
}

fn field(node: &IdedExpr, bound: &[&str]) -> Option<Operand> {
    let path = path_of(node)?;
    let names = path.segments.as_slice();
    match names {
        [root, ..] if bound.contains(root) => None,
        ["now"] | ["event", "time"] => Some(Operand::Is(Type::Instant)),
        ["event", "id" | "source" | "type" | "subject"] => Some(Operand::Is(Type::Text)),
        // JSON has no instants.
        ["entry", "rule" | "occurrence" | "key" | "started_at"] | ["customer", "id"] => {
            Some(Operand::Is(Type::Text))
        }
        ["event", "data", rest @ ..] if !rest.is_empty() => {
            Some(Operand::Field(format!("data.{}", rest.join("."))))
        }
        ["data" | "customer", _, ..] => Some(Operand::Field(names.join("."))),
        _ => None,
    }
}
