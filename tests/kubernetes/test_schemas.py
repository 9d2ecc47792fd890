"""Every object against the published schemas of Kubernetes 1.29 to 1.37, strictly, and of cert-manager and the Prometheus operator."""

from __future__ import annotations

import functools
import json

import kubernetes_validate.utils
import pytest
from cloudcoil.models.cert_manager import v1 as cert_manager
from cloudcoil.models.prometheus_operator import v1 as prometheus_operator

import chart
from chart import CASES, Object, named

VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
OTHERS = {
    "Certificate": cert_manager.Certificate,
    "PodMonitor": prometheus_operator.PodMonitor,
    "PrometheusRule": prometheus_operator.PrometheusRule,
    "ServiceMonitor": prometheus_operator.ServiceMonitor,
}

# It reads its schemas from disk for each object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


def minor(version: str) -> int:
    return int(version.split(".")[1])


def distinct(version: str | None = None) -> list[Object]:
    """Objects of all cases that this Kubernetes can have, each once."""
    cases = [case for case in CASES if version is None or minor(case.since) <= minor(version)]
    found = {json.dumps(one, sort_keys=True): one for case in cases for one in case.objects()}
    return list(found.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(version: str) -> None:
    checked = 0
    for one in distinct(version):
        if one["kind"] in OTHERS:
            continue
        try:
            used = kubernetes_validate.utils.validate(one, version, strict=True)
        except kubernetes_validate.utils.ValidationError as error:
            pytest.fail(f"{named(one)}: {'.'.join(map(str, error.path))}: {error.message}")
        assert used == version
        checked += 1
    assert checked > 50


def test_a_misspelt_field_is_noticed() -> None:
    one = chart.only(chart.objects(chart.GATEWAY), "DaemonSet")
    one["spec"]["template"]["spec"]["containers"][0]["imagePullPolitics"] = "Always"
    with pytest.raises(kubernetes_validate.utils.ValidationError):
        kubernetes_validate.utils.validate(one, "1.37", strict=True)


def test_operators_take_their_objects() -> None:
    """Their models pass over fields that they do not know: what does not come back was not known."""
    seen = set()
    for one in distinct():
        if model := OTHERS.get(one["kind"]):
            seen.add(one["kind"])
            back = model.model_validate(one).model_dump(by_alias=True, exclude_unset=True, mode="json")
            assert back == one, named(one)
    assert seen == set(OTHERS)
