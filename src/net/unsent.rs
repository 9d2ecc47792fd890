//! A bound on what the kernel keeps for a peer that reads slowly.
//!
//! Without it the send buffer grows to megabytes, and a writer is not woken before a third of it is free: a transfer that
//! moves looks like one that stands still.

use std::io;

use tokio::net::TcpStream;

/// Bytes that wait to be sent beyond those that are under way. A peer takes them within the idle timeout if it reads a few
/// kilobytes a second; more of them would save nothing, because the writer is woken in time.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Bounds the bytes that the kernel takes and does not send yet.
#[cfg(target_os = "linux")]
pub fn bound_unsent(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)
}

/// Elsewhere there is no such bound; the proxy is deployed on Linux.
#[cfg(not(target_os = "linux"))]
pub fn bound_unsent(_: &TcpStream) -> io::Result<()> {
    Ok(())
}
