//! Every operation of S3, as a closed table from method, address and query to accesses.
//!
//! Source: botocore's service model of S3 (2006-03-01, version 1.44) for names, methods and parameters; the Service
//! Authorization Reference and the permissions that the API reference states for each operation. Where the model has a
//! deprecated twin of the same request (GetBucketLifecycle, PutBucketLifecycle, GetBucketNotification,
//! PutBucketNotification), the request bears the name of the one that replaced it.
//!
//! A row is `Name: "METHOD" address [selectors] (further parameters) needs;`.

use super::action::Action as A;
use super::operation::Needs::{self, Batch, Bucket, CopyFrom, List, Never, Object, Service, Versioned};
use super::operation::{On, Row};

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

const GET: Needs = Versioned(&[A::GetObject], &[A::GetObjectVersion]);
const PUT: Needs = Object(&[A::PutObject]);
const EXPRESS: &str =
    "S3 Express One Zone has sessions and endpoints of its own and does not pass through the proxy.";

operations! {
    ListDirectoryBuckets: "GET" Service ["max-directory-buckets=*"] ("continuation-token") Never(EXPRESS);
    ListBuckets: "GET" Service [] ("max-buckets", "continuation-token", "prefix", "bucket-region") Service(A::ListAllMyBuckets);

    CreateBucket: "PUT" Bucket [] () Bucket(A::CreateBucket);
    HeadBucket: "HEAD" Bucket [] () Bucket(A::ListBucket);
    DeleteBucket: "DELETE" Bucket [] () Bucket(A::DeleteBucket);
    CreateSession: "GET" Bucket ["session"] () Never(EXPRESS);
    PostObject: "POST" Bucket [] () Never("A browser's form names its key and its permission in the body; upload with PUT instead.");
    WriteGetObjectResponse: "POST" Service ["WriteGetObjectResponse"] () Never("Object Lambda answers its own endpoint, not a bucket.");

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

    GetBucketAbac: "GET" Bucket ["abac"] () Bucket(A::GetBucketAbac);
    PutBucketAbac: "PUT" Bucket ["abac"] () Bucket(A::PutBucketAbac);
    GetBucketAccelerateConfiguration: "GET" Bucket ["accelerate"] () Bucket(A::GetAccelerateConfiguration);
    PutBucketAccelerateConfiguration: "PUT" Bucket ["accelerate"] () Bucket(A::PutAccelerateConfiguration);
    GetBucketAcl: "GET" Bucket ["acl"] () Bucket(A::GetBucketAcl);
    PutBucketAcl: "PUT" Bucket ["acl"] () Bucket(A::PutBucketAcl);
    GetBucketAnalyticsConfiguration: "GET" Bucket ["analytics", "id=*"] () Bucket(A::GetAnalyticsConfiguration);
    ListBucketAnalyticsConfigurations: "GET" Bucket ["analytics"] ("continuation-token") Bucket(A::GetAnalyticsConfiguration);
    PutBucketAnalyticsConfiguration: "PUT" Bucket ["analytics", "id=*"] () Bucket(A::PutAnalyticsConfiguration);
    DeleteBucketAnalyticsConfiguration: "DELETE" Bucket ["analytics", "id=*"] () Bucket(A::PutAnalyticsConfiguration);
    GetBucketCors: "GET" Bucket ["cors"] () Bucket(A::GetBucketCORS);
    PutBucketCors: "PUT" Bucket ["cors"] () Bucket(A::PutBucketCORS);
    DeleteBucketCors: "DELETE" Bucket ["cors"] () Bucket(A::PutBucketCORS);
    GetBucketEncryption: "GET" Bucket ["encryption"] () Bucket(A::GetEncryptionConfiguration);
    PutBucketEncryption: "PUT" Bucket ["encryption"] () Bucket(A::PutEncryptionConfiguration);
    DeleteBucketEncryption: "DELETE" Bucket ["encryption"] () Bucket(A::PutEncryptionConfiguration);
    GetBucketIntelligentTieringConfiguration: "GET" Bucket ["intelligent-tiering", "id=*"] () Bucket(A::GetIntelligentTieringConfiguration);
    ListBucketIntelligentTieringConfigurations: "GET" Bucket ["intelligent-tiering"] ("continuation-token") Bucket(A::GetIntelligentTieringConfiguration);
    PutBucketIntelligentTieringConfiguration: "PUT" Bucket ["intelligent-tiering", "id=*"] () Bucket(A::PutIntelligentTieringConfiguration);
    DeleteBucketIntelligentTieringConfiguration: "DELETE" Bucket ["intelligent-tiering", "id=*"] () Bucket(A::PutIntelligentTieringConfiguration);
    GetBucketInventoryConfiguration: "GET" Bucket ["inventory", "id=*"] () Bucket(A::GetInventoryConfiguration);
    ListBucketInventoryConfigurations: "GET" Bucket ["inventory"] ("continuation-token") Bucket(A::GetInventoryConfiguration);
    PutBucketInventoryConfiguration: "PUT" Bucket ["inventory", "id=*"] () Bucket(A::PutInventoryConfiguration);
    DeleteBucketInventoryConfiguration: "DELETE" Bucket ["inventory", "id=*"] () Bucket(A::PutInventoryConfiguration);
    GetBucketLifecycleConfiguration: "GET" Bucket ["lifecycle"] () Bucket(A::GetLifecycleConfiguration);
    PutBucketLifecycleConfiguration: "PUT" Bucket ["lifecycle"] () Bucket(A::PutLifecycleConfiguration);
    DeleteBucketLifecycle: "DELETE" Bucket ["lifecycle"] () Bucket(A::PutLifecycleConfiguration);
    GetBucketLocation: "GET" Bucket ["location"] () Bucket(A::GetBucketLocation);
    GetBucketLogging: "GET" Bucket ["logging"] () Bucket(A::GetBucketLogging);
    PutBucketLogging: "PUT" Bucket ["logging"] () Bucket(A::PutBucketLogging);
    CreateBucketMetadataConfiguration: "POST" Bucket ["metadataConfiguration"] () Bucket(A::CreateBucketMetadataTableConfiguration);
    GetBucketMetadataConfiguration: "GET" Bucket ["metadataConfiguration"] () Bucket(A::GetBucketMetadataTableConfiguration);
    DeleteBucketMetadataConfiguration: "DELETE" Bucket ["metadataConfiguration"] () Bucket(A::DeleteBucketMetadataTableConfiguration);
    CreateBucketMetadataTableConfiguration: "POST" Bucket ["metadataTable"] () Bucket(A::CreateBucketMetadataTableConfiguration);
    GetBucketMetadataTableConfiguration: "GET" Bucket ["metadataTable"] () Bucket(A::GetBucketMetadataTableConfiguration);
    DeleteBucketMetadataTableConfiguration: "DELETE" Bucket ["metadataTable"] () Bucket(A::DeleteBucketMetadataTableConfiguration);
    UpdateBucketMetadataAnnotationTableConfiguration: "PUT" Bucket ["metadataAnnotationTable"] () Bucket(A::UpdateBucketMetadataAnnotationTableConfiguration);
    UpdateBucketMetadataInventoryTableConfiguration: "PUT" Bucket ["metadataInventoryTable"] () Bucket(A::UpdateBucketMetadataInventoryTableConfiguration);
    UpdateBucketMetadataJournalTableConfiguration: "PUT" Bucket ["metadataJournalTable"] () Bucket(A::UpdateBucketMetadataJournalTableConfiguration);
    GetBucketMetricsConfiguration: "GET" Bucket ["metrics", "id=*"] () Bucket(A::GetMetricsConfiguration);
    ListBucketMetricsConfigurations: "GET" Bucket ["metrics"] ("continuation-token") Bucket(A::GetMetricsConfiguration);
    PutBucketMetricsConfiguration: "PUT" Bucket ["metrics", "id=*"] () Bucket(A::PutMetricsConfiguration);
    DeleteBucketMetricsConfiguration: "DELETE" Bucket ["metrics", "id=*"] () Bucket(A::PutMetricsConfiguration);
    GetBucketNotificationConfiguration: "GET" Bucket ["notification"] () Bucket(A::GetBucketNotification);
    PutBucketNotificationConfiguration: "PUT" Bucket ["notification"] () Bucket(A::PutBucketNotification);
    GetObjectLockConfiguration: "GET" Bucket ["object-lock"] () Bucket(A::GetBucketObjectLockConfiguration);
    PutObjectLockConfiguration: "PUT" Bucket ["object-lock"] () Bucket(A::PutBucketObjectLockConfiguration);
    GetBucketOwnershipControls: "GET" Bucket ["ownershipControls"] () Bucket(A::GetBucketOwnershipControls);
    PutBucketOwnershipControls: "PUT" Bucket ["ownershipControls"] () Bucket(A::PutBucketOwnershipControls);
    DeleteBucketOwnershipControls: "DELETE" Bucket ["ownershipControls"] () Bucket(A::PutBucketOwnershipControls);
    GetBucketPolicy: "GET" Bucket ["policy"] () Bucket(A::GetBucketPolicy);
    PutBucketPolicy: "PUT" Bucket ["policy"] () Bucket(A::PutBucketPolicy);
    DeleteBucketPolicy: "DELETE" Bucket ["policy"] () Bucket(A::DeleteBucketPolicy);
    GetBucketPolicyStatus: "GET" Bucket ["policyStatus"] () Bucket(A::GetBucketPolicyStatus);
    GetPublicAccessBlock: "GET" Bucket ["publicAccessBlock"] () Bucket(A::GetBucketPublicAccessBlock);
    PutPublicAccessBlock: "PUT" Bucket ["publicAccessBlock"] () Bucket(A::PutBucketPublicAccessBlock);
    DeletePublicAccessBlock: "DELETE" Bucket ["publicAccessBlock"] () Bucket(A::PutBucketPublicAccessBlock);
    GetBucketReplication: "GET" Bucket ["replication"] () Bucket(A::GetReplicationConfiguration);
    PutBucketReplication: "PUT" Bucket ["replication"] () Bucket(A::PutReplicationConfiguration);
    DeleteBucketReplication: "DELETE" Bucket ["replication"] () Bucket(A::PutReplicationConfiguration);
    GetBucketRequestPayment: "GET" Bucket ["requestPayment"] () Bucket(A::GetBucketRequestPayment);
    PutBucketRequestPayment: "PUT" Bucket ["requestPayment"] () Bucket(A::PutBucketRequestPayment);
    GetBucketTagging: "GET" Bucket ["tagging"] () Bucket(A::GetBucketTagging);
    PutBucketTagging: "PUT" Bucket ["tagging"] () Bucket(A::PutBucketTagging);
    DeleteBucketTagging: "DELETE" Bucket ["tagging"] () Bucket(A::PutBucketTagging);
    GetBucketVersioning: "GET" Bucket ["versioning"] () Bucket(A::GetBucketVersioning);
    PutBucketVersioning: "PUT" Bucket ["versioning"] () Bucket(A::PutBucketVersioning);
    GetBucketWebsite: "GET" Bucket ["website"] () Bucket(A::GetBucketWebsite);
    PutBucketWebsite: "PUT" Bucket ["website"] () Bucket(A::PutBucketWebsite);
    DeleteBucketWebsite: "DELETE" Bucket ["website"] () Bucket(A::DeleteBucketWebsite);

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
    RenameObject: "PUT" Object ["renameObject"] () Never(EXPRESS);
    DeleteObject: "DELETE" Object [] ("versionId") Versioned(&[A::DeleteObject], &[A::DeleteObjectVersion]);
    GetObjectAttributes: "GET" Object ["attributes"] ("versionId") Versioned(
        &[A::GetObject, A::GetObjectAttributes],
        &[A::GetObjectVersion, A::GetObjectVersionAttributes]
    );
    SelectObjectContent: "POST" Object ["select", "select-type=2"] () Object(&[A::GetObject]);
    RestoreObject: "POST" Object ["restore"] ("versionId") Object(&[A::RestoreObject]);
    GetObjectTorrent: "GET" Object ["torrent"] () Object(&[A::GetObjectTorrent]);
    UpdateObjectEncryption: "PUT" Object ["encryption"] ("versionId") Object(&[A::UpdateObjectEncryption]);

    GetObjectAcl: "GET" Object ["acl"] ("versionId") Versioned(&[A::GetObjectAcl], &[A::GetObjectVersionAcl]);
    PutObjectAcl: "PUT" Object ["acl"] ("versionId") Versioned(&[A::PutObjectAcl], &[A::PutObjectVersionAcl]);
    GetObjectAnnotation: "GET" Object ["annotation", "annotationName=*"] ("versionId") Versioned(
        &[A::GetObjectAnnotation], &[A::GetObjectVersionAnnotation]
    );
    PutObjectAnnotation: "PUT" Object ["annotation", "annotationName=*"] ("versionId") Versioned(
        &[A::PutObjectAnnotation], &[A::PutObjectVersionAnnotation]
    );
    DeleteObjectAnnotation: "DELETE" Object ["annotation", "annotationName=*"] ("versionId") Versioned(
        &[A::DeleteObjectAnnotation], &[A::DeleteObjectVersionAnnotation]
    );
    ListObjectAnnotations: "GET" Object ["annotation"] (
        "versionId", "max-annotation-results", "annotation-prefix", "continuation-token"
    ) Versioned(&[A::ListObjectAnnotations], &[A::ListObjectVersionAnnotations]);
    GetObjectTagging: "GET" Object ["tagging"] ("versionId") Versioned(&[A::GetObjectTagging], &[A::GetObjectVersionTagging]);
    PutObjectTagging: "PUT" Object ["tagging"] ("versionId") Versioned(&[A::PutObjectTagging], &[A::PutObjectVersionTagging]);
    DeleteObjectTagging: "DELETE" Object ["tagging"] ("versionId") Versioned(&[A::DeleteObjectTagging], &[A::DeleteObjectVersionTagging]);
    GetObjectRetention: "GET" Object ["retention"] ("versionId") Object(&[A::GetObjectRetention]);
    PutObjectRetention: "PUT" Object ["retention"] ("versionId") Object(&[A::PutObjectRetention]);
    GetObjectLegalHold: "GET" Object ["legal-hold"] ("versionId") Object(&[A::GetObjectLegalHold]);
    PutObjectLegalHold: "PUT" Object ["legal-hold"] ("versionId") Object(&[A::PutObjectLegalHold]);

    CreateMultipartUpload: "POST" Object ["uploads"] () PUT;
    UploadPart: "PUT" Object ["partNumber=*", "uploadId=*"] () PUT;
    UploadPartCopy: "PUT" Object ["partNumber=*", "uploadId=*"] () CopyFrom;
    CompleteMultipartUpload: "POST" Object ["uploadId=*"] () PUT;
    AbortMultipartUpload: "DELETE" Object ["uploadId=*"] () Object(&[A::AbortMultipartUpload]);
    ListParts: "GET" Object ["uploadId=*"] ("max-parts", "part-number-marker", "encoding-type") Object(&[A::ListMultipartUploadParts]);
}
