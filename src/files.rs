//! Reading `rules/` and `templates/` from a folder, and noticing that they changed. Compiles nothing.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::domain::diagnostic::SourceFile;

/// The largest file read, in bytes: rules and templates are written by hand.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The most files read, lest a wrong folder (`/`) be walked for minutes.
const MAX_FILES: usize = 20_000;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error(
        "{0} is no folder with rules: it should hold `rules/` and `templates/` (name another with --rules)"
    )]
    NoRules(PathBuf),
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{0} is larger than 1 MiB: rules and templates are written by hand")]
    TooLarge(PathBuf),
    #[error("{0} is not UTF-8 text: save it as UTF-8")]
    NotText(PathBuf),
    #[error("{0} holds more than {MAX_FILES} files: is it the right folder?")]
    TooMany(PathBuf),
}

/// Reads all files of `rules/` and `templates/` below `folder`, sorted by path; without rule tests, which are no part
/// of what a worker runs by.
pub fn read(folder: &Path) -> Result<Vec<SourceFile>, FilesError> {
    paths(folder, false)?.iter().map(|path| read_one(folder, path)).collect()
}

/// Reads the rule tests (`rules/NAME.test.yaml`), sorted by path.
pub fn read_tests(folder: &Path) -> Result<Vec<SourceFile>, FilesError> {
    paths(folder, true)?.iter().map(|path| read_one(folder, path)).collect()
}

/// A value that differs when a file that [`read`] reads was added, removed, renamed or written: cheap enough to ask each
/// second.
pub fn fingerprint(folder: &Path) -> Result<u64, FilesError> {
    let mut hasher = DefaultHasher::new();
    for path in paths(folder, false)? {
        let meta =
            std::fs::metadata(&path).map_err(|error| FilesError::Read { path: path.clone(), error })?;
        path.hash(&mut hasher);
        meta.len().hash(&mut hasher);
        meta.modified().ok().hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// The paths of the rule tests, or of all else.
fn paths(folder: &Path, tests: bool) -> Result<Vec<PathBuf>, FilesError> {
    if !folder.join("rules").is_dir() {
        return Err(FilesError::NoRules(folder.to_owned()));
    }
    let mut found = Vec::new();
    let mut pending = vec![folder.join("rules"), folder.join("templates")];
    while let Some(dir) = pending.pop().filter(|_| found.len() <= MAX_FILES) {
        if !dir.is_dir() {
            continue;
        }
        let failed = |error| FilesError::Read { path: dir.clone(), error };
        for item in std::fs::read_dir(&dir).map_err(failed)? {
            let path = item.map_err(failed)?.path();
            let hidden = path.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
            } else if is_ours(&path) && is_test(&path) == tests {
                found.push(path);
            }
        }
    }
    if found.len() > MAX_FILES {
        return Err(FilesError::TooMany(folder.to_owned()));
    }
    found.sort();
    Ok(found)
}

/// Editors leave other files about (`x.yaml~`, `.swp`); only these are read.
fn is_ours(path: &Path) -> bool {
    matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "yml" | "mjml" | "txt" | "hbs"))
}

/// Whether it is a rule test (`NAME.test.yaml`).
pub fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".test.yaml"))
}

fn read_one(folder: &Path, path: &Path) -> Result<SourceFile, FilesError> {
    let failed = |error| FilesError::Read { path: path.to_owned(), error };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(FilesError::TooLarge(path.to_owned()));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| FilesError::NotText(path.to_owned()))?;
    let relative = path.strip_prefix(folder).unwrap_or(path);
    let path = relative.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    // A byte order mark is invisible in an editor and would be read as part of the first key.
    let text = text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned);
    Ok(SourceFile { path, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_tests_are_read_apart_and_change_nothing_of_what_runs() {
        let folder = std::env::temp_dir().join(format!("declic-files-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("rules")).unwrap();
        std::fs::write(folder.join("rules/a.yaml"), "rule: a\n").unwrap();
        let before = fingerprint(&folder).unwrap();
        std::fs::write(folder.join("rules/a.test.yaml"), "tests: []\n").unwrap();
        let names = |files: Vec<SourceFile>| files.into_iter().map(|f| f.path).collect::<Vec<_>>();
        assert_eq!(fingerprint(&folder).unwrap(), before);
        assert_eq!(names(read(&folder).unwrap()), ["rules/a.yaml"]);
        assert_eq!(names(read_tests(&folder).unwrap()), ["rules/a.test.yaml"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
