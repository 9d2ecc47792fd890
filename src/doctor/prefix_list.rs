//! A list of networks, as EC2 has one of S3's addresses for each region.

use std::net::IpAddr;
use std::str::FromStr;

/// Networks in CIDR notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixList(Vec<(IpAddr, u8)>);

impl PrefixList {
    /// Whether an address is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(network, length)| bits(*network, *length) == bits(address, *length))
    }
}

/// The network's bits, and which family they are of.
fn bits(address: IpAddr, length: u8) -> (bool, u128) {
    let keep = |bits: u128, width: u8| bits.checked_shr(u32::from(width.saturating_sub(length))).unwrap_or(0);
    match address {
        IpAddr::V4(v4) => (true, keep(u128::from(u32::from(v4)), 32)),
        IpAddr::V6(v6) => (false, keep(u128::from(v6), 128)),
    }
}

impl FromStr for PrefixList {
    type Err = &'static str;

    /// From anything that has networks in it: lines, or the JSON of `aws ec2 get-managed-prefix-list-entries`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words = text.split(|c: char| !c.is_ascii_hexdigit() && !matches!(c, '.' | ':' | '/'));
        let network = |word: &str| {
            let (address, length) = word.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            Some((address, length.parse().ok().filter(|length| *length <= most)?))
        };
        let found: Vec<_> = words.filter_map(network).collect();
        if found.is_empty() {
            Err("there is no network such as 52.218.0.0/17 in it")
        } else {
            Ok(Self(found))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_found_in_json_and_lines() {
        let json =
            r#"{"Entries": [{"Cidr": "52.218.0.0/17"}, {"Cidr": "2a05:d018::/33", "Description": "s3"}]}"#;
        for text in [json, "52.218.0.0/17\n2a05:d018::/33\n"] {
            let list: PrefixList = text.parse().unwrap();
            let has = |address: &str| list.contains(address.parse().unwrap());
            assert!(has("52.218.127.255") && has("2a05:d018:7fff::1"));
            assert!(!has("52.218.128.0") && !has("2a05:d018:8000::1") && !has("10.0.0.1"));
        }
        assert!("none".parse::<PrefixList>().is_err() && "1.2.3.4/33".parse::<PrefixList>().is_err());
    }
}
