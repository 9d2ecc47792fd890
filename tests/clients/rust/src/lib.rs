//! What the clients in Rust share: they do what each line of standard input says, and answer with a line.
//!
//! A line in is `["operation", "argument", …]`; a line out is `{"ok": …}`, `{"error": "…"}`, or `{"absent": true}` for what
//! the client does not offer. The proxy does not know of this program, nor this program of the proxy.

use std::future::Future;
use std::io::{BufRead, Write};

use serde_json::{Value, json};

/// The value of a variable that has to be there.
pub fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).map_err(|_| anyhow::anyhow!("{name} is not set"))
}

/// Carries out lines until there are no more. `None` is an operation that the client does not have.
pub async fn obey<F>(carry_out: impl Fn(String, Vec<String>) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Option<Value>>>,
{
    for line in std::io::stdin().lock().lines() {
        let mut words: Vec<String> = serde_json::from_str(&line?)?;
        let operation = words.remove(0);
        let answer = match carry_out(operation, words).await {
            Ok(Some(value)) => json!({ "ok": value }),
            Ok(None) => json!({ "absent": true }),
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
