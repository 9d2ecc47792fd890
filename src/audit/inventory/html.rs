//! A review as a page.

use std::fmt::Write;

use super::review::{Finding, Part, Review};
use super::tally::Sum;
use super::text::{NEVER, prefix_name};
use crate::audit::show::chart::{BAD, Bar, DOUBTFUL, GOOD, NEUTRAL, Scale, bars};
use crate::audit::show::page::{Cell, card, page, table, text, tile};
use crate::audit::show::{bytes, count};

impl Review {
    /// A page that needs nothing but itself.
    pub fn to_html(&self) -> String {
        let mut body = self.head();
        body.push_str(&card("Findings", &self.found()));
        body.push_str(&card("Bytes by storage class and age", &self.storage_chart()));
        let coverage = [
            ("Encryption", "EncryptionStatus", &self.encryption),
            ("Object Lock", "ObjectLockMode", &self.lock),
            ("Replication", "ReplicationStatus", &self.replication),
        ];
        body.push_str(&card("Coverage, by objects", &coverage_charts(&coverage)));
        body.push_str(&card("Findings by prefix", &self.prefix_chart()));
        body.push_str(&card("Prefixes", &self.prefix_table()));
        if let Some(changes) = self.changes_card() {
            body.push_str(&changes);
        }
        body.push_str(&card("Not checked", &self.not_checked()));
        page(&format!("Inventory of {}", self.bucket), &body)
    }

    fn head(&self) -> String {
        let grave = self.findings.iter().any(|finding| finding.grave);
        let class = if self.clean {
            "good"
        } else if grave {
            "bad"
        } else {
            "warn"
        };
        let mut head = format!(
            "<header><h1>Inventory of {}</h1><p class=\"dim\">Listed {}, {:?}, {} rows in {} files<br><code>{}</code></p>\
             <p class=\"verdict {class}\">{}</p></header>\n<div class=\"tiles\">",
            text(&self.bucket),
            text(&self.created),
            self.format,
            count(self.rows),
            count(self.files as u64),
            text(&self.manifest),
            text(&self.verdict())
        );
        let tiles = [
            (count(self.current.objects), format!("current objects, {}", bytes(self.current.bytes))),
            (
                count(self.noncurrent.objects),
                format!("noncurrent versions, {}", bytes(self.noncurrent.bytes)),
            ),
            (count(self.affected.objects), format!("objects with findings, {}", bytes(self.affected.bytes))),
            (format!("${:.2}", self.cost.monthly_usd), "a month, about".to_owned()),
            (format!("${:.2}", self.cost.saving_usd), "of it would the lifecycle save".to_owned()),
        ];
        for (number, what) in tiles {
            head.push_str(&tile(&number, &what));
        }
        let _ = writeln!(head, "</div>\n<p class=\"dim\">{}</p>", text(self.cost.prices));
        head
    }

    fn found(&self) -> String {
        if self.findings.is_empty() {
            return "<p class=\"good\">Nothing was found.</p>\n".to_owned();
        }
        let compared = self.since.is_some();
        let row = |finding: &Finding| {
            let class = if finding.grave { "bad" } else { "warn" };
            let mut row = vec![
                Cell::Markup(format!("<b class=\"{class}\">{}</b>", text(finding.check))),
                Cell::Number(count(finding.sum.objects)),
                Cell::Number(bytes(finding.sum.bytes)),
            ];
            if compared {
                row.push(Cell::Number(finding.earlier.map_or_else(String::new, |sum| count(sum.objects))));
            }
            row.push(Cell::Markup(samples(finding)));
            row
        };
        let mut heads = vec!["check", "objects", "bytes", "what"];
        if compared {
            heads.insert(3, "before");
        }
        table(&heads, &self.findings.iter().map(row).collect::<Vec<_>>())
    }

    fn storage_chart(&self) -> String {
        let Some(first) = self.storage.first() else {
            return "<p class=\"dim\">The report does not tell ages.</p>\n".to_owned();
        };
        let ages: Vec<&str> = first.ages.iter().map(|age| age.name).collect();
        let bar = |stored: &super::review::Stored| Bar {
            name: stored.class.to_owned(),
            parts: stored.ages.iter().enumerate().map(|(at, age)| (at, age.sum.bytes)).collect(),
            label: bytes(stored.sum.bytes),
        };
        let chart: Vec<Bar> = self.storage.iter().map(bar).collect();
        bars("Bytes by storage class and age", &ages, &chart, Scale::Common, bytes)
    }

    fn prefix_chart(&self) -> String {
        let found = self.prefixes.iter().filter(|prefix| prefix.found.objects > 0);
        let bar = |prefix: &super::review::Prefix| Bar {
            name: prefix_name(prefix.name.as_deref()),
            parts: vec![(BAD, prefix.found.objects), (NEUTRAL, prefix.sum.objects - prefix.found.objects)],
            label: format!("{} of {}", count(prefix.found.objects), count(prefix.sum.objects)),
        };
        let chart: Vec<Bar> = found.take(10).map(bar).collect();
        if chart.is_empty() {
            return "<p class=\"good\">Nothing was found.</p>\n".to_owned();
        }
        let series = ["", "", "", "", "with findings", "", "without"];
        bars("Objects with findings by prefix", &series, &chart, Scale::Whole, count)
    }

    fn prefix_table(&self) -> String {
        let row = |prefix: &super::review::Prefix| {
            vec![
                Cell::Code(prefix_name(prefix.name.as_deref())),
                Cell::Number(count(prefix.sum.objects)),
                Cell::Number(bytes(prefix.sum.bytes)),
                Cell::Number(bytes(prefix.noncurrent.bytes)),
                Cell::Number(count(prefix.found.objects)),
            ]
        };
        let rows: Vec<_> = self.prefixes.iter().map(row).collect();
        table(&["prefix", "objects", "bytes", "noncurrent", "with findings"], &rows)
    }

    fn changes_card(&self) -> Option<String> {
        let since = self.since.as_ref()?;
        let fates =
            [("new", &since.changes.new), ("gone", &since.changes.gone), ("changed", &since.changes.changed)];
        let rows = fates.map(|(name, fate)| {
            let mut list = String::new();
            for named in &fate.first {
                let what = if named.changed.is_empty() {
                    String::new()
                } else {
                    format!(": {}", named.changed.join(", "))
                };
                let _ = write!(list, "<li><code>{}</code>{}</li>", text(&named.key), text(&what));
            }
            let list = if list.is_empty() {
                list
            } else {
                format!("<details><summary>the first</summary><ul>{list}</ul></details>")
            };
            vec![
                Cell::Text(name.to_owned()),
                Cell::Number(count(fate.sum.objects)),
                Cell::Number(bytes(fate.sum.bytes)),
                Cell::Markup(list),
            ]
        });
        let mut body = table(&["objects", "how many", "bytes", ""], &rows);
        let aspects = since.changes.aspects.iter().filter(|(_, n)| *n > 0);
        let aspects: Vec<String> = aspects.map(|(name, n)| format!("{name} {}", count(*n))).collect();
        if !aspects.is_empty() {
            let _ = writeln!(body, "<p class=\"dim\">Changed in: {}</p>", text(&aspects.join(", ")));
        }
        Some(card(&format!("Since {}", since.created), &body))
    }

    fn not_checked(&self) -> String {
        let mut list = String::from("<ul>\n");
        for unchecked in &self.unchecked {
            let class = if unchecked.asked { "bad" } else { "dim" };
            let asked = if unchecked.asked { ", and a rule asks for it" } else { "" };
            let missing = unchecked.missing.join(", ");
            let line = format!("{}: the report does not have {missing}{asked}", unchecked.check);
            let _ = writeln!(list, "<li class=\"{class}\">{}</li>", text(&line));
        }
        for never in NEVER {
            let _ = writeln!(list, "<li class=\"dim\">{}</li>", text(never));
        }
        list.push_str("</ul>\n");
        list
    }
}

/// One bar for each, of those that the report tells.
fn coverage_charts(coverage: &[(&str, &str, &Vec<Part>)]) -> String {
    let mut markup = String::new();
    for (title, column, parts) in coverage {
        if parts.is_empty() {
            let _ = writeln!(markup, "<p class=\"dim\">{title}: the report does not have {column}.</p>");
            continue;
        }
        let all: u64 = parts.iter().map(|part| part.sum.objects).sum();
        let mut named = vec![String::new(); COLOURS];
        for part in *parts {
            named[colour(part.name)] = format!("{} {}", part.name, percent(part.sum, all));
        }
        let series: Vec<&str> = named.iter().map(String::as_str).collect();
        let bar = Bar {
            name: (*title).to_owned(),
            parts: parts.iter().map(|part| (colour(part.name), part.sum.objects)).collect(),
            label: count(all),
        };
        markup.push_str(&bars(title, &series, &[bar], Scale::Whole, count));
    }
    markup
}

/// A place for each colour that [`colour`] gives.
const COLOURS: usize = 8;

/// One for each word of a chart.
fn colour(word: &str) -> usize {
    match word {
        "NOT-SSE" | "FAILED" => BAD,
        "PENDING" | "GOVERNANCE" => DOUBTFUL,
        "SSE-KMS" | "COMPLIANCE" | "COMPLETED" => GOOD,
        "no retention" | "not replicated" => NEUTRAL,
        "SSE-S3" | "REPLICA" => 1,
        "DSSE-KMS" => 0,
        "SSE-C" => 5,
        _ => 7,
    }
}

fn percent(sum: Sum, all: u64) -> String {
    let tenths = u128::from(sum.objects) * 1000 / u128::from(all.max(1));
    if tenths == 0 && sum.objects > 0 {
        "< 0.1 %".to_owned()
    } else {
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

fn samples(finding: &Finding) -> String {
    let which = match finding.first.len() {
        1 => "which one".to_owned(),
        number => format!("the first {number}"),
    };
    let mut markup = format!("{}<details><summary>{which}</summary><ul>", text(finding.title));
    for sample in &finding.first {
        let version =
            sample.version.as_ref().map(|version| format!(" version {version}")).unwrap_or_default();
        let _ = write!(
            markup,
            "<li><code>{}</code><span class=\"dim\">{}</span> {}</li>",
            text(&sample.key),
            text(&version),
            text(&sample.detail)
        );
    }
    markup.push_str("</ul></details>");
    markup
}
