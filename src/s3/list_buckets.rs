//! The answer to ListBuckets, narrowed to the buckets that the client may know of.

use roxmltree::Document;

/// An answer that cannot be narrowed, and so must not be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list of buckets is not what the API reference describes")]
pub struct ListingError;

const TOKEN: &str = "ContinuationToken";

/// Cuts every `Bucket` out of the document whose name `keep` does not take, and the token that leads to more: where it
/// stands would tell of what was cut. Everything else stays byte for byte.
pub fn retain_buckets(xml: &str, keep: impl Fn(&str) -> bool) -> Result<String, ListingError> {
    let document = Document::parse(xml).map_err(|_| ListingError)?;
    let root = document.root_element();
    if root.tag_name().name() != "ListAllMyBucketsResult" {
        return Err(ListingError);
    }
    let mut kept = String::with_capacity(xml.len());
    let mut from = 0;
    // A name somewhere else than expected would be passed on unseen.
    for bucket in root.descendants().filter(|node| ["Bucket", TOKEN].contains(&node.tag_name().name())) {
        if bucket.tag_name().name() == TOKEN {
            kept.push_str(&xml[from..bucket.range().start]);
            from = bucket.range().end;
            continue;
        }
        let name = bucket.children().find(|node| node.tag_name().name() == "Name");
        let name = name.and_then(|node| node.text()).ok_or(ListingError)?;
        let range = bucket.range();
        if range.start < from {
            return Err(ListingError);
        }
        if !keep(name) {
            kept.push_str(&xml[from..range.start]);
            from = range.end;
        }
    }
    kept.push_str(&xml[from..]);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>o</ID></Owner><Buckets>\
        <Bucket><Name>a-one</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>\
        <Bucket><Name>b-two</Name></Bucket><Bucket><Name>a-three</Name></Bucket></Buckets>\
        <ContinuationToken>t</ContinuationToken></ListAllMyBucketsResult>";

    #[test]
    fn only_known_buckets_are_left() {
        let kept = retain_buckets(LISTING, |name| name.starts_with("a-")).unwrap();
        let whole = LISTING.replace("<ContinuationToken>t</ContinuationToken>", "");
        assert_eq!(kept, whole.replace("<Bucket><Name>b-two</Name></Bucket>", ""));
        assert_eq!(retain_buckets(LISTING, |_| true).unwrap(), whole);
        let none = retain_buckets(LISTING, |_| false).unwrap();
        assert!(none.contains("<Buckets></Buckets>") && !none.contains("Name"), "{none}");
    }

    #[test]
    fn what_is_not_understood_is_not_passed_on() {
        for bad in ["", "<a/>", "{}", "<ListAllMyBucketsResult><Bucket/></ListAllMyBucketsResult>"] {
            assert_eq!(retain_buckets(bad, |_| true), Err(ListingError), "{bad}");
        }
    }
}
