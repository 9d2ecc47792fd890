//! What a person has to say before something is done: a word at the terminal, or the words of an irreversible step.

use std::io::{IsTerminal, Write, stderr, stdin};
use std::str::FromStr;

use crate::spec::RetentionChoice;

/// `<bucket>=<mode>:<days>`.
#[derive(Debug, Clone)]
pub(super) struct Confirmation {
    bucket: String,
    mode: String,
    days: u32,
}

impl Confirmation {
    /// Whether it is for exactly this.
    pub(super) fn is_for(&self, bucket: &str, retention: RetentionChoice) -> bool {
        self.bucket == bucket && self.mode == retention.mode.as_str() && self.days == retention.days
    }
}

impl FromStr for Confirmation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(bucket, rest)| Some((bucket, rest.split_once(':')?)));
        let (bucket, (mode, days)) = parts.ok_or("it is written BUCKET=COMPLIANCE:DAYS")?;
        let days = days.parse().map_err(|_| format!("'{days}' is no number of days"))?;
        if !["COMPLIANCE", "GOVERNANCE"].contains(&mode) {
            return Err(format!("'{mode}' is neither COMPLIANCE nor GOVERNANCE"));
        }
        Ok(Self { bucket: bucket.to_owned(), mode: mode.to_owned(), days })
    }
}

/// Whether somebody at the terminal types the word. Without a terminal nobody does.
#[allow(clippy::print_stderr, reason = "a question to whoever is at the terminal")]
pub(super) fn agreed(what: &str, word: &str) -> bool {
    if !stdin().is_terminal() {
        eprintln!("error: nobody is there to ask; give --yes to {what}");
        return false;
    }
    eprint!("{what}? Type '{word}': ");
    let mut answer = String::new();
    stderr().flush().is_ok() && stdin().read_line(&mut answer).is_ok() && answer.trim() == word
}
