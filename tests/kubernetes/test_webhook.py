"""The injection webhook as the API server and its operators see it."""

from __future__ import annotations

import pytest
import yaml

import chart
from chart import Object, Values

WEBHOOK = chart.gateway("injection.by=webhook")
CERT_MANAGER = chart.merged(WEBHOOK, chart.parsed("webhook.certificate.source=certManager,certManager.issuerRef.name=internal"))
REGISTRATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def registrations(values: Values) -> list[Object]:
    found = chart.objects(values)
    return [chart.only(found, kind) for kind in REGISTRATIONS]


def settings(values: Values) -> Object:
    return yaml.safe_load(chart.configuration(chart.objects(values), "webhook", "webhook.yaml"))


def selected(selector: Object, labels: dict[str, str]) -> bool:
    def fits(rule: Object) -> bool:
        value, values = labels.get(rule["key"]), rule.get("values", [])
        return {"Exists": value is not None, "In": value in values, "NotIn": value not in values}[rule["operator"]]

    return selector.get("matchLabels", {}).items() <= labels.items() and all(map(fits, selector.get("matchExpressions", [])))


@pytest.mark.parametrize("values", [WEBHOOK, CERT_MANAGER])
def test_only_pods_that_ask_can_be_refused(values: Values) -> None:
    for registration in registrations(values):
        [webhook] = registration["webhooks"]
        assert (webhook["failurePolicy"], webhook["sideEffects"], webhook["matchPolicy"]) == ("Fail", "None", "Equivalent")
        assert webhook["timeoutSeconds"] <= 5
        assert webhook["rules"] == [
            {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "Namespaced"}
        ]
        assert selected(webhook["objectSelector"], {"s3-access-proxy.io/inject": "true"})
        assert selected(webhook["objectSelector"], {"s3-access-proxy.io/inject": "yes"}), "a mistake is refused, not passed over"
        assert not selected(webhook["objectSelector"], {"app": "other"})
    [mutating] = registrations(values)[0]["webhooks"]
    assert mutating["reinvocationPolicy"] == "IfNeeded"


@pytest.mark.parametrize(
    ("namespace", "labels", "asked"),
    [
        ("reports", {"s3-access-proxy.io/inject": "true"}, True),
        ("reports", {}, False),
        ("kube-system", {"s3-access-proxy.io/inject": "true"}, False),
        ("s3-system", {"s3-access-proxy.io/inject": "true"}, False),
    ],
)
def test_namespaces_have_to_take_part(namespace: str, labels: dict[str, str], asked: bool) -> None:
    for registration in registrations(WEBHOOK):
        selector = registration["webhooks"][0]["namespaceSelector"]
        assert selected(selector, labels | {"kubernetes.io/metadata.name": namespace}) is asked


@pytest.mark.parametrize("values", [WEBHOOK, CERT_MANAGER])
def test_the_registrations_lead_to_the_webhook(values: Values) -> None:
    found = chart.objects(values)
    service = chart.only(found, "Service", "webhook")
    for registration in registrations(values):
        client = registration["webhooks"][0]["clientConfig"]
        assert "caBundle" not in client
        target = client["service"]
        assert (target["name"], target["namespace"]) == (service["metadata"]["name"], service["metadata"]["namespace"])
        assert target["port"] in [port["port"] for port in service["spec"]["ports"]]
        host = f"{target['name']}.{target['namespace']}.svc"
        certificate = chart.of_kind(found, "Certificate", "webhook")
        assert host in (certificate[0]["spec"]["dnsNames"] if certificate else settings(values)["tls"]["self_managed"]["names"])


def test_its_own_certificate_needs_one_secret_and_two_registrations() -> None:
    found = chart.objects(WEBHOOK)
    managed = settings(WEBHOOK)["tls"]["self_managed"]
    secret = chart.only(found, "Secret")
    assert managed["secret"] == f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"
    assert "data" not in secret and "stringData" not in secret
    assert chart.only(found, "Role", "webhook")["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret["metadata"]["name"]], "verbs": ["get", "update"]}
    ]
    names = {registration["metadata"]["name"] for registration in registrations(WEBHOOK)}
    assert names == {*managed["mutating"], *managed["validating"]}
    assert chart.only(found, "ClusterRole", "webhook")["rules"] == [
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
            "resourceNames": sorted(names),
            "verbs": ["get", "patch"],
        }
    ]
    account = chart.only(found, "ServiceAccount", "webhook")["metadata"]
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        [subject] = chart.only(found, kind)["subjects"]
        assert (subject["name"], subject["namespace"]) == (account["name"], account["namespace"])


def test_with_cert_manager_it_needs_no_rights() -> None:
    found = chart.objects(CERT_MANAGER)
    for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret"):
        assert chart.of_kind(found, kind) == []
    certificate = chart.only(found, "Certificate", "webhook")
    for registration in registrations(CERT_MANAGER):
        source = registration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
        assert source == f"{certificate['metadata']['namespace']}/{certificate['metadata']['name']}"
    pod = chart.only(found, "Deployment", "webhook")["spec"]["template"]["spec"]
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == "tls"]
    assert volume["secret"]["secretName"] == certificate["spec"]["secretName"]
    assert settings(CERT_MANAGER)["tls"] == {"certificate": "/tls/tls.crt", "private_key": "/tls/tls.key"}


def test_what_is_injected_follows_from_the_values() -> None:
    injection = settings(chart.merged(WEBHOOK, chart.parsed("image.repository=registry.example/proxy,image.tag=v1")))["injection"]
    assert injection["image"] == "registry.example/proxy:v1"
    assert injection["modes"] == ["sidecar", "bridge"]
    found = chart.objects(WEBHOOK)
    gateway = chart.only(found, "Service", "gateway")
    assert injection["gateway"]["to"] == f"{gateway['metadata']['name']}.s3-system.svc:{gateway['spec']['ports'][0]['port']}"
    assert injection["run_as_user"] == 65532
    assert settings(chart.merged(WEBHOOK, {"securityContext": {"runAsUser": None}}))["injection"]["run_as_user"] == "assigned"
    sidecars = chart.parsed("injection.by=webhook,gateway.enabled=false,injection.bridge.enabled=false")
    assert settings(sidecars)["injection"]["modes"] == ["sidecar"]


def test_one_replica_may_go_at_a_time() -> None:
    found = chart.objects(WEBHOOK)
    deployment = chart.only(found, "Deployment", "webhook")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budget = chart.only(found, "PodDisruptionBudget", "webhook")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_without_injection_there_is_none_of_it() -> None:
    for values in (chart.GATEWAY, chart.gateway("injection.by=admissionPolicy")):
        assert [one for one in chart.objects(values) if one["metadata"]["labels"]["app.kubernetes.io/component"] == "webhook"] == []
