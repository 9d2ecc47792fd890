//! The body of DeleteObjects, read as strictly as a permission check must be.
//!
//! The body is forwarded byte for byte, so S3's parser reads it again. Everything in which two XML parsers could
//! differ (DOCTYPE, CDATA, comments, foreign elements, attributes, doubled children) is refused.

use roxmltree::{Document, Node, ParsingOptions};

use super::error::{ErrorCode, Refusal};

/// Bytes of body that are read at most: 1,000 keys of 1,024 bytes, each byte written as a six-character entity,
/// and as much again for the elements around them.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// Amazon S3 API reference, "DeleteObjects".
const MAX_OBJECTS: usize = 1000;
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// One object to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Victim {
    pub(super) key: String,
    pub(super) version: Option<String>,
}

/// The objects that a body names, 1 to 1,000.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Victim>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
    refuse_other_markup(text)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 64 * 1024, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|_| malformed("it is not well-formed"))?;
    let root = document.root_element();
    check_name(root, "Delete")?;
    let mut victims = Vec::new();
    let mut quiet = 0;
    for child in elements(root)? {
        match child.tag_name().name() {
            "Object" => victims.push(victim(child)?),
            "Quiet" => {
                quiet += 1;
                text_of(child)?;
            }
            _ => return Err(malformed("Delete holds something other than Object and Quiet")),
        }
    }
    if victims.is_empty() || victims.len() > MAX_OBJECTS || quiet > 1 {
        return Err(malformed("it must hold 1 to 1000 Objects and at most one Quiet"));
    }
    Ok(victims)
}

fn victim(object: Node<'_, '_>) -> Result<Victim, Refusal> {
    let (mut key, mut version) = (None, None);
    let mut seen: Vec<&str> = Vec::new();
    for child in elements(object)? {
        let name = child.tag_name().name();
        if seen.contains(&name) {
            return Err(malformed("an Object holds an element twice"));
        }
        seen.push(name);
        match name {
            "Key" => key = Some(text_of(child)?),
            "VersionId" => version = Some(text_of(child)?),
            "ETag" | "LastModifiedTime" | "Size" => drop(text_of(child)?),
            _ => return Err(malformed("an Object holds an unknown element")),
        }
    }
    match (key, version) {
        (Some(key), version) if !key.is_empty() && version.as_deref() != Some("") => {
            Ok(Victim { key, version })
        }
        _ => Err(malformed("an Object has no Key, or an empty Key or VersionId")),
    }
}

const DECLARATION: [&str; 4] = [
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    "<?xml version='1.0' encoding='UTF-8'?>",
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
    "<?xml version=\"1.0\"?>",
];
const ELEMENTS: [&str; 8] =
    ["Delete", "Object", "Key", "VersionId", "Quiet", "ETag", "LastModifiedTime", "Size"];

/// A first look at the tags alone, in one pass: only the elements of the schema, bare, and on the root at most S3's
/// namespace. What comes behind may then take time in proportion to the body, which an XML parser alone does not
/// promise (attributes and namespace declarations are compared with each other), and no two parsers can differ over
/// prefixes, DOCTYPE, CDATA, comments or an encoding.
fn refuse_other_markup(text: &str) -> Result<(), Refusal> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let body = DECLARATION.iter().find_map(|declaration| text.strip_prefix(declaration)).unwrap_or(text);
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
        if !ELEMENTS.contains(&name) {
            return Err(malformed("it holds something other than the bare elements of the schema"));
        }
        // Inside a key, XML turns a raw carriage return into a line feed; between elements it is layout.
        if text.contains('\r') && !text.trim().is_empty() {
            return Err(malformed("a carriage return in a key is written &#13;"));
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

fn check_name(node: Node<'_, '_>, name: &str) -> Result<(), Refusal> {
    if node.tag_name().name() == name {
        check_element(node)
    } else {
        Err(malformed("the root is not Delete"))
    }
}

fn check_element(node: Node<'_, '_>) -> Result<(), Refusal> {
    let foreign = node.tag_name().namespace().is_some_and(|namespace| namespace != NAMESPACE);
    if foreign || node.attributes().len() != 0 {
        return Err(malformed("an element has attributes or a foreign namespace"));
    }
    Ok(())
}

/// The child elements; text beside them may be white space only.
fn elements<'a, 'i>(parent: Node<'a, 'i>) -> Result<Vec<Node<'a, 'i>>, Refusal> {
    let mut children = Vec::new();
    for child in parent.children() {
        if child.is_element() {
            check_element(child)?;
            children.push(child);
        } else if !child.text().unwrap_or("x").trim().is_empty() {
            return Err(malformed("there is text between elements"));
        }
    }
    Ok(children)
}

fn text_of(node: Node<'_, '_>) -> Result<String, Refusal> {
    if node.children().any(|child| !child.is_text()) {
        return Err(malformed("an element holds more than text"));
    }
    Ok(node.children().filter_map(|child| child.text()).collect())
}

fn malformed(why: &str) -> Refusal {
    let message = format!(
        "The XML you provided was not well-formed or did not validate against our published schema: {why}."
    );
    Refusal::new(ErrorCode::MalformedXML, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_versions_are_read_literally() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\r\n\
            <Object><Key>a &amp; b&#xD;</Key></Object><Object><Key> ../ä%20</Key><VersionId>v1</VersionId></Object>\
            <Quiet>true</Quiet></Delete>";
        let victims = parse(body.as_bytes()).unwrap();
        assert_eq!(victims[0], Victim { key: "a & b\r".into(), version: None });
        assert_eq!(victims[1], Victim { key: " ../ä%20".into(), version: Some("v1".into()) });
    }

    #[test]
    fn the_usual_spellings_are_read() {
        for good in [
            "<Delete xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\r\n<Object><Key>a</Key></Object>\r\n</Delete>\n",
            "<Delete><Quiet>true</Quiet><Object><Key>a</Key><ETag>x</ETag><Size>1</Size></Object><Object ><Key >b</Key ></Object></Delete>",
            "\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n<Delete><Object><Key>a</Key></Object></Delete>",
        ] {
            assert!(parse(good.as_bytes()).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_hostile_body_costs_no_more_than_its_length() {
        // Each of these took an XML parser alone from half a second to minutes.
        let attributes: Vec<_> = (0..80_000).map(|i| format!(" a{i}=\"\"")).collect();
        let namespaces: Vec<_> = (0..8_000).map(|i| format!(" xmlns:a{i}=\"x\"")).collect();
        let children = "<a xmlns:b=\"x\"/>".repeat(1000);
        let (attributes, namespaces) = (attributes.concat(), namespaces.concat());
        for body in [format!("<Delete{attributes}/>"), format!("<Delete{namespaces}>{children}</Delete>")] {
            assert_eq!(parse(body.as_bytes()).unwrap_err().code, ErrorCode::MalformedXML);
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let many = format!("<Delete>{}</Delete>", "<Object><Key>a</Key></Object>".repeat(1001));
        for bad in [
            "",
            "<Delete/>",
            "<Delete><Object><Key></Key></Object></Delete>",
            "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
            "<Delete><Object><Key>a<!-- -->b</Key></Object></Delete>",
            "<Delete><Object><Key><![CDATA[a]]></Key></Object></Delete>",
            "<Delete><Object><Key>a\rb</Key></Object></Delete>",
            "<!DOCTYPE d [<!ENTITY e \"x\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
            "<Delete><Object><Key a=\"b\">a</Key></Object></Delete>",
            "<Delete><Object><Key xmlns=\"urn:x\">a</Key></Object></Delete>",
            "<Delete><Object><Key>a</Key><Other>b</Other></Object></Delete>",
            "<Delete>x<Object><Key>a</Key></Object></Delete>",
            "<Delete><Object><Key><b>a</b></Key></Object></Delete>",
            "<Delete><Object><Key>a</Key><VersionId/></Object></Delete>",
            "<Delete><Object><Key>a</Key></Object></Delete><Delete/>",
            "<delete><Object><Key>a</Key></Object></delete>",
            "<?xml version=\"1.0\" encoding=\"UTF-16\"?><Delete><Object><Key>a</Key></Object></Delete>",
            "<?xml version=\"1.1\"?><Delete><Object><Key>a</Key></Object></Delete>",
            "<Delete xmlns:a=\"urn:x\"><Object><a:Key>a</a:Key></Object></Delete>",
            "<Delete xmlns=\"urn:x\"><Object><Key>a</Key></Object></Delete>",
            "<Delete><Object><Key>a</Key><VersionId xmlns=\"\">1</VersionId></Object></Delete>",
            &many,
        ] {
            assert_eq!(parse(bad.as_bytes()).unwrap_err().code, ErrorCode::MalformedXML, "{bad:.80}");
        }
    }
}
