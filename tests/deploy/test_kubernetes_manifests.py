"""The manifests, by Kubernetes' own schemas, and what this project asks of them. No cluster is here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from katydid.streams.kafka.configuration import read_configuration

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
MANIFESTS: list[dict[str, Any]] = [
    manifest
    for name in KUSTOMIZATION["resources"]
    for manifest in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))
]
OURS = {"keda.sh/v1alpha1"}
"""Kinds that Kubernetes itself does not have."""


def one(kind: str, name: str = "") -> dict[str, Any]:
    (found,) = [
        manifest for manifest in MANIFESTS if manifest["kind"] == kind and name in ("", manifest["metadata"]["name"])
    ]
    return found


WORKER = one("StatefulSet")
POD = WORKER["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


@pytest.mark.parametrize("version", ["1.29", "1.34"])
@pytest.mark.parametrize(
    "manifest", [each for each in MANIFESTS if each["apiVersion"] not in OURS], ids=lambda each: str(each["kind"])
)
def test_every_manifest_is_valid_by_kubernetes_schemas(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_every_file_is_applied_and_everything_is_in_one_namespace() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {*KUSTOMIZATION["resources"], "kustomization.yaml"}
    namespaces = {each["metadata"].get("namespace", each["metadata"]["name"]) for each in MANIFESTS}
    assert namespaces == {KUSTOMIZATION["namespace"]}


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
def test_pods_keep_to_the_restricted_standard(kind: str) -> None:
    """What the namespace enforces, field by field (Pod Security Standards, restricted)."""
    whole = one(kind)["spec"]["template"]["spec"]
    pod, container = whole["securityContext"], whole["containers"][0]["securityContext"]
    assert pod["runAsNonRoot"] and pod["runAsUser"] == 10001 and pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False and container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"] is True
    assert whole["automountServiceAccountToken"] is False
    assert set(whole["containers"][0]["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}


def test_the_one_that_follows_asks_the_store_that_the_workers_write() -> None:
    words = one("Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert words == ["store", "follow", read_settings().sink.url, "--keep"]


def test_alive_and_ready_are_asked_where_the_worker_answers() -> None:
    (port,) = CONTAINER["ports"]
    read = read_settings()
    assert port["containerPort"] == read.metrics.port and read.metrics.host == "0.0.0.0"
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert CONTAINER[probe]["httpGet"] == {"path": path, "port": port["name"]}
    liveness = CONTAINER["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] > read.kafka.alive_s
    assert POD["terminationGracePeriodSeconds"] > read.kafka.stop_s


def read_settings(tmp: str = "katydid.toml") -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / tmp
        file.write_text(one("ConfigMap")["data"]["katydid.toml"], encoding="utf-8")
        return read_configuration(file, {"KATYDID_KAFKA_PASSWORD": "p", "KATYDID_INFLUX_TOKEN": "t"})


def test_every_live_worker_has_an_instance_id_of_its_own() -> None:
    """Pods of a StatefulSet have names that no two live ones share; of a Deployment they would change each time."""
    text = one("ConfigMap")["data"]["katydid.toml"]
    assert 'instance_id = "{hostname}"' in text
    assert WORKER["spec"]["serviceName"] == one("Service")["metadata"]["name"]
    assert one("Service")["spec"]["clusterIP"] == "None"


def test_secrets_are_mounted_from_a_secret_that_is_in_no_file() -> None:
    assert "Secret" not in {manifest["kind"] for manifest in MANIFESTS}
    (secret,) = [each["secret"] for each in POD["volumes"] if "secret" in each]
    assert secret == {"secretName": "katydid", "defaultMode": 0o440}
    mounted = {each["name"]: each["mountPath"] for each in CONTAINER["volumeMounts"]}
    assert set(mounted) == {each["name"] for each in POD["volumes"]}
    keys = {each["value"].rpartition("/")[2] for each in CONTAINER["env"] if each["value"].startswith("/run/secrets/")}
    ca = str(read_settings().kafka.ca_file)
    assert ca.startswith(mounted["secrets"])
    told = (FOLDER / "settings.yaml").read_text(encoding="utf-8")
    assert all(f"--from-file={key}" in told for key in {*keys, ca.rpartition("/")[2]})


def test_keda_follows_the_lag_of_the_workers_own_group_and_topics() -> None:
    scaled, read = one("ScaledObject")["spec"], read_settings()
    assert scaled["scaleTargetRef"] == {
        "apiVersion": WORKER["apiVersion"], "kind": WORKER["kind"], "name": WORKER["metadata"]["name"],
    }  # fmt: skip
    assert "replicas" not in WORKER["spec"]
    triggers = {each["metadata"]["topic"]: each["metadata"] for each in scaled["triggers"]}
    assert set(triggers) == {read.topics.frames, read.topics.clips}
    for each in triggers.values():
        assert each["bootstrapServers"] == read.kafka.bootstrap and each["consumerGroup"] == read.kafka.group
        assert (each["sasl"], each["tls"], each["username"]) == ("scram_sha512", "enable", read.kafka.user)
        assert int(each["lagThreshold"]) > 0
    assert 1 <= scaled["minReplicaCount"] < scaled["maxReplicaCount"] == read.topics.partitions
    references = {each["authenticationRef"]["name"] for each in scaled["triggers"]}
    assert references == {one("TriggerAuthentication")["metadata"]["name"]}


def test_labels_agree() -> None:
    labels = WORKER["spec"]["selector"]["matchLabels"]
    assert labels == WORKER["spec"]["template"]["metadata"]["labels"] == one("Service")["spec"]["selector"]
    assert labels == one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    assert labels == one("NetworkPolicy", "katydid-worker")["spec"]["podSelector"]["matchLabels"]
    follow = one("Deployment")["spec"]
    assert follow["selector"]["matchLabels"] == follow["template"]["metadata"]["labels"]
    assert follow["selector"] == one("NetworkPolicy", "katydid-follow")["spec"]["podSelector"]


def test_the_network_policy_opens_what_the_settings_name() -> None:
    policy = one("NetworkPolicy", "katydid-worker")["spec"]
    out = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    read = read_settings()
    ports = {int(server.rpartition(":")[2]) for server in read.kafka.servers}
    ports.add(int(read.sink.url.split("/")[2].rpartition(":")[2]))
    assert ports < out and {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == {9477}
    follow = {
        port["port"] for rule in one("NetworkPolicy", "katydid-follow")["spec"]["egress"] for port in rule["ports"]
    }
    assert follow == {53, int(read.sink.url.split("/")[2].rpartition(":")[2])}
