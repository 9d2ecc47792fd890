"""Who may talk to whom, as the network policies say it."""

from __future__ import annotations

import ipaddress

import pytest

import chart
from chart import Object, Values

EVERY_POD = [{"namespaceSelector": {}}]
WEBHOOK = chart.gateway("injection.by=webhook")


def policy(values: Values, component: str) -> Object:
    return chart.only(chart.objects(values), "NetworkPolicy", component)["spec"]


def ways(rules: list[Object]) -> set[tuple[str, int]]:
    return {(port["protocol"], port["port"]) for rule in rules for port in rule["ports"]}


def allows(rules: list[Object], address: str, port: int) -> bool:
    """Whether an address outside of the cluster may be reached."""
    ip = ipaddress.ip_address(address)

    def within(peer: Object) -> bool:
        block = peer.get("ipBlock")
        if block is None or ip not in ipaddress.ip_network(block["cidr"]):
            return False
        return not any(ip in ipaddress.ip_network(one) for one in block.get("except", []))

    return any(
        any(one["port"] == port for one in rule["ports"]) and ("to" not in rule or any(map(within, rule["to"]))) for rule in rules
    )


def test_only_the_data_port_and_metrics_come_in() -> None:
    spec = policy(chart.GATEWAY, "gateway")
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert ways(spec["ingress"]) == {("TCP", 8443), ("TCP", 9090)}
    assert all(rule["from"] == EVERY_POD for rule in spec["ingress"])


def test_only_dns_s3_and_sts_go_out() -> None:
    rules = policy(chart.GATEWAY, "gateway")["egress"]
    assert ways(rules) == {("UDP", 53), ("TCP", 53), ("TCP", 443)}
    assert allows(rules, "52.218.0.1", 443) and allows(rules, "2600:1fa0::1", 443)
    assert not allows(rules, "52.218.0.1", 80)
    for metadata in ("169.254.169.254", "fd00:ec2::254"):
        assert not allows(rules, metadata, 80) and not allows(rules, metadata, 443)
    assert not allows(rules, "169.254.170.23", 80)


def test_the_agent_of_pod_identity_is_reached_where_it_is_used() -> None:
    rules = policy(chart.gateway("aws.identity=podIdentity"), "gateway")["egress"]
    assert allows(rules, "169.254.170.23", 80) and allows(rules, "fd00:ec2::23", 80)
    assert not allows(rules, "169.254.169.254", 80)


def test_named_peers_and_addresses_are_the_only_ones() -> None:
    team = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    values = chart.merged(chart.GATEWAY, {"networkPolicy": {"clients": [team], "scrapers": [prometheus], "awsCidrs": ["10.0.7.0/24"]}})
    spec = policy(values, "gateway")
    peers = {rule["ports"][0]["port"]: rule["from"] for rule in spec["ingress"]}
    assert peers == {8443: [team], 9090: [prometheus]}
    assert allows(spec["egress"], "10.0.7.9", 443)
    assert not allows(spec["egress"], "52.218.0.1", 443)


def test_the_webhook_talks_to_the_api_server_alone() -> None:
    spec = policy(WEBHOOK, "webhook")
    assert ways(spec["ingress"]) == {("TCP", 8443), ("TCP", 9090)}
    assert ways(spec["egress"]) == {("UDP", 53), ("TCP", 53), ("TCP", 443), ("TCP", 6443)}
    given = policy(chart.merged(WEBHOOK, {"networkPolicy": {"apiServers": [{"ipBlock": {"cidr": "10.1.0.0/28"}}]}}), "webhook")
    assert allows(given["egress"], "10.1.0.3", 443)
    assert not allows(given["egress"], "52.218.0.1", 443)


def test_with_cert_manager_the_webhook_talks_to_nobody() -> None:
    values = chart.merged(WEBHOOK, chart.parsed("webhook.certificate.source=certManager,certManager.issuerRef.name=internal"))
    assert policy(values, "webhook")["egress"] == []


@pytest.mark.parametrize("values", [chart.GATEWAY, WEBHOOK])
def test_they_can_be_left_to_others(values: Values) -> None:
    assert chart.of_kind(chart.objects(chart.merged(values, chart.parsed("networkPolicy.enabled=false"))), "NetworkPolicy") == []
