//! What a template may say between double braces: our own expressions beside those of handlebars.
//!
//! Two registries, one that escapes for HTML and one for subjects and plain text. Both are strict, shared by
//! all templates, and hold no template themselves. Called by [`super::render`]; [`super::lint`] reads the tables.

use std::sync::LazyLock;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, RenderContext, RenderErrorReason, ScopedJson, no_escape,
};
use serde_json::Value;

use super::format;

/// Name, fewest and most arguments, and named arguments.
pub struct Signature {
    pub name: &'static str,
    pub arguments: std::ops::RangeInclusive<usize>,
    pub named: &'static [&'static str],
    pub block: bool,
}

const fn inline(name: &'static str, least: usize, most: usize) -> Signature {
    Signature { name, arguments: least..=most, named: &[], block: false }
}

const fn block(name: &'static str, named: &'static [&'static str]) -> Signature {
    Signature { name, arguments: 1..=1, named, block: true }
}

/// Every expression there is. Handlebars' own `log` and `raw` are left out on purpose.
pub const SIGNATURES: &[Signature] = &[
    block("if", &["includeZero"]),
    block("unless", &["includeZero"]),
    block("each", &[]),
    block("with", &[]),
    inline("lookup", 2, 2),
    inline("eq", 2, 2),
    inline("ne", 2, 2),
    inline("gt", 2, 2),
    inline("gte", 2, 2),
    inline("lt", 2, 2),
    inline("lte", 2, 2),
    inline("and", 1, 9),
    inline("or", 1, 9),
    inline("not", 1, 1),
    inline("len", 1, 1),
    inline("money", 2, 2),
    inline("number", 1, 1),
    inline("date", 1, 2),
    Signature {
        name: "plural",
        arguments: 1..=1,
        named: &["zero", "one", "two", "few", "many", "other"],
        block: false,
    },
    inline("discount", 1, 1),
    inline("default", 2, 2),
    inline("url", 1, 1),
    inline("urlencode", 1, 1),
];

pub fn signature(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|s| s.name == name)
}

/// For HTML: values are escaped.
pub static HTML: LazyLock<Handlebars<'static>> = LazyLock::new(registry);

/// For subjects and plain text: values stand as they are.
pub static TEXT: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut registry = registry();
    registry.register_escape_fn(no_escape);
    registry
});

fn registry() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.set_prevent_indent(true);
    registry.unregister_helper("log");
    registry.unregister_helper("raw");
    for kind in [
        Own::Money,
        Own::Number,
        Own::Date,
        Own::Plural,
        Own::Discount,
        Own::Default,
        Own::Url,
        Own::UrlEncode,
        Own::And,
        Own::Or,
        Own::Not,
    ] {
        registry.register_helper(kind.name(), Box::new(kind));
    }
    registry
}

#[derive(Clone, Copy)]
enum Own {
    Money,
    Number,
    Date,
    Plural,
    Discount,
    Default,
    Url,
    UrlEncode,
    // As in handlebars, but a missing value counts as false, as it does in `#if`.
    And,
    Or,
    Not,
}

impl Own {
    fn name(self) -> &'static str {
        match self {
            Self::Money => "money",
            Self::Number => "number",
            Self::Date => "date",
            Self::Plural => "plural",
            Self::Discount => "discount",
            Self::Default => "default",
            Self::Url => "url",
            Self::UrlEncode => "urlencode",
            Self::And => "and",
            Self::Or => "or",
            Self::Not => "not",
        }
    }

    fn value(self, call: &Helper<'_>, root: &Value) -> Result<Value, RenderErrorReason> {
        let truthy = |v: &handlebars::PathAndJson<'_>| handlebars::JsonTruthy::is_truthy(v.value(), false);
        match self {
            Self::And => return Ok(Value::Bool(call.params().iter().all(truthy))),
            Self::Or => return Ok(Value::Bool(call.params().iter().any(truthy))),
            Self::Not => return Ok(Value::Bool(!call.params().iter().all(truthy))),
            Self::Default => return self.or_fallback(call),
            _ => {}
        }
        let locale = format::parse_locale(root.get("locale").and_then(Value::as_str).unwrap_or("en"));
        let first = self.argument(call, 0)?;
        let shown = self.shown(call, first, root, &locale)?;
        shown.map(Value::String).map_err(|why| {
            let what = call.param(0).and_then(|v| v.relative_path().cloned()).unwrap_or_default();
            RenderErrorReason::Other(format!("`{}`: `{what}` {why}", self.name()))
        })
    }

    fn shown(
        self,
        call: &Helper<'_>,
        first: &Value,
        root: &Value,
        locale: &icu_locale_core::Locale,
    ) -> Result<Result<String, String>, RenderErrorReason> {
        Ok(match self {
            Self::Money => {
                let currency = self.argument(call, 1)?.as_str().unwrap_or_default();
                format::money(first, currency, locale)
            }
            Self::Number => format::number(first, locale),
            Self::Discount => format::discount(first, locale),
            Self::Date => {
                let style = call.param(1).and_then(|v| v.value().as_str()).unwrap_or("long");
                let zone = root.get("timezone").and_then(Value::as_str).unwrap_or("UTC");
                format::date(first, style, locale, zone)
            }
            Self::Plural => format::plural(first, locale).and_then(|category| {
                let form = call.hash_get(category).or_else(|| call.hash_get("other"));
                let form = form.and_then(|v| v.value().as_str()).ok_or("needs other=\"…\"")?;
                Ok(form.replace('#', &format::number(first, locale)?))
            }),
            Self::Url => safe_url(first).map(str::to_owned),
            _ => Ok(percent_encode(&handlebars::JsonRender::render(first))),
        })
    }

    /// The first value, unless it is missing or blank.
    fn or_fallback(self, call: &Helper<'_>) -> Result<Value, RenderErrorReason> {
        let given = call.param(0).filter(|v| !v.is_value_missing()).map(|v| v.value());
        let given = given.filter(|v| !v.is_null() && v.as_str().is_none_or(|s| !s.trim().is_empty()));
        given.map_or_else(|| self.argument(call, 1).cloned(), |v| Ok(v.clone()))
    }

    /// An argument that must have a value.
    fn argument<'a>(self, call: &'a Helper<'_>, index: usize) -> Result<&'a Value, RenderErrorReason> {
        match call.param(index) {
            Some(v) if !v.is_value_missing() => Ok(v.value()),
            Some(v) => Err(RenderErrorReason::MissingVariable(v.relative_path().cloned())),
            None => Err(RenderErrorReason::ParamNotFoundForIndex(self.name(), index)),
        }
    }
}

impl HelperDef for Own {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        call: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, handlebars::RenderError> {
        Ok(ScopedJson::Derived(self.value(call, context.data())?))
    }
}

/// A link that data may give: `http`, `https` or `mailto`, nothing that runs script or hides its kind.
fn safe_url(value: &Value) -> Result<&str, String> {
    let url = value.as_str().map(str::trim).ok_or("is not a link")?;
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    let known = ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme));
    let clean = !url.chars().any(|c| c.is_control() || c.is_whitespace());
    if known && clean { Ok(url) } else { Err("is not an http, https or mailto link".to_owned()) }
}

/// RFC 3986 §2.3: all but the unreserved characters, for one value within a link.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
