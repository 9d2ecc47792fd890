//! A request's accesses as the access log writes them, where operation, bucket and key do not tell them all.

use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::s3::{Access, Necessity, Operation, Scope};

/// The accesses of one line.
#[derive(Debug, Clone)]
pub struct Accesses(Vec<Access>);

/// Bytes of names in one line, against lines that wait in memory: a batch may name a megabyte of keys.
const MAX_NAMES: usize = 32 * 1024;

impl Accesses {
    /// Of a request that does more than its operation does to the bucket and key that the line names anyway.
    pub fn beyond_the_obvious(operation: Operation, accesses: &[Access]) -> Option<Self> {
        let obvious = operation != Operation::DeleteObjects
            && accesses.len() == 1
            && accesses.iter().all(|access| access.version.is_none());
        (!obvious).then(|| Self(accesses.to_vec()))
    }

    /// How many of them the line has room for, from the first on.
    fn room(&self) -> usize {
        let mut left = MAX_NAMES;
        let fits = |access: &&Access| {
            let length = names(access).map(str::len).sum::<usize>();
            let fits = length <= left;
            left = left.saturating_sub(length);
            fits
        };
        self.0.iter().take_while(fits).count()
    }

    /// How many the line had no room for; `None` if it has them all.
    pub fn omitted(&self) -> Option<usize> {
        Some(self.0.len() - self.room()).filter(|&omitted| omitted > 0)
    }
}

fn names(access: &Access) -> impl Iterator<Item = &str> {
    let key = match &access.scope {
        Scope::Object(_, key) => Some(key.as_str()),
        Scope::Prefix(_, prefix) => Some(prefix.as_str()),
        Scope::Service | Scope::Bucket(_) => None,
    };
    key.into_iter().chain(access.version.as_deref())
}

impl Serialize for Accesses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let room = self.room();
        let mut list = serializer.serialize_seq(Some(room))?;
        for access in &self.0[..room] {
            let (key, prefix) = match &access.scope {
                Scope::Object(_, key) => (Some(key.as_str()), None),
                Scope::Prefix(_, prefix) => (None, Some(prefix.as_str())),
                Scope::Service | Scope::Bucket(_) => (None, None),
            };
            list.serialize_element(&Line {
                action: access.action.as_str(),
                bucket: access.bucket().map(crate::s3::BucketName::as_str),
                key,
                prefix,
                version: access.version.as_deref(),
                possible: access.necessity == Necessity::Possible,
            })?;
        }
        list.end()
    }
}

#[derive(serde::Serialize)]
struct Line<'a> {
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    /// S3 asks for it only if the source of the copy has tags or annotations.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    possible: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::{Classified, Domains, classify};

    fn accesses(request: &str, header: Option<(&str, &str)>, body: &str) -> Option<Accesses> {
        let (method, uri) = request.split_once(' ').unwrap();
        let mut builder = http::Request::builder().method(method).uri(uri).header("host", "h");
        if let Some((name, value)) = header {
            builder = builder.header(name, value);
        }
        let asked =
            match classify(&mut builder.body(()).unwrap().into_parts().0, &Domains::default()).unwrap() {
                Classified::Whole(asked) => asked,
                Classified::Unread(unread) => unread.with_body(body.as_bytes()).unwrap(),
                Classified::Never(never) => panic!("{never:?}"),
            };
        Accesses::beyond_the_obvious(asked.operation(), asked.accesses())
    }

    #[test]
    fn only_what_is_not_obvious_is_written() {
        for request in ["GET /data/k", "PUT /data/k", "GET /data?prefix=a", "GET /", "GET /data?policy"] {
            assert!(accesses(request, None, "").is_none(), "{request}");
        }
        let json = |accesses: Option<Accesses>| serde_json::to_string(&accesses.unwrap()).unwrap();
        assert_eq!(
            json(accesses(
                "PUT /data/k?partNumber=1&uploadId=u",
                Some(("x-amz-copy-source", "src/a?versionId=1")),
                ""
            )),
            r#"[{"action":"s3:PutObject","bucket":"data","key":"k"},{"action":"s3:GetObjectVersion","bucket":"src","key":"a","version":"1"}]"#
        );
        assert_eq!(
            json(accesses("GET /data/k?versionId=2", None, "")),
            r#"[{"action":"s3:GetObjectVersion","bucket":"data","key":"k","version":"2"}]"#
        );
        let copy = json(accesses("PUT /data/k", Some(("x-amz-copy-source", "src/a")), ""));
        assert!(
            copy.contains(r#"{"action":"s3:GetObjectTagging","bucket":"src","key":"a","possible":true}"#),
            "{copy}"
        );
        let one = "<Delete><Object><Key>k</Key></Object></Delete>";
        assert_eq!(
            json(accesses("POST /data?delete", None, one)),
            r#"[{"action":"s3:DeleteObject","bucket":"data","key":"k"}]"#
        );
    }

    #[test]
    fn a_long_batch_is_cut_and_says_so() {
        let objects: Vec<_> = (0..1000).map(|i| format!("<Object><Key>{i:0>100}</Key></Object>")).collect();
        let batch =
            accesses("POST /data?delete", None, &format!("<Delete>{}</Delete>", objects.concat())).unwrap();
        let written: serde_json::Value = serde_json::to_value(&batch).unwrap();
        assert_eq!(written.as_array().unwrap().len() + batch.omitted().unwrap(), 1000);
        assert_eq!(written.as_array().unwrap().len(), MAX_NAMES / 100);
    }
}
