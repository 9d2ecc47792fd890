//! The bodies that say more than their request's head, and so are read before anything is decided.

use super::error::{ErrorCode, Refusal};
use super::retention::Retention;
use super::xml::{self, Kind, malformed};

/// What such a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// DeleteObjects: the keys.
    Delete,
    /// RestoreObject: whether it also writes a query's result elsewhere.
    RestoreRequest,
    /// PutObjectRetention: mode and date.
    Retention,
    /// CreateBucket: tags, which need an action of their own.
    CreateBucketConfiguration,
}

impl Document {
    /// Bytes that are read at most. DeleteObjects: 1,000 keys of 1,024 bytes, each byte written as a six-character
    /// entity, and as much again for the elements around them. The others: fifty tags of 384 characters at most.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Delete => 8 * 1024 * 1024,
            Self::RestoreRequest | Self::Retention | Self::CreateBucketConfiguration => 256 * 1024,
        }
    }
}

const RESTORE: &xml::Schema = &[
    ("RestoreRequest", Kind::Group),
    ("RestoreRequest/Days", Kind::Text),
    ("RestoreRequest/GlacierJobParameters", Kind::Group),
    ("RestoreRequest/GlacierJobParameters/Tier", Kind::Text),
    ("RestoreRequest/Tier", Kind::Text),
    ("RestoreRequest/Description", Kind::Text),
    ("RestoreRequest/Type", Kind::Text),
];

/// A plain restore. One that selects (`Type`, `SelectParameters`, `OutputLocation`) writes to a bucket that only the
/// body names, and S3 offers it to no new customers.
pub(super) fn restore(body: &[u8]) -> Result<(), Refusal> {
    let request = xml::read(body, RESTORE)?;
    if request.text("Type").is_some() {
        let message = "A restore that selects and writes elsewhere does not pass through the proxy.";
        return Err(Refusal::new(ErrorCode::NotImplemented, message));
    }
    Ok(())
}

const RETENTION: &xml::Schema = &[
    ("Retention", Kind::Group),
    ("Retention/Mode", Kind::Text),
    ("Retention/RetainUntilDate", Kind::Text),
    ("Retention/EventHold", Kind::Text),
    ("Retention/EventHoldDuration", Kind::Group),
    ("Retention/EventHoldDuration/Days", Kind::Text),
    ("Retention/EventHoldDuration/Years", Kind::Text),
];

/// The retention that a body states; `None` takes one away.
pub(super) fn retention(body: &[u8]) -> Result<Option<Retention>, Refusal> {
    let retention = xml::read(body, RETENTION)?;
    match (retention.text("Mode"), retention.text("RetainUntilDate")) {
        (None, None) => Ok(None),
        (Some(mode), Some(until)) => Retention::parse(mode, until).map(Some),
        _ => Err(malformed("Mode and RetainUntilDate come together")),
    }
}

const CREATE_BUCKET: &xml::Schema = &[
    ("CreateBucketConfiguration", Kind::Group),
    ("CreateBucketConfiguration/LocationConstraint", Kind::Text),
    ("CreateBucketConfiguration/Tags", Kind::Group),
    ("CreateBucketConfiguration/Tags/Tag", Kind::Groups),
    ("CreateBucketConfiguration/Tags/Tag/Key", Kind::Text),
    ("CreateBucketConfiguration/Tags/Tag/Value", Kind::Text),
];

/// Whether a new bucket is to have tags. `Location` and `Bucket`, which make a directory bucket, are not known.
pub(super) fn bucket_has_tags(body: &[u8]) -> Result<bool, Refusal> {
    if body.is_empty() {
        return Ok(false);
    }
    Ok(xml::read(body, CREATE_BUCKET)?.all("Tags").next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_that_writes_elsewhere_is_refused() {
        let plain = "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>2</Days>\
            <GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>";
        assert_eq!(restore(plain.as_bytes()), Ok(()));
        for (bad, code) in [
            ("<RestoreRequest><Type>SELECT</Type></RestoreRequest>", ErrorCode::NotImplemented),
            ("<RestoreRequest><OutputLocation/></RestoreRequest>", ErrorCode::MalformedXML),
            ("<RestoreRequest><Days>1</Days><Days>2</Days></RestoreRequest>", ErrorCode::MalformedXML),
            ("", ErrorCode::MalformedXML),
        ] {
            assert_eq!(restore(bad.as_bytes()).unwrap_err().code, code, "{bad}");
        }
    }

    #[test]
    fn a_retention_is_whole_or_none() {
        let stated = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2027-01-01T00:00:00Z</RetainUntilDate></Retention>";
        assert!(retention(stated.as_bytes()).unwrap().is_some());
        assert_eq!(retention(b"<Retention/>").unwrap(), None);
        for bad in ["<Retention><Mode>GOVERNANCE</Mode></Retention>", "<Retention><Other/></Retention>", ""] {
            assert_eq!(retention(bad.as_bytes()).unwrap_err().code, ErrorCode::MalformedXML, "{bad}");
        }
    }

    #[test]
    fn a_new_bucket_tells_of_its_tags() {
        let plain = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
        assert_eq!(bucket_has_tags(b""), Ok(false));
        assert_eq!(bucket_has_tags(plain.as_bytes()), Ok(false));
        let tagged = "<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags></CreateBucketConfiguration>";
        assert_eq!(bucket_has_tags(tagged.as_bytes()), Ok(true));
        let directory =
            "<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>";
        assert!(bucket_has_tags(directory.as_bytes()).is_err());
    }
}
