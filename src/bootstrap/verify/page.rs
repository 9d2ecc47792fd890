//! A report as a page that needs nothing but itself: no script, no font, no request. For whoever has to be shown that it
//! holds: by requirement, then every control with what it rests on.

use std::fmt::Write;

use super::show::{covered, verdict, waiver_line};
use super::{Judgement, Report, Verdict};

const STYLE: &str = "
:root{--ink:#1c2733;--dim:#5b6b7b;--line:#dbe2e9;--card:#fff;--ground:#f4f6f8;--FAIL:#b3261e;--WAIVED:#8a5000;--PASS:#1b7340}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ee;--dim:#98a6b4;--line:#35414d;--card:#1b232b;--ground:#12181e;--FAIL:#ff8a80;--WAIVED:#ffc069;--PASS:#6fd69a}}
*{box-sizing:border-box}
body{margin:0;padding:2rem 1.5rem 4rem;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
main{max-width:1080px;margin:auto}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:0 0 .8rem}h3{font-size:1rem;margin:0}
p{margin:.3rem 0}.dim{color:var(--dim)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.2rem 1.4rem;margin-top:1.2rem;overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--dim);font-weight:500;font-size:.85rem}
th,td{padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
code{font:13px/1.5 ui-monospace,'DejaVu Sans Mono',monospace}td code{white-space:nowrap}
b{white-space:nowrap}.PASS{color:var(--PASS)}.FAIL{color:var(--FAIL)}.WAIVED{color:var(--WAIVED)}.NA{color:var(--dim)}
article{padding:.8rem 0;border-bottom:1px solid var(--line)}article:last-child{border-bottom:0}
summary{cursor:pointer}
";

impl Report<'_> {
    /// The page.
    pub fn to_html(&self) -> String {
        let name = self.desired.name.as_str();
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <title>{0}: account side</title><style>{STYLE}</style></head>\n<body><main>\n<h1>{0}: account side</h1>\n",
            text(name)
        );
        // Writing to a string does not fail.
        let _ = self.write_body(&mut page);
        page.push_str("</main></body></html>\n");
        page
    }

    fn write_body(&self, page: &mut String) -> std::fmt::Result {
        let (account, region) = (&self.desired.account, &self.desired.region);
        writeln!(
            page,
            "<p class=\"dim\">Account {account}, {region}; read as <code>{}</code> at {}</p>\n<p>{} {}</p>",
            text(&self.caller),
            self.time(),
            mark(if self.holds() { Verdict::Pass } else { Verdict::Fail }),
            self.summary()
        )?;
        for refused in &self.refused {
            writeln!(page, "<p class=\"FAIL\">Refused: {}</p>", text(refused))?;
        }
        self.write_requirements(page)?;
        for (title, verdict) in [
            ("Fails", Verdict::Fail),
            ("Waived", Verdict::Waived),
            ("Passes", Verdict::Pass),
            ("Not applicable", Verdict::NotApplicable),
        ] {
            let mut all = self.of(verdict).peekable();
            if all.peek().is_none() {
                continue;
            }
            writeln!(page, "<section><h2>{title}</h2>")?;
            for judgement in all {
                self.write_judgement(page, judgement)?;
            }
            writeln!(page, "</section>")?;
        }
        if !self.waivers.is_empty() {
            writeln!(page, "<section><h2>Waivers</h2><ul>")?;
            for waiving in &self.waivers {
                let line = text(&waiver_line(waiving));
                writeln!(
                    page,
                    "<li>{line}<br><span class=\"dim\">{}</span></li>",
                    text(&waiving.waiver.reason)
                )?;
            }
            writeln!(page, "</ul></section>")?;
        }
        Ok(())
    }

    fn write_requirements(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "<section><h2>Requirements</h2><table><thead><tr><th>no.</th><th>requirement</th>")?;
        writeln!(page, "<th>verdict</th><th>controls</th></tr></thead><tbody>")?;
        for row in &self.requirements {
            let (number, title) = (row.number, text(row.title));
            write!(page, "<tr><td>{number}</td><td>{title}</td><td>{}</td>", mark(row.verdict))?;
            writeln!(page, "<td>{}</td></tr>", text(&row.said))?;
        }
        writeln!(page, "</tbody></table></section>")
    }

    fn write_judgement(&self, page: &mut String, judgement: &Judgement) -> std::fmt::Result {
        let control = judgement.control;
        writeln!(
            page,
            "<article><h3><b class=\"{}\">{}</b> {} <span class=\"dim\">{}</span></h3><p>{}</p>",
            class(judgement.verdict),
            text(&verdict(judgement)),
            text(control.id),
            text(&judgement.subject),
            text(control.title)
        )?;
        if let Some(waiving) = self.waiving(judgement) {
            writeln!(page, "<p class=\"WAIVED\">{}</p>", text(&covered(judgement, waiving)))?;
        }
        let opened = if judgement.verdict == Verdict::Fail { " open" } else { "" };
        writeln!(page, "<details{opened}><summary class=\"dim\">evidence</summary><table><tbody>")?;
        for ground in &judgement.grounds {
            let (sign, class) = match ground.holds {
                Some(true) => ("holds", "PASS"),
                Some(false) => ("does not hold", "FAIL"),
                None => ("not seen", "NA"),
            };
            write!(page, "<tr><td class=\"{class}\">{sign}</td><td>{}</td>", text(&ground.what))?;
            writeln!(page, "<td><code>{}</code></td><td>{}</td></tr>", ground.source, text(&ground.said))?;
        }
        writeln!(page, "</tbody></table></details>")?;
        if judgement.verdict == Verdict::Fail {
            writeln!(page, "<p>Mend: {}</p>", text(control.mend))?;
        }
        writeln!(page, "</article>")
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotApplicable => "NA",
        other => other.as_str(),
    }
}

fn mark(verdict: Verdict) -> String {
    format!("<b class=\"{}\">{}</b>", class(verdict), verdict.as_str())
}

/// Text in markup. Names and messages come from whoever may set them, so control characters are shown, not sent.
fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}
