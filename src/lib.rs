//! x
pub mod config;
pub mod credentials;
pub mod identity;
pub mod net;
pub mod policy;
pub mod process;
pub mod s3;
pub mod sigv4;
pub mod telemetry;
pub mod tls;
pub mod upstream;
