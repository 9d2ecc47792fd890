//! The operations that the proxy knows, as a closed table from method, address and query to accesses.
//!
//! Source: botocore's service model of S3 (2006-03-01) for names, methods and parameters; the Service Authorization
//! Reference and the API reference for the actions that each needs.

use std::fmt;

use super::action::Action;

/// Which kind of address an operation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Service,
    Bucket,
    Object,
}

/// How an operation's accesses follow from its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// One action on the account.
    Service(Action),
    /// One action on the bucket as a whole.
    Bucket(Action),
    /// One action on the keys below the `prefix` parameter.
    List(Action),
    /// Actions on the object, whatever its version.
    Object(&'static [Action]),
    /// Actions on the current object, and those on a named version of it.
    Versioned(&'static [Action], &'static [Action]),
    /// `s3:PutObject` on the object, and a read of `x-amz-copy-source`.
    CopyFrom,
    /// A delete of each key in the body.
    Batch,
}

/// One row: an operation and the requests that are it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) operation: Operation,
    pub(super) method: &'static str,
    pub(super) on: On,
    /// Query parameters that select the operation, each `name` or `name=value`; all must be there.
    pub(super) selector: &'static [&'static str],
    /// Further query parameters that it takes.
    pub(super) takes: &'static [&'static str],
    /// Whether `x-amz-copy-source` must be there; in every other row it must not.
    pub(super) copies: bool,
    pub(super) needs: Needs,
}

macro_rules! operations {
    ($($name:ident: $method:literal $on:ident [$($selector:literal),*] ($($takes:expr),*) $needs:expr;)+) => {
        /// An S3 operation, named as the API reference names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are S3's own")]
        pub enum Operation { $($name),+ }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Operation] = &[$(Operation::$name),+];

            /// The operation's name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Operation::$name => stringify!($name)),+ }
            }
        }

        pub(super) static TABLE: &[Row] = &[$(Row {
            operation: Operation::$name,
            method: $method,
            on: On::$on,
            selector: &[$($selector),*],
            takes: &[$($takes),*],
            copies: matches!($needs, Needs::CopyFrom),
            needs: $needs,
        }),+];
    };
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

use Action as A;
use Needs::{Batch, Bucket, CopyFrom, List, Object, Service, Versioned};

const GET: Needs = Versioned(&[A::GetObject], &[A::GetObjectVersion]);
const PUT: Needs = Object(&[A::PutObject]);

operations! {
    ListBuckets: "GET" Service [] ("max-buckets", "continuation-token", "prefix", "bucket-region") Service(A::ListAllMyBuckets);

    HeadBucket: "HEAD" Bucket [] () Bucket(A::ListBucket);
    GetBucketLocation: "GET" Bucket ["location"] () Bucket(A::GetBucketLocation);
    GetBucketTagging: "GET" Bucket ["tagging"] () Bucket(A::GetBucketTagging);
    PutBucketTagging: "PUT" Bucket ["tagging"] () Bucket(A::PutBucketTagging);
    DeleteBucketTagging: "DELETE" Bucket ["tagging"] () Bucket(A::PutBucketTagging);

    ListObjects: "GET" Bucket [] ("prefix", "delimiter", "encoding-type", "marker", "max-keys") List(A::ListBucket);
    ListObjectsV2: "GET" Bucket ["list-type=2"] (
        "prefix", "delimiter", "encoding-type", "max-keys", "continuation-token", "fetch-owner", "start-after"
    ) List(A::ListBucket);
    ListObjectVersions: "GET" Bucket ["versions"] (
        "prefix", "delimiter", "encoding-type", "key-marker", "max-keys", "version-id-marker"
    ) List(A::ListBucketVersions);
    ListMultipartUploads: "GET" Bucket ["uploads"] (
        "prefix", "delimiter", "encoding-type", "key-marker", "max-uploads", "upload-id-marker"
    ) List(A::ListBucketMultipartUploads);
    DeleteObjects: "POST" Bucket ["delete"] () Batch;

    GetObject: "GET" Object [] (
        "versionId", "partNumber", "response-cache-control", "response-content-disposition",
        "response-content-encoding", "response-content-language", "response-content-type", "response-expires"
    ) GET;
    HeadObject: "HEAD" Object [] (
        "versionId", "partNumber", "response-cache-control", "response-content-disposition",
        "response-content-encoding", "response-content-language", "response-content-type", "response-expires"
    ) GET;
    PutObject: "PUT" Object [] () PUT;
    CopyObject: "PUT" Object [] () CopyFrom;
    DeleteObject: "DELETE" Object [] ("versionId") Versioned(&[A::DeleteObject], &[A::DeleteObjectVersion]);
    GetObjectAttributes: "GET" Object ["attributes"] ("versionId") Versioned(
        &[A::GetObject, A::GetObjectAttributes],
        &[A::GetObjectVersion, A::GetObjectVersionAttributes]
    );
    SelectObjectContent: "POST" Object ["select", "select-type=2"] () Object(&[A::GetObject]);
    GetObjectTorrent: "GET" Object ["torrent"] () Object(&[A::GetObjectTorrent]);

    GetObjectTagging: "GET" Object ["tagging"] ("versionId") Versioned(&[A::GetObjectTagging], &[A::GetObjectVersionTagging]);
    PutObjectTagging: "PUT" Object ["tagging"] ("versionId") Versioned(&[A::PutObjectTagging], &[A::PutObjectVersionTagging]);
    DeleteObjectTagging: "DELETE" Object ["tagging"] ("versionId") Versioned(&[A::DeleteObjectTagging], &[A::DeleteObjectVersionTagging]);
    GetObjectRetention: "GET" Object ["retention"] ("versionId") Object(&[A::GetObjectRetention]);
    PutObjectRetention: "PUT" Object ["retention"] ("versionId") Object(&[A::PutObjectRetention]);
    GetObjectLegalHold: "GET" Object ["legal-hold"] ("versionId") Object(&[A::GetObjectLegalHold]);
    PutObjectLegalHold: "PUT" Object ["legal-hold"] ("versionId") Object(&[A::PutObjectLegalHold]);

    CreateMultipartUpload: "POST" Object ["uploads"] () PUT;
    UploadPart: "PUT" Object ["partNumber", "uploadId"] () PUT;
    UploadPartCopy: "PUT" Object ["partNumber", "uploadId"] () CopyFrom;
    CompleteMultipartUpload: "POST" Object ["uploadId"] () PUT;
    AbortMultipartUpload: "DELETE" Object ["uploadId"] () Object(&[A::AbortMultipartUpload]);
    ListParts: "GET" Object ["uploadId"] ("max-parts", "part-number-marker", "encoding-type") Object(&[A::ListMultipartUploadParts]);
}
