//! Development certificates, as the quickstart makes them, for as many clients as a load wants.

#[path = "../../../examples/support/certificates.rs"]
mod development;

use std::io;
use std::path::Path;

/// `client-N` is `spiffe://cluster.local/ns/app/sa/client-N`.
pub(crate) fn write_all(folder: &Path, clients: usize) -> io::Result<()> {
    let names: Vec<(String, String)> = (0..clients)
        .map(|i| (format!("client-{i}"), format!("spiffe://cluster.local/ns/app/sa/client-{i}")))
        .collect();
    let names: Vec<(&str, &str)> = names.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
    development::write(folder, &names)
}
