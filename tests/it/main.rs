//! The proxy from the outside: real certificates, real sockets, a store that verifies signatures and an upstream that
//! records every byte. Each test asserts what a user would notice; tables of cases are in `tests/data`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod harness;

mod abuse;
mod answers;
#[cfg(feature = "bootstrap")]
mod aws_side;
mod botocore;
mod bridge;
mod bridge_cli;
mod cli;
mod connections;
mod credentials;
mod cut_off;
mod damage;
mod decisions;
mod doctor;
mod drain;
mod expect;
mod fairness;
mod faults;
mod floors;
mod framing;
mod handshakes;
mod keys;
mod last_good;
mod limits;
mod overload;
mod payload;
mod probes;
mod properties;
mod records;
mod refusals;
mod reload;
#[cfg(feature = "bootstrap")]
mod render;
mod requests;
mod resting;
mod resumption;
mod revocation;
mod revocation_lists;
mod sessions;
mod stopping;
#[cfg(feature = "otlp")]
mod traces;
mod webhook;
mod withheld;
#[cfg(feature = "spiffe")]
mod workload;
