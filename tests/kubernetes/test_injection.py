"""One set of pods, injected in three ways: `proxy inject`, the webhook over TLS, and the admission policies. The same pod comes
out of each, or the same refusal. `tests/data/inject` has NAME.yaml, and beside it NAME.out.yaml or NAME.refused.txt; with neither, the
pod stays as it is."""

from __future__ import annotations

import base64
import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import cel
import kubernetes_validate
import pytest
import yaml
from chart import PROXY_BIN, ROOT, configuration, merged, objects, only
from jsonpatch import JsonPatch
from webhook import Webhook

DATA = ROOT / "tests/data/inject"
NOT_PODS = {"settings", "values"}
NAMES = sorted(file.stem for file in DATA.glob("*.yaml") if "." not in file.stem and file.stem not in NOT_PODS)
SCHEMAS = [f"1.{minor}" for minor in range(29, 38)]

Object = dict[str, Any]


def pod(name: str) -> Object:
    return yaml.safe_load((DATA / f"{name}.yaml").read_text())


def refusals(name: str) -> list[str]:
    file = DATA / f"{name}.refused.txt"
    return file.read_text().splitlines() if file.exists() else []


def expected(name: str) -> Object:
    file = DATA / f"{name}.out.yaml"
    return yaml.safe_load(file.read_text()) if file.exists() else pod(name)


@functools.cache
def policy(kind: str) -> Object:
    values = yaml.safe_load((DATA / "values.yaml").read_text())
    return only(objects(values, name="s3", namespace="s3-system"), kind)


def inject(manifest: str, settings: Path = DATA / "settings.yaml") -> subprocess.CompletedProcess[str]:
    command = [str(PROXY_BIN), "inject", "-f", "-", "--config", str(settings)]
    return subprocess.run(command, input=manifest, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def webhook(tmp_path_factory):
    with Webhook(tmp_path_factory.mktemp("webhook"), DATA / "settings.yaml") as running:
        yield running


def test_the_set_is_large_enough():
    assert len(NAMES) >= 25
    assert sum(bool(refusals(name)) for name in NAMES) >= 10
    assert sum((DATA / f"{name}.out.yaml").exists() for name in NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_a_file(name):
    done = inject((DATA / f"{name}.yaml").read_text())
    if refusals(name):
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.splitlines() == [f"error: Pod reports/api: {line}" for line in refusals(name)]
    else:
        assert done.returncode == 0, done.stderr
        assert yaml.safe_load(done.stdout) == expected(name)
        again = inject(done.stdout)
        assert again.stdout == done.stdout, "the second time changes nothing, not even a byte"


@pytest.mark.parametrize("name", NAMES)
def test_the_webhook(name, webhook):
    response = webhook.review("mutate", pod(name))
    if refusals(name):
        assert response["allowed"] is False and "patch" not in response
        assert response["status"]["message"] == "; ".join(refusals(name))
    else:
        assert response["allowed"] is True
        patch = json.loads(base64.b64decode(response.get("patch", "W10=")))
        assert {operation["op"] for operation in patch} <= {"add"}
        injected = JsonPatch(patch).apply(pod(name))
        assert injected == expected(name)
        assert "patch" not in webhook.review("mutate", injected)
        assert webhook.review("validate", injected)["allowed"] is True


@pytest.mark.parametrize("name", NAMES)
def test_the_policies(name):
    if "s3-access-proxy.io/inject" not in pod(name)["metadata"]["labels"]:  # the object selector leaves it out
        return
    injected = cel.mutate(policy("MutatingAdmissionPolicy"), pod(name))
    assert cel.validate(policy("ValidatingAdmissionPolicy"), injected) == refusals(name)
    if not refusals(name):
        assert injected == expected(name), cel.pretty(injected)
        assert cel.mutate(policy("MutatingAdmissionPolicy"), injected) == injected


INJECTED = [name for name in NAMES if (DATA / f"{name}.out.yaml").exists()]


@pytest.mark.parametrize("version", SCHEMAS)
def test_kubernetes_takes_what_comes_out(version):
    for name in INJECTED:
        kubernetes_validate.validate(expected(name), version, strict=True)


@pytest.mark.parametrize("container", ["s3-access-proxy", "s3-access-proxy-bridge"])
@pytest.mark.parametrize("harm", ["restartPolicy", "missing"])
def test_a_sidecar_that_others_have_harmed_is_refused(container, harm, webhook):
    damaged = expected("plain")
    place = next(one for one in damaged["spec"]["initContainers"] if one["name"] == container)
    if harm == "missing":
        damaged["spec"]["initContainers"].remove(place)
    else:
        del place["restartPolicy"]
    [message] = cel.validate(policy("ValidatingAdmissionPolicy"), damaged)
    assert container in message
    assert webhook.review("validate", damaged)["status"]["message"] == message


def test_a_pod_without_its_sidecar_is_refused(webhook):
    messages = cel.validate(policy("ValidatingAdmissionPolicy"), pod("bridge"))
    assert messages and "s3-access-proxy-bridge is missing" in messages[0]
    assert webhook.review("validate", pod("bridge"))["status"]["message"] == "; ".join(messages)


RELEASES = {
    "as it is": {},
    "IPv6": {"bindAddress": "[::]"},
    "any user": {"securityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
    "certificates": {"injection": {"client": "certificate", "certificate": "csi.cert-manager.io", "certManager": {"issuer": "apps"}}},
    "SPIRE": {"injection": {"certificate": "csi.spiffe.io"}, "spiffe": {"socket": "other.sock"}},
    "bridges": {"injection": {"defaultMode": "bridge", "bridge": {"serverName": "gateway.internal"}}},
    "another audience": {"aws": {"audience": "sts.example", "tokenExpirationSeconds": 7200}},
    "a mirror": {"global": {"imageRegistry": "mirror.example"}, "image": {"pullPolicy": "Always"}, "injection": {"ports": {"plain": 9000}}},
}


@pytest.mark.parametrize("values", RELEASES.values(), ids=RELEASES)
def test_a_release_s_own_settings_lead_to_the_same_pods(values, tmp_path):
    """What the chart tells its webhook, given to `proxy inject --config`, and what it makes of its policies."""
    given = merged(yaml.safe_load((DATA / "values.yaml").read_text()), values)
    by = {way: objects(merged(given, {"injection": {"by": way}}), name="s3", namespace="s3-system") for way in ("webhook", "admissionPolicy")}
    settings = tmp_path / "webhook.yaml"
    settings.write_text(configuration(by["webhook"], "webhook", "webhook.yaml"))
    mutating, validating = (only(by["admissionPolicy"], kind) for kind in ("MutatingAdmissionPolicy", "ValidatingAdmissionPolicy"))
    with Webhook(tmp_path, settings) as running:
        for name in ("plain", "init-containers", "resources", "role-missing", "own-volumes", "token-of-its-own"):
            done = inject((DATA / f"{name}.yaml").read_text(), settings)
            response = running.review("mutate", pod(name))
            by_policy = cel.mutate(mutating, pod(name))
            refused = cel.validate(validating, by_policy)
            if refused:
                assert not response["allowed"] and response["status"]["message"] == "; ".join(refused)
                assert done.returncode == 1 and all(line in done.stderr for line in refused)
            else:
                patched = JsonPatch(json.loads(base64.b64decode(response["patch"]))).apply(pod(name))
                assert yaml.safe_load(done.stdout) == patched == by_policy, name


def test_a_token_for_the_audience_that_the_proxy_s_is_for_is_one_too():
    """Whatever STS is told to take: another volume with it would be a way around the proxy."""
    given = merged(yaml.safe_load((DATA / "values.yaml").read_text()), {"aws": {"audience": "sts.example"}})
    with_token = pod("token-of-its-own")
    with_token["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"] = "sts.example"
    messages = cel.validate(only(objects(given), "ValidatingAdmissionPolicy"), with_token)
    command = [str(PROXY_BIN), "inject", "-f", "-"]
    environment = {"S3PROXY_INJECTION__TOKEN__AUDIENCE": "sts.example"}
    done = subprocess.run(command, input=yaml.safe_dump(with_token), env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "a token for AWS beside the proxy's" in done.stderr
    assert any(done.stderr.strip().endswith(message) for message in messages)


def test_the_documented_configuration_of_a_sidecar_is_one(tmp_path):
    """With what injection sets in the environment, and nothing else."""
    documented = (ROOT / "docs/injection.md").read_text().split("```yaml\n# sidecar.yaml", 1)[1].split("\n", 1)[1].split("```", 1)[0]
    (tmp_path / "config.yaml").write_text(documented)
    [proxy] = [one for one in expected("plain")["spec"]["initContainers"] if one["name"] == "s3-access-proxy"]
    environment = {variable["name"]: variable["value"] for variable in proxy["env"]}
    command = [str(PROXY_BIN), "check", "--config", str(tmp_path / "config.yaml")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    ours = "spiffe://cluster.local/ns/reports/sa/api"
    asked = ["explain", *command[2:], "--identity", ours, "--method", "GET", "--url", "/reports-prod/daily/x"]
    assert subprocess.run([str(PROXY_BIN), *asked], env=environment, capture_output=True, timeout=60).returncode == 0


def test_keys_that_come_from_a_secret_are_warned_of(webhook):
    keyed = pod("plain")
    keyed["spec"]["containers"][0]["env"] = [
        {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "minio", "key": "id"}}},
        {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "minio", "key": "secret"}}},
    ]
    [warning] = webhook.review("mutate", keyed)["warnings"]
    assert "takes AWS_ACCESS_KEY_ID from elsewhere" in warning


def test_only_the_proxy_sees_the_token():
    for name in INJECTED:
        for kind in ("initContainers", "containers"):
            for container in expected(name)["spec"].get(kind, []):
                mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
                if container["name"] != "s3-access-proxy":
                    assert "s3-access-proxy-token" not in mounts, (name, container["name"])


def test_our_shim_is_as_strict_as_kubernetes():
    with pytest.raises(AssertionError):
        cel.operation({cel.TYPE: "JSONPatch", "value": {cel.TYPE: "Object.spec", "a": {cel.TYPE: "Object.wrong"}}})
    with pytest.raises(AssertionError):
        cel.operation({cel.TYPE: "JSONPatch", "value": [1, "a"]})


def workloads() -> list[Object]:
    """Each kind that leads to a pod, and a List, around the pod `plain`."""
    template = {key: pod("plain")[key] for key in ("metadata", "spec")}

    def workload(version: str, kind: str, spec: Object) -> Object:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": "api", "namespace": "reports"}, "spec": spec}

    apps = [workload("apps/v1", kind, {"template": template}) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")]
    job = workload("batch/v1", "Job", {"template": template})
    cron = workload("batch/v1", "CronJob", {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}})
    several = {"apiVersion": "v1", "kind": "List", "items": [*apps, pod("not-asked-for")]}
    return [*apps, job, cron, several]


def pods_of(found: Object) -> list[Object]:
    if found["kind"] == "List":
        return [one for item in found["items"] for one in pods_of(item)]
    if found["kind"] == "Pod":
        return [found]
    spec = found["spec"]
    return [spec["jobTemplate"]["spec"]["template"] if found["kind"] == "CronJob" else spec["template"]]


@pytest.mark.parametrize("text", [yaml.safe_dump, json.dumps], ids=["yaml", "json"])
@pytest.mark.parametrize("workload", workloads(), ids=lambda one: one["kind"])
def test_workloads(workload, text):
    done = inject(text(workload))
    assert done.returncode == 0, done.stderr
    injected = (json.loads if text is json.dumps else yaml.safe_load)(done.stdout)
    for before, after in zip(pods_of(workload), pods_of(injected), strict=True):
        wanted = expected("plain") if before != pod("not-asked-for") else before
        assert after["spec"] == wanted["spec"] and after["metadata"] == wanted["metadata"]


def test_other_documents_stay_byte_for_byte():
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a'}  # kept\ndata:\n  script: |\n    #!/bin/sh\n    --- no end\n"
    deployment = yaml.safe_dump(workloads()[0])
    done = inject(f"# head\n{config}--- # next\n{deployment}---\n{config}")
    assert done.returncode == 0, done.stderr
    head, tail = f"# head\n{config}--- # next\n", f"---\n{config}"
    assert done.stdout.startswith(head) and done.stdout.endswith(tail)
    injected = yaml.safe_load(done.stdout.removeprefix(head).removesuffix(tail))
    assert injected["spec"]["template"]["spec"] == expected("plain")["spec"]


def test_a_refused_file_prints_nothing_and_names_every_pod():
    job = workloads()[4]
    job["spec"]["template"]["metadata"]["annotations"] = {}
    done = inject("---\n".join([yaml.safe_dump(job), (DATA / "plain.yaml").read_text(), (DATA / "host-network.yaml").read_text()]))
    assert done.returncode == 1 and done.stdout == ""
    assert "Job reports/api: annotation s3-access-proxy.io/role-arn" in done.stderr
    assert "Pod reports/api: spec.hostNetwork" in done.stderr


def test_a_label_in_the_wrong_place_is_pointed_out():
    deployment = workloads()[0]
    deployment["metadata"]["labels"] = deployment["spec"]["template"]["metadata"].pop("labels")
    text = yaml.safe_dump(deployment)
    done = inject(text)
    assert done.returncode == 0 and done.stdout == text
    assert "has to stand in the pod template's metadata" in done.stderr


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2", "a: {<<: {b: 1}}", "a: !!binary x"])
def test_a_file_that_cannot_be_read(text):
    done = inject(text)
    assert done.returncode == 2 and done.stdout == "" and "document 1" in done.stderr
