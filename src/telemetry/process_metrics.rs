//! What is shown of the process itself: which version it is, whether it takes traffic, and what it uses.

use prometheus::{IntGauge, Opts, PullingGauge, Registry};

/// Version, memory, open files and processor time. Memory and the rest are read from `/proc`, at each scrape.
pub(super) fn register_process(registry: &Registry, program: &str) -> Result<(), prometheus::Error> {
    let version = Opts::new(format!("{program}_build_info"), "Always 1; the version is in the label.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let version = IntGauge::with_opts(version)?;
    version.set(1);
    registry.register(Box::new(version))?;
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(())
}

/// 1 while `ready` says so.
pub(super) fn register_ready(
    registry: &Registry,
    program: &str,
    ready: impl Fn() -> bool + Send + Sync + 'static,
) -> Result<(), prometheus::Error> {
    let (name, help) = (format!("{program}_ready"), "1 while /readyz says ok, else 0.");
    let value = Box::new(move || f64::from(u8::from(ready())));
    registry.register(Box::new(PullingGauge::new(name, help, value)?))
}
