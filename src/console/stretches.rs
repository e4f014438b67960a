//! When what was paused: each pause and its end, from the audit log, which is never changed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Console;
use super::frame::Visit;
use super::words;
use crate::store::{Act, ActFilter, StoreError};

/// As many acts as are looked at.
const ACTS: u32 = 500;

/// A time in which something was paused.
pub(super) struct Stretch {
    pub target: String,
    pub since: DateTime<Utc>,
    /// None while it lasts.
    pub until: Option<DateTime<Utc>>,
    pub by: String,
    pub why: Option<String>,
}

impl Stretch {
    /// Whether it lasted for some of this time.
    pub fn touches(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> bool {
        self.since < until && self.until.is_none_or(|ended| ended > from)
    }

    /// What was paused, in words.
    pub fn words(&self, visit: &Visit) -> String {
        format!(
            "{}{}{}",
            visit.lang.pick("en pause", "paused"),
            visit.colon(),
            words::target(visit, &self.target)
        )
    }
}

/// The latest acts of operators, the earliest of them first.
pub(super) async fn acts(console: &Console) -> Result<Vec<Act>, StoreError> {
    let mut acts = console.store.acts(&ActFilter { limit: ACTS, ..ActFilter::default() }).await?;
    acts.reverse();
    Ok(acts)
}

/// When what was paused, by acts in their order.
pub(super) fn stretches(acts: &[Act]) -> Vec<Stretch> {
    let (mut all, mut open) = (Vec::<Stretch>::new(), BTreeMap::new());
    for act in acts {
        match act.action.as_str() {
            "pause" => {
                open.insert(act.target.clone(), all.len());
                let Act { at, actor, target, detail, .. } = act.clone();
                all.push(Stretch { target, since: at, until: None, by: actor, why: detail });
            }
            "resume" => {
                if let Some(stretch) = open.remove(&act.target).and_then(|n| all.get_mut(n)) {
                    stretch.until = Some(act.at);
                }
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(minute: u32, action: &str, target: &str) -> Act {
        Act {
            id: i64::from(minute),
            at: format!("2026-11-22T10:{minute:02}:00Z").parse().unwrap(),
            actor: "eve".to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            detail: None,
        }
    }

    #[test]
    fn a_pause_lasts_until_its_own_end() {
        let all = stretches(&[
            act(1, "resume", "rule:a"),
            act(2, "pause", "rule:a"),
            act(3, "pause", "everything"),
            act(4, "messages retry", "rule:a"),
            act(5, "resume", "rule:a"),
            act(9, "pause", "rule:a"),
        ]);
        let told: Vec<_> = all
            .iter()
            .map(|s| {
                (
                    s.target.as_str(),
                    s.since.format("%M").to_string(),
                    s.until.map(|at| at.format("%M").to_string()),
                )
            })
            .collect();
        let until = |minute: &str| Some(minute.to_owned());
        let expected = [
            ("rule:a", "02".to_owned(), until("05")),
            ("everything", "03".to_owned(), None),
            ("rule:a", "09".to_owned(), None),
        ];
        assert_eq!(told, expected);
        let at = |minute: u32| act(minute, "", "").at;
        assert!(
            all[0].touches(at(4), at(6)) && !all[0].touches(at(5), at(6)) && !all[0].touches(at(1), at(2))
        );
        assert!(all[1].touches(at(58), at(59)));
    }
}
