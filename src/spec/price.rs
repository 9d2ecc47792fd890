//! What AWS asks for, for estimates: one table for `bootstrap plan`, before something is turned on, and for
//! `audit inventory`, after the fact.
//!
//! List prices of US East (N. Virginia) in US dollars, without taxes, discounts, free tiers and, for storage, without
//! requests, retrieval and minimum durations. They are not looked up when the program runs; whoever changes one changes
//! [`AS_OF`] and compares all of them. Source: the pricing pages of S3, KMS, CloudWatch, CloudTrail and VPC.

use crate::s3::Class;

/// When the prices were looked up.
pub const AS_OF: &str = "2025-06";
/// Where the prices are from, in words for a reader.
pub const SOURCE: &str = "AWS list prices for us-east-1, first tier, as of 2025-06";

/// S3 Standard, a gigabyte and month. AWS counts gigabytes of 2^30 bytes.
pub const STORAGE: f64 = per_gigabyte(Class::Standard);
/// A KMS key, a month.
pub const KEY: f64 = 1.0;
/// A million objects listed in an inventory.
pub const INVENTORY: f64 = 0.0025;
/// A metric of CloudWatch, a month.
pub const METRIC: f64 = 0.30;
/// From one region to another, a gigabyte.
pub const TRANSFER: f64 = 0.02;
/// An alarm, a month.
pub const ALARM: f64 = 0.10;
/// CloudWatch Logs, a gigabyte taken in.
pub const LOGS: f64 = 0.50;
/// A data event of CloudTrail.
pub const DATA_EVENT: f64 = 0.10 / 100_000.0;
/// What a NAT gateway takes for a gigabyte, which the gateway endpoint does not.
pub const NAT: f64 = 0.045;

const GIGABYTE: f64 = 1024.0 * 1024.0 * 1024.0;

/// A gigabyte and month. A class that is new costs what STANDARD does until somebody looks it up.
const fn per_gigabyte(class: Class) -> f64 {
    match class {
        Class::Standard | Class::IntelligentTiering | Class::Other => 0.023,
        Class::ReducedRedundancy => 0.024,
        Class::StandardIa => 0.0125,
        Class::OnezoneIa => 0.01,
        Class::GlacierIr => 0.004,
        Class::Glacier => 0.0036,
        Class::DeepArchive => 0.00099,
    }
}

/// US dollars a month for so many bytes.
#[expect(clippy::cast_precision_loss, reason = "an estimate: beyond 9 PB it is off by less than a cent")]
pub fn monthly(class: Class, bytes: u64) -> f64 {
    bytes as f64 / GIGABYTE * per_gigabyte(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terabyte_costs_what_the_calculator_says() {
        let dollars = |class| format!("{:.2}", monthly(class, 1 << 40));
        assert_eq!(dollars(Class::Standard), "23.55");
        assert_eq!(dollars(Class::DeepArchive), "1.01");
        assert!(SOURCE.ends_with(AS_OF));
    }
}
