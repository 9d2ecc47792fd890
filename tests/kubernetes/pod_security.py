"""The restricted Pod Security Standard, rule by rule.

Source: Kubernetes documentation, "Pod Security Standards", baseline and restricted, as of Kubernetes 1.37.
"""

from __future__ import annotations

from collections.abc import Iterator

from chart import Object, containers

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe")


def violations(pod: Object) -> list[str]:
    """What the admission plugin would refuse, with where it is."""
    return [*of_pod(pod), *(f"{one['name']}: {what}" for one in containers(pod) for what in of_container(pod, one))]


def of_pod(pod: Object) -> Iterator[str]:
    spec = pod["spec"]
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield key
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if kinds - VOLUMES:
            yield f"volume {volume['name']} is of {', '.join(sorted(kinds))}"
    context = spec.get("securityContext", {})
    yield from of_context(context)
    if context.get("runAsUser") == 0:
        yield "runAsUser is 0"
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    for key, value in pod["metadata"].get("annotations", {}).items():
        if key.startswith("container.apparmor.security.beta.kubernetes.io/") and not value.startswith(("runtime/default", "localhost/")):
            yield f"annotation {key}"


def of_context(context: Object) -> Iterator[str]:
    """What holds for pods and containers alike."""
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"
    if context.get("seccompProfile", {}).get("type", "RuntimeDefault") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in ("RuntimeDefault", "Localhost"):
        yield "appArmorProfile"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "windowsOptions.hostProcess"


def of_container(pod: Object, container: Object) -> Iterator[str]:
    context = container.get("securityContext", {})
    of_the_pod = pod["spec"].get("securityContext", {})
    yield from of_context(context)
    if context.get("privileged"):
        yield "privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities.drop lacks ALL"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities.add"
    if context.get("runAsNonRoot", of_the_pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if context.get("runAsUser") == 0:
        yield "runAsUser is 0"
    if "seccompProfile" not in context and "seccompProfile" not in of_the_pod:
        yield "seccompProfile is not set"
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield f"hostPort {port['hostPort']}"
    for handler in (*(container.get(key, {}) for key in HANDLERS), *container.get("lifecycle", {}).values()):
        if any(handler.get(kind, {}).get("host") for kind in ("httpGet", "tcpSocket")):
            yield "a probe or handler names a host"
