"""The chart as its users see it: values in, objects out, by Helm's own code; and the cases that most tests go through."""

from __future__ import annotations

import copy
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/s3-access-proxy"
PROXY_BIN = Path(os.environ.get("PROXY_BIN", ROOT / "target/debug/proxy"))

Values = dict[str, Any]
Object = dict[str, Any]

GATEWAY: Values = {"aws": {"region": "eu-west-1", "roleArn": "arn:aws:iam::123456789012:role/s3-gateway"}}
"""The least that a gateway needs."""


def merged(base: Values, *others: Values) -> Values:
    """Values on top of values, as Helm does it."""
    result = copy.deepcopy(base)
    for other in others:
        for key, value in other.items():
            if isinstance(value, dict) and isinstance(result.get(key), dict):
                result[key] = merged(result[key], value)
            else:
                result[key] = copy.deepcopy(value)
    return result


def parsed(*assignments: str) -> Values:
    """Values as `--set` writes them."""
    return merged({}, *(helm.parse_set_string(assignment) for assignment in assignments))


def gateway(*assignments: str) -> Values:
    return merged(GATEWAY, parsed(*assignments))


def load() -> helm.Chart:
    return helm.Chart.load(CHART)


@functools.cache
def loaded() -> helm.Chart:
    return load()


def rendered(values: Values, name: str = "s3", namespace: str = "s3-system") -> dict[str, str]:
    return loaded().render(values, name=name, namespace=namespace)


def objects(values: Values, name: str = "s3", namespace: str = "s3-system") -> list[Object]:
    return parse(rendered(values, name, namespace))


class Loader(yaml.SafeLoader):
    """YAML in which a key stands once: of two, some readers take the last and some refuse both."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice{node.start_mark}: {keys}"
        return super().construct_mapping(node, deep)


def parse(files: dict[str, str]) -> list[Object]:
    texts = [text for file, text in sorted(files.items()) if not file.endswith("NOTES.txt")]
    return [found for text in texts for found in yaml.load_all(text, Loader) if found]


def notes(values: Values) -> str:
    return rendered(values)["s3-access-proxy/templates/NOTES.txt"]


def named(found: Object) -> str:
    return f"{found['kind']}/{found['metadata']['name']}"


def of_kind(found: list[Object], kind: str, component: str | None = None) -> list[Object]:
    def fits(one: Object) -> bool:
        labels = one["metadata"].get("labels", {})
        return one["kind"] == kind and component in (None, labels.get("app.kubernetes.io/component"))

    return [one for one in found if fits(one)]


def only(found: list[Object], kind: str, component: str | None = None) -> Object:
    [one] = of_kind(found, kind, component)
    return one


def pod_templates(found: list[Object]) -> list[tuple[str, Object]]:
    """Every pod that the objects are or lead to: its owner, and its metadata and spec."""
    pods = []
    for one in found:
        if one["kind"] == "Pod":
            pods.append((named(one), one))
        elif one["kind"] in ("DaemonSet", "Deployment"):
            pods.append((named(one), one["spec"]["template"]))
        elif one["kind"] == "CronJob":
            pods.append((named(one), one["spec"]["jobTemplate"]["spec"]["template"]))
    return pods


def containers(pod: Object) -> list[Object]:
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def configuration(found: list[Object], component: str = "gateway", file: str = "config.yaml") -> str:
    [text] = [one["data"][file] for one in of_kind(found, "ConfigMap", component) if file in one["data"]]
    return text


@dataclass(frozen=True)
class Case:
    name: str
    values: Values
    since: str = "1.29"
    """The first Kubernetes that has everything in it."""

    def objects(self) -> list[Object]:
        return objects(self.values)


SINCE = {"sidecar-policy": "1.36", "bridge-policy": "1.36"}


def kept_with_the_chart() -> list[Case]:
    files = sorted((CHART / "ci").glob("*-values.yaml"))
    names = [file.name.removesuffix("-values.yaml") for file in files]
    return [
        Case(name, yaml.safe_load(file.read_text()), SINCE.get(name, "1.29"))
        for name, file in zip(names, files, strict=True)
    ]


MONITORED = ("monitoring.serviceMonitor.enabled=true", "monitoring.prometheusRule.enabled=true", "monitoring.dashboard.enabled=true")

COMBINATIONS = [
    Case("least", GATEWAY),
    Case("deployment", gateway("gateway.kind=Deployment,gateway.replicas=3")),
    Case("pod-identity", merged(parsed("aws.region=us-gov-west-1,aws.identity=podIdentity"))),
    Case("own-config", gateway("gateway.existingConfigMap=mine,gateway.serviceAccount.create=false,gateway.serviceAccount.name=mine")),
    Case("monitored", gateway(*MONITORED)),
    Case("monitored-webhook", gateway("injection.by=webhook", *MONITORED)),
    Case("near-by", gateway("gateway.service.trafficDistribution=PreferClose"), since="1.30"),
    Case("ipv6", gateway("bindAddress=[::]", "gateway.service.type=LoadBalancer,gateway.service.extraSpec.ipFamilyPolicy=PreferDualStack")),
    Case("client-certificate-test", gateway("tests.clientSecretName=client", "tls.clientCa.secretName=clients")),
    Case("csi-of-others", gateway("tls.source=csi,tls.csi.driver=secrets-store.csi.k8s.io", "tls.csi.volumeAttributes.secretProviderClass=tls")),
    Case("spire", gateway("tls.source=spiffe", "gateway.kind=Deployment")),
    Case("names", gateway("fullnameOverride=proxy,nameOverride=gate", "commonLabels.team=storage,commonAnnotations.owner=storage")),
    Case("open-network", gateway("networkPolicy.enabled=false,gateway.preStopSleepSeconds=0")),
    Case("policies-and-gateway", gateway("injection.by=admissionPolicy"), since="1.36"),
    Case(
        "extras",
        merged(
            gateway("gateway.priorityClassName=system-node-critical", "gateway.podLabels.a=b,gateway.podAnnotations.c=d"),
            {
                "gateway": {
                    "extraEnv": [{"name": "S3PROXY_LIMITS__MAX_CONNECTIONS", "value": "100"}],
                    "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
                    "extraArgs": ["--verbose"],
                    "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
                    "extraVolumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                    "extraContainers": [{"name": "beside", "image": "beside:1"}],
                    "extraInitContainers": [{"name": "before", "image": "before:1"}],
                    "nodeSelector": {"pool": "storage"},
                    "tolerations": [{"operator": "Exists"}],
                    "affinity": {"nodeAffinity": {}},
                    "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
                    "updateStrategy": {"type": "OnDelete"},
                }
            },
        ),
    ),
]

CASES = kept_with_the_chart() + COMBINATIONS
