"""A running `proxy webhook`, asked as an API server does: AdmissionReview v1 in JSON over TLS."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import yaml
from chart import PROXY_BIN

Object = dict[str, Any]


def make_certificate(certificate: Path, key: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=webhook", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)


class Webhook:
    """Its certificate is what `folder` has, or a new one; `settings` are the section `injection`."""

    def __init__(self, folder: Path, settings: Path):
        self.certificate, key = folder / "tls.crt", folder / "tls.key"
        if not self.certificate.exists():
            make_certificate(self.certificate, key)
        config = yaml.safe_load(settings.read_text())
        config |= {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"}
        config["tls"] = {"certificate": str(self.certificate), "private_key": str(key)}
        file = folder / "webhook.yaml"
        file.write_text(yaml.safe_dump(config))
        command = [PROXY_BIN, "webhook", "--config", file]
        # A pipe that nobody empties would hold it up.
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log)
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            for line in self.log.read_text().splitlines(keepends=True):
                if line.endswith("\n") and (said := json.loads(line))["message"] == "listening":
                    self.port, self.admin = (int(said[key].rsplit(":", 1)[1]) for key in ("listen", "admin"))
                    return
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"it did not start: {self.log.read_text()}")

    def __enter__(self) -> Webhook:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0, self.log.read_text()

    def connection(self) -> http.client.HTTPSConnection:
        trust = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection("localhost", self.port, context=trust, timeout=30)
        connection.connect()
        return connection

    def look(self, path: str) -> tuple[int, str]:
        """What the port for the platform answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        result = answer.status, answer.read().decode()
        connection.close()
        return result

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        connection = self.connection()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        result = answer.status, answer.read()
        connection.close()
        return result

    def review(self, endpoint: str, pod: Object, **changes: Any) -> Object:
        """What is answered to the creation of a pod."""
        review = admission_review(pod, **changes)
        request = review["request"]
        status, body = self.post(f"/{endpoint}?timeout=5s", json.dumps(review).encode())
        assert status == 200, body
        answer = json.loads(body)
        assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        assert answer["response"].pop("uid") == request["uid"]
        return answer["response"]


def admission_review(pod: Object, **changes: Any) -> Object:
    """As an API server sends it for the creation of a pod."""
    request = {
        "uid": str(uuid.uuid4()),
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": "reports",
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request | changes}
