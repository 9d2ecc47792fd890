//! Tables of cases: a line each, fields between ` | `, `#` in front of a comment.
//!
//! In a field `\r`, `\n`, `\t`, `\xNN` and `\\` are what they are in Rust, and `\p` is a `|`.

/// The rows of a table, each with its fields.
pub(crate) fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        line.split(" | ").map(|field| String::from_utf8(unescape(field.trim())).unwrap()).collect()
    })
}

/// The bytes that a field stands for.
fn unescape(field: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = field.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'p') => b'|',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("unknown escape {other:?} in {field}"),
        });
    }
    out
}

/// A request of a table: `METHOD target`, header lines, and perhaps a last field `body=…`.
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn parse(fields: &[String]) -> Self {
        let (method, target) = fields[0].split_once(' ').unwrap();
        let (body, headers): (Vec<&String>, Vec<&String>) = fields[1..]
            .iter()
            .filter(|field| !field.is_empty())
            .partition(|field| field.starts_with("body="));
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.into_iter().cloned().collect(),
            body: body.first().map_or(Vec::new(), |body| body["body=".len()..].into()),
        }
    }

    pub(crate) fn headers(&self) -> Vec<&str> {
        self.headers.iter().map(String::as_str).collect()
    }

    /// Whether HTTP/2 can say the same: it has no `Connection`, and its own way to name host and length.
    pub(crate) fn fits_http2(&self) -> bool {
        let only_h1 =
            ["connection", "host", "transfer-encoding", "keep-alive", "content-length", "te", "upgrade"];
        let name = |line: &String| line.split(':').next().unwrap().to_ascii_lowercase();
        self.target.starts_with('/')
            && self.method != "CONNECT"
            && !self.headers.iter().any(|line| only_h1.contains(&name(line).as_str()))
    }
}
