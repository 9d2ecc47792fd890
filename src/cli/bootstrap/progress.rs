//! A bar on a terminal; a line a step elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(120);

/// How far it is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    all: usize,
}

impl Progress {
    pub(super) fn start(all: usize) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(all as u64);
            let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} {elapsed} {msg}");
            // The template is fixed; a default bar is no reason to stop.
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, all }
    }

    /// A step begins.
    #[allow(clippy::print_stderr, reason = "progress, for whoever reads the log of a job")]
    pub(super) fn at(&self, done: usize, what: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(what.to_owned());
            }
            None => eprintln!("{}/{} {what}", done + 1, self.all),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
