//! The `proxy` binary.

/// A small request allocates some sixty times, and a thread often frees what another one allocated. glibc's allocator takes
/// an eighth of a request's time for it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    s3_access_proxy::cli::main()
}
