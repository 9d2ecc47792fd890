//! Makes metrics that are in a registry from the start, so that none is forgotten there.

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::metrics::SECONDS;

/// Where to register. Every function fails only if the name is taken.
pub(super) struct Registration<'a>(pub(super) &'a Registry);

impl Registration<'_> {
    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        keep(self.0, IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        keep(self.0, IntCounter::new(name, help)?)
    }

    pub(super) fn count(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        keep(self.0, IntGauge::new(name, help)?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        keep(self.0, Gauge::new(name, help)?)
    }

    /// Seconds by operation.
    pub(super) fn seconds(&self, name: &str, help: &str) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        keep(self.0, HistogramVec::new(options, &["operation"])?)
    }
}

/// Registers a metric and gives it back.
pub(super) fn keep<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> Result<M, Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
