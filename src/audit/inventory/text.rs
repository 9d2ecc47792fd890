//! A review as text, and as SARIF.

use std::fmt;

use super::judge::Check;
use super::review::{Finding, Review};
use super::tally::Sum;
use crate::audit::show::sarif::{self, Level, Outcome, Rule};
use crate::audit::show::{bytes, count, line, table};

impl Sum {
    fn words(self) -> String {
        let objects = if self.objects == 1 { "object" } else { "objects" };
        format!("{} {objects} ({})", count(self.objects), bytes(self.bytes))
    }
}

impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "report     {}", line(&self.manifest))?;
        writeln!(
            f,
            "bucket     {}, listed {}: {:?}, {} files, {} rows",
            self.bucket,
            self.created,
            self.format,
            count(self.files as u64),
            count(self.rows)
        )?;
        writeln!(
            f,
            "holds      {} current, {} noncurrent, {} delete markers",
            self.current.words(),
            self.noncurrent.words(),
            count(self.delete_markers)
        )?;
        let cost = &self.cost;
        writeln!(
            f,
            "cost       about {:.2} USD a month, of which the lifecycle would save {:.2} ({})",
            cost.monthly_usd, cost.saving_usd, cost.prices
        )?;
        self.findings(f)?;
        self.unchecked(f)?;
        self.holdings(f)?;
        self.changes(f)?;
        writeln!(f, "\nresult     {}", self.verdict())
    }
}

impl Review {
    /// In one sentence.
    pub(super) fn verdict(&self) -> String {
        let unanswered = self.unchecked.iter().filter(|unchecked| unchecked.asked).count();
        let unanswered = |text: String| match unanswered {
            0 => text,
            n => format!("{text}; {n} of the checks that the rules ask for could not be made"),
        };
        match self.findings.len() {
            0 if self.clean => "clean".to_owned(),
            0 => unanswered("nothing found".to_owned()),
            1 => unanswered(format!("1 finding{}", self.affected_words())),
            n => unanswered(format!("{n} findings{}", self.affected_words())),
        }
    }

    fn affected_words(&self) -> String {
        match self.affected.objects {
            0 => String::new(),
            _ => format!(", {} affected", self.affected.words()),
        }
    }

    fn findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.findings.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nfindings")?;
        for finding in &self.findings {
            let Finding { check, title, sum, earlier, first, .. } = finding;
            let earlier = earlier.map(|sum| format!(", {} before", count(sum.objects))).unwrap_or_default();
            writeln!(f, "  {check}: {}{earlier}: {title}", sum.words())?;
            for sample in first {
                let version = sample.version.as_ref().map(|version| format!(" (version {})", line(version)));
                writeln!(
                    f,
                    "      {}{}: {}",
                    line(&sample.key),
                    version.unwrap_or_default(),
                    line(&sample.detail)
                )?;
            }
            if sum.objects > first.len() as u64 {
                writeln!(f, "      … and {} more", count(sum.objects - first.len() as u64))?;
            }
        }
        Ok(())
    }

    fn unchecked(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nnot checked")?;
        for unchecked in &self.unchecked {
            let asked = if unchecked.asked { "" } else { " (no rule asks for it)" };
            writeln!(
                f,
                "  {}: the report does not have {}{asked}",
                unchecked.check,
                unchecked.missing.join(", ")
            )?;
        }
        for never in NEVER {
            writeln!(f, "  {never}")?;
        }
        Ok(())
    }

    fn holdings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = |name: &str, sum: Sum| vec![name.to_owned(), count(sum.objects), bytes(sum.bytes)];
        for (title, parts) in [
            ("encryption", &self.encryption),
            ("object lock", &self.lock),
            ("replication", &self.replication),
        ] {
            if !parts.is_empty() {
                let rows: Vec<_> = parts.iter().map(|part| cells(part.name, part.sum)).collect();
                write!(f, "\n{title}\n{}", table(&rows, 2))?;
            }
        }
        if let Some(first) = self.storage.first() {
            let mut rows = vec![vec!["class".to_owned(), "objects".to_owned(), "bytes".to_owned()]];
            rows[0].extend(first.ages.iter().map(|age| age.name.to_owned()));
            for stored in &self.storage {
                let mut row = cells(stored.class, stored.sum);
                row.extend(stored.ages.iter().map(|age| bytes(age.sum.bytes)));
                rows.push(row);
            }
            write!(f, "\nstorage, bytes by age\n{}", table(&rows, rows[0].len() - 1))?;
        }
        let mut rows =
            vec![["prefix", "objects", "bytes", "noncurrent", "with findings"].map(str::to_owned).to_vec()];
        for prefix in &self.prefixes {
            let mut row = cells(&prefix_name(prefix.name.as_deref()), prefix.sum);
            row.extend([bytes(prefix.noncurrent.bytes), prefix.found.words()]);
            rows.push(row);
        }
        write!(f, "\nprefixes\n{}", table(&rows, 4))
    }

    fn changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(since) = &self.since else { return Ok(()) };
        writeln!(f, "\nsince {} ({})", since.created, line(&since.manifest))?;
        let changes = &since.changes;
        for (name, fate) in [("new", &changes.new), ("gone", &changes.gone), ("changed", &changes.changed)] {
            writeln!(f, "  {name}: {}", fate.sum.words())?;
            for named in &fate.first {
                let version = named.version.as_ref().map(|version| format!(" (version {})", line(version)));
                let what = if named.changed.is_empty() {
                    String::new()
                } else {
                    format!(": {}", named.changed.join(", "))
                };
                writeln!(f, "      {}{}{what}", line(&named.key), version.unwrap_or_default())?;
            }
        }
        let aspects = changes.aspects.iter().filter(|(_, n)| *n > 0);
        let aspects: Vec<String> = aspects.map(|(name, n)| format!("{name} {}", count(*n))).collect();
        if !aspects.is_empty() {
            writeln!(f, "  changed in: {}", aspects.join(", "))?;
        }
        if !changes.untold.is_empty() {
            writeln!(
                f,
                "  not compared, for one of the reports does not have it: {}",
                changes.untold.join(", ")
            )?;
        }
        Ok(())
    }

    /// As SARIF.
    pub fn to_sarif(&self) -> serde_json::Value {
        let mut rules: Vec<Rule> =
            Check::ALL.iter().map(|(_, id, title, grave)| Rule { id, title, grave: *grave }).collect();
        rules.sort_by_key(|rule| rule.id);
        let read = sarif::read(&self.manifest);
        let found = self.findings.iter().map(|finding| Outcome {
            rule: finding.check,
            level: Level::of(finding.grave),
            message: format!("{} of {}: {}", finding.sum.words(), self.bucket, finding.title),
            count: Some(finding.sum.objects),
            read: read.clone(),
            places: finding
                .first
                .iter()
                .map(|sample| (sarif::object(&self.bucket, &sample.key), line(&sample.detail)))
                .collect(),
        });
        let open = self.unchecked.iter().filter(|unchecked| unchecked.asked).map(|unchecked| Outcome {
            rule: unchecked.check,
            level: Level::Open,
            message: format!("Not checked: the report does not have {}", unchecked.missing.join(", ")),
            count: None,
            read: read.clone(),
            places: Vec::new(),
        });
        sarif::log(&rules, &found.chain(open).collect::<Vec<_>>())
    }
}

/// What no inventory can tell, whatever its columns.
pub(super) const NEVER: [&str; 3] = [
    "which KMS key: no inventory has it",
    "incomplete multipart uploads: no inventory lists them; a lifecycle rule has to end them",
    "for how long a version has been noncurrent: no inventory has it, so only their share is judged",
];

pub(super) fn prefix_name(prefix: Option<&str>) -> String {
    match prefix {
        None => "(all others)".to_owned(),
        Some("") => "(no folder)".to_owned(),
        Some(prefix) => line(prefix),
    }
}
