//! A page that needs nothing but itself: no script, no font, no request.

use std::fmt::Write;

const STYLE: &str = "
:root{--ink:#1c2733;--dim:#5b6b7b;--line:#dbe2e9;--card:#fff;--ground:#f4f6f8;--bad:#b3261e;--warn:#9a5b00;--good:#1b7340;--bar:#2f6db5}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ee;--dim:#98a6b4;--line:#35414d;--card:#1b232b;--ground:#12181e;--bad:#ff8a80;--warn:#ffc069;--good:#6fd69a;--bar:#6aa5ea}}
*{box-sizing:border-box}
body{margin:0;padding:2rem 1.5rem 4rem;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
main{max-width:1080px;margin:auto}
h1{font-size:1.6rem;margin:0 0 .2rem}
h2{font-size:1.1rem;margin:0 0 .8rem}
p{margin:.3rem 0}
.dim{color:var(--dim)}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.2rem 1.4rem;margin-top:1.2rem;overflow-x:auto}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:1.2rem}
.pair .card{min-width:0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1rem;margin-top:1.2rem}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem}
.tile b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}
.verdict{display:inline-block;margin-top:.8rem;padding:.25rem .8rem;border-radius:99px;font-weight:600;border:1.5px solid currentColor}
.bad{color:var(--bad)}.warn{color:var(--warn)}.good{color:var(--good)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--dim);font-weight:500;font-size:.85rem}
th,td{padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
td.n,th.n{text-align:right;white-space:nowrap}
td.t{white-space:nowrap}
td.k{min-width:7rem}
code{font:13px/1.5 ui-monospace,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}
details{margin:.2rem 0}summary{cursor:pointer;color:var(--dim);font-size:.9rem}
ul{margin:.3rem 0;padding-left:1.2rem}
svg{display:block;max-width:100%;min-width:34rem;height:auto}
svg text{fill:var(--ink);font:12px system-ui,'DejaVu Sans',sans-serif}
svg .dim{fill:var(--dim)}
";

/// A whole page. `body` is markup; `title` is text.
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{}</title><style>{STYLE}</style></head>\n<body><main>\n{body}</main></body></html>\n",
        text(title)
    )
}

/// Text in markup. Names come from whoever may write objects.
pub(crate) fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in super::line(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A card; `body` is markup.
pub(crate) fn card(title: &str, body: &str) -> String {
    format!("<section class=\"card\"><h2>{}</h2>\n{body}</section>\n", text(title))
}

/// A number that stands out.
pub(crate) fn tile(number: &str, what: &str) -> String {
    format!("<div class=\"tile\"><b>{}</b><span class=\"dim\">{}</span></div>", text(number), text(what))
}

/// A cell of a table.
pub(crate) enum Cell {
    Text(String),
    /// A name out of the data.
    Code(String),
    /// A point in time, in one line.
    Time(String),
    Number(String),
    Markup(String),
}

/// A table; heads of columns of numbers are marked by the first row.
pub(crate) fn table(heads: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut markup = String::from("<table><thead><tr>");
    for (at, head) in heads.iter().enumerate() {
        let number =
            rows.first().and_then(|row| row.get(at)).is_some_and(|cell| matches!(cell, Cell::Number(_)));
        let _ = write!(markup, "<th{}>{}</th>", if number { " class=\"n\"" } else { "" }, text(head));
    }
    markup.push_str("</tr></thead><tbody>\n");
    for row in rows {
        markup.push_str("<tr>");
        for cell in row {
            let _ = match cell {
                Cell::Text(cell) => write!(markup, "<td>{}</td>", text(cell)),
                Cell::Code(cell) => write!(markup, "<td class=\"k\"><code>{}</code></td>", text(cell)),
                Cell::Time(cell) => write!(markup, "<td class=\"t\">{}</td>", text(cell)),
                Cell::Number(cell) => write!(markup, "<td class=\"n\">{}</td>", text(cell)),
                Cell::Markup(cell) => write!(markup, "<td>{cell}</td>"),
            };
        }
        markup.push_str("</tr>\n");
    }
    markup.push_str("</tbody></table>\n");
    markup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text() {
        assert_eq!(text("<a href='x'>\"&\u{7}"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;\\u{7}");
        let page = page("<t>", &table(&["a"], &[vec![Cell::Code("<script>".into())]]));
        assert!(page.contains("<title>&lt;t&gt;") && !page.contains("<script"));
    }
}
