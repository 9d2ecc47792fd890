//! Session tickets: a client that was verified once need not be again while everything that spoke for it holds.
//!
//! rustls keeps the client's chain in a session and does not verify it again. So a ticket carries until when all of the
//! chain and the revocation lists are good, and its keys live as long as the same roots and lists are in force, and the
//! same certificate of the server: a client that resumes is not shown another. A ticket that is good no longer is none:
//! the handshake becomes a full one, and judges the client by what it shows now.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

tokio::task_local! {
    /// Until when this handshake's client is trusted, in seconds since 1970; 0 before that is known.
    static GOOD_UNTIL: Cell<u64>;
}

/// Runs a handshake in which tickets may be given and taken.
pub(super) async fn within_handshake<T>(handshake: impl Future<Output = T>) -> T {
    GOOD_UNTIL.scope(Cell::new(0), handshake).await
}

/// Notes until when the client of this handshake is trusted. Outside of one, nobody wants to know.
pub(super) fn note_good_until(until: SystemTime) {
    let _ = GOOD_UNTIL.try_with(|noted| noted.set(seconds(until)));
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// What both sides believe each other by, in short: roots, revocation lists, and the server's chain.
pub(super) type TrustDigest = [u8; 32];

/// Seals and opens tickets for one set of roots, revocation lists and server's certificates.
pub(super) struct Tickets {
    keys: Arc<dyn ProducesTickets>,
    trust: TrustDigest,
    /// When the first of the lists expires.
    lists_until: Option<SystemTime>,
}

impl Tickets {
    /// With fresh keys: no ticket from elsewhere or from before is any good.
    pub(super) fn new(trust: TrustDigest, lists_until: Option<SystemTime>) -> Result<Self, rustls::Error> {
        Ok(Self { keys: Ticketer::new()?, trust, lists_until })
    }

    /// Whether they are for the same ones.
    pub(super) fn are_for(&self, trust: &TrustDigest) -> bool {
        self.trust == *trust
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.keys.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.keys.lifetime()
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let noted = GOOD_UNTIL.try_with(Cell::get).ok().filter(|until| *until > 0)?;
        let until = self.lists_until.map_or(noted, |lists| noted.min(seconds(lists)));
        self.keys.encrypt(&[&until.to_be_bytes(), session].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let opened = self.keys.decrypt(ticket)?;
        let (until, session) = opened.split_first_chunk()?;
        let until = u64::from_be_bytes(*until);
        if until <= seconds(SystemTime::now()) {
            return None;
        }
        // Tickets that follow from this one last no longer.
        let _ = GOOD_UNTIL.try_with(|noted| noted.set(until));
        Some(session.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> SystemTime {
        SystemTime::now() + Duration::from_secs(seconds)
    }

    async fn sealed(tickets: &Tickets, until: SystemTime) -> Option<Vec<u8>> {
        within_handshake(async {
            note_good_until(until);
            tickets.encrypt(b"session")
        })
        .await
    }

    #[tokio::test]
    async fn a_ticket_lasts_as_long_as_what_speaks_for_its_client() {
        let tickets = Tickets::new([1; 32], Some(after(1000))).unwrap();
        let ticket = sealed(&tickets, after(100)).await.unwrap();
        assert_eq!(tickets.decrypt(&ticket).unwrap(), b"session");
        let expired = sealed(&tickets, SystemTime::now() - Duration::from_secs(1)).await.unwrap();
        assert_eq!(tickets.decrypt(&expired), None);
        // One that follows from another does not outlive it.
        let noted = within_handshake(async {
            tickets.decrypt(&ticket).unwrap();
            GOOD_UNTIL.with(Cell::get)
        })
        .await;
        assert!(noted <= seconds(after(100)));
        // Nor does one outlive the lists.
        let listed = Tickets::new([1; 32], Some(SystemTime::now() - Duration::from_secs(1))).unwrap();
        let ticket = sealed(&listed, after(100)).await.unwrap();
        assert_eq!(listed.decrypt(&ticket), None);
    }

    #[tokio::test]
    async fn without_a_verified_client_there_is_no_ticket() {
        let tickets = Tickets::new([1; 32], None).unwrap();
        assert_eq!(tickets.encrypt(b"session"), None);
        assert_eq!(within_handshake(async { tickets.encrypt(b"session") }).await, None);
        let other = Tickets::new([2; 32], None).unwrap();
        let ticket = sealed(&other, after(100)).await.unwrap();
        assert_eq!(tickets.decrypt(&ticket), None);
    }
}
