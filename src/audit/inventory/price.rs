//! What storage costs, for an estimate: S3's list prices, which say nothing of discounts, requests or retrieval.

use crate::s3::Class;

/// Where the prices are from.
pub(super) const SOURCE: &str = "AWS list prices for us-east-1, first tier, as of 2026-11";

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// US dollars for a GiB and month. A class that is new costs what STANDARD does until somebody looks it up.
const fn per_gib(class: Class) -> f64 {
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
pub(super) fn monthly(class: Class, bytes: u64) -> f64 {
    bytes as f64 / GIB * per_gib(class)
}
