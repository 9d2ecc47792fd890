//! How many sockets and files the process may have open.
//!
//! Shells and container runtimes give 1,024 and allow far more; each client takes one descriptor and often a second
//! towards S3.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows as many as the process may allow itself, and says how many that are.
pub fn raise_descriptors() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(maximum.unwrap_or(u64::MAX))
}
