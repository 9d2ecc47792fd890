//! Plots as SVG: bars in parts, with a legend. Every part says what it is when pointed at, and to a screen reader.

use std::fmt::Write;

use super::page::text;

/// Told apart with every common kind of colour blindness, on light and on dark ground (Okabe and Ito, 2008).
const COLOURS: [&str; 8] =
    ["#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#8c8c8c", "#b8a000"];

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 120.0;
const ROW: f64 = 30.0;
const BAR: f64 = 18.0;

/// One bar: its name, its parts as (series, value), and the value in words.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) parts: Vec<(usize, u64)>,
    pub(crate) label: String,
}

/// How long bars are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// To the longest.
    Common,
    /// Each the whole width: parts are percentages.
    Whole,
}

/// Positions of colours that mean something.
pub(crate) const BAD: usize = 4;
pub(crate) const DOUBTFUL: usize = 3;
pub(crate) const GOOD: usize = 2;
pub(crate) const NEUTRAL: usize = 6;

/// Bars side by side; `series` names what the parts are, `value` says one in words.
#[expect(clippy::cast_precision_loss, reason = "lengths on a screen")]
pub(crate) fn bars(
    title: &str,
    series: &[&str],
    bars: &[Bar],
    scale: Scale,
    value: fn(u64) -> String,
) -> String {
    let sum = |bar: &Bar| bar.parts.iter().map(|(_, part)| *part).sum::<u64>();
    let longest = bars.iter().map(sum).max().unwrap_or(0).max(1);
    let used: Vec<usize> = (0..series.len())
        .filter(|at| bars.iter().any(|bar| bar.parts.iter().any(|(s, v)| s == at && *v > 0)))
        .collect();
    let legend = if series.len() > 1 { legend_rows(&used, series) } else { Vec::new() };
    let top = 22.0 * legend.len() as f64 + 4.0;
    let height = top + ROW * bars.len() as f64 + 4.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" role=\"img\" aria-label=\"{}\">\n",
        text(title)
    );
    for (at, row) in legend.iter().enumerate() {
        for (x, series_at) in row {
            let y = 22.0 * at as f64 + 2.0;
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/>\
                 <text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
                COLOURS[series_at % COLOURS.len()],
                x + 17.0,
                y + 10.5,
                text(series[*series_at])
            );
        }
    }
    for (at, bar) in bars.iter().enumerate() {
        let y = top + ROW * at as f64;
        let whole = if scale == Scale::Whole { sum(bar).max(1) } else { longest };
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 10.0,
            y + 17.0,
            text(&short(&bar.name))
        );
        let mut x = LEFT;
        for (series_at, part) in bar.parts.iter().filter(|(_, part)| *part > 0) {
            let width = *part as f64 / whole as f64 * (WIDTH - LEFT - RIGHT);
            let name = if series.len() > 1 {
                format!("{}, {}", bar.name, series[*series_at])
            } else {
                bar.name.clone()
            };
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{}\"><title>{}: {}</title></rect>",
                y + 4.0,
                width.max(0.6),
                COLOURS[series_at % COLOURS.len()],
                text(&name),
                text(&value(*part))
            );
            x += width;
        }
        let _ = writeln!(
            svg,
            "<text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x.max(LEFT) + 8.0,
            y + 17.0,
            text(&bar.label)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where the names of series stand, in rows.
#[expect(clippy::cast_precision_loss, reason = "lengths on a screen")]
fn legend_rows(used: &[usize], series: &[&str]) -> Vec<Vec<(f64, usize)>> {
    let (mut rows, mut x) = (vec![Vec::new()], LEFT);
    for at in used {
        let width = 34.0 + 7.2 * series[*at].chars().count() as f64;
        if x + width > WIDTH && x > LEFT {
            rows.push(Vec::new());
            x = LEFT;
        }
        if let Some(row) = rows.last_mut() {
            row.push((x, *at));
        }
        x += width;
    }
    rows
}

/// What fits beside a bar: the end of a path tells more than its start.
fn short(name: &str) -> String {
    const FITS: usize = 22;
    let length = name.chars().count();
    if length <= FITS {
        name.to_owned()
    } else {
        format!("…{}", name.chars().skip(length - FITS + 1).collect::<String>())
    }
}
