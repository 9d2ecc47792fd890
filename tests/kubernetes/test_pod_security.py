"""Every pod of the chart is admitted by a namespace with the restricted Pod Security Standard."""

from __future__ import annotations

import copy

import pytest

import chart
from chart import CASES, Case, Object
from pod_security import violations

OURS = ("proxy", "webhook", "spiffe-helper", "check", "let-in")


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "extras"], ids=lambda case: case.name)
def test_every_pod_is_restricted(case: Case) -> None:
    for owner, pod in chart.pod_templates(case.objects()):
        assert violations(pod) == [], owner


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_containers_cannot_write_to_their_root_and_hold_no_token_that_they_do_not_need(case: Case) -> None:
    for owner, pod in chart.pod_templates(case.objects()):
        for container in chart.containers(pod):
            if container["name"] in OURS:
                assert container["securityContext"]["readOnlyRootFilesystem"] is True, owner
                assert container["resources"]["limits"]["memory"], owner
                assert all("subPath" not in mount for mount in container["volumeMounts"]), owner
        self_managed = owner.startswith("Deployment") and owner.endswith("webhook") and case.name != "bridge-webhook"
        assert pod["spec"]["automountServiceAccountToken"] is self_managed, owner


def test_values_cannot_weaken_it() -> None:
    """Only who the user is can be chosen, and root cannot."""
    for values in ("securityContext.privileged=true", "securityContext.runAsUser=0", "securityContext.seLinuxOptions.type=spc_t"):
        with pytest.raises(chart.helm.HelmValuesError):
            chart.objects(chart.gateway(values))


def broken(path: str, value: object) -> Object:
    [(_, pod)] = chart.pod_templates(chart.of_kind(chart.objects(chart.GATEWAY), "DaemonSet"))
    pod = copy.deepcopy(pod)
    node: object = pod["spec"]
    *way, last = path.split(".")
    for step in way:
        node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
    if isinstance(node, list):
        node.append(value)
    elif value is None:
        node.pop(last)
    else:
        node[last] = value
    return pod


CONTAINER = "containers.0.securityContext"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hostNetwork", True),
        ("hostPID", True),
        ("hostIPC", True),
        ("volumes.-", {"name": "host", "hostPath": {"path": "/"}}),
        ("volumes.-", {"name": "nfs", "nfs": {}}),
        ("securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
        ("securityContext.runAsUser", 0),
        ("securityContext.seLinuxOptions", {"type": "spc_t"}),
        ("securityContext.appArmorProfile", {"type": "Unconfined"}),
        (f"{CONTAINER}.privileged", True),
        (f"{CONTAINER}.allowPrivilegeEscalation", None),
        (f"{CONTAINER}.capabilities", {"drop": ["NET_RAW"]}),
        (f"{CONTAINER}.capabilities.add", ["SYS_ADMIN"]),
        (f"{CONTAINER}.runAsNonRoot", False),
        (f"{CONTAINER}.runAsUser", 0),
        (f"{CONTAINER}.seccompProfile", {"type": "Unconfined"}),
        (f"{CONTAINER}.procMount", "Unmasked"),
        ("containers.0.ports", [{"containerPort": 1, "hostPort": 1}]),
        ("containers.0.livenessProbe.httpGet.host", "169.254.169.254"),
        ("initContainers", [{"name": "before", "image": "before:1"}]),
    ],
)
def test_the_check_sees_what_breaks_a_rule(path: str, value: object) -> None:
    assert violations(broken(path, value)) != []
