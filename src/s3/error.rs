//! S3's error codes that the proxy itself answers with, and their XML.
//!
//! Source: Amazon S3 API reference, "Error responses". SDKs decide by code and status whether to retry, so a code
//! is chosen for what the client should do next.

use std::borrow::Cow;
use std::fmt::Write;

use http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident),+ $(,)?) => {
        /// An S3 error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name),+ }

        impl ErrorCode {
            /// The code as it stands in the XML.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => stringify!($name)),+ }
            }

            /// The HTTP status that S3 sends with the code.
            pub const fn status(self) -> StatusCode {
                match self { $(ErrorCode::$name => StatusCode::$status),+ }
            }
        }
    };
}

codes! {
    /// No grant allows it, or one denies it.
    AccessDenied = FORBIDDEN,
    /// The body is larger than allowed.
    EntityTooLarge = BAD_REQUEST,
    /// The body ended early or its framing is damaged.
    IncompleteBody = BAD_REQUEST,
    /// A fault in the proxy; SDKs retry it.
    InternalError = INTERNAL_SERVER_ERROR,
    /// A parameter or header is wrong, doubled or contradictory.
    InvalidArgument = BAD_REQUEST,
    /// The bucket's name breaks the naming rules.
    InvalidBucketName = BAD_REQUEST,
    /// The request as a whole makes no sense.
    InvalidRequest = BAD_REQUEST,
    /// The path or query is no percent-encoding of UTF-8.
    InvalidURI = BAD_REQUEST,
    /// The key is over 1,024 bytes.
    KeyTooLongError = BAD_REQUEST,
    /// The XML does not follow the schema.
    MalformedXML = BAD_REQUEST,
    /// The method is not one of S3's for this resource.
    MethodNotAllowed = METHOD_NOT_ALLOWED,
    /// A body of unknown length.
    MissingContentLength = LENGTH_REQUIRED,
    /// Not known, or known and not offered through the proxy.
    NotImplemented = NOT_IMPLEMENTED,
    /// No bytes moved for too long; SDKs retry it.
    RequestTimeout = BAD_REQUEST,
    /// The proxy cannot work right now, above all without credentials; SDKs retry it.
    ServiceUnavailable = SERVICE_UNAVAILABLE,
    /// This client has too much in hand at once; SDKs retry it, later and later.
    SlowDown = SERVICE_UNAVAILABLE,
}

/// A request that the proxy answers itself, with the reason in words for the person who reads the client's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Refusal {
    /// What the client is told in one word.
    pub code: ErrorCode,
    /// What it is told in a sentence. Reveals nothing about other tenants.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with its reason.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The `<Error>` document of S3.
    pub fn to_xml(&self, resource: &str, request_id: &str) -> String {
        let mut xml = String::with_capacity(256 + self.message.len() + resource.len());
        xml.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>");
        xml.push_str(self.code.as_str());
        xml.push_str("</Code><Message>");
        escape(&mut xml, &self.message);
        xml.push_str("</Message><Resource>");
        escape(&mut xml, resource);
        xml.push_str("</Resource><RequestId>");
        escape(&mut xml, request_id);
        xml.push_str("</RequestId></Error>");
        xml
    }
}

/// XML 1.0 text; control characters, which XML cannot carry at all, become their percent-encoding.
fn escape(xml: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            c if c.is_ascii_control() => {
                // Writing to a String cannot fail.
                let _ = write!(xml, "%{:02X}", u32::from(c));
            }
            c => xml.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_well_formed_whatever_the_key() {
        let refusal = Refusal::new(ErrorCode::AccessDenied, "no <grant> & \"so\"");
        let xml = refusal.to_xml("/b/a\u{0}\u{1b}<&>'\u{ffff}", "ID");
        let document = roxmltree::Document::parse(&xml).unwrap();
        let text =
            |name| document.descendants().find(|n| n.has_tag_name(name)).and_then(|n| n.text()).unwrap();
        assert_eq!(text("Code"), "AccessDenied");
        assert_eq!(text("Message"), "no <grant> & \"so\"");
        assert_eq!(text("Resource"), "/b/a%00%1B<&>'\u{fffd}");
    }
}
