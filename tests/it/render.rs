//! `proxy bootstrap render`: the real binary on every declaration of `tests/data/bootstrap`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::run;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn declarations() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join("tests/data/bootstrap")).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml") && !file.ends_with("proxy.yaml"));
    files.push(root().join("examples/bootstrap/bootstrap.yaml"));
    assert!(files.len() > 6);
    files
}

fn rendered(declaration: &Path) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let (code, stdout, stderr) =
        run(&["bootstrap", "render", "-f", declaration.to_str().unwrap(), "--out", out]);
    assert_eq!(code, Some(0), "{stderr}");
    let file = |line: &str| {
        let name = Path::new(line).strip_prefix(folder.path()).unwrap().display().to_string();
        (name, fs::read_to_string(line).unwrap())
    };
    stdout.lines().map(file).collect()
}

#[test]
fn rendered_twice_it_is_the_same_and_the_template_is_what_standard_output_gets() {
    for declaration in declarations() {
        let files = rendered(&declaration);
        assert_eq!(files, rendered(&declaration));
        let (code, stdout, _) = run(&["bootstrap", "render", "-f", declaration.to_str().unwrap()]);
        assert_eq!((code, &stdout), (Some(0), &files["cloudformation.yaml"]));
        assert!(!stdout.contains("{{"), "what only the account can say is a reference in a template");
        for part in ["policies/bucket/logs.json", "policies/endpoint.json", "policies/managed/"] {
            assert!(files.keys().any(|name| name.starts_with(part)), "{part} in {:?}", files.keys());
        }
    }
}

#[test]
fn no_resource_is_in_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let sample = root().join("tests/data/bootstrap");
    fs::copy(sample.join("proxy.yaml"), folder.path().join("proxy.yaml")).unwrap();
    let file = folder.path().join("bootstrap.yaml");
    let bucket = |base: &str| {
        format!("  - {{ profile: application-data, name: {{ strategy: derived, base: {base} }} }}\n")
    };
    let more: String = ["data1", "data-1", "data-1-policy", "data-policy"].map(bucket).concat();
    let text = fs::read_to_string(sample.join("application-data.yaml")).unwrap();
    fs::write(&file, text.replace("access: {", &format!("{more}access: {{"))).unwrap();
    let template = &rendered(&file)["cloudformation.yaml"];
    let count =
        |kind: &str| template.lines().filter(|line| line.trim() == format!("Type: \"{kind}\"")).count();
    assert_eq!((count("AWS::S3::Bucket"), count("AWS::S3::BucketPolicy")), (6, 6), "{template}");
}

#[test]
fn the_rendered_configurations_are_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    for declaration in declarations() {
        let files = rendered(&declaration);
        let configurations: Vec<&String> =
            files.iter().filter(|(name, _)| name.starts_with("proxy/")).map(|(_, text)| text).collect();
        assert!(!configurations.is_empty());
        for text in configurations {
            fs::write(&file, text).unwrap();
            let (code, stdout, stderr) = run(&["check", "--config", file.to_str().unwrap()]);
            assert_eq!((code, stderr.as_str()), (Some(0), ""), "{text}");
            assert!(text.ends_with(&stdout), "what is rendered is the effective form:\n{text}\n{stdout}");
        }
    }
}

#[test]
fn a_bad_declaration_is_told_in_whole_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("bad.yaml"), folder.path().join("out"));
    fs::write(&file, "name: x\nregion: nowhere\nbuckets: [{ profile: archive }]\n").unwrap();
    let (code, stdout, stderr) =
        run(&["bootstrap", "render", "-f", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(!out.exists());
    for part in [
        "name: 'x'",
        "account: missing",
        "region: 'nowhere'",
        "buckets[0].profile: 'archive' is not one of",
        "(line 3)",
    ] {
        assert!(stderr.contains(part), "{part} in {stderr}");
    }
}

/// The policies in the documentation are those that the profiles come to: `UPDATE_DOCS=1` writes them there.
#[test]
fn the_documented_policies_are_the_compiled_ones() {
    let page = root().join("docs/bootstrap.md");
    let mut text = fs::read_to_string(&page).unwrap();
    for (profile, base) in [
        ("application-data", "data"),
        ("worm-archive", "data"),
        ("log-sink", "logs"),
        ("analytics-read", "data"),
        ("data-exchange", "data"),
    ] {
        let files = rendered(&root().join(format!("tests/data/bootstrap/{profile}.yaml")));
        let policy = &files[&format!("policies/bucket/{base}.json")];
        let (open, close) = (format!("<!-- policy {profile} -->\n"), "<!-- end -->");
        let start = text.find(&open).unwrap_or_else(|| panic!("{open} in docs/bootstrap.md")) + open.len();
        let end = start + text[start..].find(close).unwrap();
        text.replace_range(start..end, &format!("```json\n{policy}```\n"));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, &text).unwrap();
    }
    assert!(text == fs::read_to_string(&page).unwrap(), "run UPDATE_DOCS=1 cargo test documented_policies");
}
