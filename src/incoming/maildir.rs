//! A maildir that a mail server delivers reports to: what is in `new/` is taken in and moved to `cur/`, marked as seen,
//! once it is committed. A crash in between takes a mail in again, which changes nothing.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;

use super::bounces::{Bounces, Taken};
use crate::domain::bounce::MOST_BYTES;
use crate::store::StoreError;

/// Mails taken in by one call: the reports among them are settled before the next ones are read.
const AT_ONCE: usize = 200;

/// Why a maildir could not be read to its end. What was read is kept.
#[derive(Debug, thiserror::Error)]
pub enum MaildirError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes in some of what is new, tells of each, and says how many there were: none when all has been read.
pub async fn read(
    bounces: &Bounces,
    folder: &Path,
    mut tell: impl FnMut(&Path, &Taken),
) -> Result<usize, MaildirError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| MaildirError::Io { path, source }
    };
    let (new, cur) = (folder.join("new"), folder.join("cur"));
    let mut files = Vec::new();
    let mut entries = tokio::fs::read_dir(&new).await.map_err(at(&new))?;
    while let Some(entry) = entries.next_entry().await.map_err(at(&new))? {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && files.len() < AT_ONCE {
            files.push(entry.path());
        }
    }
    files.sort();
    for path in &files {
        let mail = match beginning(path).await {
            Ok(mail) => mail,
            // Another reader was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at(path)(error)),
        };
        let taken = bounces.take(&mail).await?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.split(":2,").next().unwrap_or_default();
        let seen = cur.join(format!("{name}:2,S"));
        match tokio::fs::rename(path, &seen).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&seen)(error)),
            _ => tell(path, &taken),
        }
    }
    Ok(files.len())
}

/// As much of a mail as is looked at.
pub async fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    tokio::fs::File::open(path).await?.take(MOST_BYTES as u64).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
