//! That two applies of one deployment do not run at once.
//!
//! Before any bucket exists, the one thing at hand that AWS makes exactly once is a name: of two `CreateLogStream` of the
//! same name one is refused. A log group of the deployment holds a stream for each generation of the lease; whoever makes
//! the next one has it, and whoever had it notices before its next step (a fencing token). Empty log streams cost
//! nothing. An SSM parameter or a `DynamoDB` row would do as well, with one more service to be allowed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::account::{Account, CallError, failed, optional};
use crate::spec::Desired;

/// A lease that was not renewed for so long is free. Longer than any step may take.
const EXPIRES: Duration = Duration::from_mins(10);
/// What a stream's name starts with; its generation follows.
const PREFIX: &str = "lease-";
/// The tag of the log group that says who has it.
const HOLDER: &str = "s3-access-proxy/lease";
const EXISTS: &str = "ResourceAlreadyExistsException";

/// The right to change a deployment.
#[derive(Debug)]
pub struct Lease<'a> {
    account: &'a Account,
    group: String,
    arn: String,
    generation: u32,
    taken: SystemTime,
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error(
        "another apply of this deployment is running ({holder}); it ends by itself, or its lease does {} s from now; if that process is known to be gone: --break-lease {generation}", .left.as_secs()
    )]
    Held {
        /// Who.
        holder: String,
        /// Until it is free.
        left: Duration,
        /// Which.
        generation: u32,
    },
    /// Somebody else took it.
    #[error("another apply has taken over this deployment; nothing more was done here")]
    Lost,
    /// AWS could not be asked.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A generation as it is found.
struct Latest {
    generation: u32,
    made: SystemTime,
}

/// The log group's name.
pub(super) fn group(desired: &Desired) -> String {
    format!("/s3-access-proxy/bootstrap/{}", desired.name)
}

impl<'a> Lease<'a> {
    /// Takes the lease; `broken` is a generation that is known to be given up.
    pub async fn take(
        account: &'a Account,
        desired: &Desired,
        broken: Option<u32>,
    ) -> Result<Self, LeaseError> {
        let group = group(desired);
        let arn = format!(
            "arn:{}:logs:{}:{}:log-group:{group}",
            desired.partition, desired.region, desired.account
        );
        let mut lease = Self { account, group, arn, generation: 0, taken: SystemTime::now() };
        lease.make_group(desired).await?;
        if let Some(latest) = lease.latest().await? {
            lease.generation = latest.generation;
            if broken != Some(latest.generation) {
                lease.require_free(&latest).await?;
            }
        }
        lease.advance().await?;
        Ok(lease)
    }

    async fn make_group(&self, desired: &Desired) -> Result<(), CallError> {
        let tags = desired.tags.clone().into_iter().collect();
        let made = self
            .account
            .logs
            .create_log_group()
            .log_group_name(&self.group)
            .set_tags(Some(tags))
            .send()
            .await;
        optional(made.map_err(failed("logs:CreateLogGroup", &self.group)), &[EXISTS]).map(drop)
    }

    async fn latest(&self) -> Result<Option<Latest>, CallError> {
        let asked = self.account.logs.describe_log_streams().log_group_name(&self.group);
        let asked = asked.log_stream_name_prefix(PREFIX).descending(true).limit(1).send().await;
        let answer = asked.map_err(failed("logs:DescribeLogStreams", &self.group))?;
        let stream = answer.log_streams.unwrap_or_default().into_iter().next();
        Ok(stream.and_then(|stream| {
            let generation = stream.log_stream_name?.strip_prefix(PREFIX)?.parse().ok()?;
            let made = u64::try_from(stream.creation_time.unwrap_or(0)).unwrap_or(0);
            Some(Latest { generation, made: UNIX_EPOCH + Duration::from_millis(made) })
        }))
    }

    async fn require_free(&self, latest: &Latest) -> Result<(), LeaseError> {
        let asked = self.account.logs.list_tags_for_resource().resource_arn(&self.arn).send().await;
        let tags = asked.map_err(failed("logs:ListTagsForResource", &self.group))?.tags.unwrap_or_default();
        let holder = tags.get(HOLDER).and_then(|text| Holder::parse(text));
        let holder = holder.filter(|holder| holder.generation == latest.generation);
        let age = SystemTime::now().duration_since(latest.made).unwrap_or_default();
        if age >= EXPIRES || holder.as_ref().is_some_and(Holder::is_gone) {
            return Ok(());
        }
        let holder = holder.map_or_else(
            || "which has just begun".to_owned(),
            |it| format!("on {}, process {}", it.host, it.process),
        );
        Err(LeaseError::Held { holder, left: EXPIRES.saturating_sub(age), generation: latest.generation })
    }

    /// Makes the next generation; who fails to was too late.
    async fn advance(&mut self) -> Result<(), LeaseError> {
        let generation = self.generation + 1;
        let stream = format!("{PREFIX}{generation:08}");
        let made = self.account.logs.create_log_stream().log_group_name(&self.group).log_stream_name(stream);
        let made = made.send().await.map_err(failed("logs:CreateLogStream", &self.group));
        if optional(made, &[EXISTS])?.is_none() {
            return Err(LeaseError::Held {
                holder: "which has just begun".to_owned(),
                left: EXPIRES,
                generation,
            });
        }
        (self.generation, self.taken) = (generation, SystemTime::now());
        self.tag(&Holder::ourselves(generation).to_string()).await?;
        Ok(())
    }

    async fn tag(&self, holder: &str) -> Result<(), CallError> {
        let sent = self.account.logs.tag_resource().resource_arn(&self.arn).tags(HOLDER, holder).send().await;
        sent.map(drop).map_err(failed("logs:TagResource", &self.group))
    }

    /// Before each step: whether it is still ours; renews it in time.
    pub async fn check(&mut self) -> Result<(), LeaseError> {
        if self.latest().await?.is_none_or(|latest| latest.generation != self.generation) {
            return Err(LeaseError::Lost);
        }
        if self.taken.elapsed().unwrap_or_default() > EXPIRES / 2 {
            return self.advance().await;
        }
        Ok(())
    }

    /// The generation, for the journal.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Lets it go, and clears away the generations before it; does nothing where somebody has taken it over.
    pub async fn release(self) -> Result<(), CallError> {
        if self.latest().await?.is_none_or(|latest| latest.generation != self.generation) {
            return Ok(());
        }
        let logs = &self.account.logs;
        let asked = logs
            .describe_log_streams()
            .log_group_name(&self.group)
            .log_stream_name_prefix(PREFIX)
            .send()
            .await;
        let streams =
            asked.map_err(failed("logs:DescribeLogStreams", &self.group))?.log_streams.unwrap_or_default();
        let ours = format!("{PREFIX}{:08}", self.generation);
        for name in
            streams.into_iter().filter_map(|stream| stream.log_stream_name).filter(|name| *name < ours)
        {
            let sent =
                logs.delete_log_stream().log_group_name(&self.group).log_stream_name(name).send().await;
            sent.map_err(failed("logs:DeleteLogStream", &self.group))?;
        }
        self.tag(&format!("{} free", self.generation)).await
    }

    /// Lets it go with everything that it is made of: there is no deployment any more.
    pub async fn end(self) -> Result<(), CallError> {
        let sent = self.account.logs.delete_log_group().log_group_name(&self.group).send().await;
        sent.map(drop).map_err(failed("logs:DeleteLogGroup", &self.group))
    }
}

/// Who has a generation, as the tag says it: `<generation> <host> <process> <birth>`, or `<generation> free`.
struct Holder {
    generation: u32,
    host: String,
    process: String,
    birth: String,
}

impl Holder {
    fn ourselves(generation: u32) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let process = std::process::id().to_string();
        Self { generation, host, birth: birth(&process).unwrap_or_default(), process }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ').map(str::to_owned);
        let generation = words.next()?.parse().ok()?;
        let mut word = || words.next().unwrap_or_default();
        Some(Self { generation, host: word(), process: word(), birth: word() })
    }

    /// Whether it was let go, or its process was on this machine, among the processes that are seen from here, and is no more.
    fn is_gone(&self) -> bool {
        if self.process.is_empty() {
            return self.host == "free";
        }
        let ourselves = Self::ourselves(self.generation);
        let namespace = |birth: &str| birth.split(':').next().unwrap_or_default().to_owned();
        let is_near = self.host == ourselves.host
            && !self.birth.is_empty()
            && namespace(&self.birth) == namespace(&ourselves.birth);
        is_near && birth(&self.process).is_none_or(|birth| birth != self.birth)
    }
}

/// What tells a process from a later one, or one of another container, with the same number: its PID namespace, and when it was
/// started, in clock ticks since the machine was. `None` where there is no such process, or no `/proc`.
fn birth(process: &str) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name, in parentheses, and may hold anything; the 22nd is the start.
    let started = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.to_owned();
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let namespace: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    Some(format!("{namespace}:{started}"))
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} {}", self.generation, self.host, self.process, self.birth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(change: impl FnOnce(&mut Holder)) -> Holder {
        let mut holder = Holder::ourselves(1);
        change(&mut holder);
        Holder::parse(&holder.to_string()).unwrap()
    }

    #[test]
    fn only_a_process_that_is_known_to_be_gone_is_gone() {
        assert!(!holder(|_| {}).is_gone(), "it is running");
        assert!(holder(|it| it.birth.push('1')).is_gone(), "another process has its number now");
        assert!(holder(|it| it.process = "4194999".to_owned()).is_gone(), "beyond what Linux gives out");
        let elsewhere = holder(|it| it.birth.insert(0, '9'));
        assert!(!elsewhere.is_gone(), "of another PID namespace, which is not seen from here");
        assert!(!holder(|it| it.host.push('x')).is_gone(), "on another machine");
        assert!(!holder(|it| it.birth.clear()).is_gone(), "nothing is known of it");
        assert!(Holder::parse("7 free").unwrap().is_gone());
    }
}
