//! Percent-encoding as SigV4 wants it: decode once, encode once, and send exactly what was signed.
//!
//! Source: Signature Version 4, "UriEncode()": every byte but `A-Z a-z 0-9 - . _ ~` is encoded, with upper-case
//! hex; `/` stays as it is in an object key and is encoded everywhere else.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &VALUE.remove(b'/');

/// Appends an object key in the encoding of a path: `/` separates, all else outside the unreserved set is escaped.
pub fn encode_path(into: &mut String, key: &str) {
    into.extend(utf8_percent_encode(key, PATH));
}

/// Appends a query name or value: `/` is escaped too.
pub fn encode_value(into: &mut String, value: &str) {
    into.extend(utf8_percent_encode(value, VALUE));
}

/// Text that is not a percent-encoding of UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A `%` without two hexadecimal digits behind it.
    #[error("a '%' is not followed by two hexadecimal digits")]
    Escape,
    /// The decoded bytes are not UTF-8, which S3 requires of keys.
    #[error("the decoded bytes are not UTF-8")]
    Utf8,
}

/// Decodes `%XX` exactly once. `+` stays a plus, as in a path.
pub fn decode_path(raw: &str) -> Result<String, DecodeError> {
    decode(raw, false)
}

/// Decodes `%XX` exactly once, and `+` to a space, as S3 reads a query.
pub fn decode_query(raw: &str) -> Result<String, DecodeError> {
    decode(raw, true)
}

fn decode(raw: &str, plus_is_space: bool) -> Result<String, DecodeError> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => out.push(hex_digit(bytes.next())? << 4 | hex_digit(bytes.next())?),
            b'+' if plus_is_space => out.push(b' '),
            plain => out.push(plain),
        }
    }
    String::from_utf8(out).map_err(|_| DecodeError::Utf8)
}

fn hex_digit(byte: Option<u8>) -> Result<u8, DecodeError> {
    match byte {
        Some(b @ b'0'..=b'9') => Ok(b - b'0'),
        Some(b @ b'a'..=b'f') => Ok(b - b'a' + 10),
        Some(b @ b'A'..=b'F') => Ok(b - b'A' + 10),
        _ => Err(DecodeError::Escape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decoding_happens_once() {
        assert_eq!(decode_path("a%252Fb+c").unwrap(), "a%2Fb+c");
        assert_eq!(decode_query("a%2Bb+c").unwrap(), "a+b c");
        assert_eq!(decode_path("%zz"), Err(DecodeError::Escape));
        assert_eq!(decode_path("a%2"), Err(DecodeError::Escape));
        assert_eq!(decode_path("%+1"), Err(DecodeError::Escape));
        assert_eq!(decode_path("%ff"), Err(DecodeError::Utf8));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(key in any::<String>()) {
            let mut path = String::new();
            encode_path(&mut path, &key);
            prop_assert_eq!(decode_path(&path).unwrap(), key.clone());
            let mut value = String::new();
            encode_value(&mut value, &key);
            prop_assert!(!value.contains('/'));
            prop_assert_eq!(decode_query(&value).unwrap(), key);
        }
    }
}
