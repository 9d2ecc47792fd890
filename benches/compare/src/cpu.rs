//! The CPU time of another process, which is what a comparison can rely on: rates depend on who else is running.

use std::fs;

/// Of Linux' `USER_HZ`, which is the same everywhere.
const TICKS_A_SECOND: f64 = 100.0;

/// Seconds of CPU that a process has used, in user and system mode (`proc_pid_stat(5)`, fields 14 and 15).
pub(crate) fn seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS_A_SECOND)
}
