//! The floors of the house: imports go down, never up and never sideways; floors 0 and 1 do no IO. Which module is on
//! which floor is read from the table in `src/lib.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The top floor assembles: there the command line may use the application.
const ASSEMBLY: u32 = 5;
/// Up to here: no IO, no clock, no environment.
const PURE: u32 = 1;

/// What pure floors must not name. Addresses are values; what reads the clock, the disk or the network is not.
const IMPURE: [&str; 15] = [
    "tokio",
    "hyper",
    "hyper_util",
    "rustls",
    "tokio_rustls",
    "aws_config",
    "tracing",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::net",
    "SystemTime::now",
    "Instant::now",
    "now_utc",
];
const ALLOWED: [&str; 7] = [
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::net::SocketAddrV4",
    "std::net::SocketAddrV6",
    "std::net::AddrParseError",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Rows `| 0 | [`identity`], [`s3`] | … |` of the table.
fn floors() -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let mut floors = BTreeMap::new();
    for line in text.lines() {
        let Some(row) = line.strip_prefix("//! | ") else { continue };
        let mut cells = row.split(" | ");
        let Some(Ok(floor)) = cells.next().map(str::parse) else { continue };
        let names = cells.next().unwrap().split('`').skip(1).step_by(2);
        floors.extend(names.map(|name| (name.to_owned(), floor)));
    }
    floors
}

/// A source file: its module path, and its lines without comments and unit tests, numbered.
struct File {
    path: String,
    module: Vec<String>,
    lines: Vec<(usize, String)>,
}

fn files() -> Vec<File> {
    let (root, mut folders, mut files) = (source(), vec![source()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.retain(|path| path.file_name().is_some_and(|name| name != "tests.rs"));
    files.iter().map(|path| read(&root, path)).collect()
}

fn read(root: &Path, path: &Path) -> File {
    let relative = path.strip_prefix(root).unwrap().with_extension("");
    let mut module: Vec<String> =
        relative.iter().map(|part| part.to_str().unwrap().to_owned()).filter(|part| part != "mod").collect();
    if module == ["lib"] || module == ["main"] {
        module.clear();
    }
    let text = std::fs::read_to_string(path).unwrap();
    // Unit tests stand at the end of a file; they may read golden data and look around.
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines =
        code.lines().enumerate().map(|(i, line)| (i + 1, line.split("//").next().unwrap().to_owned()));
    File {
        path: path.strip_prefix(root).unwrap().display().to_string(),
        module,
        lines: lines.filter(|(_, line)| !line.trim().is_empty()).collect(),
    }
}

/// The modules of the crate's root that a line names, by `crate::x` or by climbing there with `super`.
fn named(module: &[String], line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            let rest = &line[at + "crate::".len()..];
            found.extend(heads(rest));
        }
    }
    let climb = "super::".repeat(module.len());
    if !module.is_empty() && line.contains(&climb) {
        found.extend(heads(&line[line.find(&climb).unwrap() + climb.len()..]));
    }
    found
}

/// The first names of a path, or of each path in braces.
fn heads(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    match path.strip_prefix('{') {
        None => vec![name(path)],
        Some(list) => {
            let mut depth = 0;
            let outer: String = list
                .chars()
                .take_while(|c| *c != ';')
                .filter(|c| {
                    depth += i32::from(*c == '{') - i32::from(*c == '}');
                    depth == 0
                })
                .collect();
            outer.split(',').map(name).filter(|name| !name.is_empty()).collect()
        }
    }
}

#[test]
fn every_module_has_a_floor() {
    let floors = floors();
    let text = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let declared = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let declared: Vec<&str> = declared.collect();
    assert!(declared.len() > 10, "{declared:?}");
    for module in &declared {
        assert!(floors.contains_key(*module), "'{module}' is in no row of the table in src/lib.rs");
    }
    assert_eq!(floors.len(), declared.len(), "{floors:?}");
}

#[test]
fn imports_go_down() {
    let floors = floors();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files() {
        let Some(here) = file.module.first() else { continue };
        let floor = floors[here];
        for (number, line) in &file.lines {
            for there in named(&file.module, line) {
                let Some(&other) = floors.get(&there) else { continue };
                seen += 1;
                let down = other < floor || there == *here || floor == ASSEMBLY && other == ASSEMBLY;
                if !down {
                    wrong.push(format!(
                        "{}:{number}: {here} (floor {floor}) uses {there} (floor {other})",
                        file.path
                    ));
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} imports were seen: the test no longer reads them");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn words_and_decisions_do_no_io() {
    let floors = floors();
    let mut wrong = Vec::new();
    for file in files() {
        let Some(here) = file.module.first().filter(|here| floors[*here] <= PURE) else { continue };
        for (number, line) in &file.lines {
            let mut rest = line.clone();
            for allowed in ALLOWED {
                rest = rest.replace(allowed, "");
            }
            for name in IMPURE {
                let word = rest.match_indices(name).any(|(at, _)| {
                    let edge = |c: char| !c.is_alphanumeric() && c != '_';
                    rest[..at].chars().next_back().is_none_or(edge)
                        && rest[at + name.len()..].chars().next().is_none_or(edge)
                });
                if word {
                    wrong.push(format!("{}:{number}: {here} names {name}: {}", file.path, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn paths_are_found_however_they_are_written() {
    let module = |path: &str| -> Vec<String> { path.split("::").map(str::to_owned).collect() };
    let found = |line: &str| named(&module("policy::template"), line);
    assert_eq!(found("use crate::s3::{Access, Action};"), ["s3"]);
    assert_eq!(
        found("use crate::{identity::SpiffeId, s3::{self, Action}, proxy};"),
        ["identity", "s3", "proxy"]
    );
    assert_eq!(found("    Variable::X => spiffe.map(super::super::tls::accept),"), ["tls"]);
    assert_eq!(found("pub(crate) fn x(y: &crate::net::Idle)"), ["net"]);
    assert!(found("use super::pattern::IdentityPattern;").is_empty());
}
