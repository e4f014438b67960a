//! What customers may ask for: their data corrected, kept without being used, or erased. Each is an event like any other,
//! taken in by the worker's own process.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::super::{Failure, environment};
use crate::config::Config;
use crate::domain::customer::RESTRICTED;
use crate::domain::event::Event;
use crate::domain::rules::book::{DELETED, UPDATED};
use crate::store::{CustomerState, Store};

/// An attribute and its new value, as written on the command line.
#[derive(Debug, Clone)]
pub struct Assignment(String, Value);

impl std::str::FromStr for Assignment {
    type Err = String;

    /// `NAME=VALUE`: a number, `true`, `false` or JSON as such, else text; nothing takes the attribute away.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
        if name.is_empty() || name == "consents" {
            return Err(format!("`{name}` is not an attribute that can be corrected"));
        }
        let value = match value {
            "" => Value::Null,
            // What looks like a number is often a text: a postcode, a telephone number.
            text if text.starts_with(['0', '+']) && text.len() > 1 && !text.contains('.') => text.into(),
            text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        };
        Ok(Self(name.to_owned(), value))
    }
}

pub async fn correct(config: Option<&Path>, id: &str, assignments: Vec<Assignment>) -> Result<(), Failure> {
    let (config, store) = opened(config).await?;
    let customer = known(&store, id).await?;
    let data: Map<String, Value> =
        assignments.into_iter().map(|Assignment(name, value)| (name, value)).collect();
    for (name, value) in &data {
        let before = customer.profile.get(name).map_or("nothing".to_owned(), Value::to_string);
        println!(
            "{name}: {before} → {}",
            if value.is_null() { "nothing".to_owned() } else { value.to_string() }
        );
    }
    take_in(&config, store, id, UPDATED, "correction", Value::Object(data)).await
}

pub async fn restrict(config: Option<&Path>, id: &str, lift: bool) -> Result<(), Failure> {
    let (config, store) = opened(config).await?;
    let customer = known(&store, id).await?;
    if customer.profile.is_restricted() != lift {
        println!("{id} is {} already", if lift { "unrestricted" } else { "restricted" });
        return Ok(());
    }
    take_in(&config, store, id, UPDATED, "restriction", json!({ RESTRICTED: !lift })).await?;
    println!(
        "{}",
        match lift {
            false => "restricted: what is known of them is kept, and nothing is sent, until it is lifted",
            true => "lifted: messages go to them again, by their consents",
        }
    );
    Ok(())
}

pub async fn erase(config: Option<&Path>, id: &str, yes: bool) -> Result<(), Failure> {
    let (config, store) = opened(config).await?;
    known(&store, id).await?;
    let held = store.holdings(id).await.map_err(environment::failed)?.unwrap_or_default();
    for (name, rows) in &held {
        if let Some(rows) = rows.as_array().filter(|rows| !rows.is_empty()) {
            println!("{:>6} {}", rows.len(), name.replace('_', " "));
        }
    }
    if !yes {
        return Err(Failure::Refused(format!(
            "nothing was erased, and it cannot be undone: export first if somebody asks (`declic customers export {id}`), \
             then add --yes"
        )));
    }
    take_in(&config, store.clone(), id, DELETED, "erasure", json!({})).await?;
    store.tidy_up().await.map_err(environment::failed)?;
    println!(
        "erased: of {id} there are left the types and times of events, the states of messages, and the ledger of consents \
         without its proofs"
    );
    Ok(())
}

async fn opened(config: Option<&Path>) -> Result<(Config, Store), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    Ok((config, store))
}

async fn known(store: &Store, id: &str) -> Result<CustomerState, Failure> {
    let customer = store.customer(id).await.map_err(environment::failed)?;
    let customer = customer.ok_or_else(|| Failure::Refused(format!("there is no customer `{id}`")))?;
    if customer.erased {
        return Err(Failure::Refused(format!("`{id}` is erased already")));
    }
    Ok(customer)
}

/// Takes in an event of this instant about a customer, made here, and notes who made it.
async fn take_in(
    config: &Config,
    store: Store,
    id: &str,
    kind: &str,
    by: &str,
    data: Value,
) -> Result<(), Failure> {
    let now: DateTime<Utc> = config.clock().now();
    let event = Event {
        id: format!("{by}-{}-{id}", now.timestamp_micros()),
        source: format!("/declic/{by}"),
        kind: kind.to_owned(),
        subject: id.to_owned(),
        time: now,
        data: data.into(),
        trace: None,
    };
    let processor = environment::processor(config, store.clone()).await?;
    let noted = environment::operator(store).note(&format!("customers {by}"), &[id], None).await;
    noted.map_err(environment::failed)?;
    processor.accept(&[event]).await.map_err(environment::failed).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_look_like() {
        for (text, value) in [
            ("city=Lyon", json!("Lyon")),
            ("points=12", json!(12)),
            ("rate=0.5", json!(0.5)),
            ("vip=true", json!(true)),
            ("postcode=01000", json!("01000")),
            ("phone=+33612345678", json!("+33612345678")),
            ("name=a=b", json!("a=b")),
            ("tags=[\"x\"]", json!(["x"])),
            ("nickname=", Value::Null),
        ] {
            assert_eq!(text.parse::<Assignment>().unwrap().1, value, "{text}");
        }
        for wrong in ["city", "=x", "consents=[]"] {
            assert!(wrong.parse::<Assignment>().is_err(), "{wrong}");
        }
    }
}
