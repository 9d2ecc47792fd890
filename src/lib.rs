//! x
pub mod identity;
pub mod policy;
pub mod s3;
