"""A moto S3 store with two doors: plain HTTP for the proxy, TLS for the tests' own client.

    python moto_store.py CERTIFICATE KEY RECORD

Both doors lead to the same objects. TLS is there because the SDKs send uploads in another form over plain HTTP, and
the direct run of a case must send what the run through the proxy sends. Moto verifies no signature; instead each
request that came through the plain door is appended to RECORD as a line of JSON, for the tests to look at.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Handler(MotoRequestHandler):
    """Answers at once; with Nagle's algorithm every answer would wait for a delayed acknowledgement."""

    disable_nagle_algorithm = True


class RecordingHandler(Handler):
    """Keeps the request as it came in, before WSGI folds header names and decodes the target."""

    def make_environ(self) -> dict[str, Any]:
        environ = super().make_environ()
        environ["tests.request"] = {
            "method": self.command,
            "target": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
        }
        return environ


def recorded(application: Application, record: Path) -> Application:
    lock = Lock()

    def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with lock, record.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(environ["tests.request"]) + "\n")
        return application(environ, start_response)

    return call


def main(certificate: str, key: str, record: str) -> None:
    application = DomainDispatcherApplication(create_backend_app)
    plain = make_server(
        "127.0.0.1",
        0,
        recorded(application, Path(record)),
        threaded=True,
        request_handler=RecordingHandler,
    )
    tls = make_server(
        "127.0.0.1",
        0,
        application,
        threaded=True,
        request_handler=Handler,
        ssl_context=(certificate, key),
    )
    for server in (plain, tls):
        Thread(target=server.serve_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"listening on {plain.server_port} {tls.server_port}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
