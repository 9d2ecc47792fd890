//! Projected tokens: files that the kubelet replaces, so they are read each time.

use std::path::Path;

use super::error::LoadError;

/// A projected token has one or two kilobytes.
const MAX_TOKEN: u64 = 64 * 1024;

/// The token in a file. White space is never part of one, and an editor's newline would make it invalid.
pub(super) async fn read(file: &Path) -> Result<String, LoadError> {
    let failed = |source| LoadError::Token { file: file.to_owned(), source };
    let length = tokio::fs::metadata(file).await.map_err(failed)?.len();
    if length > MAX_TOKEN {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::FileTooLarge)));
    }
    let text = tokio::fs::read_to_string(file).await.map_err(failed)?;
    let token = text.trim();
    if token.is_empty() || token.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(LoadError::NoToken(file.to_owned()));
    }
    Ok(token.to_owned())
}
