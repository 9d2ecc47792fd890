//! Several revocation lists, as authorities publish them: PEM or DER, one file or many, and what they leave open.

use std::path::Path;

use rcgen::SerialNumber;
use time::Duration;

use crate::harness::{Authority, FOREIGN, Leaf, Proxy, Setup, TRUSTED, Upstream, spiffe, uri};
use crate::revocation::{attempt, list_of, numbered};

const DAY: Duration = Duration::days(1);
const HOUR: Duration = Duration::hours(1);

fn numbered_by(authority: &Authority, serial: u64) -> Leaf {
    authority.issue(|params| {
        params.subject_alt_names = vec![uri(&spiffe("admin"))];
        params.serial_number = Some(SerialNumber::from(serial));
    })
}

/// A proxy that trusts both authorities, with these files as its lists.
async fn proxy(upstream: &Upstream, authorities: &[&Authority], lists: &[&[u8]]) -> Proxy {
    let mut setup = Setup::new(upstream.endpoint());
    let folder = setup.folder.path().display().to_string();
    let names: Vec<String> = (0..lists.len()).map(|i| format!("\"{folder}/list{i}\"")).collect();
    for (i, list) in lists.iter().enumerate() {
        std::fs::write(Path::new(&folder).join(format!("list{i}")), list).unwrap();
    }
    let value = if names.len() == 1 { names[0].clone() } else { format!("[{}]", names.join(", ")) };
    setup.more_tls = format!(", client_crl: {value}");
    let roots: String = authorities.iter().map(|authority| authority.pem.as_str()).collect();
    setup.client_ca = roots;
    setup.start().await
}

#[tokio::test]
async fn a_list_may_be_in_der_and_every_authority_has_its_own() {
    let upstream = Upstream::start().await;
    let theirs = list_of(&[8], HOUR, DAY);
    let (ours, theirs) = (TRUSTED.sign_list(&list_of(&[7], HOUR, DAY)), FOREIGN.sign_list_der(&theirs));
    let proxy = proxy(&upstream, &[&TRUSTED, &FOREIGN], &[ours.as_bytes(), &theirs]).await;
    for (authority, serial, answer) in
        [(&*TRUSTED, 7, None), (&TRUSTED, 8, Some(200)), (&FOREIGN, 7, Some(200)), (&FOREIGN, 8, None)]
    {
        assert_eq!(attempt(&proxy, &numbered_by(authority, serial)).await, answer, "{serial}");
    }
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"revoked\"}", 2.0).await;
}

#[tokio::test]
async fn a_file_may_hold_the_lists_of_all_and_an_expired_one_refuses_its_own_alone() {
    let upstream = Upstream::start().await;
    let theirs = FOREIGN.sign_list(&list_of(&[], Duration::hours(3), -HOUR));
    let both = TRUSTED.sign_list(&list_of(&[7], HOUR, DAY)) + &theirs;
    let proxy = proxy(&upstream, &[&TRUSTED, &FOREIGN], &[both.as_bytes()]).await;
    assert_eq!(attempt(&proxy, &numbered(7)).await, None);
    assert_eq!(attempt(&proxy, &numbered(9)).await, Some(200));
    assert_eq!(attempt(&proxy, &numbered_by(&FOREIGN, 9)).await, None);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"revocation_unknown\"}", 1.0).await;
}

#[tokio::test]
async fn an_authority_without_a_list_vouches_for_nobody() {
    let upstream = Upstream::start().await;
    let ours = TRUSTED.sign_list(&list_of(&[], HOUR, DAY));
    let proxy = proxy(&upstream, &[&TRUSTED, &FOREIGN], &[ours.as_bytes()]).await;
    assert_eq!(attempt(&proxy, &numbered(9)).await, Some(200));
    assert_eq!(attempt(&proxy, &numbered_by(&FOREIGN, 9)).await, None);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"revocation_unknown\"}", 1.0).await;
}

#[tokio::test]
async fn of_two_lists_the_later_counts_wherever_it_stands() {
    let upstream = Upstream::start().await;
    let old = TRUSTED.sign_list(&list_of(&[], Duration::hours(5), DAY));
    let new = TRUSTED.sign_list(&list_of(&[7], HOUR, DAY));
    // Of one second, which is as exact as a list is: the number says which.
    let numbered_list = |revoked: &[u64], number: u64| {
        let mut params = list_of(revoked, HOUR, DAY);
        params.crl_number = SerialNumber::from(number);
        params.this_update = params.this_update.replace_time(time::Time::MIDNIGHT) - HOUR;
        TRUSTED.sign_list(&params)
    };
    let (first, second) = (numbered_list(&[], 255), numbered_list(&[7], 256));
    for lists in [
        [old.as_bytes(), new.as_bytes()],
        [new.as_bytes(), old.as_bytes()],
        [first.as_bytes(), second.as_bytes()],
        [second.as_bytes(), first.as_bytes()],
    ] {
        let proxy = proxy(&upstream, &[&TRUSTED], &lists).await;
        assert_eq!(attempt(&proxy, &numbered(7)).await, None);
        assert_eq!(attempt(&proxy, &numbered(9)).await, Some(200));
    }
}

#[tokio::test]
async fn authorities_of_one_name_are_told_apart_by_their_keys() {
    // As after the renewal of a root with a new key.
    let upstream = Upstream::start().await;
    let renewed = Authority::new("it");
    let (ours, theirs) = (list_of(&[7], HOUR, DAY), list_of(&[8], Duration::hours(2), DAY));
    let both = TRUSTED.sign_list(&ours) + &renewed.sign_list(&theirs);
    let proxy = proxy(&upstream, &[&TRUSTED, &renewed], &[both.as_bytes()]).await;
    for (authority, serial, answer) in
        [(&*TRUSTED, 7, None), (&TRUSTED, 8, Some(200)), (&renewed, 7, Some(200)), (&renewed, 8, None)]
    {
        assert_eq!(attempt(&proxy, &numbered_by(authority, serial)).await, answer, "{serial}");
    }
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"revoked\"}", 2.0).await;
}
