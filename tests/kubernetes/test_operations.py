"""What operators look at: monitoring, `helm test`, and the notes after an installation."""

from __future__ import annotations

import json
import re

import pytest
import yaml

import chart
from chart import CASES, CHART, Case, Object


def test_scrapers_find_every_component() -> None:
    found = chart.objects(chart.gateway("injection.by=webhook", *chart.MONITORED))
    for component in ("gateway", "webhook"):
        monitor = chart.only(found, "ServiceMonitor", component)["spec"]
        wanted = monitor["selector"]["matchLabels"]
        [service] = [one for one in chart.of_kind(found, "Service") if wanted.items() <= one["metadata"]["labels"].items()]
        [endpoint] = monitor["endpoints"]
        [port] = service["spec"]["ports"]
        assert (endpoint["port"], endpoint["path"], port["name"], port["targetPort"]) == ("admin", "/metrics", "admin", "admin")
        assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"] is True


def test_pod_monitors_find_every_component() -> None:
    found = chart.objects(chart.gateway("injection.by=webhook,monitoring.podMonitor.enabled=true"))
    for component in ("gateway", "webhook"):
        monitor = chart.only(found, "PodMonitor", component)["spec"]
        pods = [pod for _, pod in chart.pod_templates(found) if monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()]
        [pod] = pods
        ports = [port["name"] for container in pod["spec"]["containers"] for port in container["ports"]]
        assert monitor["podMetricsEndpoints"][0]["port"] in ports


def test_what_is_added_to_pods_is_scraped_everywhere() -> None:
    monitor = chart.only(chart.objects(chart.gateway("monitoring.podMonitor.injected=true")), "PodMonitor", "injected")["spec"]
    assert monitor["namespaceSelector"] == {"any": True}
    assert monitor["selector"]["matchLabels"] == {"s3-access-proxy.io/inject": "true"}
    assert [endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]] == ["s3proxy-admin", "s3bridge-admin"]


def test_alerts_and_dashboard_are_the_projects() -> None:
    found = chart.objects(chart.gateway(*chart.MONITORED))
    rule = chart.only(found, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    dashboard = chart.only(found, "ConfigMap", "monitoring")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    [text] = dashboard["data"].values()
    assert json.loads(text) == json.loads((CHART / "files/dashboard.json").read_text())


def test_operators_are_not_needed_by_default() -> None:
    groups = {one["apiVersion"].split("/")[0] for one in chart.objects(chart.GATEWAY)}
    assert groups <= {"v1", "apps", "networking.k8s.io", "policy"}


def helm_test(*assignments: str) -> Object:
    return chart.only(chart.objects(chart.gateway(*assignments)), "Pod", "test")


def test_helm_test_checks_the_configuration_in_force() -> None:
    pod = helm_test("tests.doctor=false")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert "serviceAccountName" not in pod["spec"]
    [container] = chart.containers(pod)
    assert container["args"] == ["check", "--config=/etc/s3-access-proxy/config.yaml"]
    [volume] = pod["spec"]["volumes"]
    gateway = chart.only(chart.objects(chart.GATEWAY), "ConfigMap", "gateway")
    assert volume["configMap"]["name"] == gateway["metadata"]["name"]


@pytest.mark.parametrize("case", [case for case in CASES if "gateway" in case.values or "aws" in case.values], ids=lambda case: case.name)
def test_helm_test_looks_at_what_the_gateway_has(case: Case) -> None:
    """Its certificate, its role and its configuration: the same volumes at the same places, as the same ServiceAccount."""
    found = case.objects()
    gateways = [template for owner, template in chart.pod_templates(found) if "-gateway" in owner and not owner.startswith("Pod/")]
    if not gateways or not chart.of_kind(found, "Pod", "test"):
        return
    [gateway], pod = gateways, chart.only(found, "Pod", "test")
    [proxy] = [one for one in gateway["spec"]["containers"] if one["name"] == "proxy"]
    [doctor] = [one for one in pod["spec"]["containers"] if one["name"] == "doctor"]
    assert doctor["args"] == ["doctor", "--config=/etc/s3-access-proxy/config.yaml", "--gateway"]
    for key in ("volumeMounts", "env", "envFrom", "image", "securityContext"):
        assert doctor.get(key) == proxy.get(key), key
    volumes = [volume for volume in pod["spec"]["volumes"] if volume["name"] != "client"]
    assert volumes == gateway["spec"]["volumes"]
    assert pod["spec"]["serviceAccountName"] == gateway["spec"]["serviceAccountName"]


def test_helm_test_succeeds_only_after_the_gateway_let_a_client_in() -> None:
    pod = helm_test("tests.clientSecretName=client")
    [bridge] = pod["spec"]["initContainers"]
    service = chart.only(chart.objects(chart.GATEWAY), "Service", "gateway")
    assert f"--to={service['metadata']['name']}.s3-system.svc:{service['spec']['ports'][0]['port']}" in bridge["args"]
    assert bridge["restartPolicy"] == "Always" and bridge["startupProbe"]["httpGet"] == {"path": "/readyz", "port": 9090}
    probe = bridge["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < pod["spec"]["activeDeadlineSeconds"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_notes_name_what_is_there(case: Case) -> None:
    """A command that names an object which does not exist helps nobody."""
    text, found = chart.notes(case.values), case.objects()
    there = {one["metadata"]["name"] for one in found} | {case.values.get("tls", {}).get("secretName")}
    for kind, name in re.findall(r"\b(daemonset|deployment|mutatingwebhookconfiguration)[/ ](s3-\S+|proxy-\S+)", text):
        assert name in there, f"{kind} {name}"
    assert "<no value>" not in text and "{{" not in text


def test_notes_say_that_nothing_is_granted() -> None:
    assert "NOTHING IS GRANTED YET" in chart.notes(chart.GATEWAY)
    granted = [case for case in CASES if case.name == "gateway-daemonset"][0]
    assert "NOTHING IS GRANTED YET" not in chart.notes(granted.values)


def test_notes_say_what_has_to_be_there() -> None:
    text = chart.notes(chart.gateway("tls.secretName=server"))
    assert "It waits for the Secret server with tls.crt, tls.key and ca.crt" in text
