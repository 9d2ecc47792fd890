"""Values that cannot be meant are refused before anything is installed, with the key and what to do; and every value is documented."""

from __future__ import annotations

import re
from typing import Any

import helm_python as helm
import pytest
import yaml

import chart
import values_table
from chart import CHART, ROOT, Values

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("gateway.kind=StatefulSet", "at '/gateway/kind': value must be one of 'DaemonSet', 'Deployment'"),
        ("gateway.replica=2", "at '/gateway': additional properties 'replica' not allowed"),
        ("gateway.replicas=many", "at '/gateway/replicas': got string, want integer"),
        ("image.digest=latest", "at '/image/digest': 'latest' does not match pattern"),
        ("aws.region=Ireland", "at '/aws/region': 'Ireland' does not match pattern"),
        ("aws.roleArn=s3-gateway", "at '/aws/roleArn': 's3-gateway' does not match pattern"),
        ("aws.identity=node", "at '/aws/identity': value must be one of 'irsa', 'podIdentity', 'none'"),
        ("tls.source=vault", "at '/tls/source': value must be one of 'secret', 'certManager', 'csi', 'spiffe'"),
        ("tls.minVersion=1.1", "at '/tls/minVersion': value must be one of '1.2', '1.3'"),
        ("injection.by=magic", "at '/injection/by': value must be one of 'none', 'admissionPolicy', 'webhook'"),
        ("webhook.timeoutSeconds=10", "at '/webhook/timeoutSeconds': maximum: got 10, want 5"),
        ("securityContext.runAsUser=0", "at '/securityContext/runAsUser': minimum: got 0, want 1"),
        ("gateway.service.port=70000", "at '/gateway/service/port': maximum: got 70,000, want 65,535"),
        ("gateway.podDisruptionBudget.maxUnavailable=120%", "at '/gateway/podDisruptionBudget/maxUnavailable': '120%' does not match"),
        ("networkPolicy.awsCidrs={s3.amazonaws.com}", "at '/networkPolicy/awsCidrs/0': 's3.amazonaws.com' does not match pattern"),
        ("gateway.config.listen=0.0.0.0:1", "at '/gateway/config': additional properties 'listen' not allowed"),
        ("gateway.config.upstream.regin=eu-west-1", "at '/gateway/config/upstream': additional properties 'regin' not allowed"),
        ("gateway.config.limits.drain_timeout=soon", "at '/gateway/config/limits/drain_timeout': 'soon' does not match pattern"),
        ("gateway.config.grants[0].name=x", "at '/gateway/config/grants/0': missing properties 'identities', 'buckets', 'actions'"),
        ("gateway.resources.limit.cpu=1", "at '/gateway/resources': additional properties 'limit' not allowed"),
    ],
)
def test_the_schema_names_the_key_and_what_it_takes(assignment: str, message: str) -> None:
    with pytest.raises(helm.HelmValuesError) as refusal:
        chart.objects(chart.gateway(assignment))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ("aws.region=", "aws.region: missing: the region of the buckets"),
        ("aws.roleArn=", "aws.roleArn: missing: the ARN of the gateway's role"),
        ("gateway.config.credentials.source=environment", "set aws.identity to none to choose a source here"),
        ("aws.identity=none", "gateway.config.credentials.source: missing"),
        ("tls.source=certManager", "certManager.issuerRef.name: missing: the issuer of the gateway's certificate"),
        ("tls.source=csi", "certManager.issuerRef.name: missing: the issuer of the gateway's certificate"),
        ("tls.clientCa.secretName=a,tls.clientCa.configMapName=b", "tls.clientCa: give secretName or configMapName, not both"),
        ("gateway.autoscaling.enabled=true", "set gateway.kind to Deployment"),
        ("gateway.kind=Deployment,gateway.service.internalTrafficPolicy=Local", "use a DaemonSet"),
        ("gateway.autoscaling.minReplicas=11", "gateway.autoscaling.minReplicas: is more than maxReplicas"),
        (r"gateway.serviceAccount.annotations.eks\.amazonaws\.com/role-arn=x", "gives the role to every container of a pod"),
        ("gateway.serviceAccount.create=false", "gateway.serviceAccount.name: missing"),
        ("gateway.terminationGracePeriodSeconds=30", "must be more than 35"),
        ("gateway.terminationGracePeriodSeconds=100,gateway.config.limits.drain_timeout=1m 40s", "must be more than 105"),
        ("injection.by=webhook,injection.sidecar.enabled=false,injection.bridge.enabled=false", "set injection.by to none"),
        ("injection.by=webhook,injection.sidecar.enabled=false", "injection.defaultMode: sidecar is switched off"),
        ("injection.by=webhook,gateway.enabled=false", "injection.bridge.to: missing: HOST:PORT of a gateway"),
        ("injection.by=webhook,injection.certificate=csi.cert-manager.io", "injection.certManager.issuer: missing"),
        ("injection.by=webhook,webhook.certificate.source=certManager", "certManager.issuerRef.name: missing: the issuer of the webhook's"),
        ("injection.by=webhook,webhook.serviceAccount.create=false", "webhook.serviceAccount.name: missing"),
        ("monitoring.serviceMonitor.enabled=true,monitoring.podMonitor.enabled=true", "enable one of them"),
    ],
)
def test_values_that_do_not_go_together_are_refused(assignments: str, message: str) -> None:
    with pytest.raises(helm.HelmRenderError) as refusal:
        chart.objects(chart.gateway(assignments))
    assert message in str(refusal.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(helm.HelmRenderError) as refusal:
        chart.objects(chart.parsed("tls.source=certManager"))
    for key in ("aws.region", "aws.roleArn", "certManager.issuerRef.name"):
        assert f"- {key}: missing" in str(refusal.value)


def schema() -> dict[str, Any]:
    found = chart.loaded().schema
    assert found is not None
    return found


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    return schema()["definitions"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node


def undeclared(values: Values, node: dict[str, Any], path: str = "") -> list[str]:
    """Keys of the values that the schema does not know, and places where it would take any."""
    node = resolved(node)
    if "properties" not in node:
        return []
    found = [] if node.get("additionalProperties") is False or path == "global." else [f"{path} takes any key"]
    for key, value in values.items():
        if key not in node["properties"]:
            found.append(path + key)
        elif isinstance(value, dict):
            found += undeclared(value, node["properties"][key], f"{path}{key}.")
    return found


def test_schema_and_values_have_the_same_keys() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert undeclared(values, schema()) == []
    assert set(schema()["properties"]) == set(values)
    for section in ("aws", "tls", "gateway", "injection", "webhook", "networkPolicy", "monitoring"):
        assert set(schema()["properties"][section]["properties"]) == set(values[section]), section


def test_the_schema_knows_every_key_of_the_configuration() -> None:
    """The README has them all. A new one belongs into `config` of values.schema.json too, or no chart can set it."""
    section = (ROOT / "README.md").read_text().split("\n## Configuration\n")[1].split("\n### ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
    keys = [key for row in rows for key in re.findall(r"`([a-z_.]+)`", row)]
    assert len(keys) > 30
    set_by_the_chart = ("listen", "admin", "tls")
    for key in keys:
        node = schema()["definitions"]["config"]
        steps = key.split(".")
        for step in steps if steps[0] not in set_by_the_chart else []:
            assert step in node["properties"], f"values.schema.json lacks gateway.config.{key}"
            node = resolved(node["properties"][step])


def test_the_readme_lists_every_value() -> None:
    assert values_table.problems() == []


def test_the_readmes_values_install_a_gateway() -> None:
    [text] = re.findall(r"```yaml\n# my-values.yaml\n(.+?)```", (CHART / "README.md").read_text(), flags=re.DOTALL)
    found = chart.objects(yaml.safe_load(text), name="s3-access-proxy", namespace="s3-access-proxy")
    readme = (ROOT / "README.md").read_text()
    [command] = re.findall(r"^\$ helm .+ install (?:.+\\\n)*.+$", readme, flags=re.MULTILINE)
    assignments = [one for one in re.findall(r"--set (\S+)", command)]
    assert chart.objects(chart.parsed(*assignments), name="s3-access-proxy", namespace="s3-access-proxy")
    # Both tell the reader to make this Secret, for this name.
    [volume] = [one for one in chart.only(found, "DaemonSet")["spec"]["template"]["spec"]["volumes"] if one["name"] == "tls"]
    service = chart.only(found, "Service", "gateway")["metadata"]
    for told in (readme, (CHART / "README.md").read_text()):
        assert f"create secret generic {volume['secret']['secretName']} " in told
        assert f"`{service['name']}.{service['namespace']}.svc`" in told
