//! Where a request goes: host, path and query as S3 should see them, in the one encoding that is also signed.

use bytes::Bytes;
use http::uri::{self, Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use crate::config::{Addressing, Upstream};
use crate::s3::encoding::encode_path;
use crate::s3::{BucketName, Query, Target};

/// Most paths are shorter: they are written without growing their buffer.
const USUAL_PATH: usize = 256;

/// The configured endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    scheme: Scheme,
    /// Host, and port where it is not the scheme's own: S3 signs `host` without a default port.
    authority: String,
    /// The same, parsed once: as part of a URI and as a header.
    parsed: Option<(Authority, HeaderValue)>,
    addressing: Addressing,
}

impl Endpoint {
    /// Of the configuration.
    pub fn new(upstream: &Upstream) -> Self {
        let scheme = upstream.endpoint.scheme().cloned().unwrap_or(Scheme::HTTPS);
        let host = upstream.endpoint.host().unwrap_or_default();
        let default = if scheme == Scheme::HTTP { 80 } else { 443 };
        let authority = match upstream.endpoint.port_u16() {
            Some(port) if port != default => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        let authority = authority.to_ascii_lowercase();
        let parsed = parse(&authority).ok();
        Self { scheme, authority, parsed, addressing: upstream.addressing }
    }

    /// The URI for a target, and the `Host` that belongs to it.
    pub fn locate(&self, target: &Target, query: &Query) -> Result<(Uri, HeaderValue), http::Error> {
        let in_host = target.bucket().filter(|bucket| self.puts_in_host(bucket));
        let (authority, host) = match (in_host, &self.parsed) {
            (Some(bucket), _) => parse(&format!("{bucket}.{}", self.authority))?,
            (None, Some(parsed)) => parsed.clone(),
            (None, None) => parse(&self.authority)?,
        };
        let mut path = String::with_capacity(USUAL_PATH);
        path.push('/');
        if let Some(bucket) = target.bucket().filter(|_| in_host.is_none()) {
            path.push_str(bucket.as_str());
            if target.key().is_some() {
                path.push('/');
            }
        }
        if let Some(key) = target.key() {
            encode_path(&mut path, key.as_str());
        }
        query.encode(&mut path);
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(authority);
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(path))?);
        Ok((Uri::from_parts(parts)?, host))
    }

    fn puts_in_host(&self, bucket: &BucketName) -> bool {
        match self.addressing {
            Addressing::Virtual => true,
            Addressing::Path => false,
            Addressing::VirtualUnlessDotted => !bucket.is_dotted(),
        }
    }
}

fn parse(authority: &str) -> Result<(Authority, HeaderValue), http::Error> {
    Ok((authority.parse()?, HeaderValue::from_str(authority)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(endpoint: &str, addressing: Addressing, bucket: &str, key: Option<&str>) -> (String, String) {
        let endpoint = Endpoint::new(&Upstream {
            region: "r".into(),
            endpoint: endpoint.parse().unwrap(),
            addressing,
            ca: None,
        });
        let bucket: BucketName = bucket.parse().unwrap();
        let target = match key {
            None => Target::Bucket(bucket),
            Some(key) => Target::Object(bucket, key.parse().unwrap()),
        };
        let (uri, host) = endpoint.locate(&target, &Query::parse("versionId=a/b").unwrap()).unwrap();
        (uri.to_string(), host.to_str().unwrap().to_owned())
    }

    #[test]
    fn keys_reach_the_wire_in_one_encoding() {
        use Addressing::{Path, Virtual, VirtualUnlessDotted};
        let at = |uri: &str, host: &str| (uri.to_owned(), host.to_owned());
        assert_eq!(
            locate("https://S3.x:443", Path, "data", Some("a b+c%2F//../é")),
            at("https://s3.x/data/a%20b%2Bc%252F//../%C3%A9?versionId=a%2Fb", "s3.x")
        );
        assert_eq!(
            locate("https://s3.x:8443", Virtual, "data", Some("/k")),
            at("https://data.s3.x:8443//k?versionId=a%2Fb", "data.s3.x:8443")
        );
        assert_eq!(
            locate("https://s3.x", VirtualUnlessDotted, "a.b", None),
            at("https://s3.x/a.b?versionId=a%2Fb", "s3.x")
        );
        assert_eq!(locate("https://s3.x", VirtualUnlessDotted, "abc", None).1, "abc.s3.x");
        assert_eq!(locate("http://[::1]:80", Path, "data", None).1, "[::1]");
    }
}
