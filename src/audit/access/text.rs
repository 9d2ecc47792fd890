//! A review of logs as text, and as SARIF.

use std::fmt;

use super::passage::{Kind, Times};
use super::review::{Bypass, Entry, Listed, Review};
use crate::audit::show::sarif::{self, Level, Outcome, Rule};
use crate::audit::show::{bytes, count, line, table};

/// Rows of each table; JSON has more.
const ROWS: usize = 20;

impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from.as_deref().unwrap_or("-"), self.to.as_deref().unwrap_or("-"));
        writeln!(
            f,
            "proxy log  {from} to {to}: {} requests, {} denied, {} other lines",
            count(self.requests),
            count(self.denials),
            count(self.other_lines)
        )?;
        if let Some(bypass) = &self.bypass {
            writeln!(
                f,
                "S3 logs    {} requests: {} through the proxy, {} by AWS itself, {} by expected roles, {} at times \
                 without a log of the proxy's",
                count(bypass.seen),
                count(bypass.passed),
                count(bypass.by_aws),
                count(bypass.expected),
                count(bypass.outside)
            )?;
            bypassed(f, bypass)?;
        }
        self.grants(f)?;
        self.tables(f)?;
        writeln!(f, "\nresult     {}", self.verdict())
    }
}

fn bypassed(f: &mut fmt::Formatter<'_>, bypass: &Bypass) -> fmt::Result {
    for (title, kinds) in
        [("in the proxy's role, but not in its log", &bypass.as_proxy), ("past the proxy", &bypass.past)]
    {
        if kinds.is_empty() {
            continue;
        }
        writeln!(f, "\n{title}")?;
        let heads = ["requests", "refused", "operation", "bucket", "who", "first", "from", "key"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for Entry { what, count: times } in kinds.entries.iter().take(ROWS) {
            rows.push(vec![
                count(times.requests),
                count(times.refused),
                line(&what.operation),
                line(&what.bucket),
                who(what),
                times.first.clone(),
                line(&times.address),
                line(times.key.as_deref().unwrap_or("-")),
            ]);
        }
        write!(f, "{}", table(&rows, 0))?;
        rest(f, kinds)?;
    }
    Ok(())
}

/// How many entries a table leaves out.
fn rest<K, V>(f: &mut fmt::Formatter<'_>, listed: &Listed<K, V>) -> fmt::Result {
    let more = listed.entries.len().saturating_sub(ROWS) + listed.more;
    if more > 0 {
        writeln!(f, "  … and {} more", count(more as u64))?;
    }
    if listed.together.is_some() {
        writeln!(f, "  … and others that were too many to be told apart")?;
    }
    Ok(())
}

pub(super) fn who(kind: &Kind) -> String {
    if kind.principal.is_empty() { "nobody (unsigned)".to_owned() } else { line(&kind.principal) }
}

impl Review {
    /// In one sentence.
    pub(super) fn verdict(&self) -> String {
        let requests = |kinds: &Listed<Kind, Times>| {
            let listed: u64 = kinds.entries.iter().map(|entry| entry.count.requests).sum();
            listed + kinds.together.as_ref().map_or(0, |times| times.requests)
        };
        let mut parts = Vec::new();
        if let Some(bypass) = &self.bypass {
            let (as_proxy, past) = (requests(&bypass.as_proxy), requests(&bypass.past));
            if as_proxy > 0 {
                parts.push(format!(
                    "{} requests in the proxy's role that its log does not know",
                    count(as_proxy)
                ));
            }
            if past > 0 {
                parts.push(format!("{} requests past the proxy", count(past)));
            }
        }
        let unused = self.unused_grants.iter().flatten().filter(|unused| !unused.denies).count();
        if unused > 0 {
            parts.push(format!("{} unused grants", count(unused as u64)));
        }
        if parts.is_empty() { "clean".to_owned() } else { parts.join("; ") }
    }

    fn grants(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(unused) = self.unused_grants.as_ref().filter(|unused| !unused.is_empty()) else {
            return Ok(());
        };
        writeln!(f, "\ngrants that nothing needed")?;
        for grant in unused {
            let note =
                if grant.denies { " (it denies; nothing had to be)" } else { ": a candidate to remove" };
            writeln!(f, "  {}{note}", line(&grant.name))?;
        }
        Ok(())
    }

    fn tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.touched.is_empty() {
            let heads =
                ["who", "where", "reads", "lists", "writes", "deletes", "failed", "got", "sent", "last"];
            let mut rows = vec![heads.map(str::to_owned).to_vec()];
            for Entry { what, count: touched } in self.touched.entries.iter().take(ROWS) {
                rows.push(vec![
                    line(&what.identity),
                    place(what.bucket.as_deref(), &what.prefix),
                    count(touched.reads),
                    count(touched.lists),
                    count(touched.writes),
                    count(touched.deletes),
                    count(touched.failed),
                    bytes(touched.bytes_out),
                    bytes(touched.bytes_in),
                    line(&touched.last),
                ]);
            }
            write!(f, "\nwho touched what\n{}", table(&rows, 8))?;
            rest(f, &self.touched)?;
        }
        if !self.denied.is_empty() {
            let mut rows =
                vec![["times", "who", "what", "where", "by", "first key"].map(str::to_owned).to_vec()];
            for Entry { what, count: often } in self.denied.entries.iter().take(ROWS) {
                rows.push(vec![
                    count(often.requests),
                    line(&what.identity),
                    line(what.operation.as_deref().unwrap_or(&what.code)),
                    line(what.bucket.as_deref().unwrap_or("-")),
                    denied_by(what.by.as_deref(), what.by_s3),
                    line(often.first_key.as_deref().unwrap_or("-")),
                ]);
            }
            write!(f, "\ndenied\n{}", table(&rows, 0))?;
            rest(f, &self.denied)?;
        }
        Ok(())
    }

    /// As SARIF.
    pub fn to_sarif(&self) -> serde_json::Value {
        const RULES: [Rule; 3] = [
            Rule { id: "bypass", title: "a request reached the bucket without the proxy", grave: true },
            Rule {
                id: "proxy-role",
                title: "a request in the proxy's role that its log does not know",
                grave: true,
            },
            Rule { id: "unused-grant", title: "a grant that nothing needed", grave: false },
        ];
        let mut outcomes = Vec::new();
        if let Some(bypass) = &self.bypass {
            for (rule, kinds) in [("proxy-role", &bypass.as_proxy), ("bypass", &bypass.past)] {
                outcomes.extend(kinds.entries.iter().map(|entry| passed_by(rule, entry)));
            }
        }
        for unused in self.unused_grants.iter().flatten().filter(|unused| !unused.denies) {
            outcomes.push(Outcome {
                rule: "unused-grant",
                level: Level::Warning,
                message: format!("The grant '{}' was needed by nothing in the log", line(&unused.name)),
                count: None,
                read: "configuration".to_owned(),
                places: Vec::new(),
            });
        }
        sarif::log(&RULES, &outcomes)
    }
}

fn passed_by(rule: &'static str, Entry { what, count: times }: &Entry<Kind, Times>) -> Outcome {
    let key = times.key.as_deref().unwrap_or_default();
    Outcome {
        rule,
        level: Level::Error,
        message: format!(
            "{} on {} by {}: {} requests, {} of them refused by S3; the first at {} from {} (request {})",
            line(&what.operation),
            line(&what.bucket),
            who(what),
            count(times.requests),
            count(times.refused),
            times.first,
            line(&times.address),
            line(&times.request_id)
        ),
        count: Some(times.requests),
        read: sarif::object(&what.bucket, key),
        places: Vec::new(),
    }
}

/// `bucket/folder/`.
pub(super) fn place(bucket: Option<&str>, prefix: &str) -> String {
    bucket.map_or_else(|| "-".to_owned(), |bucket| format!("{}/{}", line(bucket), line(prefix)))
}

pub(super) fn denied_by(by: Option<&str>, by_s3: bool) -> String {
    match (by, by_s3) {
        (_, true) => "S3".to_owned(),
        (Some(grant), false) => line(grant),
        (None, false) => "no grant".to_owned(),
    }
}
