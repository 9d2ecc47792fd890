//! How results are shown: numbers for people, pages with plots, SARIF. Knows nothing of what was audited.

pub(super) mod chart;
pub(super) mod page;
pub(super) mod sarif;

use std::fmt::Write;

/// `12,345,678`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.5 GiB`.
#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in UNITS {
        if value < 1023.95 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// One line, whatever somebody called an object: nothing in it acts on a terminal.
pub(super) fn line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        // Writing to a String cannot fail.
        let _ = if c.is_alphanumeric() || c.is_ascii_punctuation() || c == ' ' {
            line.write_char(c)
        } else {
            write!(line, "{}", c.escape_debug())
        };
        line
    })
}

/// Columns of text, the first ones to the left and the last `right` ones to the right.
pub(super) fn table(rows: &[Vec<String>], right: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = width - cell.chars().count();
            let _ = if at + right >= columns {
                write!(line, " {}{cell} ", " ".repeat(pad))
            } else {
                write!(line, " {cell}{} ", " ".repeat(pad))
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1024), bytes(1 << 40)],
            ["0 B", "1023 B", "1.0 KiB", "1.0 TiB"]
        );
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn no_key_acts_on_a_terminal() {
        assert_eq!(line("a b/ü日\u{1b}[2J\n\u{202e}'x'"), "a b/ü日\\u{1b}[2J\\n\\u{202e}'x'");
    }
}
