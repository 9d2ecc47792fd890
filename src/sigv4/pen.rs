//! What signs at a given second. Requests of a second share it, and those of a day its key.
//!
//! The cache belongs to the credentials: those with another secret have another one, so no key can outlive its secret.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use time::OffsetDateTime;

use super::key::{Scope, SigningKey};

/// A key with the time and scope that it signs for.
pub(super) struct Pen {
    key: SigningKey,
    /// Of the time, since 1970.
    second: i64,
    region: String,
    service: String,
    /// `YYYYMMDDThhmmssZ`.
    pub(super) time: String,
    pub(super) scope: String,
}

impl Pen {
    /// The signature of what an algorithm puts behind time and scope, line by line.
    pub(super) fn sign(&self, algorithm: &str, lines: &[&str]) -> String {
        // A chunk's has the most lines: three hashes.
        let mut text = String::with_capacity(320);
        text.extend([algorithm, "\n", &self.time, "\n", &self.scope]);
        for line in lines {
            text.extend(["\n", line]);
        }
        self.key.sign(&text)
    }
}

/// The latest pen of one secret. There is one region and one service, so its key changes at midnight.
#[derive(Default)]
pub(super) struct Pens(ArcSwapOption<Pen>);

impl Pens {
    /// What signs at `time`; `secret` must always be the same.
    pub(super) fn pen(&self, secret: &str, region: &str, service: &str, time: SystemTime) -> Arc<Pen> {
        let time = OffsetDateTime::from(time);
        let second = time.unix_timestamp();
        let held = self.0.load();
        let alike = held.as_ref().filter(|pen| pen.region == region && pen.service == service);
        if let Some(pen) = alike.filter(|pen| pen.second == second) {
            return pen.clone();
        }
        let time = stamp(time);
        let scope = Scope { date: &time[..8], region, service };
        let written = scope.to_string();
        let key = match alike.filter(|pen| pen.scope == written) {
            Some(pen) => pen.key.clone(),
            None => SigningKey::derive(secret, scope),
        };
        let (region, service) = (region.to_owned(), service.to_owned());
        let pen = Arc::new(Pen { key, second, region, service, time, scope: written });
        self.0.store(Some(pen.clone()));
        pen
    }
}

/// ISO 8601 in the basic form, UTC.
fn stamp(time: OffsetDateTime) -> String {
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}{:02}{day:02}T{hour:02}{minute:02}{second:02}Z", u8::from(month))
}
