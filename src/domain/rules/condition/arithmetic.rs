//! Arithmetic on whole and decimal numbers together, which CEL refuses.

use cel::common::ast::{EntryExpr, Expr, IdedExpr, operators};
use cel::common::types::DYN_TYPE;
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError, Value};

/// CEL's operators, and the functions of ours that stand in for them.
const MIXED: [(&str, &str); 4] = [
    (operators::ADD, "@mixed_add"),
    (operators::SUBSTRACT, "@mixed_subtract"),
    (operators::MULTIPLY, "@mixed_multiply"),
    (operators::DIVIDE, "@mixed_divide"),
];

/// Puts our arithmetic in the place of CEL's, which refuses `2 * 19.99`: JSON writers drop the `.0` of whole
/// prices, so the same field is now an integer and now not.
pub(super) fn widen(node: &mut IdedExpr) {
    match &mut node.expr {
        Expr::Call(call) => {
            // What macros such as `map` build on their accumulator (`@result + […]`) is not arithmetic.
            let of_macro =
                call.args.first().is_some_and(|a| matches!(&a.expr, Expr::Ident(n) if n.starts_with('@')));
            if let Some((_, own)) = MIXED.iter().find(|(cel, _)| *cel == call.func_name && !of_macro) {
                call.func_name = (*own).to_owned();
            }
            call.target.iter_mut().for_each(|target| widen(target));
            call.args.iter_mut().for_each(widen);
        }
        Expr::Select(select) => widen(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(widen),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| match &mut entry.expr {
            EntryExpr::StructField(field) => widen(&mut field.value),
            EntryExpr::MapEntry(entry) => {
                widen(&mut entry.key);
                widen(&mut entry.value);
            }
        }),
        Expr::Comprehension(c) => {
            for part in
                [&mut c.iter_range, &mut c.accu_init, &mut c.loop_cond, &mut c.loop_step, &mut c.result]
            {
                widen(part);
            }
        }
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => {}
    }
}

/// Declares the functions of [`MIXED`]: CEL's operators, and whole numbers beside decimal ones.
pub(super) fn declare(env: &mut Env) {
    type Operator = for<'b, 'v> fn(Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError>;
    let operators: [Operator; 4] = [
        |args| calculate(args, |a, b| a + b),
        |args| calculate(args, |a, b| a - b),
        |args| calculate(args, |a, b| a * b),
        |args| calculate(args, |a, b| a / b),
    ];
    for ((_, name), operator) in MIXED.iter().zip(operators) {
        let declared = env.add_overload(name, name, vec![DYN_TYPE, DYN_TYPE], operator);
        debug_assert!(declared.is_ok(), "each name is declared once");
    }
}

fn calculate<'b, 'v>(
    args: Vec<CowVal<'b, 'v>>,
    operator: impl Fn(Value, Value) -> Result<Value, ExecutionError>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [a, b] = args.as_slice() else { return Err(ExecutionError::invalid_argument_count(2, args.len())) };
    let (a, b) = match (Value::try_from(a.as_ref())?, Value::try_from(b.as_ref())?) {
        (Value::Int(a), Value::Float(b)) => (Value::Float(a as f64), Value::Float(b)),
        (Value::Float(a), Value::Int(b)) => (Value::Float(a), Value::Float(b as f64)),
        pair => pair,
    };
    let result: Box<dyn Val> = operator(a, b)?.try_into()?;
    Ok(CowVal::Owned(result))
}
