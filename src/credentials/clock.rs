//! The time as AWS has it. Signatures are refused when they are fifteen minutes off, and credentials expire by AWS's
//! clock, so the dates that STS and S3 put on their answers correct the local one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use http::HeaderValue;

use crate::telemetry::Metrics;

/// A clock that follows AWS's. Cheap to clone; clones are the same clock.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Milliseconds to add to the local time.
    offset: Arc<AtomicI64>,
    metrics: Metrics,
}

/// Far below the fifteen minutes of S3 and STS, far above what networks and whole seconds explain.
const TOLERATED: i64 = 60_000;

/// RFC 9110, section 5.6.7: the one form of `Date` that is sent always has so many characters.
const IMF_FIXDATE: usize = "Thu, 01 Jan 1970 00:00:00 GMT".len();

impl Clock {
    /// One that has not been corrected.
    pub fn new(metrics: Metrics) -> Self {
        Self { offset: Arc::default(), metrics }
    }

    /// The time to sign with.
    pub fn now(&self) -> SystemTime {
        shifted(SystemTime::now(), self.offset.load(Ordering::Relaxed))
    }

    /// Learns from the `Date` of an answer to a request that was sent at the local time `asked` and answered now.
    pub fn observe(&self, who: &'static str, asked: SystemTime, date: Option<&HeaderValue>) {
        let Some(date) = date.and_then(|date| parse(date.to_str().ok()?)) else { return };
        let before = self.offset.load(Ordering::Relaxed);
        let offset = corrected(before, asked, SystemTime::now(), date);
        if offset != before {
            self.offset.store(offset, Ordering::Relaxed);
            self.metrics.clock_skew.set(milliseconds(offset));
            tracing::warn!(
                who,
                seconds = offset / 1000,
                "the clock differs from AWS's; signatures follow AWS's"
            );
        }
    }
}

/// For the SDK's own signatures.
impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        Clock::now(self)
    }
}

/// The offset to go on with. The server wrote its date at some moment between question and answer, so it lies between
/// two bounds: a slow answer, or a process that was suspended, widens them and proves nothing.
fn corrected(offset: i64, asked: SystemTime, answered: SystemTime, date: SystemTime) -> i64 {
    let (low, high) = (difference(date, answered), difference(date, asked).saturating_add(1000));
    if (low - TOLERATED..=high.saturating_add(TOLERATED)).contains(&offset) || low > high {
        return offset;
    }
    let middle = low.midpoint(high);
    if middle.abs() < TOLERATED { 0 } else { middle }
}

fn parse(date: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(date).ok().filter(|_| date.len() == IMF_FIXDATE && date.ends_with(" GMT"))
}

fn difference(a: SystemTime, b: SystemTime) -> i64 {
    let whole = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4);
    a.duration_since(b).map_or_else(|negative| -whole(negative.duration()), whole)
}

fn shifted(time: SystemTime, offset: i64) -> SystemTime {
    let span = Duration::from_millis(offset.unsigned_abs());
    let shifted = if offset < 0 { time.checked_sub(span) } else { time.checked_add(span) };
    shifted.unwrap_or(time)
}

/// In seconds, for the metric.
#[allow(clippy::cast_precision_loss, reason = "nobody is off by 285,000 years")]
fn milliseconds(offset: i64) -> f64 {
    offset as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_quick_answer_with_another_date_corrects() {
        assert_eq!(corrected(0, at(1000), at(1000), at(1000)), 0);
        assert_eq!(corrected(0, at(1000), at(1001), at(1030)), 0, "half a minute is not worth it");
        assert_eq!(corrected(0, at(10_000), at(10_000), at(11_200)), 1_200_500);
        assert_eq!(corrected(0, at(10_000), at(10_000), at(8_800)), -1_199_500);
        assert_eq!(corrected(1_200_500, at(10_000), at(10_000), at(10_000)), 0, "and back");
        assert_eq!(corrected(1_200_500, at(10_000), at(10_001), at(11_190)), 1_200_500, "no jitter");
    }

    #[test]
    fn a_slow_answer_proves_nothing() {
        assert_eq!(corrected(0, at(1000), at(5000), at(1000)), 0, "the date is of the beginning");
        assert_eq!(corrected(0, at(1000), at(5000), at(5000)), 0, "or of the end");
        assert_eq!(corrected(0, at(1000), at(1400), at(9200)), 8_000_500, "unless it is beyond both");
        assert_eq!(corrected(0, at(5000), at(1000), at(9000)), 0, "a clock that was set meanwhile");
    }

    #[test]
    fn only_the_form_that_is_sent_is_read() {
        assert_eq!(parse("Thu, 01 Jan 1970 00:16:40 GMT"), Some(at(1000)));
        for bad in ["", "1000", "Thursday, 01-Jan-70 00:16:40 GMT", "Thu, 01 Jan 1970 00:16:40 +0000"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
