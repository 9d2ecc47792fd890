//! JSON that is safe to look at: nothing in it acts on a terminal, reorders text or ends a line for anybody.

use std::fmt::Write;

/// Replaces control and format characters beyond ASCII, and DEL, by their escapes. In JSON they stand in strings only;
/// the control characters of ASCII are escaped by the serializer.
pub(super) fn escape(json: Vec<u8>) -> Vec<u8> {
    if json.is_ascii() && !json.contains(&0x7f) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 64);
    for c in String::from_utf8_lossy(&json).chars() {
        if acts(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe.into_bytes()
}

/// Unicode 16: the categories Cc, Cf, Zl and Zp, from DEL on.
fn acts(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_reads_back_the_same() {
        let text = "ä 日本語 😀 \u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{feff}\u{e0041}\n";
        let json = String::from_utf8(escape(serde_json::to_vec(text).unwrap())).unwrap();
        let expected = r#""ä 日本語 😀 \u007f\u0085\u009b\u2028\u2029\u202e\ufeff\udb40\udc41\n""#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
