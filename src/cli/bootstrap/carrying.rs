//! What `apply` and `destroy` are told alike, and how both get the right to change an account and a journal to say so in.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::WORLD_FAILED;
use super::{lease_code, say_error};
use crate::bootstrap::{Account, Journal, Lease, Patience};
use crate::config::Declaration;

/// How steps are carried out.
#[derive(Debug, Args)]
pub(super) struct Carrying {
    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
    /// Where the journal is appended to, a line of JSON an event [default: bootstrap-<name>.jsonl].
    #[arg(long)]
    journal: Option<PathBuf>,
    /// How long a step is repeated that AWS refuses for a while, or read until what was written shows; 5m at most, so that no
    /// step outlives the lease.
    #[arg(long, default_value = "60s", value_parser = patience)]
    patience: Duration,
    /// Takes over from an apply that is known to be gone, by the number that the refusal names.
    #[arg(long)]
    break_lease: Option<u32>,
}

impl Carrying {
    pub(super) fn patience(&self) -> Patience {
        Patience(self.patience)
    }

    /// The lease and a journal of whoever has it; or says what is wrong, and returns the exit code for it.
    pub(super) async fn begin<'a>(
        &self,
        account: &'a Account,
        declaration: &Declaration,
    ) -> Result<(Lease<'a>, Journal), u8> {
        let taken = Lease::take(account, &declaration.desired, self.break_lease).await;
        let lease = taken.map_err(|error| {
            say_error(&error);
            lease_code(&error)
        })?;
        let default = || PathBuf::from(format!("bootstrap-{}.jsonl", declaration.desired.name));
        let file = self.journal.clone().unwrap_or_else(default);
        match Journal::open(&file, lease.generation().to_string()) {
            Ok(journal) => Ok((lease, journal)),
            Err(error) => {
                say_error(&std::io::Error::other(format!("{}: {error}", file.display())));
                release(lease).await;
                Err(WORLD_FAILED)
            }
        }
    }
}

fn patience(text: &str) -> Result<Duration, String> {
    let given = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if given > Duration::from_mins(5) { Err("5m is the most".to_owned()) } else { Ok(given) }
}

/// What matters is how the steps went; a lease that is not let go ends by itself.
pub(super) async fn release(lease: Lease<'_>) {
    if let Err(error) = lease.release().await {
        tracing::warn!(%error, "the lease could not be let go");
    }
}
