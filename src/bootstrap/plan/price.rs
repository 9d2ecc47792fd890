//! What a deployment costs a month beside storage and requests, from stated assumptions. An estimate: whoever pays should
//! know the order of magnitude and where it comes from, before it is turned on.

use serde::Serialize;

use crate::spec::price::{ALARM, DATA_EVENT, INVENTORY, KEY, LOGS, METRIC, NAT, STORAGE, TRANSFER};
use crate::spec::{Desired, InventoryFrequency, Versioning};

/// What is assumed of each bucket.
pub(super) const ASSUMED: &str = "each bucket holds 1,000,000 objects and 1,000 GB, of which a tenth is overwritten a \
                                  month, and answers 10,000,000 requests; 100,000 objects below each alerted prefix are \
                                  deleted, and the account makes 1,000,000 management events (1 GB)";

const GIGABYTES: f64 = 1000.0;
const MILLION_OBJECTS: f64 = 1.0;
const OVERWRITTEN: f64 = 0.1;
const MILLION_REQUESTS: f64 = 10.0;
const EVENT_GIGABYTES: f64 = 1.0;
const DELETIONS: f64 = 100_000.0;

/// Metrics that a filter of request metrics makes, a month.
const METRICS: f64 = 16.0 * METRIC;
/// Bytes of an access log's line, as gigabytes a million requests.
const LOG_LINES: f64 = 0.6;

/// One line of the estimate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// What costs.
    pub what: String,
    /// US dollars a month; negative is saved.
    pub monthly_usd: f64,
    /// How it comes about.
    pub why: String,
}

/// What a deployment costs a month.
pub(super) fn estimate(desired: &Desired) -> Vec<Cost> {
    let mut costs = Vec::new();
    let mut add = |what: String, monthly_usd: f64, why: &str| {
        costs.push(Cost { what, monthly_usd, why: why.to_owned() });
    };
    if let Some(key) = &desired.key {
        add(format!("key {}", key.alias), KEY, "a KMS key; bucket keys keep its requests few");
    }
    for bucket in &desired.buckets {
        let of = |what: &str| format!("bucket {}: {what}", bucket.name);
        if let Versioning::On(reason) = &bucket.versioning {
            let why = format!("overwritten versions are kept: {reason}");
            add(of("versions"), GIGABYTES * OVERWRITTEN * STORAGE, &why);
        }
        if let Some(inventory) = &bucket.inventory {
            let (times, why) = match inventory.frequency {
                InventoryFrequency::Daily => (30.0, "a list of every object, daily"),
                InventoryFrequency::Weekly => (52.0 / 12.0, "a list of every object, weekly"),
            };
            add(of("inventory"), INVENTORY * MILLION_OBJECTS * times, why);
        }
        for filter in &bucket.metrics {
            add(of(&format!("metrics {}", filter.id)), METRICS, "16 request metrics");
        }
        if bucket.logs.is_some() {
            add(
                of("access logs"),
                LOG_LINES * MILLION_REQUESTS * STORAGE,
                "a line a request, for the first month",
            );
        }
        if let Some(replication) = &bucket.replication {
            let copied = GIGABYTES * OVERWRITTEN * TRANSFER + GIGABYTES * STORAGE;
            let why =
                format!("a second copy in {}, and the way there: {}", replication.region, replication.reason);
            add(of("replication"), copied, &why);
        }
    }
    for alarm in &desired.alarms {
        add(format!("alarm {}", alarm.name), ALARM, "an alarm on one metric");
    }
    if let Some(trail) = &desired.trail {
        let prefixes = data_events(&trail.selectors);
        add(format!("trail {}: log group", trail.name), EVENT_GIGABYTES * LOGS, "management events taken in");
        if prefixes > 0.0 {
            let why = "deletions of objects as data events";
            add(format!("trail {}: data events", trail.name), prefixes * DELETIONS * DATA_EVENT, why);
        }
    }
    add("gateway endpoint".to_owned(), 0.0, &saved());
    costs
}

fn saved() -> String {
    format!("free; through a NAT gateway each bucket's 1,000 GB, read once, would be {:.2}", GIGABYTES * NAT)
}

/// Prefixes whose deletions are recorded.
#[allow(clippy::cast_precision_loss, reason = "a trail has at most 500 selectors")]
fn data_events(selectors: &serde_json::Value) -> f64 {
    let fields = selectors.as_array().into_iter().flatten();
    let fields = fields.flat_map(|selector| selector["FieldSelectors"].as_array().into_iter().flatten());
    let prefixes = fields.filter(|field| field["Field"] == "resources.ARN");
    prefixes.map(|field| field["StartsWith"].as_array().map_or(0, Vec::len)).sum::<usize>() as f64
}
