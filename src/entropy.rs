//! The one place where randomness is drawn, from the operating system. Decisions never use it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The machine could not give random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers: {0}")]
pub struct EntropyError(String);

/// A value that nobody can guess and nothing else will draw: 128 bits for a lease, 256 for a secret.
pub fn token<const BYTES: usize>() -> Result<String, EntropyError> {
    let mut bytes = [0; BYTES];
    fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Fills it with bytes that nobody can guess.
pub fn fill(bytes: &mut [u8]) -> Result<(), EntropyError> {
    getrandom::fill(bytes).map_err(|e| EntropyError(e.to_string()))
}

/// A number from 0 to 1, to spread what would otherwise happen at once.
pub fn fraction() -> Result<f64, EntropyError> {
    let mut bytes = [0; 4];
    fill(&mut bytes)?;
    Ok(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}
