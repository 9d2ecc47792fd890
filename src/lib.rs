//! x
pub mod config;
pub mod identity;
pub mod policy;
pub mod s3;
pub mod sigv4;
