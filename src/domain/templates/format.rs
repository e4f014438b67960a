//! Numbers, money, dates and plurals as people of a locale write them.
//!
//! Locale tags and values come from customers' data: a tag that is not one falls back to English forms,
//! a value that cannot be shown is an `Err` with words for the author. Nothing here panics.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use chrono_tz::Tz;
use icu_datetime::DateTimeFormatter;
use icu_datetime::fieldsets::{MD, T, YMD, YMDE};
use icu_datetime::input::{Date, Time};
use icu_decimal::DecimalFormatter;
use icu_decimal::input::Decimal;
use icu_locale_core::{Locale, locale};
use icu_plurals::{PluralCategory, PluralOperands, PluralRules};
use serde_json::Value;

/// U+00A0: between a number and its unit, where a line must not break.
const NBSP: char = '\u{a0}';

/// How many locales' formatters of numbers a thread keeps.
const MOST_FORMATTERS: usize = 64;

/// Date styles: `full` (Saturday, 28 February 2026), `long`, `medium`, `short`, `day` (28 February), `time`.
pub const DATE_STYLES: &[&str] = &["full", "long", "medium", "short", "day", "time"];

/// Reads an untrusted tag; an unusable one gives English.
pub fn parse_locale(tag: &str) -> Locale {
    let tag: String = tag.chars().take(35).collect();
    let parsed = Locale::try_from_str(&tag.replace('_', "-")).unwrap_or(locale!("en"));
    // Extensions (`-u-ca-…`, `-u-nu-…`) are dropped: a profile must not choose calendars or digits.
    Locale::from(parsed.id)
}

/// Whether a tag is one that values can be formatted for.
pub fn is_locale(tag: &str) -> bool {
    tag.len() <= 35 && Locale::try_from_str(&tag.replace('_', "-")).is_ok()
}

/// An exact decimal from a JSON number or a string such as `"49.90"`.
pub fn decimal(value: &Value) -> Result<Decimal, String> {
    let text = match value {
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(n), _, _) => n.to_string(),
            (_, Some(n), _) => n.to_string(),
            // `Display` of a float never uses an exponent.
            (_, _, Some(n)) if n.is_finite() => n.to_string(),
            _ => return Err("is not a finite number".to_owned()),
        },
        Value::String(text) if text.len() <= 40 => text.trim().to_owned(),
        _ => return Err("is not a number".to_owned()),
    };
    Decimal::try_from_str(&text).map_err(|_| "is not a number".to_owned())
}

/// A number with the locale's separators, at most six decimals.
pub fn number(value: &Value, locale: &Locale) -> Result<String, String> {
    let mut decimal = decimal(value)?;
    decimal.round(-6);
    decimal.absolute.trim_end();
    grouped(&decimal, locale)
}

fn grouped(decimal: &Decimal, locale: &Locale) -> Result<String, String> {
    thread_local! {
        /// Made once for each locale: looking its data up takes longer than formatting a number.
        static FORMATTERS: RefCell<HashMap<Locale, DecimalFormatter>> = RefCell::default();
    }
    FORMATTERS.with_borrow_mut(|formatters| {
        // Tags come from customers' data, who may think of any number of them.
        if formatters.len() >= MOST_FORMATTERS && !formatters.contains_key(locale) {
            formatters.clear();
        }
        let formatter = match formatters.entry(locale.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let made = DecimalFormatter::try_new(locale.clone().into(), Default::default());
                place.insert(made.map_err(|e| e.to_string())?)
            }
        };
        Ok(formatter.format(decimal).to_string())
    })
}

/// An amount in units of its currency: `1 234,50 €`, `€1,234.50`. An unknown currency shows by its code.
pub fn money(value: &Value, currency: &str, locale: &Locale) -> Result<String, String> {
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(format!("{currency:?} is not an ISO 4217 currency code"));
    }
    let currency = currency.to_ascii_uppercase();
    let mut decimal = decimal(value)?;
    let digits = minor_digits(&currency);
    decimal.round(-digits);
    decimal.absolute.trim_end();
    decimal.absolute.pad_end(-digits);
    let text = grouped(&decimal, locale)?;
    let (minus, text) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    let symbol = symbol(&currency, locale);
    Ok(match placement(locale, &symbol) {
        Placement::Before => format!("{minus}{symbol}{text}"),
        Placement::BeforeSpaced => format!("{minus}{symbol}{NBSP}{text}"),
        Placement::After => format!("{minus}{text}{NBSP}{symbol}"),
    })
}

/// ISO 4217 minor units, for the currencies where it is not two.
pub fn minor_digits(currency: &str) -> i16 {
    match currency {
        "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" | "LYD" | "IQD" => 3,
        _ => 2,
    }
}

enum Placement {
    Before,
    BeforeSpaced,
    After,
}

fn placement(locale: &Locale, symbol: &str) -> Placement {
    let alphabetic = symbol.chars().all(|c| c.is_ascii_alphabetic());
    let region = locale.id.region.map(|r| r.as_str().to_owned());
    match (locale.id.language.as_str(), region.as_deref()) {
        ("de" | "it", Some("CH")) | ("de", Some("AT")) | ("nl", _) => Placement::BeforeSpaced,
        ("pt", Some("PT")) => Placement::After,
        ("pt", _) => Placement::BeforeSpaced,
        ("en" | "ja" | "zh" | "ko" | "th" | "hi", _) | ("es", Some("MX" | "US" | "AR" | "CL" | "CO")) => {
            if alphabetic {
                Placement::BeforeSpaced
            } else {
                Placement::Before
            }
        }
        _ => Placement::After,
    }
}

/// The symbol as CLDR has it for the locale: a dollar that is not the reader's own says whose it is.
fn symbol(currency: &str, locale: &Locale) -> String {
    let language = locale.id.language.as_str();
    let region = locale.id.region.map(|r| r.as_str().to_owned());
    let plain = match currency {
        "EUR" => "€",
        "GBP" => "£",
        "JPY" => "¥",
        "PLN" if language == "pl" => "zł",
        "CZK" if language == "cs" => "Kč",
        "SEK" if language == "sv" => "kr",
        "DKK" if language == "da" => "kr.",
        "NOK" if matches!(language, "nb" | "no") => "kr",
        "BRL" => "R$",
        "USD" | "CAD" | "AUD" | "NZD" => {
            let home = &currency[..2];
            let at_home = match region.as_deref() {
                Some(region) => region == home,
                None => currency == "USD" && language == "en",
            };
            return match (at_home, language, home) {
                (true, ..) => "$".to_owned(),
                (false, "fr", home) => format!("${home}"),
                (false, _, "US") if language != "en" => "$".to_owned(),
                (false, _, "CA" | "NZ" | "US") => format!("{home}$"),
                (false, ..) => "A$".to_owned(),
            };
        }
        other => other,
    };
    plain.to_owned()
}

/// A per cent value given in hundredths of a per cent: 1500 is `15 %` in French, `15%` in English.
pub fn percent(hundredths: i64, locale: &Locale) -> Result<String, String> {
    let mut decimal = Decimal::from(hundredths);
    decimal.absolute.multiply_pow10(-2);
    decimal.absolute.trim_end();
    let text = grouped(&decimal, locale)?;
    Ok(match locale.id.language.as_str() {
        "en" | "it" | "pt" | "nl" | "ja" | "zh" | "ko" | "pl" => format!("{text}%"),
        _ => format!("{text}{NBSP}%"),
    })
}

/// A promo code's discount: `{"percent": 1500}` (hundredths of a per cent) or `{"amount": [500, "EUR"]}` (minor units).
pub fn discount(value: &Value, locale: &Locale) -> Result<String, String> {
    if let Some(hundredths) = value.get("percent").and_then(Value::as_i64) {
        return percent(hundredths, locale);
    }
    let amount = value.get("amount").and_then(Value::as_array).map(Vec::as_slice);
    let Some([Value::Number(minor), Value::String(currency)]) = amount else {
        return Err("is not a discount".to_owned());
    };
    let mut units = Decimal::from(minor.as_i64().ok_or("is not a whole number of minor units")?);
    units.absolute.multiply_pow10(-minor_digits(&currency.to_ascii_uppercase()));
    money(&Value::String(units.to_string()), currency, locale)
}

/// The plural category's name (`one`, `few`, `other`, …) that the locale uses for a number (CLDR).
pub fn plural(value: &Value, locale: &Locale) -> Result<&'static str, String> {
    let decimal = decimal(value)?;
    let rules = PluralRules::try_new_cardinal(locale.clone().into()).map_err(|e| e.to_string())?;
    Ok(match rules.category_for(PluralOperands::from(&decimal)) {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    })
}

/// An RFC 3339 instant shown in the customer's time zone, or a plain `2026-02-28`, in one of [`DATE_STYLES`].
pub fn date(value: &Value, style: &str, locale: &Locale, timezone: &str) -> Result<String, String> {
    let text = value.as_str().ok_or("is not a date")?;
    let zone: Tz = timezone.parse().unwrap_or(Tz::UTC);
    let local = match (NaiveDate::parse_from_str(text, "%Y-%m-%d"), DateTime::parse_from_rfc3339(text)) {
        (Ok(date), _) => date.and_time(chrono::NaiveTime::MIN),
        // Far outside the years of people, local time would overflow.
        (_, Ok(instant)) if (1..=9999).contains(&instant.year()) => {
            let utc = instant.with_timezone(&Utc);
            utc.with_timezone(&zone).naive_local()
        }
        _ => return Err(format!("{text:?} is not a date (RFC 3339 or 2026-02-28)")),
    };
    let date = u8::try_from(local.month())
        .ok()
        .zip(u8::try_from(local.day()).ok())
        .and_then(|(month, day)| Date::try_new_iso(local.year(), month, day).ok())
        .ok_or("is out of range")?;
    let prefs = locale.clone().into();
    let text = match style {
        "full" => DateTimeFormatter::try_new(prefs, YMDE::long()).map(|f| f.format(&date).to_string()),
        "long" => DateTimeFormatter::try_new(prefs, YMD::long()).map(|f| f.format(&date).to_string()),
        "medium" => DateTimeFormatter::try_new(prefs, YMD::medium()).map(|f| f.format(&date).to_string()),
        "short" => DateTimeFormatter::try_new(prefs, YMD::short()).map(|f| f.format(&date).to_string()),
        "day" => DateTimeFormatter::try_new(prefs, MD::long()).map(|f| f.format(&date).to_string()),
        "time" => {
            let time = Time::try_new(local.hour() as u8, local.minute() as u8, 0, 0);
            let time = time.map_err(|e| e.to_string())?;
            DateTimeFormatter::try_new(prefs, T::hm()).map(|f| f.format(&time).to_string())
        }
        _ => return Err(format!("has no style {style:?}; there are {}", DATE_STYLES.join(", "))),
    };
    text.map_err(|e| e.to_string())
}
