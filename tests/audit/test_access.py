"""`proxy audit access` on logs of each kind."""

from __future__ import annotations

import gzip
import json

from logs import ALICE, API, PROXY, denied, event, json_lines, lines, passed, server_line, trail

ROLE = "arn:aws:iam::123456789012:role/proxy"
BACKUP = "arn:aws:sts::123456789012:assumed-role/backup/nightly"

CONFIG = f"""
tls: {{ certificate: c, private_key: k, client_ca: a }}
upstream: {{ region: eu-west-1 }}
credentials: {{ source: environment }}
grants:
  - {{ name: readers, identities: ["{API}"], buckets: [data], prefixes: [daily/], actions: [s3:GetObject] }}
  - {{ name: writers, identities: ["{API}"], buckets: [data], prefixes: [out/], actions: [s3:PutObject] }}
  - {{ name: forgotten, identities: ["{API}"], buckets: [old], actions: [s3:GetObject] }}
  - {{ name: never, effect: deny, identities: ["{API}"], buckets: [old], actions: [s3:DeleteObject] }}
"""


def test_who_touched_what_and_what_was_denied(audit, tmp_path):
    put = passed("3", operation="PutObject", key="out/y", bytes_in=5, bytes_out=0, grant="writers")
    log = json_lines(
        tmp_path / "log.jsonl",
        passed("1"),
        passed("2", 1),
        put,
        *(denied(2, key=f"secret/{i}") for i in range(3)),
        passed("4", 3, status=403, error_code="AccessDenied"),
        denied(4, operation=None, bucket=None, key=None, status=501, error_code="NotImplemented"),
    )
    ran = audit("access", "--proxy-log", log, "--output", "json")
    assert (ran.code, ran.err) == (0, "")
    review = ran.json
    touched = {entry["prefix"]: entry for entry in review["touched"]["entries"]}
    assert touched.keys() == {"daily/", "out/"}
    assert (touched["daily/"]["reads"], touched["daily/"]["bytes_out"]) == (2, 2048)
    assert (touched["out/"]["writes"], touched["out/"]["bytes_in"]) == (1, 5)
    proxy, s3 = review["denied"]["entries"]
    assert (proxy["requests"], proxy["first_key"], proxy["by"], proxy["by_s3"]) == (3, "secret/0", None, False)
    assert (s3["requests"], s3["by_s3"]) == (1, True)
    assert (review["requests"], review["denials"]) == (8, 4)
    assert review["bypass"] is None and review["unused_grants"] is None


def test_what_went_past_the_proxy(audit, tmp_path):
    log = json_lines(tmp_path / "log.jsonl", passed("P1"), passed("P2", 10))
    server = lines(
        tmp_path / "server",
        server_line("P1"),
        server_line("ALICE1", 2, requester=ALICE, key="daily/secret", ip="203.0.113.9"),
        server_line("ALICE2", 3, requester=ALICE, status="403", error="AccessDenied"),
        server_line("STOLEN", 4),
        server_line("LIFE", 5, requester="AmazonS3", operation="S3.EXPIRE.OBJECT", ip="-"),
        server_line("BACKUP", 5, requester=BACKUP),
        server_line("LATER", 59, requester=ALICE),
        server_line("OTHER", 2, requester=ALICE, bucket="elsewhere"),
        server_line("NOBODY", 6, requester="-", operation="REST.HEAD.OBJECT"),
    )
    options = ["--bucket", "data", "--role", ROLE, "--expect", "arn:aws:iam::123456789012:role/back*"]
    ran = audit("access", "--proxy-log", log, "--s3-log", server, *options, "--output", "json")
    assert ran.code == 1
    bypass = ran.json["bypass"]
    counts = {name: bypass[name] for name in ("seen", "passed", "by_aws", "expected", "outside")}
    assert counts == {"seen": 8, "passed": 1, "by_aws": 1, "expected": 1, "outside": 1}
    (stolen,) = bypass["as_proxy"]["entries"]
    assert (stolen["principal"], stolen["request_id"], stolen["requests"]) == (PROXY, "STOLEN", 1)
    alice, nobody = bypass["past"]["entries"]
    assert (alice["principal"], alice["requests"], alice["refused"]) == (ALICE, 2, 1)
    assert (alice["key"], alice["address"]) == ("daily/secret", "203.0.113.9")
    assert (nobody["principal"], nobody["operation"]) == ("", "REST.HEAD.OBJECT")
    text = audit("access", "--proxy-log", log, "--s3-log", server, *options).out
    assert "1 requests in the proxy's role that its log does not know; 3 requests past the proxy" in text
    assert "nobody (unsigned)" in text


def test_a_bucket_that_is_not_there_has_been_asked_for_all_the_same(audit, tmp_path):
    """S3 logs nothing for a bucket that does not exist; the proxy does, with what S3 answered. It is neither read from nor denied."""
    missing = passed("P9", 1, bucket="gone", status=404, error_code="NoSuchBucket", bytes_out=300)
    log = json_lines(tmp_path / "log.jsonl", passed("P1"), missing)
    server = lines(tmp_path / "server", server_line("P1"), server_line("P9", 1, bucket="gone", status="404", error="NoSuchBucket"))
    for s3 in (lines(tmp_path / "less", server_line("P1")), server):
        ran = audit("access", "--proxy-log", log, "--s3-log", s3, "--output", "json")
        assert (ran.code, ran.err) == (0, "")
        assert (ran.json["requests"], ran.json["denials"]) == (2, 0)
        assert ran.json["bypass"]["past"]["entries"] == []
    touched = {entry["bucket"]: entry for entry in ran.json["touched"]["entries"]}
    assert [touched["gone"][what] for what in ("requests", "failed", "reads", "bytes_out")] == [1, 1, 0, 0]
    assert touched["data"]["reads"] == 1
    stranger = lines(tmp_path / "stranger", server_line("X", 1, requester=ALICE, bucket="gone", status="404", error="NoSuchBucket"))
    ran = audit("access", "--proxy-log", log, "--s3-log", stranger, "--output", "json")
    [entry] = ran.json["bypass"]["past"]["entries"]
    assert (ran.code, entry["principal"], entry["refused"]) == (1, ALICE, 1)


def test_cloudtrail_and_server_logs_tell_of_a_request_once(audit, tmp_path):
    log = json_lines(tmp_path / "log.jsonl", passed("P1"))
    server = lines(tmp_path / "server", server_line("P1"), server_line("X", requester=ALICE))
    alice = {"type": "IAMUser", "arn": ALICE, "principalId": "AIDA"}
    service = {"type": "AWSService", "invokedBy": "s3.amazonaws.com"}
    events = trail(
        tmp_path / "events.json.gz",
        event("P1"),
        event("X", userIdentity=alice),
        # Somebody's query in Athena is somebody's.
        event("Y", userIdentity=alice, sourceIPAddress="athena.amazonaws.com", eventName="HeadObject"),
        event("Z", userIdentity=service, sourceIPAddress="s3.amazonaws.com"),
        event("N", eventSource="kms.amazonaws.com"),
        event("L", eventName="ListBuckets", requestParameters=None),
    )
    ran = audit("access", "--proxy-log", log, "--s3-log", server, "--cloudtrail", events, "--output", "json")
    bypass = ran.json["bypass"]
    assert (ran.code, bypass["seen"], bypass["passed"], bypass["by_aws"]) == (1, 4, 1, 1)
    assert [entry["request_id"] for entry in bypass["past"]["entries"]] == ["Y", "X"]


def test_a_batch_delete_is_one_request_with_many_lines(audit, tmp_path):
    log = json_lines(tmp_path / "log.jsonl", passed("B", operation="DeleteObjects", key=None))
    batch = [server_line("B", operation="BATCH.DELETE.OBJECT", key=f"k{i}") for i in range(5)]
    server = lines(tmp_path / "server", server_line("B", operation="REST.POST.MULTI_OBJECT_DELETE"), *batch)
    ran = audit("access", "--proxy-log", log, "--s3-log", server, "--output", "json")
    assert (ran.code, ran.json["bypass"]["passed"]) == (0, 6)


def test_grants_that_nothing_needed(audit, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    # The line of a copy names one of the grants that it needs.
    copy = passed(
        "1",
        operation="CopyObject",
        key="out/y",
        grant="writers",
        accesses=[
            {"action": "s3:PutObject", "bucket": "data", "key": "out/y"},
            {"action": "s3:GetObject", "bucket": "data", "key": "daily/x"},
        ],
    )
    ran = audit("access", "--proxy-log", json_lines(tmp_path / "log", copy), "--config", config)
    assert ran.code == 1 and ran.out.endswith("result     1 unused grants\n")
    assert "forgotten: a candidate to remove" in ran.out and "readers" not in ran.out
    assert "never (it denies; nothing had to be)" in ran.out
    used = json_lines(tmp_path / "used", copy, passed("2", bucket="old", grant="forgotten"))
    ran = audit("access", "--proxy-log", used, "--config", config)
    assert ran.code == 0 and ran.out.endswith("result     clean\n")


def test_folders_and_gzip_and_a_container_s_other_lines(audit, tmp_path):
    folder = tmp_path / "logs"
    (folder / "deeper").mkdir(parents=True)
    json_lines(folder / "a.jsonl", passed("1"), {"level": "INFO", "message": "listening"})
    packed = json.dumps(passed("2")).encode()
    (folder / "deeper" / "b.jsonl.gz").write_bytes(gzip.compress(packed) + gzip.compress(b"\n" + packed))
    ran = audit("access", "--proxy-log", folder, "--output", "json")
    assert (ran.code, ran.json["requests"], ran.json["other_lines"]) == (0, 3, 1)


def test_damaged_logs_name_file_and_line(audit, tmp_path):
    log = json_lines(tmp_path / "log.jsonl", passed("1"))

    def refused(*arguments):
        ran = audit("access", *arguments)
        assert (ran.code, ran.out) == (2, "")
        return ran.err

    other = lines(tmp_path / "other", "hello")
    assert f"{other}, row 1: no line of it is one of the access log's" in refused("--proxy-log", other)
    cut = lines(tmp_path / "cut", server_line("1"), server_line("2")[:150])
    assert f"{cut}, row 2: " in refused("--proxy-log", log, "--s3-log", cut)
    events = trail(tmp_path / "events", event("1"), event("2", eventTime="noon"))
    assert f"{events}, row 2: eventTime 'noon'" in refused("--proxy-log", log, "--cloudtrail", events)
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b'{"Records": []}' * 1000)[:-20])
    assert str(broken) in refused("--proxy-log", log, "--cloudtrail", broken)
    assert "No such file" in refused("--proxy-log", tmp_path / "absent")


def test_pages_and_sarif(audit, tmp_path):
    log = json_lines(tmp_path / "log.jsonl", passed("P1"), denied(1, key="<b>\x1b[2J"))
    server = lines(tmp_path / "server", server_line("P1"), server_line("X", requester=ALICE))
    page, sarif = tmp_path / "out.html", tmp_path / "out.sarif"
    ran = audit("access", "--proxy-log", log, "--s3-log", server, "--html", page, "--sarif", sarif)
    assert ran.code == 1 and "\x1b" not in ran.out
    text = page.read_text()
    assert "<b>\\" not in text and "&lt;b&gt;" in text and text.count("<svg") == 2
    (result,) = json.loads(sarif.read_text())["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("bypass", "error") and ALICE in result["message"]["text"]
