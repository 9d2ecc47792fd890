//! The bodies that have to be understood, read as strictly as a permission check must be.
//!
//! Such a body is forwarded byte for byte, so S3's parser reads it again. Everything in which two XML parsers could
//! differ (DOCTYPE, CDATA, comments, foreign elements, attributes, doubled children) is refused.

use roxmltree::{Document, Node, ParsingOptions};

use super::error::{ErrorCode, Refusal};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// Nodes at most: a DeleteObjects of 1,000 keys has some 10,000 with its white space.
const MAX_NODES: u32 = 64 * 1024;

/// How an element may occur in its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// At most once, with elements in it.
    Group,
    /// Any number of times, with elements in it.
    Groups,
    /// At most once, with text in it.
    Text,
}

/// Every element that a body may hold: its path from the root, and how it may occur.
pub(super) type Schema = [(&'static str, Kind)];

/// An element that was read.
#[derive(Debug, Default)]
pub(super) struct Element {
    text: String,
    children: Vec<(&'static str, Element)>,
}

impl Element {
    /// The text of a child.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next().map(|child| child.text.as_str())
    }

    /// The children of a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |(other, _)| *other == name).map(|(_, child)| child)
    }
}

/// Reads a body whose root is the schema's first element.
pub(super) fn read(body: &[u8], schema: &Schema) -> Result<Element, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
    refuse_other_markup(text, schema)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|_| malformed("it is not well-formed"))?;
    let root = document.root_element();
    let (path, _) = schema.first().ok_or_else(|| malformed("nothing is expected"))?;
    if root.tag_name().name() != *path {
        return Err(malformed(&format!("the root is not {path}")));
    }
    group(root, path, schema)
}

fn group(node: Node<'_, '_>, path: &str, schema: &Schema) -> Result<Element, Refusal> {
    check(node)?;
    let mut element = Element::default();
    for child in node.children() {
        if !child.is_element() {
            if !child.text().unwrap_or("x").trim().is_empty() {
                return Err(malformed("there is text between elements"));
            }
            continue;
        }
        let path = format!("{path}/{}", child.tag_name().name());
        let Some(&(path, kind)) = schema.iter().find(|(known, _)| *known == path) else {
            return Err(malformed(&format!("{path} is not known here")));
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        if kind != Kind::Groups && element.all(name).next().is_some() {
            return Err(malformed(&format!("{path} occurs twice")));
        }
        let read = if kind == Kind::Text { leaf(child)? } else { group(child, path, schema)? };
        element.children.push((name, read));
    }
    Ok(element)
}

fn leaf(node: Node<'_, '_>) -> Result<Element, Refusal> {
    check(node)?;
    if node.children().any(|child| !child.is_text()) {
        return Err(malformed("an element holds more than text"));
    }
    let text = node.children().filter_map(|child| child.text()).collect();
    Ok(Element { text, children: Vec::new() })
}

fn check(node: Node<'_, '_>) -> Result<(), Refusal> {
    let foreign = node.tag_name().namespace().is_some_and(|namespace| namespace != NAMESPACE);
    if foreign || node.attributes().len() != 0 {
        return Err(malformed("an element has attributes or a foreign namespace"));
    }
    Ok(())
}

/// What stands behind an XML declaration, if there is one that leaves no choice: version 1.0 in UTF-8.
fn behind_declaration(text: &str) -> &str {
    let declared = text.strip_prefix("<?xml ").and_then(|text| text.split_once("?>"));
    let Some((declaration, behind)) = declared else { return text };
    let known = declaration.split_ascii_whitespace().enumerate().all(|(i, part)| {
        let part = part.replace('\'', "\"").to_ascii_lowercase();
        match part.as_str() {
            "version=\"1.0\"" => i == 0,
            "encoding=\"utf-8\"" => i == 1,
            "standalone=\"yes\"" | "standalone=\"no\"" => i > 0,
            _ => false,
        }
    });
    if known && declaration.starts_with("version") { behind } else { text }
}

/// A first look at the tags alone, in one pass: only the elements of the schema, bare, and on the root at most S3's
/// namespace. What comes behind may then take time in proportion to the body, which an XML parser alone does not
/// promise (attributes and namespace declarations are compared with each other), and no two parsers can differ over
/// prefixes, DOCTYPE, CDATA, comments or an encoding.
fn refuse_other_markup(text: &str, schema: &Schema) -> Result<(), Refusal> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let body = behind_declaration(text);
    let known = |name: &str| schema.iter().any(|(path, _)| path.rsplit('/').next() == Some(name));
    let mut root = true;
    for (i, piece) in body.split('<').enumerate() {
        if i == 0 {
            if !piece.trim().is_empty() {
                return Err(malformed("there is text in front of the root"));
            }
            continue;
        }
        let (tag, text) = piece.split_once('>').ok_or_else(|| malformed("it is not well-formed"))?;
        let name = tag.trim_end_matches([' ', '\t', '\r', '\n']);
        let name =
            name.strip_prefix('/').or_else(|| name.strip_suffix('/').map(str::trim_end)).unwrap_or(name);
        let name = if root { without_namespace(name) } else { name };
        root = false;
        if !known(name) {
            return Err(malformed("it holds something other than the bare elements of the schema"));
        }
        // Inside a text, XML turns a raw carriage return into a line feed; between elements it is layout.
        if text.contains('\r') && !text.trim().is_empty() {
            return Err(malformed("a carriage return in a text is written &#13;"));
        }
    }
    Ok(())
}

/// The root's name, when nothing but S3's namespace is declared on it.
fn without_namespace(tag: &str) -> &str {
    match tag.split_once([' ', '\t', '\r', '\n']) {
        Some((name, attribute)) => {
            let value = attribute.trim().strip_prefix("xmlns=").unwrap_or_default();
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).or_else(|| {
                let value = value.strip_prefix('\'')?;
                value.strip_suffix('\'')
            });
            if value == Some(NAMESPACE) { name } else { tag }
        }
        None => tag,
    }
}

pub(super) fn malformed(why: &str) -> Refusal {
    let message = format!(
        "The XML you provided was not well-formed or did not validate against our published schema: {why}."
    );
    Refusal::new(ErrorCode::MalformedXML, message)
}
