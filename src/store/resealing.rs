//! Writing customers anew in the form that is configured: encrypted under the present secret, or as they are.
//!
//! Goes through all customers in pages, a transaction each, and locks only those who are in another form; what workers
//! write meanwhile is in the form of their own. Also keeps note of the secrets in use, so that a worker without one of them
//! is told so before it sets its first customer aside.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::args::{Arg, json_text};
use super::sealed::{PLAIN, hashes_like, mark, profiles_like};
use super::session::{Session, read_json};
use super::{Changes, Store, StoreError, Tx, profiles};

/// The setting that says under which secrets profiles are encrypted, and how far a pass has come.
const SETTING: &str = "encrypted_profiles";

/// Customers looked at in one transaction: those to be written hold their locks for some tens of milliseconds.
const AT_ONCE: i64 = 500;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Noted {
    /// The marks of the secrets.
    under: BTreeSet<String>,
    /// The pass under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pass: Option<Pass>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pass {
    to: String,
    /// The last customer done.
    after: String,
    /// The marks of secrets without which some could not be opened.
    #[serde(default)]
    missing: BTreeSet<String>,
}

/// What one page of a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Customers written anew.
    pub written: usize,
    /// Those whom no secret that we have opens, each with the reason. They stay as they are.
    pub unreadable: Vec<(String, String)>,
}

/// Where a pass stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A page is done, and others follow.
    Page(Resealed),
    /// Everybody is in the form that is configured, but for those who cannot be read.
    Done,
}

impl Store {
    /// Notes that profiles are encrypted from now on, before the first one is.
    pub async fn note_encryption(&self) -> Result<(), StoreError> {
        let sealer = &self.vault.customers;
        if !sealer.seals() {
            return Ok(());
        }
        let mark = sealer.form()?;
        let noted = self.setting(SETTING).await?.map(|text| read(&text)).transpose()?.unwrap_or_default();
        if noted.under.contains(mark) {
            return Ok(());
        }
        // Made first, so that there is a row to lock: two that start at once must not write over each other.
        self.put_setting_if_absent(SETTING, &json_text(&Noted::default())?).await?;
        let mut tx = self.begin().await?;
        let mut noted = noted_in(&mut tx).await?;
        noted.under.insert(mark.to_owned());
        tx.put_setting(SETTING, &json_text(&noted)?).await?;
        tx.commit().await
    }

    /// The mark of a secret that we do not have and with which profiles are encrypted.
    async fn unknown_mark(&self) -> Result<Option<String>, StoreError> {
        let Some(text) = self.setting(SETTING).await? else { return Ok(None) };
        Ok(read(&text)?.under.into_iter().find(|mark| !self.vault.customers.knows(mark)))
    }

    /// Refuses a database in which some customers are encrypted with a secret that we do not have: another worker may have
    /// begun to, and this one can neither read them nor find them.
    pub async fn check_secrets(&self) -> Result<(), StoreError> {
        match self.unknown_mark().await? {
            None => Ok(()),
            Some(mark) => Err(StoreError::Other(format!(
                "profiles are encrypted with a secret that this process does not have (its mark is {mark}): put it into \
                 `previous_secrets` and restart (docs/security.md)"
            ))),
        }
    }

    /// Why some customers could not be read, if there are profiles that are encrypted with a secret we do not have; with one
    /// of these customers. Looks for that one through the table.
    pub async fn encrypted_with_unknown_secret(&self) -> Result<Option<String>, StoreError> {
        let Some(mark) = self.unknown_mark().await? else { return Ok(None) };
        // That it takes too long is no reason to say nothing.
        let sql = "SELECT customer_id FROM customers WHERE CAST(profile AS text) LIKE $1 ORDER BY customer_id LIMIT 1";
        let args = vec![profiles_like(Some(&mark)).as_str().into()];
        let found = self.reading().await?.first::<(String,)>(sql, args).await.unwrap_or_default();
        let example = found.map_or_else(String::new, |(id,)| format!(", that of customer {id} for one"));
        Ok(Some(format!(
            "profiles are encrypted with a secret that is not configured (its mark is {mark}){example}: put that secret \
             into `previous_secrets`, or back into `secret`. If it is lost for good, `declic maintain --leave-unreadable` \
             lets Declic start without those customers (docs/security.md)"
        )))
    }

    /// Whether `declic maintain` has anything to look for: profiles are to be encrypted, or some are.
    pub async fn may_be_encrypted(&self) -> Result<bool, StoreError> {
        if self.vault.customers.seals() {
            return Ok(true);
        }
        let noted = self.setting(SETTING).await?.map(|text| read(&text)).transpose()?;
        Ok(noted.is_some_and(|noted| !noted.under.is_empty()))
    }

    /// Writes the next page of customers in the form that is configured. A pass goes on where the one before was broken
    /// off, unless that had another aim. At its end no secret is noted as in use but the present one, and those without
    /// which customers cannot be read; with `leaves_unreadable` not these either.
    pub async fn reseal(&self, leaves_unreadable: bool) -> Result<Step, StoreError> {
        let form = self.vault.customers.form()?.to_owned();
        self.put_setting_if_absent(SETTING, &json_text(&Noted::default())?).await?;
        let mut tx = self.begin().await?;
        let mut noted = noted_in(&mut tx).await?;
        let begun = noted.pass.take().filter(|pass| pass.to == form);
        let mut pass = begun.unwrap_or_else(|| Pass {
            to: form.clone(),
            after: String::new(),
            missing: BTreeSet::new(),
        });
        let (last, resealed) = page(&mut tx.session, &pass.after, &mut pass.missing).await?;
        let step = match last {
            Some(last) => {
                noted.pass = Some(Pass { after: last, ..pass });
                Step::Page(resealed)
            }
            None => {
                noted.under = if leaves_unreadable { BTreeSet::new() } else { pass.missing };
                noted.under.extend((form != PLAIN).then_some(form));
                Step::Done
            }
        };
        tx.put_setting(SETTING, &json_text(&noted)?).await?;
        tx.commit().await?;
        Ok(step)
    }
}

fn read(text: &str) -> Result<Noted, StoreError> {
    read_json("settings", || SETTING.to_owned(), "value", text)
}

async fn noted_in(tx: &mut Tx) -> Result<Noted, StoreError> {
    tx.lock_setting(SETTING).await?.map_or_else(|| Ok(Noted::default()), |text| read(&text))
}

/// Looks at the customers after `after` and writes those in another form anew; the last one looked at.
async fn page(
    session: &mut Session,
    after: &str,
    missing: &mut BTreeSet<String>,
) -> Result<(Option<String>, Resealed), StoreError> {
    let sealer = session.vault.customers.clone();
    let (profiles_in_form, hashes_in_form) = if sealer.seals() {
        let form = Some(sealer.form()?);
        (profiles_like(form), hashes_like(form))
    } else {
        (profiles_like(None), hashes_like(None))
    };
    let args =
        vec![after.into(), AT_ONCE.into(), profiles_in_form.as_str().into(), hashes_in_form.as_str().into()];
    let rows: Vec<(String, i64)> = session.fetch(in_other_form(sealer.seals()), args).await?;
    let last = rows.last().map(|(id, _)| id.clone());
    let other: Vec<String> = rows.into_iter().filter(|(_, other)| *other == 1).map(|(id, _)| id).collect();
    if other.is_empty() {
        return Ok((last, Resealed::default()));
    }
    let d = session.dialect();
    let sql = format!(
        "SELECT customer_id, CAST(profile AS text), phone, phone_sealed FROM customers
         WHERE customer_id {} ORDER BY customer_id {}",
        d.among(1),
        d.lock("FOR UPDATE")
    );
    let rows: Vec<(String, String, Option<String>, Option<String>)> =
        session.fetch(sql, vec![Arg::list(&other)]).await?;
    let (mut changes, mut resealed) = (Changes::default(), Resealed::default());
    for (id, profile, phone, phone_sealed) in rows {
        match sealer.opened(&id, &profile, phone, phone_sealed.as_deref()) {
            Ok((profile, phone)) => {
                changes.profiles.push((id.clone(), profile));
                changes.phones.push((id, phone));
            }
            Err(error) => {
                let marks = [Some(profile.as_str()), phone_sealed.as_deref()].into_iter().flatten();
                missing.extend(marks.filter_map(mark).filter(|mark| !sealer.knows(mark)).map(str::to_owned));
                resealed.unreadable.push((id, error.to_string()));
            }
        }
    }
    resealed.written = changes.profiles.len();
    profiles::write(session, &changes, &Default::default(), &Default::default()).await?;
    Ok((last, resealed))
}

/// The next customers, and of each whether anything is in another form than the one wanted: `$3` and `$4` are the patterns
/// of what is sealed.
fn in_other_form(seals: bool) -> String {
    // Addresses are always written with the profile.
    let other = if seals {
        r#"NOT (CAST(k.profile AS text) LIKE $3 OR CAST(k.profile AS text) = '{"attributes":{}}')
             OR NOT (k.phone LIKE $4)
             OR EXISTS (SELECT 1 FROM customer_dates d WHERE d.customer_id = k.customer_id AND NOT (d.month_day LIKE $4))"#
    } else {
        "CAST(k.profile AS text) LIKE $3 OR k.phone LIKE $4
             OR EXISTS (SELECT 1 FROM customer_dates d WHERE d.customer_id = k.customer_id AND d.month_day LIKE $4)"
    };
    format!(
        "SELECT k.customer_id, CAST(CASE WHEN {other} THEN 1 ELSE 0 END AS bigint) FROM customers AS k
         WHERE k.customer_id > $1 ORDER BY k.customer_id LIMIT $2"
    )
}
