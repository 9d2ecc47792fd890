//! The `proxy` binary.

fn main() -> std::process::ExitCode {
    s3_access_proxy::cli::main()
}
