//! The real binary, from its command line to its exit code.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

use serde_json::Value;

use crate::harness::{
    PATIENCE, SECRET, Setup, Step, TRUSTED, Upstream, Wire, connect, plain_get, request, tls,
};

fn proxy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proxy"));
    command.args(arguments).env_clear();
    command
}

pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = proxy(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn written(folder: &Path, text: &str) -> String {
    let file = folder.join("config.yaml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn a_good_configuration_is_shown_in_its_effective_form() {
    let setup = Setup::new("https://localhost:1");
    let file = setup.write();
    let (code, stdout, stderr) = run(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for shown in ["region: \"us-east-1\"", "idle_timeout: \"1m\"", "daily-writers", "source: static_file"] {
        assert!(stdout.contains(shown), "{shown} in {stdout}");
    }
    assert!(!stdout.contains(SECRET));
    // What is shown is itself a configuration, and the same one.
    let shown = written(setup.folder.path(), &stdout);
    assert_eq!(run(&["check", "--config", &shown]), (Some(0), stdout, String::new()));
}

#[test]
fn the_environment_goes_over_the_file() {
    let setup = Setup::new("https://localhost:1");
    let file = setup.write();
    let mut command = proxy(&["check", "--config", file.to_str().unwrap()]);
    command.env("S3PROXY_UPSTREAM__REGION", "eu-north-1").env("S3PROXY_LIMITS__MAX_CONNECTIONS", "7");
    let stdout = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(stdout.contains("eu-north-1") && stdout.contains("max_connections: 7"), "{stdout}");

    let mut command = proxy(&["check", "--config", file.to_str().unwrap()]);
    let output = command.env("S3PROXY_LIMITS__MAX_CONECTIONS", "7").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("max_conections") && stderr.contains("S3PROXY_LIMITS__MAX_CONECTIONS"),
        "{stderr}"
    );
}

#[test]
fn every_problem_is_listed_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        folder.path(),
        r#"listen: nowhere
tls: { certificate: /tls/tls.crt, client_ca: /tls/ca.crt }
upstream: { region: Mars, endpoint: "http://s3.internal" }
credentials: { source: imds }
grants:
  - { name: one, identities: [everybody], buckets: ["*"], actions: [s3:GetObjct] }
limits: { idle_timeout: soon, idle_timout: 1s }
"#,
    );
    for arguments in [["check", "--config", &file], ["run", "--config", &file]] {
        let (code, stdout, stderr) = run(&arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        for path in [
            "listen",
            "tls.private_key",
            "upstream.region",
            "upstream.endpoint",
            "credentials.source",
            "grants[0].identities[0]",
            "grants[0].actions[0]",
            "limits.idle_timeout",
            "limits.idle_timout",
        ] {
            let line = stderr.lines().find(|line| line.starts_with(&format!("error: {path}: ")));
            assert!(line.is_some_and(|line| line.contains("(line ")), "{path} in {stderr}");
        }
    }
}

#[test]
fn bad_usage_ends_with_2_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.yaml").display().to_string();
    for command in ["check", "run"] {
        let (code, _, stderr) = run(&[command, "--config", &missing]);
        assert_eq!(code, Some(2));
        assert!(stderr.contains("none.yaml"), "{stderr}");
        assert_eq!(run(&[command]).0, Some(2));
    }
    assert_eq!(run(&["fly"]).0, Some(2));
    assert_eq!(run(&[]).0, Some(2));
    assert_eq!(run(&["run", "--config", &missing, "--log-format", "xml"]).0, Some(2));
}

#[test]
fn certificates_that_are_not_there_end_a_run_with_2() {
    let setup = Setup::new("https://localhost:1");
    let file = setup.write();
    std::fs::remove_file(setup.folder.path().join("server.key")).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(run(&["check", "--config", file]).0, Some(0), "a check looks at the configuration alone");
    let (code, stdout, stderr) = run(&["run", "--config", file]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("server.key"), "{stderr}");
}

#[test]
fn a_port_that_is_taken_ends_a_run_with_3() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = Setup::new("https://localhost:1");
    let file = setup.write();
    let mut command = proxy(&["run", "--config", file.to_str().unwrap()]);
    let output = command.env("S3PROXY_LISTEN", taken.local_addr().unwrap().to_string()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("listen"), "{stderr}");
}

#[test]
fn help_shows_examples() {
    for arguments in [&["--help"][..], &["run", "--help"], &["check", "--help"], &["connect", "--help"]] {
        let (code, stdout, _) = run(arguments);
        assert_eq!(code, Some(0));
        assert!(stdout.contains("Example") && stdout.contains("proxy "), "{stdout}");
    }
    let (code, stdout, _) = run(&["--version"]);
    assert_eq!((code, stdout.trim()), (Some(0), concat!("proxy ", env!("CARGO_PKG_VERSION"))));
}

/// A process that does not outlive the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    /// Lines of the log, as they come.
    log: mpsc::Receiver<String>,
    text: String,
}

impl Running {
    pub(crate) fn start(file: &Path) -> Self {
        Self::command(&["run", "--verbose", "--config", file.to_str().unwrap()])
    }

    pub(crate) fn command(arguments: &[&str]) -> Self {
        Self::spawn(&mut proxy(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = mpsc::sync_channel(10_000);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, log, text: String::new() }
    }

    /// Waits for a line of the log with this message.
    pub(crate) fn says(&mut self, message: &str) -> Value {
        loop {
            let line =
                self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("'{message}' in {}", self.text));
            self.text.extend([line.as_str(), "\n"]);
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Exit code, standard output and the whole log.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code();
        let mut text = std::mem::take(&mut self.text);
        for line in &self.log {
            text.extend([line.as_str(), "\n"]);
        }
        (code, stdout, text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_run_serves_reloads_and_ends_without_a_word_of_the_secret() {
    let upstream = Upstream::start().await;
    let setup = Setup::new(upstream.endpoint()).session_token("token-that-never-appears");
    let file = setup.write();
    let mut running = Running::start(&file);
    let listening = running.says("listening");
    let address = listening["listen"].as_str().unwrap().parse().unwrap();
    let admin = listening["admin"].as_str().unwrap().parse().unwrap();
    running.says("credentials loaded");

    let config = tls(Some(&TRUSTED.client("admin")), "http/1.1");
    let mut wire = Wire::new(connect(address, config).await.unwrap());
    assert_eq!(plain_get(admin, "/readyz").await.status, 200);
    assert_eq!(wire.ask("PUT", "/reports/daily/x", &[], b"body").await.status, 200);
    assert_eq!(wire.ask("GET", "/reports/daily/x?unheard-of", &[], b"").await.status, 501);
    crate::harness::verify(&upstream.only());
    // What goes wrong is told at length, and still without secrets.
    drop(upstream);
    assert!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status >= 500);

    running.signal("-HUP");
    running.says("reloaded");
    running.signal("-TERM");
    let (code, stdout, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{stdout}");
    assert_eq!(lines[0]["operation"], "PutObject");
    for secret in [SECRET, "token-that-never-appears", "Signature=", "PRIVATE KEY"] {
        assert!(!stdout.contains(secret) && !log.contains(secret), "{secret} in\n{stdout}{log}");
    }
}

#[tokio::test]
async fn a_second_sigterm_means_now() {
    let upstream = Upstream::scripted(|_| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst".to_vec()), Step::Silence]
    })
    .await;
    let setup = Setup::new(upstream.endpoint());
    let mut running = Running::start(&setup.write());
    let address = running.says("listening")["listen"].as_str().unwrap().parse().unwrap();
    running.says("credentials loaded");
    let config = tls(Some(&TRUSTED.client("admin")), "http/1.1");
    let mut wire = Wire::new(connect(address, config).await.unwrap());
    wire.send(request("GET", "/reports/x", &[], b"")).await;
    wire.until(b"first").await.unwrap();
    running.signal("-TERM");
    running.says("draining");
    running.signal("-TERM");
    let (code, _, log) = running.end();
    assert_eq!(code, Some(3), "{log}");
}

#[tokio::test]
async fn as_many_files_may_be_open_as_the_system_allows() {
    let upstream = Upstream::start().await;
    let mut setup = Setup::new(upstream.endpoint());
    setup.limits = "max_connections: 1000000";
    let mut running = Running::spawn(Command::new("bash").env_clear().args([
        "-c",
        "ulimit -Sn 300; ulimit -Hn 600; exec \"$@\"",
        "-",
        env!("CARGO_BIN_EXE_proxy"),
        "run",
        "--config",
        setup.write().to_str().unwrap(),
    ]));
    let warning = running.says(
        "the process may not open as many files as limits.max_connections may need; raise its limit (ulimit -n)",
    );
    assert_eq!(warning["allowed"], 600);
    running.says("listening");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.child.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("600"), "{files}");
}

#[test]
fn a_variable_that_is_no_text_is_a_problem() {
    use std::os::unix::ffi::OsStrExt;
    let setup = Setup::new("https://localhost:1");
    let mut command = proxy(&["check", "--config", setup.write().to_str().unwrap()]);
    let output = command.env("S3PROXY_ADMIN", std::ffi::OsStr::from_bytes(b"\xff")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("S3PROXY_ADMIN is not UTF-8"), "{stderr}");
}

#[test]
fn explain_answers_with_its_exit_code() {
    let setup = Setup::new("https://localhost:1");
    let config = setup.write().display().to_string();
    let reader = "spiffe://cluster.local/ns/reports/sa/reader";
    let ask = |identity: &str, method: &str, url: &str, more: &[&str]| {
        let fixed =
            ["explain", "--config", &config, "--identity", identity, "--method", method, "--url", url];
        run(&[&fixed, more].concat())
    };
    let (code, stdout, stderr) = ask(reader, "GET", "/reports/daily/x", &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        stdout.contains("GetObject") && stdout.contains("ALLOWED by the grant 'daily-readers'"),
        "{stdout}"
    );

    let (code, stdout, _) = ask(reader, "GET", "/reports/other/x?versionId=1", &[]);
    assert_eq!(code, Some(1));
    for part in ["s3:GetObjectVersion on reports/other/x", "403 AccessDenied", "prefixes: [\"other/x\"]"] {
        assert!(stdout.contains(part), "{part} in {stdout}");
    }
    let (code, stdout, _) =
        ask(reader, "PUT", "/reports/daily/x", &["--header", "x-amz-acl: private", "--json"]);
    assert_eq!(code, Some(1));
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&json["operation"], &json["decided_by"]), (&"PutObject".into(), &"guardrail:acl".into()));

    let body = setup.folder.path().join("delete.xml");
    std::fs::write(&body, "<Delete><Object><Key>secret/x</Key></Object></Delete>").unwrap();
    let body = body.display().to_string();
    let writer = "spiffe://cluster.local/ns/reports/sa/writer";
    let (code, stdout, _) = ask(writer, "POST", "/reports?delete", &["--body", &body]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("s3:DeleteObject on reports/secret/x"), "{stdout}");

    for (identity, method, url, more, word) in [
        ("nobody", "GET", "/a", &[][..], "--identity"),
        (reader, "G T", "/a", &[], "--method"),
        (reader, "GET", "not a path", &[], "--url"),
        (reader, "GET", "/a", &["--header", "nonsense"], "--header"),
        (reader, "GET", "/a", &["--body", "/does/not/exist"], "/does/not/exist"),
    ] {
        let (code, stdout, stderr) = ask(identity, method, url, more);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{word}");
        assert!(stderr.contains(word), "{word} in {stderr}");
    }
    assert_eq!(run(&["explain", "--config", &config]).0, Some(2), "nothing was asked");
}

#[tokio::test]
async fn the_access_log_is_replayed_and_learned_from() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut writer = proxy.client("writer").await;
    assert_eq!(writer.ask("PUT", "/reports/daily/x", &[], b"b").await.status, 200);
    let copy = ["x-amz-copy-source: reports/daily/x", "x-amz-tagging-directive: REPLACE"];
    assert_eq!(writer.ask("PUT", "/reports/daily/y", &copy, b"").await.status, 200);
    let batch = b"<Delete><Object><Key>daily/x</Key></Object><Object><Key>daily/y</Key></Object></Delete>";
    assert_eq!(writer.ask("POST", "/reports?delete", &[], batch).await.status, 200);
    assert_eq!(writer.ask("GET", "/reports?prefix=daily/", &[], b"").await.status, 200);
    let mut reader = proxy.client("reader").await;
    assert_eq!(reader.ask("GET", "/reports/secret/x", &[], b"").await.status, 403);
    let lines: Vec<String> = proxy.log.exactly(5).await.iter().map(ToString::to_string).collect();

    let setup = Setup::new("https://localhost:1");
    let config = setup.write().display().to_string();
    let file = |name: &str, text: &str| {
        let file = setup.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let log = file("access.jsonl", &lines.join("\n"));
    let (code, stdout, stderr) = run(&["explain", "--config", &config, "--log", &log]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    assert!(
        stdout.contains("5 requests: 4 allowed, 1 denied; 0 that were allowed would be denied"),
        "{stdout}"
    );

    let (code, grants, _) = run(&["explain", "--learn", &log]);
    assert_eq!(code, Some(0));
    let text = std::fs::read_to_string(&config).unwrap();
    let (head, _) = text.split_once("grants:").unwrap();
    let learned = file("learned.yaml", &format!("{head}{grants}"));
    let (_, stdout, stderr) = run(&["explain", "--config", &learned, "--log", &log, "--json"]);
    let replay: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}{grants}"));
    assert_eq!((&replay["newly_denied"], &replay["newly_allowed"]), (&0.into(), &0.into()), "{grants}");
    for absent in ["s3:*", "secret", "GetObjectTagging"] {
        assert!(!grants.contains(absent), "{absent} in {grants}");
    }
    let (code, _, stderr) = run(&["explain", "--learn", &file("bad.jsonl", "\nnonsense\n")]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("bad.jsonl: line 2"), "{stderr}");
}
