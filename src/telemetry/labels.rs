//! Closed sets of label values. Each value has its series from the start, at 0: a counter that appears with its first
//! event shows no increase, and an alert would miss it.

use std::fmt;

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$value_doc])* $value),+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$value),+];

            /// As metrics and logs name it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

labels! {
    /// What went wrong with S3, or on the way to it.
    UpstreamFault {
        /// Its name has no address.
        Lookup = "lookup",
        /// No TCP connection, or no place for one, within the time.
        Connect = "connect",
        /// TLS was not agreed on: above all a certificate that is out of date or of an unknown authority.
        Tls = "tls",
        /// No byte for too long, before there was an answer.
        Timeout = "timeout",
        /// The connection broke before there was an answer, or the answer was no HTTP.
        Broken = "broken",
        /// The answer broke off behind its head.
        Truncated = "truncated",
        /// An answer with status 200 that says an error in its body.
        LateError = "late_error",
        /// S3 does not accept the proxy's credentials.
        Refused = "refused",
        /// A refusal of HEAD, which says no reason.
        Unexplained = "unexplained",
    }
}

labels! {
    /// What a client sent in place of a request.
    BadRequest {
        /// No HTTP.
        Malformed = "malformed",
        /// Could be read in two ways.
        Ambiguous = "ambiguous",
        /// More than a head may have.
        HeadTooLarge = "head_too_large",
        /// A head that did not come to its end.
        HeadTimeout = "head_timeout",
        /// HTTP/2 frames that make work and are no requests.
        Flood = "flood",
        /// HTTP/2 frames that the protocol does not allow.
        Protocol = "protocol",
        /// More HTTP/2 streams at once than a connection may have.
        TooManyStreams = "too_many_streams",
    }
}
