//! Texts with values in them, and bodies made of such texts.
//!
//! A template is text and named values, no more: it has no syntax by which a value could end a string. Whoever
//! writes JSON or a form does so after the values are in, so no value can break out of its field.

use serde_json::{Map, Number, Value};

use super::form;
use crate::channels::Sms;
use crate::domain::sms::Encoding;

/// What a template may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    To,
    ToDigits,
    From,
    Text,
    MessageId,
    Encoding,
    Unicode,
    Segments,
    CallbackUrl,
    InboundUrl,
    Account,
}

const NAMES: [(&str, Name); 11] = [
    // E.164, with and without the plus sign.
    ("to", Name::To),
    ("to_digits", Name::ToDigits),
    ("from", Name::From),
    ("text", Name::Text),
    ("message_id", Name::MessageId),
    // `gsm7` or `ucs2`; whether it is the latter; how many parts.
    ("encoding", Name::Encoding),
    ("unicode", Name::Unicode),
    ("segments", Name::Segments),
    // Where reports and customers' messages go; absent while webhooks are off.
    ("callback_url", Name::CallbackUrl),
    ("inbound_url", Name::InboundUrl),
    ("account", Name::Account),
];

/// What the names stand for, for one message, or for none while the configuration is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Values<'a> {
    pub sms: Option<&'a Sms>,
    pub account: Option<&'a str>,
    pub callback_url: Option<&'a str>,
    pub inbound_url: Option<&'a str>,
}

impl Values<'_> {
    fn get(&self, name: Name) -> Option<Value> {
        let text = |text: &str| Some(Value::String(text.to_owned()));
        match name {
            Name::To => text(&self.sms?.to),
            Name::ToDigits => text(self.sms?.to.trim_start_matches('+')),
            Name::From => text(self.sms?.from.as_deref()?),
            Name::Text => text(&self.sms?.text),
            Name::MessageId => text(&self.sms?.message_id),
            Name::Encoding => match self.sms?.encoding {
                Encoding::Gsm7 => text("gsm7"),
                Encoding::Ucs2 => text("ucs2"),
            },
            Name::Unicode => Some(Value::Bool(self.sms?.encoding == Encoding::Ucs2)),
            Name::Segments => Some(Value::Number(Number::from(self.sms?.segments))),
            Name::CallbackUrl => text(self.callback_url?),
            Name::InboundUrl => text(self.inbound_url?),
            Name::Account => text(self.account?),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Name),
}

/// A text with values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

impl Template {
    /// The error says what stands in braces and is no value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) =
                after.split_once("}}").ok_or_else(|| format!("`{text}`: `{{{{` without `}}}}`"))?;
            let name = name.trim();
            let Some((_, value)) = NAMES.iter().find(|(known, _)| *known == name) else {
                let known: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
                return Err(format!("`{{{{{name}}}}}` is not known; there are {}", known.join(", ")));
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Value(*value));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// None if it names a value that is absent.
    pub fn render(&self, values: &Values<'_>) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(name) => out.push_str(&plain(&values.get(*name)?)),
            }
        }
        Some(out)
    }

    /// As [`Self::render`]; a value that stands alone keeps its kind, so that JSON gets a number or a boolean.
    fn value(&self, values: &Values<'_>) -> Option<Value> {
        match self.0.as_slice() {
            [Piece::Value(name)] => values.get(*name),
            _ => self.render(values).map(Value::String),
        }
    }
}

/// A body, before a message's values are in.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Template(Template),
    Fixed(Value),
    List(Vec<Node>),
    Fields(Vec<(String, Node)>),
}

impl Node {
    /// `at` is the path for errors, such as `body.recipient`.
    pub fn parse(value: &toml::Value, at: &str) -> Result<Self, String> {
        Ok(match value {
            toml::Value::String(text) => {
                Self::Template(Template::parse(text).map_err(|error| format!("`{at}`: {error}"))?)
            }
            toml::Value::Integer(number) => Self::Fixed((*number).into()),
            toml::Value::Float(number) => Self::Fixed((*number).into()),
            toml::Value::Boolean(flag) => Self::Fixed((*flag).into()),
            toml::Value::Datetime(_) => return Err(format!("`{at}`: write a date as a string")),
            toml::Value::Array(items) => {
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| Self::parse(item, &format!("{at}[{index}]")));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            toml::Value::Table(fields) => Self::fields(fields, at)?,
        })
    }

    pub fn fields(fields: &toml::Table, at: &str) -> Result<Self, String> {
        let fields = fields
            .iter()
            .map(|(key, value)| Ok::<_, String>((key.clone(), Self::parse(value, &format!("{at}.{key}"))?)));
        Ok(Self::Fields(fields.collect::<Result<_, _>>()?))
    }

    /// A form has one level; the error names what is deeper.
    pub fn check_flat(&self, at: &str) -> Result<(), String> {
        let Self::Fields(fields) = self else { return Ok(()) };
        for (key, value) in fields {
            let deep = match value {
                Self::Template(_) | Self::Fixed(_) => false,
                Self::List(items) => items.iter().any(|item| matches!(item, Self::List(_) | Self::Fields(_))),
                Self::Fields(_) => true,
            };
            if deep {
                return Err(format!(
                    "`{at}.{key}`: a form has no fields within fields; use `content_type = \"json\"`"
                ));
            }
        }
        Ok(())
    }

    /// With the values in; none if it names one that is absent.
    pub fn render(&self, values: &Values<'_>) -> Option<Value> {
        match self {
            Self::Template(template) => template.value(values),
            Self::Fixed(value) => Some(value.clone()),
            Self::List(items) => {
                Some(Value::Array(items.iter().filter_map(|item| item.render(values)).collect()))
            }
            Self::Fields(fields) => {
                let fields =
                    fields.iter().filter_map(|(key, value)| Some((key.clone(), value.render(values)?)));
                Some(Value::Object(fields.collect::<Map<_, _>>()))
            }
        }
    }
}

/// A rendered body of one level as a form; a list repeats its field.
pub fn as_form(body: &Value) -> String {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for (key, value) in body.as_object().into_iter().flatten() {
        match value {
            Value::Array(items) => pairs.extend(items.iter().map(|item| (key.as_str(), plain(item)))),
            value => pairs.push((key, plain(value))),
        }
    }
    form::encode(&pairs)
}

/// A scalar as text.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::sms;
    use super::*;

    fn body(text: &str) -> Result<Node, String> {
        Node::fields(&toml::from_str(text).unwrap(), "body")
    }

    #[test]
    fn values_keep_to_their_fields() {
        let sms = Sms { text: "\"},{\"x\": {{to}} & é €\n\\".into(), from: None, ..sms() };
        let values = Values { sms: Some(&sms), ..Values::default() };
        let node = body(
            "a = 'x {{text}}'\nb = '{{segments}}'\nc = 'n={{segments}}'\nd = '{{unicode}}'\ne = '{{from}}'\nf = true",
        );
        let rendered = node.unwrap().render(&values).unwrap();
        assert_eq!(rendered["a"], format!("x {}", sms.text));
        assert_eq!(rendered["b"], json!(1));
        assert_eq!(rendered["c"], "n=1");
        assert_eq!(rendered["d"], json!(false));
        assert_eq!(rendered.get("e"), None, "absent values leave their field out");
        let form = as_form(&rendered);
        assert_eq!(
            form,
            "a=x+%22%7D%2C%7B%22x%22%3A+%7B%7Bto%7D%7D+%26+%C3%A9+%E2%82%AC%0A%5C&b=1&c=n%3D1&d=false&f=true"
        );
        assert_eq!(form::decode(form.as_bytes()).unwrap()[0].1, format!("x {}", sms.text));
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("a = '{{too}}'", "`body.a`: `{{too}}` is not known; there are to, to_digits"),
            ("a = '{{to'", "`body.a`: `{{to`: `{{` without `}}`"),
            ("[[a]]\nb = '{{x}}'", "`body.a[0].b`: `{{x}}`"),
            ("a = 2026-01-01", "`body.a`: write a date as a string"),
        ];
        for (text, expected) in cases {
            let error = body(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(body("[a]\nb = 'c'").unwrap().check_flat("body").is_err());
        assert!(body("a = ['b', 'c']").unwrap().check_flat("body").is_ok());
    }
}
