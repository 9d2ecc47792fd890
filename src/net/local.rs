//! Listening for this machine only: loopback, or a UNIX socket for one user. Nothing here can be reached from a network,
//! and there is no way to ask for that.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

use super::accept::Listen;
use super::local_stream::LocalStream;

/// Where to listen. Can only be made of an address of loopback or a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalAddress {
    /// An address of the loopback interface.
    Tcp(SocketAddr),
    /// A UNIX socket.
    Unix(PathBuf),
}

impl FromStr for LocalAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.file_name().is_some() {
                Ok(Self::Unix(path))
            } else {
                Err("there is no file name")
            };
        }
        let address: SocketAddr = text.parse().map_err(
            |_| "not an address of the loopback interface, such as 127.0.0.1:9000 or [::1]:9000, nor unix:PATH",
        )?;
        if address.ip().is_loopback() {
            Ok(Self::Tcp(address))
        } else {
            Err(
                "only addresses of the loopback interface are allowed: whoever reaches this port acts with our identity",
            )
        }
    }
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Waiting connections in the kernel's queue: a tool that opens one for each of its threads.
const BACKLOG: u32 = 1024;
/// Read and write for the owner, and nobody else.
const OWNER_ONLY: u32 = 0o600;

/// A listener that this machine alone can reach.
#[derive(Debug)]
pub enum LocalListener {
    /// On loopback.
    Tcp(TcpListener),
    /// On a UNIX socket, for this process's own user.
    Unix {
        /// The socket.
        listener: UnixListener,
        /// Its name in the file system.
        file: SocketFile,
        /// Who may connect.
        owner: u32,
    },
}

impl LocalListener {
    /// Binds; has to be called within a runtime. A socket that its process has left behind is replaced.
    pub fn bind(address: &LocalAddress) -> io::Result<Self> {
        match address {
            LocalAddress::Tcp(address) => {
                let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                socket.set_reuseaddr(true)?;
                socket.bind(*address)?;
                Ok(Self::Tcp(socket.listen(BACKLOG)?))
            }
            LocalAddress::Unix(path) => {
                remove_if_abandoned(path)?;
                let listener = UnixListener::bind(path)?;
                let file = SocketFile::of(path)?;
                // Whoever connects before this takes effect is still asked who they are.
                fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY))?;
                Ok(Self::Unix { listener, file, owner: own_user()? })
            }
        }
    }

    /// Where it listens; the port that was chosen when 0 was asked for.
    pub fn address(&self) -> io::Result<LocalAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(LocalAddress::Tcp),
            Self::Unix { file, .. } => Ok(LocalAddress::Unix(file.path.clone())),
        }
    }
}

impl Listen for LocalListener {
    type Stream = LocalStream;

    async fn accept(&self) -> io::Result<LocalStream> {
        match self {
            Self::Tcp(listener) => Listen::accept(listener).await.map(LocalStream::Tcp),
            Self::Unix { listener, owner, .. } => loop {
                let (stream, _) = listener.accept().await?;
                match stream.peer_cred().map(|peer| peer.uid()) {
                    Ok(user) if user == *owner => return Ok(LocalStream::Unix(stream)),
                    Ok(user) => tracing::warn!(user, "a connection of another user was closed"),
                    Err(error) => tracing::warn!(%error, "a connection whose user is not known was closed"),
                }
            },
        }
    }
}

/// A process that was killed leaves its socket behind, and nobody answers there. Anything else at this place is kept.
fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else than a socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

/// The user of this process, as the other end of a connection would see it.
fn own_user() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

/// The name of a socket, removed with it unless somebody has put something else there.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: made.dev(), inode: made.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.dev() == self.device && found.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "the socket's file cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_can_be_asked_for() {
        for good in ["127.0.0.1:9000", "127.255.0.1:0", "[::1]:9000", "unix:/run/s3.sock", "unix:s3.sock"] {
            let address: LocalAddress = good.parse().unwrap_or_else(|why| panic!("{good}: {why}"));
            assert_eq!(address.to_string(), good);
        }
        for bad in [
            "0.0.0.0:9000",
            "[::]:9000",
            "10.0.0.1:9000",
            "[::ffff:127.0.0.1]:9000",
            "example.com:9000",
            "9000",
            ":9000",
            "127.0.0.1",
            "unix:",
            "unix:/",
            "",
        ] {
            assert!(bad.parse::<LocalAddress>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn an_abandoned_socket_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let address = LocalAddress::Unix(folder.path().join("s"));
        let bind = || LocalListener::bind(&address);
        let kind = |result: io::Result<LocalListener>| result.unwrap_err().kind();

        drop(std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap());
        let listener = bind().unwrap();
        let mode = fs::metadata(folder.path().join("s")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, OWNER_ONLY);
        assert_eq!(kind(bind()), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(!folder.path().join("s").exists());

        fs::write(folder.path().join("s"), "a file of somebody's").unwrap();
        assert_eq!(kind(bind()), io::ErrorKind::AlreadyExists);
        assert!(folder.path().join("s").exists());
    }

    #[tokio::test]
    async fn what_has_taken_its_place_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = LocalListener::bind(&LocalAddress::Unix(path.clone())).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(listener);
        assert!(path.exists());
    }
}
