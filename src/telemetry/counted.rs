//! A gauge of what is there now, which also comes down when its holder is dropped in the middle of something.

use prometheus::IntGauge;

/// One of those that a gauge counts, for as long as it lives.
#[derive(Debug)]
pub struct Counted(IntGauge);

impl Counted {
    /// One more.
    pub fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
