"""Lint and rendering of every mode and of many combinations of values, by Helm itself."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import helm_python as helm
import pytest
import yaml

import chart
from chart import CASES, CHART, Case, named

WARNING = 2
NOT_IN_A_NAMESPACE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_lint_has_nothing_to_say(case: Case) -> None:
    report = helm.lint(CHART, case.values)
    assert [message for message in report["messages"] if message["severity"] >= WARNING] == []


def test_lint_takes_the_values_as_they_come() -> None:
    assert helm.lint(CHART)["errors"] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rendering_twice_gives_the_same_bytes(case: Case) -> None:
    with chart.load() as first, chart.load() as second:
        arguments = {"name": "s3", "namespace": "s3-system"}
        assert first.render(case.values, **arguments) == second.render(case.values, **arguments)


def test_an_upgrade_renders_what_an_installation_does() -> None:
    """Else GitOps, which only ever installs, and Helm would not agree."""
    for case in CASES:
        arguments = {"name": "s3", "namespace": "s3-system"}
        installed = chart.loaded().render(case.values, is_install=True, **arguments)
        upgraded = chart.loaded().render(case.values, is_upgrade=True, revision=7, **arguments)
        assert installed == upgraded, case.name


def test_a_package_renders_the_same(tmp_path: Path) -> None:
    """Nothing that templates need is left out of it."""
    arguments = {"name": "s3", "namespace": "s3-system"}
    with helm.Chart.load(helm.package(CHART, destination=tmp_path)) as packaged:
        for case in CASES:
            assert packaged.render(case.values, **arguments) == chart.loaded().render(case.values, **arguments), case.name


def test_templates_ask_neither_the_cluster_nor_chance() -> None:
    forbidden = re.compile(r"\{\{[^}]*(\b(lookup|genCA|genSelfSignedCert|genPrivateKey|rand\w+|uuidv4|now)\b|\.Capabilities)[^}]*\}\}")
    for template in chart.loaded().templates:
        assert not forbidden.search(template["data"]), template["name"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_objects_are_named_once_and_say_where_they_belong(case: Case) -> None:
    found = case.objects()
    names = [(named(one), one["metadata"].get("namespace")) for one in found]
    assert len(names) == len(set(names)), "two objects of one name"
    for one in found:
        metadata = one["metadata"]
        if one["kind"] in NOT_IN_A_NAMESPACE:
            assert "namespace" not in metadata, named(one)
        else:
            assert metadata.get("namespace") == "s3-system", named(one)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_selectors_find_the_pods(case: Case) -> None:
    found = case.objects()
    pods = [pod["metadata"]["labels"] for _, pod in chart.pod_templates(found)]
    for one in chart.of_kind(found, "Service") + chart.of_kind(found, "NetworkPolicy") + chart.of_kind(found, "PodDisruptionBudget"):
        spec = one["spec"]
        selector = spec.get("podSelector", spec.get("selector"))
        selector = selector.get("matchLabels", selector)
        hits = [labels for labels in pods if selector.items() <= labels.items()]
        assert len(hits) == 1, f"{named(one)} selects {len(hits)} of the release's pods"


def test_long_names_stay_within_limits() -> None:
    values = chart.merged(chart.gateway("injection.by=webhook", *chart.MONITORED))
    for one in chart.objects(values, name="r" * 53, namespace="n" * 63):
        limit = 253 if one["kind"] in NOT_IN_A_NAMESPACE else 63
        assert len(one["metadata"]["name"]) <= limit, named(one)
        for value in one["metadata"]["labels"].values():
            assert len(value) <= 63


def test_names_of_digits_stay_text() -> None:
    values = chart.merged(chart.gateway("injection.by=webhook", *chart.MONITORED), {"nameOverride": "1234567"})
    for one in chart.objects(values, name="12345", namespace="123"):
        assert one["metadata"].get("namespace", "123") == "123", named(one)
        assert all(isinstance(value, str) for value in one["metadata"]["labels"].values()), named(one)
    for _, pod in chart.pod_templates(chart.objects(values, name="12345", namespace="123")):
        assert all(isinstance(value, str) for value in pod["metadata"]["labels"].values())


def test_two_releases_of_one_name_share_no_object_of_the_cluster() -> None:
    values = chart.gateway("injection.by=webhook")
    names = [
        {named(one) for one in chart.objects(values, namespace=namespace) if one["kind"] in NOT_IN_A_NAMESPACE}
        for namespace in ("one", "two")
    ]
    assert names[0] and not names[0] & names[1]


def test_switched_off_it_is_nothing() -> None:
    assert chart.objects(chart.merged({"enabled": False})) == []


def test_a_chart_may_depend_on_it(tmp_path: Path) -> None:
    """A strict schema must take what Helm adds to a dependency's values, and the switch that its condition names."""
    parent = tmp_path / "parent"
    shutil.copytree(CHART, parent / "charts/s3-access-proxy")
    dependency = {"name": "s3-access-proxy", "version": "0.1.0", "condition": "s3-access-proxy.enabled"}
    about = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(about))
    values = {"global": {"imageRegistry": "registry.example", "other": {"chart": "s"}}}
    with helm.Chart.load(parent) as loaded:
        on = loaded.render(values | {"s3-access-proxy": {"enabled": True} | chart.GATEWAY}, name="p", namespace="n")
        workload = chart.only(chart.parse(on), "DaemonSet")
        assert workload["spec"]["template"]["spec"]["containers"][0]["image"].startswith("registry.example/s3-access-proxy:")
        off = loaded.render(values | {"s3-access-proxy": {"enabled": False}}, name="p", namespace="n")
        assert chart.parse(off) == []
