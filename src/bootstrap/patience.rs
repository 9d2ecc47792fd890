//! Waiting for AWS: what it refuses only for a while is asked again, and what it has accepted is read until it shows.

use std::time::Duration;

use tokio::time::Instant;

use super::account::CallError;

/// Between two attempts, at first and at last.
const FIRST: Duration = Duration::from_millis(200);
const LAST: Duration = Duration::from_secs(4);

/// How long one step may take in all.
#[derive(Debug, Clone, Copy)]
pub struct Patience(pub Duration);

impl Patience {
    /// Repeats `attempt` while it fails with what passes by itself; gives up when the budget is spent.
    pub(super) async fn while_refused(
        self,
        mut attempt: impl AsyncFnMut() -> Result<(), CallError>,
    ) -> Result<u32, CallError> {
        let (started, mut pause, mut attempts) = (Instant::now(), FIRST, 1);
        loop {
            match attempt().await {
                Ok(()) => return Ok(attempts),
                Err(error) if passes(&error) && started.elapsed() + pause < self.0 => {
                    tracing::info!(%error, "asked again: this passes by itself");
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST);
            attempts += 1;
        }
    }

    /// Repeats `look` until it sees something; what it saw last otherwise.
    pub(super) async fn until<T>(
        self,
        mut look: impl AsyncFnMut() -> Result<Result<(), T>, CallError>,
    ) -> Result<Result<(), T>, CallError> {
        let (started, mut pause) = (Instant::now(), FIRST);
        loop {
            match look().await? {
                Ok(()) => return Ok(Ok(())),
                Err(seen) if started.elapsed() + pause >= self.0 => return Ok(Err(seen)),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LAST);
        }
    }
}

/// Refusals that pass by themselves: another change of the same resource is under way, or something that has just been
/// made is not known everywhere yet.
fn passes(error: &CallError) -> bool {
    let names_principal = error.message().to_ascii_lowercase().contains("principal");
    match error.code() {
        "OperationAborted"
        | "ConflictException"
        | "ConcurrentModification"
        | "ConcurrentModificationException"
        | "PriorRequestNotComplete"
        | "ResourceConflictException"
        | "NoSuchBucket"
        | "NoSuchEntity"
        | "NoSuchEntityException"
        | "NotFoundException"
        | "InvalidBucketState"
        | "InvalidTargetBucketForLogging"
        | "InvalidCloudWatchLogsRoleArnException"
        | "InvalidCloudWatchLogsLogGroupArnException"
        | "InsufficientS3BucketPolicyException"
        | "InsufficientEncryptionPolicyException"
        | "S3BucketDoesNotExistException" => true,
        "MalformedPolicy"
        | "MalformedPolicyDocument"
        | "MalformedPolicyDocumentException"
        | "InvalidParameter" => names_principal,
        "InvalidRequest" => error.message().contains("ersioning"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, message: &str) -> CallError {
        CallError::Refused {
            call: "s3:PutBucketPolicy",
            resource: "b".to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
            request_id: "1".to_owned(),
        }
    }

    #[test]
    fn a_principal_that_is_not_known_yet_passes_and_a_wrong_document_does_not() {
        assert!(passes(&refused("MalformedPolicy", "Invalid principal in policy")));
        assert!(!passes(&refused("MalformedPolicy", "Policy has invalid resource")));
        assert!(passes(&refused("OperationAborted", "A conflicting conditional operation is in progress")));
        assert!(!passes(&refused("AccessDenied", "principal is not authorized")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_asked_again_and_what_does_not_is_not() {
        let patience = Patience(Duration::from_mins(1));
        let mut left = 3;
        let attempts = patience.while_refused(async || {
            left -= 1;
            if left > 0 { Err(refused("OperationAborted", "")) } else { Ok(()) }
        });
        assert_eq!(attempts.await.unwrap(), 3);
        let mut asked = 0;
        let denied = patience.while_refused(async || {
            asked += 1;
            Err(refused("AccessDenied", ""))
        });
        assert!(denied.await.is_err());
        assert_eq!(asked, 1);
    }
}
