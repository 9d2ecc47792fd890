//! A review of logs as a page.

use std::fmt::Write;

use super::passage::{Kind, Times};
use super::review::{Entry, Listed, Review};
use super::text::{denied_by, place, who};
use crate::audit::show::chart::{Bar, Scale, bars};
use crate::audit::show::page::{Cell, card, page, table, text, tile};
use crate::audit::show::{bytes, count};

/// Rows of each table; JSON has more.
const ROWS: usize = 50;

impl Review {
    /// A page that needs nothing but itself.
    pub fn to_html(&self) -> String {
        let mut body = self.head();
        if let Some(bypass) = &self.bypass {
            body.push_str(&card("What reached S3", &self.passages()));
            for (title, kinds) in [
                ("In the proxy's role, but not in its log", &bypass.as_proxy),
                ("Past the proxy", &bypass.past),
            ] {
                if !kinds.is_empty() {
                    body.push_str(&card(title, &kinds_table(kinds)));
                }
            }
        }
        if let Some(unused) = &self.unused_grants {
            let mut list = String::new();
            for grant in unused {
                let note = if grant.denies { "denies; nothing had to be" } else { "a candidate to remove" };
                let _ = write!(list, "<li><code>{}</code>: {note}</li>", text(&grant.name));
            }
            let list = if list.is_empty() {
                "<p class=\"good\">None.</p>".to_owned()
            } else {
                format!("<ul>{list}</ul>")
            };
            body.push_str(&card("Grants that nothing needed", &list));
        }
        body.push_str(&card("Who touched what", &self.touched_table()));
        body.push_str(&card("Denied", &self.denied_table()));
        page("Access review", &body)
    }

    fn head(&self) -> String {
        let class = if self.clean { "good" } else { "bad" };
        let (from, to) = (self.from.as_deref().unwrap_or("-"), self.to.as_deref().unwrap_or("-"));
        let mut head = format!(
            "<header><h1>Access review</h1><p class=\"dim\">The proxy's log from {} to {}</p>\
             <p class=\"verdict {class}\">{}</p></header>\n<div class=\"tiles\">",
            text(from),
            text(to),
            text(&self.verdict())
        );
        head.push_str(&tile(&count(self.requests), "requests in the proxy's log"));
        head.push_str(&tile(&count(self.denials), "of them denied"));
        if let Some(bypass) = &self.bypass {
            head.push_str(&tile(&count(bypass.seen), "requests in S3's logs"));
            head.push_str(&tile(&count(bypass.passed), "of them through the proxy"));
        }
        head.push_str("</div>\n");
        head
    }

    fn passages(&self) -> String {
        let Some(bypass) = &self.bypass else { return String::new() };
        let sum =
            |kinds: &Listed<Kind, Times>| kinds.entries.iter().map(|entry| entry.count.requests).sum::<u64>();
        // In the order of the colours: what is wrong gets the warm ones.
        let parts = [
            ("by AWS itself", bypass.by_aws),
            ("by expected roles", bypass.expected),
            ("through the proxy", bypass.passed),
            ("in the proxy's role, not in its log", sum(&bypass.as_proxy)),
            ("past the proxy", sum(&bypass.past)),
            ("without a log of the proxy's to compare", bypass.outside),
        ];
        let named: Vec<String> = parts.iter().map(|(name, n)| format!("{name}: {}", count(*n))).collect();
        let series: Vec<&str> = named.iter().map(String::as_str).collect();
        let bar = Bar {
            name: "requests".to_owned(),
            parts: parts.iter().enumerate().map(|(at, (_, n))| (at, *n)).collect(),
            label: count(bypass.seen),
        };
        bars("Requests in S3's logs", &series, &[bar], Scale::Whole, count)
    }

    fn touched_table(&self) -> String {
        let bar = |entry: &Entry<super::tally::Touching, super::tally::Touched>| {
            let touched = &entry.count;
            let parts = [touched.reads, touched.lists, touched.writes, touched.deletes, touched.failed];
            Bar {
                name: format!("{} {}", entry.what.identity, entry.what.prefix).trim_end().to_owned(),
                parts: parts.into_iter().enumerate().collect(),
                label: count(touched.requests),
            }
        };
        let busiest: Vec<Bar> = self.touched.entries.iter().take(8).map(bar).collect();
        let chart = bars(
            "Requests",
            &["reads", "lists", "writes", "deletes", "failed"],
            &busiest,
            Scale::Common,
            count,
        );
        let row = |entry: &Entry<super::tally::Touching, super::tally::Touched>| {
            let touched = &entry.count;
            let numbers =
                [touched.reads, touched.lists, touched.writes, touched.deletes, touched.failed].map(count);
            let sizes = [bytes(touched.bytes_out), bytes(touched.bytes_in)];
            let mut row = vec![
                Cell::Code(entry.what.identity.clone()),
                Cell::Code(place(entry.what.bucket.as_deref(), &entry.what.prefix)),
            ];
            row.extend(numbers.into_iter().chain(sizes).map(Cell::Number));
            row.push(Cell::Time(touched.last.clone()));
            row
        };
        let rows: Vec<_> = self.touched.entries.iter().take(ROWS).map(row).collect();
        if rows.is_empty() {
            return "<p class=\"dim\">Nobody anything.</p>".to_owned();
        }
        let heads = ["who", "where", "reads", "lists", "writes", "deletes", "failed", "got", "sent", "last"];
        format!("{chart}{}", table(&heads, &rows))
    }

    fn denied_table(&self) -> String {
        let rows: Vec<_> = self
            .denied
            .entries
            .iter()
            .take(ROWS)
            .map(|Entry { what, count: often }| {
                vec![
                    Cell::Number(count(often.requests)),
                    Cell::Code(what.identity.clone()),
                    Cell::Text(what.operation.clone().unwrap_or_else(|| what.code.clone())),
                    Cell::Code(what.bucket.clone().unwrap_or_else(|| "-".to_owned())),
                    Cell::Text(denied_by(what.by.as_deref(), what.by_s3)),
                    Cell::Code(often.first_key.clone().unwrap_or_else(|| "-".to_owned())),
                ]
            })
            .collect();
        if rows.is_empty() {
            return "<p class=\"good\">Nothing.</p>".to_owned();
        }
        table(&["times", "who", "what", "bucket", "by", "first key"], &rows)
    }
}

fn kinds_table(kinds: &Listed<Kind, Times>) -> String {
    let row = |Entry { what, count: times }: &Entry<Kind, Times>| {
        vec![
            Cell::Number(count(times.requests)),
            Cell::Number(count(times.refused)),
            Cell::Text(what.operation.clone()),
            Cell::Code(what.bucket.clone()),
            Cell::Code(who(what)),
            Cell::Time(times.first.clone()),
            Cell::Text(times.address.clone()),
            Cell::Code(times.key.clone().unwrap_or_else(|| "-".to_owned())),
        ]
    };
    let rows: Vec<_> = kinds.entries.iter().take(ROWS).map(row).collect();
    table(&["requests", "refused", "operation", "bucket", "who", "first", "from", "key"], &rows)
}
