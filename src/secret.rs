//! Passwords and keys as values: usable, never shown.

use std::fmt;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// A password, a key, or an address that holds one. Debug output hides it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself. Whatever is made of it must not reach a log or an error.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is it, in a time that tells nothing of where they differ.
    pub fn is(&self, given: &str) -> bool {
        same(self.0.as_bytes(), given.as_bytes())
    }
}

/// Whether both are the same, in a time that tells nothing of where they differ: what is compared are hashes, which
/// nobody can choose digit by digit.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a) == Sha256::digest(b)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}
