"""The part of s3-tests.sh that starts store, proxy and bridge, and compares the results of two runs."""

from __future__ import annotations

import concurrent.futures
import configparser
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

from stack import DUMMY_KEYS, STORE_KEYS, Bridge, Certificates, Keys, Proxy, MotoStore  # noqa: E402

# Users of a store are not users of a proxy: behind one certificate there is one identity, whatever key signs. A test
# whose point is that a second user, or nobody, is refused cannot hold there.
MULTI_USER = re.compile(r"anon|_alt|object_raw_|another_user|authenticated|unauth|not_owned|notowner|bad_auth|access_?key|invalid_sig")

# What the proxy refuses on purpose.
REFUSED = {
    "test_object_acl_full_control_verify_attributes": "an x-amz- header that S3 does not know (x-amz-foo)",
    "test_object_write_with_chunked_transfer_encoding": "a body of unknown length: 411, as S3 itself answers",
}

# Marks of tests that wait for minutes of real time, or for services beside S3. None of them is about objects on their way.
LEFT_OUT = "lifecycle_expiration or lifecycle_transition or cloud_transition or cloud_restore or bucket_logging"


class OpenProxy(Proxy):
    """The suite tries ACLs and public buckets too; whether a guardrail refuses them is tested elsewhere."""

    GUARDRAILS = {"acl": "allow", "public_access": "allow"}


def configuration(file: Path, endpoint: str, keys: Keys) -> None:
    """The suite's own configuration; every user is the same one."""
    scheme, _, rest = endpoint.partition("://")
    host, _, port = rest.partition(":")
    user = {
        "display_name": "one",
        "user_id": "one",
        "email": "one@example.com",
        "api_name": "",
        "access_key": keys.id,
        "secret_key": keys.secret,
    }
    config = configparser.RawConfigParser()
    config["DEFAULT"] = {"host": host, "port": port, "is_secure": str(scheme == "https"), "ssl_verify": "False"}
    config["fixtures"] = {"bucket prefix": "s3t-{random}-", "iam name prefix": "s3-tests-", "iam path prefix": "/s3-tests/"}
    config["s3 main"] = user
    config["s3 alt"] = {**user, "access_key": "NOBODY", "secret_key": "nobody"}
    config["s3 tenant"] = {**user, "tenant": "one"}
    for section in ("iam", "iam root", "iam alt root"):
        config[section] = user
    with file.open("w", encoding="utf-8") as out:
        config.write(out)


def passed(checkout: Path, python: str, folder: Path, name: str, store: MotoStore, *arguments: str) -> set[str]:
    """The tests that pass with a configuration."""
    report = folder / f"{name}.xml"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    environment |= {
        "S3TEST_CONF": str(folder / f"{name}.conf"),
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "STORE_ENDPOINT": store.endpoint,
        "STORE_CA": store.ca,
        "STORE_ACCESS_KEY": STORE_KEYS.id,
        "STORE_SECRET_KEY": STORE_KEYS.secret,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    command = [python, "-m", "pytest", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "-p", "s3_tests_buckets"]
    command += [f"--junitxml={report}", "-m", f"not ({LEFT_OUT})", *arguments, "s3tests/functional/test_s3.py"]
    with (folder / f"{name}.log").open("w") as log:
        subprocess.run(command, cwd=checkout, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    cases = ElementTree.parse(report).getroot().iter("testcase")
    bad = ("failure", "error", "skipped")
    return {str(case.get("name")) for case in cases if not any(case.find(kind) is not None for kind in bad)}


def main(checkout: Path, python: str, arguments: list[str]) -> int:
    folder = Path(tempfile.mkdtemp(prefix="s3-tests-"))
    certificates = Certificates.make(folder / "certificates")
    # One store for each way, so that both can run at a time.
    near, far = (MotoStore(folder / name, certificates) for name in ("near-store", "far-store"))
    proxy = OpenProxy(folder / "proxy", certificates, far)
    bridge = Bridge(folder / "bridge", certificates, "writer", proxy.address[1])
    try:
        configuration(folder / "directly.conf", near.endpoint, STORE_KEYS)
        configuration(folder / "through.conf", bridge.endpoint, DUMMY_KEYS)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            ways = [("directly", near), ("through", far)]
            runs = [pool.submit(passed, checkout, python, folder, name, store, *arguments) for name, store in ways]
            directly, through = (run.result() for run in runs)
    finally:
        for program in (bridge.program, proxy.program, near.program, far.program):
            program.stop()

    lost = directly - through
    multi_user = {name for name in lost if MULTI_USER.search(name)}
    refused = {f"{name}: {REFUSED[name]}" for name in lost & REFUSED.keys()}
    unexplained = lost - multi_user - REFUSED.keys()
    print(f"{len(directly)} pass directly, {len(through)} through bridge and proxy; logs are in {folder}")
    for title, names in (
        ("only through the proxy", through - directly),
        ("only directly, because there is one user behind one certificate", multi_user),
        ("only directly, because the proxy refuses it on purpose", refused),
        ("ONLY DIRECTLY", unexplained),
    ):
        print(f"{len(names)} pass {title}", *sorted(names), sep="\n  ")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
