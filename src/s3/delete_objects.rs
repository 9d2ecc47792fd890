//! The body of DeleteObjects: which objects it names.

use super::error::Refusal;
use super::xml::{self, Element, Kind, malformed};

/// Amazon S3 API reference, "DeleteObjects".
const MAX_OBJECTS: usize = 1000;

const SCHEMA: &xml::Schema = &[
    ("Delete", Kind::Group),
    ("Delete/Quiet", Kind::Text),
    ("Delete/Object", Kind::Groups),
    ("Delete/Object/Key", Kind::Text),
    ("Delete/Object/VersionId", Kind::Text),
    ("Delete/Object/ETag", Kind::Text),
    ("Delete/Object/LastModifiedTime", Kind::Text),
    ("Delete/Object/Size", Kind::Text),
];

/// One object to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Victim {
    pub(super) key: String,
    pub(super) version: Option<String>,
    /// Whether it is only to go if its ETag is a certain one, which tells the client about its content.
    pub(super) if_match: bool,
}

/// The objects that a body names, 1 to 1,000.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Victim>, Refusal> {
    let delete = xml::read(body, SCHEMA)?;
    let victims = delete.all("Object").map(victim).collect::<Result<Vec<_>, _>>()?;
    if victims.is_empty() || victims.len() > MAX_OBJECTS {
        return Err(malformed("it must hold 1 to 1000 Objects"));
    }
    Ok(victims)
}

fn victim(object: &Element) -> Result<Victim, Refusal> {
    let key = object.text("Key").filter(|key| !key.is_empty());
    let version = object.text("VersionId");
    match (key, version) {
        (Some(key), version) if version != Some("") => Ok(Victim {
            key: key.to_owned(),
            version: version.map(str::to_owned),
            if_match: object.text("ETag").is_some_and(|tag| tag != "*"),
        }),
        _ => Err(malformed("an Object has no Key, or an empty Key or VersionId")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::ErrorCode;

    #[test]
    fn keys_and_versions_are_read_literally() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\r\n\
            <Object><Key>a &amp; b&#xD;</Key></Object><Object><Key> ../ä%20</Key><VersionId>v1</VersionId></Object>\
            <Quiet>true</Quiet></Delete>";
        let victims = parse(body.as_bytes()).unwrap();
        assert_eq!(victims[0], Victim { key: "a & b\r".into(), version: None, if_match: false });
        assert_eq!(
            victims[1],
            Victim { key: " ../ä%20".into(), version: Some("v1".into()), if_match: false }
        );
    }

    #[test]
    fn the_usual_spellings_are_read() {
        for good in [
            "<Delete xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\r\n<Object><Key>a</Key></Object>\r\n</Delete>\n",
            "<Delete><Quiet>true</Quiet><Object><Key>a</Key><ETag>x</ETag><Size>1</Size></Object><Object ><Key >b</Key ></Object></Delete>",
            "<?xml version='1.0' encoding='utf-8'?>\n<Delete><Object><Key>a</Key></Object></Delete>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><Delete><Object><Key>a</Key></Object></Delete>",
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
