"""What a user of the gateway would notice."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

import chart
from chart import CASES, PROXY_BIN, ROOT, Case, Object, Values

WITH_CONFIGURATION = [case for case in CASES if chart.of_kind(case.objects(), "ConfigMap", "gateway") and case.name != "own-config"]


def check(text: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    assert PROXY_BIN.is_file(), f"{PROXY_BIN} is missing; build it with: cargo build --bins"
    file = directory / "config.yaml"
    file.write_text(text)
    return subprocess.run([PROXY_BIN, "check", "--config", file], env=environment, capture_output=True, text=True, check=False)


def workload(values: Values) -> Object:
    found = chart.objects(values)
    [one] = chart.of_kind(found, "DaemonSet", "gateway") + chart.of_kind(found, "Deployment", "gateway")
    return one


def pod(values: Values) -> Object:
    return workload(values)["spec"]["template"]


def proxy(values: Values) -> Object:
    [container] = [one for one in pod(values)["spec"]["containers"] if one["name"] == "proxy"]
    return container


@pytest.mark.parametrize("case", WITH_CONFIGURATION, ids=lambda case: case.name)
def test_the_proxy_takes_the_configuration(case: Case, tmp_path: Path) -> None:
    result = check(chart.configuration(case.objects()), tmp_path)
    assert result.returncode == 0, result.stderr
    effective = yaml.safe_load(result.stdout)
    assert effective["listen"].endswith(":8443") and effective["admin"].endswith(":9090")


def test_what_was_granted_is_what_the_proxy_reads(tmp_path: Path) -> None:
    [case] = [case for case in CASES if case.name == "gateway-deployment"]
    effective = yaml.safe_load(check(chart.configuration(case.objects()), tmp_path).stdout)
    given = case.values["gateway"]["config"]
    assert effective["grants"][0]["prefixes"] == ["by-namespace/${namespace}/"]
    assert effective["limits"]["max_connections"] == given["limits"]["max_connections"] == 1_000_000
    assert effective["upstream"]["endpoint"].startswith("https://s3.dualstack.eu-west-1.amazonaws.com")
    assert effective["credentials"]["source"] == "pod_identity"


def test_values_of_the_environment_are_the_proxys(tmp_path: Path) -> None:
    [case] = [case for case in CASES if case.name == "extras"]
    environment = {one["name"]: one["value"] for one in proxy(case.values)["env"] if "value" in one}
    effective = yaml.safe_load(check(chart.configuration(case.objects()), tmp_path, **environment).stdout)
    assert effective["limits"]["max_connections"] == 100


@pytest.mark.parametrize("case", WITH_CONFIGURATION, ids=lambda case: case.name)
def test_every_file_of_the_configuration_is_mounted(case: Case) -> None:
    configuration = yaml.safe_load(chart.configuration(case.objects()))
    mounts = [mount["mountPath"] for mount in proxy(case.values)["volumeMounts"]]
    files = [configuration["tls"][key] for key in ("certificate", "private_key", "client_ca", "client_crl") if key in configuration["tls"]]
    files += [configuration["credentials"][key] for key in ("token_file", "file") if key in configuration["credentials"]]
    for file in files:
        assert str(Path(file).parent) in mounts, file
    volumes = {volume["name"] for volume in pod(case.values)["spec"]["volumes"]}
    for container in chart.containers(pod(case.values)):
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes


@pytest.mark.parametrize(
    ("values", "audience", "variables"),
    [
        (chart.GATEWAY, "sts.amazonaws.com", {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"}),
        (
            chart.gateway("aws.identity=podIdentity"),
            "pods.eks.amazonaws.com",
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"},
        ),
    ],
)
def test_only_the_proxy_has_the_role(values: Values, audience: str, variables: set[str]) -> None:
    values = chart.merged(values, {"gateway": {"extraContainers": [{"name": "beside", "image": "beside:1"}]}})
    template = pod(values)
    [token] = [volume for volume in template["spec"]["volumes"] if "projected" in volume]
    [source] = token["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == audience
    for container in chart.containers(template):
        mounted = token["name"] in [mount["name"] for mount in container.get("volumeMounts", [])]
        names = {one["name"] for one in container.get("env", [])}
        assert mounted is (container["name"] == "proxy")
        assert variables <= names if container["name"] == "proxy" else not names
    file = next(one["value"] for one in proxy(values)["env"] if one["name"].endswith("_TOKEN_FILE"))
    [mount] = [mount for mount in proxy(values)["volumeMounts"] if mount["name"] == token["name"]]
    assert file == f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"
    account = chart.only(chart.objects(values), "ServiceAccount", "gateway")
    assert "eks.amazonaws.com/role-arn" not in account["metadata"].get("annotations", {})
    assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("change", "restarts"),
    [
        (",".join(f"gateway.config.grants[0].{key}" for key in ("name=a", "identities={cn:a}", "buckets={data}", "actions={s3:*}")), False),
        ("gateway.config.guardrails.acl=allow", False),
        ("tls.minVersion=1.2", False),
        ("gateway.config.upstream.fips=true", True),
        ("gateway.config.limits.idle_timeout=90s", True),
        ("gateway.config.domains={s3.internal}", True),
        ("bindAddress=[::]", True),
        ("aws.region=eu-central-1", True),
    ],
)
def test_only_what_is_read_at_the_start_restarts_pods(change: str, restarts: bool) -> None:
    changed = chart.gateway(change)
    assert chart.configuration(chart.objects(changed)) != chart.configuration(chart.objects(chart.GATEWAY))
    assert (pod(changed) != pod(chart.GATEWAY)) is restarts


def test_a_new_version_of_the_chart_alone_restarts_nothing() -> None:
    assert "helm.sh/chart" not in pod(chart.GATEWAY)["metadata"]["labels"]


@pytest.mark.parametrize(("drain", "seconds"), [("30s", 30), ("1m 30s", 90), ("2m", 120), ("90s", 90)])
def test_requests_in_flight_have_time_to_finish(drain: str, seconds: int) -> None:
    values = chart.gateway(f"gateway.config.limits.drain_timeout={drain}")
    waited = proxy(values)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(values)["spec"]["terminationGracePeriodSeconds"] == waited + seconds + 10


def test_no_node_is_without_a_gateway_in_a_rollout() -> None:
    daemon_set = workload(chart.GATEWAY)
    assert daemon_set["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert all("hostPort" not in port for container in chart.containers(pod(chart.GATEWAY)) for port in container["ports"])
    service = chart.only(chart.objects(chart.GATEWAY), "Service", "gateway")
    assert service["spec"]["internalTrafficPolicy"] == "Cluster"
    local = chart.objects(chart.gateway("gateway.service.internalTrafficPolicy=Local"))
    assert chart.only(local, "Service", "gateway")["spec"]["internalTrafficPolicy"] == "Local"


def test_a_deployment_is_spread_and_survives_drains() -> None:
    values = chart.gateway("gateway.kind=Deployment,gateway.replicas=3")
    found = chart.objects(values)
    assert workload(values)["spec"]["replicas"] == 3
    assert workload(values)["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    keys = [one["topologyKey"] for one in pod(values)["spec"]["topologySpreadConstraints"]]
    assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    budget = chart.only(found, "PodDisruptionBudget", "gateway")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_a_scaled_deployment_leaves_its_replicas_to_the_scaler() -> None:
    values = chart.gateway("gateway.kind=Deployment,gateway.autoscaling.enabled=true")
    scaler = chart.only(chart.objects(values), "HorizontalPodAutoscaler")
    assert "replicas" not in workload(values)["spec"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == workload(values)["metadata"]["name"]


def test_probes_need_no_certificate() -> None:
    container = proxy(chart.GATEWAY)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"s3": 8443, "admin": 9090}
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "admin"}


def test_the_certificate_names_what_clients_connect_to() -> None:
    values = chart.gateway("tls.source=certManager,certManager.issuerRef.name=internal", "gateway.config.domains={s3.internal}", "tls.dnsNames={s3.example}")
    certificate = chart.only(chart.objects(values), "Certificate", "gateway")["spec"]
    service = chart.only(chart.objects(values), "Service", "gateway")["metadata"]
    assert f"{service['name']}.{service['namespace']}.svc" in certificate["dnsNames"]
    assert {"s3.internal", "*.s3.internal", "s3.example"} <= set(certificate["dnsNames"])
    [volume] = [volume for volume in pod(values)["spec"]["volumes"] if volume["name"] == "tls"]
    assert volume["secret"]["secretName"] == certificate["secretName"]
    csi = pod(chart.merged(values, {"tls": {"source": "csi"}}))
    [volume] = [volume for volume in csi["spec"]["volumes"] if volume["name"] == "tls"]
    assert volume["csi"]["volumeAttributes"]["csi.cert-manager.io/dns-names"].split(",") == certificate["dnsNames"]


def test_spires_certificate_is_there_before_the_proxy_starts() -> None:
    found = chart.objects(chart.gateway("tls.source=spiffe"))
    [helper] = chart.only(found, "DaemonSet")["spec"]["template"]["spec"]["initContainers"]
    assert (helper["restartPolicy"], helper["startupProbe"]["httpGet"]["path"]) == ("Always", "/ready")
    written = chart.configuration(found, file="helper.conf")
    configuration = yaml.safe_load(chart.configuration(found))["tls"]
    for key in ("certificate", "private_key", "client_ca"):
        assert f'= "{Path(configuration[key]).name}"' in written


def test_image_and_paths_are_those_of_the_dockerfile() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 65532:65532$", dockerfile, flags=re.MULTILINE)
    assert re.search(r"^EXPOSE 8443 9090$", dockerfile, flags=re.MULTILINE)
    assert '"/etc/s3-access-proxy/config.yaml"' in dockerfile
    container = proxy(chart.GATEWAY)
    assert "command" not in container, "the image's entry point is used"
    assert container["args"] == ["run", "--config=/etc/s3-access-proxy/config.yaml"]
    assert (container["securityContext"]["runAsUser"], container["securityContext"]["runAsGroup"]) == (65532, 65532)
    about = chart.loaded().metadata
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), flags=re.MULTILINE)
    assert version and about["appVersion"] == version[1]
    assert container["image"] == f"s3-access-proxy:{version[1]}"


def test_a_digest_is_what_counts() -> None:
    digest = "sha256:" + 64 * "a"
    image = proxy(chart.gateway(f"image.digest={digest},image.tag=ignored,image.repository=registry.example/proxy"))["image"]
    assert image == f"registry.example/proxy@{digest}"


def test_a_registry_for_everything() -> None:
    """As charts that have this one as a dependency say it."""
    [case] = [case for case in CASES if case.name == "everything"]
    for owner, template in chart.pod_templates(case.objects()):
        assert template["spec"]["imagePullSecrets"] == [{"name": "pull"}], owner
        assert all(one["image"].startswith("registry.example/") for one in chart.containers(template)), owner


def test_what_the_chart_annotates_can_be_said_otherwise() -> None:
    key = "kubectl.kubernetes.io/default-container"
    values = chart.merged(chart.GATEWAY, {"gateway": {"podAnnotations": {key: "beside"}}})
    assert pod(values)["metadata"]["annotations"][key] == "beside"
    assert "checksum/fixed-at-start" in pod(values)["metadata"]["annotations"]


def test_extras_arrive() -> None:
    [case] = [case for case in CASES if case.name == "extras"]
    spec, container = pod(case.values)["spec"], proxy(case.values)
    assert [one["name"] for one in spec["containers"]] == ["proxy", "beside"]
    assert [one["name"] for one in spec["initContainers"]] == ["before"]
    assert spec["priorityClassName"] == "system-node-critical" and spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "pool": "storage"}
    assert container["args"][-1] == "--verbose" and container["envFrom"] == [{"configMapRef": {"name": "more"}}]
    assert {"name": "scratch", "mountPath": "/scratch"} in container["volumeMounts"]
    labels, annotations = pod(case.values)["metadata"]["labels"], pod(case.values)["metadata"]["annotations"]
    assert (labels["a"], annotations["c"]) == ("b", "d")
    assert workload(case.values)["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_extra_objects_are_templates() -> None:
    [case] = [case for case in CASES if case.name == "everything"]
    names = [chart.named(one) for one in case.objects()]
    assert {"ConfigMap/s3-s3-access-proxy-extra", "ConfigMap/s3-text"} <= set(names)
