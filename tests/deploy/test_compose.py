"""docker-compose.yml: what the specification allows, and what this project asks of every service. No engine is here."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import make_secrets
from katydid.streams.cli import run_command
from katydid.streams.kafka.configuration import Configuration, read_configuration

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"topics", "topics-plain", "users"}
SETTINGS = ROOT / "deploy" / "settings"


def test_it_is_valid_by_the_compose_specification() -> None:
    schema = distribution("check-jsonschema").locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")
    jsonschema.validate(COMPOSE, json.loads(Path(str(schema)).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened_bounded_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is (name != "influxdb")
    assert service["mem_limit"] and service["cpus"] and service["logging"]["options"]["max-size"]
    assert "privileged" not in service and "network_mode" not in service
    if name not in ONE_SHOT:
        built = "build" in service  # The image of this project brings its own.
        assert built or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_by_a_tag_and_name_no_registry(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?", tag), SERVICES[name]["image"]
    assert "." not in image.split("/")[0]


def test_no_secret_stands_in_the_file_and_each_comes_from_a_file_that_make_secrets_writes(tmp_path: Path) -> None:
    make_secrets.make(tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    files = {Path(each["file"]).name for each in COMPOSE["secrets"].values()}
    assert files == written
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    for service in SERVICES.values():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|CREDENTIALS", variable):
                assert str(value).startswith("/run/secrets/"), variable


def test_a_secret_that_a_service_reads_is_one_that_it_was_given() -> None:
    for name, service in SERVICES.items():
        given = {f"/run/secrets/{secret}" for secret in service.get("secrets", ())}
        asked = set(re.findall(r"/run/secrets/\w+", json.dumps([service.get("environment"), service.get("command")])))
        if "volumes" in service:
            for volume in service["volumes"]:
                source = ROOT / str(volume).split(":", maxsplit=1)[0]
                if source.is_file():
                    asked |= set(re.findall(r"/run/secrets/\w+", source.read_text(encoding="utf-8")))
        if name in ONE_SHOT:  # They are given no media.
            asked -= {"/run/secrets/objects_credentials"}
        assert asked <= given, (name, asked - given)


def test_every_file_that_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = str(volume).split(":", maxsplit=1)[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
                assert str(volume).endswith(":ro")
            else:
                assert source in COMPOSE["volumes"]


def test_only_the_encrypted_port_of_kafka_is_open_to_others() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports.pop("kafka") == ["9092:9092"]
    assert all(port.startswith("127.0.0.1:") for each in ports.values() for port in each)


def test_the_name_that_the_broker_tells_its_clients_leads_to_it_from_inside_as_well() -> None:
    kafka = SERVICES["kafka"]
    assert kafka["networks"] == {"default": {"aliases": [kafka["environment"]["ADVERTISED"]]}}
    assert kafka["environment"]["ADVERTISED"] == "${KAFKA_HOST:-kafka}"


@pytest.mark.parametrize("profile", ["secured", "plain"])
def test_a_profile_is_complete_and_waits_for_what_it_needs(profile: str) -> None:
    there = {name for name, service in SERVICES.items() if profile in service["profiles"]}
    ends = "-plain" if profile == "plain" else ""
    ours = {f"kafka{ends}", f"topics{ends}", f"worker{ends}"} | ({"users"} if profile == "secured" else set())
    assert there == ours | {"follow", "influxdb", "objects", "prometheus", "grafana"}
    for name in there:
        assert set(SERVICES[name].get("depends_on", ())) <= there
    needs = SERVICES[f"worker{ends}"]["depends_on"]
    before = f"topics{ends}" if ends else "users"
    assert needs[before] == {"condition": "service_completed_successfully"}
    assert needs["influxdb"] == needs["objects"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_what_runs_once_is_a_command_that_there_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words: list[str] = SERVICES[name]["command"]
    first = next(index for index, word in enumerate(words) if word.startswith("-"))
    assert run_command([*words[:first], "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in words if word.startswith("--"))


def test_the_one_that_follows_asks_the_store_that_the_workers_write(capsys: pytest.CaptureFixture[str]) -> None:
    words: list[str] = SERVICES["follow"]["command"]
    for name in ("secured.toml", "plain.toml"):
        assert read_configuration(SETTINGS / name, ENVIRONMENT).sink.url == words[2]
    assert run_command([*words[:2], "--help"]) == 0
    assert words[3] in capsys.readouterr().out


def test_one_number_says_how_many_workers() -> None:
    assert SERVICES["worker"]["deploy"] == SERVICES["worker-plain"]["deploy"] == {"replicas": "${WORKERS:-1}"}
    assert "instance_id" not in (SETTINGS / "secured.toml").read_text(encoding="utf-8")


ENVIRONMENT = {"KATYDID_KAFKA_PASSWORD": "p", "KATYDID_INFLUX_TOKEN": "t"}


@pytest.mark.parametrize(
    ("file", "service", "broker"),
    [("secured", "worker", "kafka"), ("administrator", "topics", "kafka"), ("plain", "worker-plain", "kafka-plain")],
)
def test_the_settings_are_read_by_the_worker_and_name_the_services(file: str, service: str, broker: str) -> None:
    read = read_configuration(SETTINGS / f"{file}.toml", ENVIRONMENT)
    assert read.kafka.servers == (f"{broker}:9092",)
    assert f"./deploy/settings/{file}.toml:/etc/katydid/katydid.toml:ro" in SERVICES[service]["volumes"]
    influx = SERVICES["influxdb"]["environment"]
    organisation, bucket = influx["DOCKER_INFLUXDB_INIT_ORG"], influx["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert read.sink.url == f"influx+http://influxdb:8086/{organisation}/{bucket}"
    assert read.metrics.port == 9477 and read.metrics.host == "0.0.0.0"


def test_the_worker_and_the_administrator_differ_in_their_user_alone() -> None:
    worker, administrator = (
        tomllib.loads((SETTINGS / f"{name}.toml").read_text(encoding="utf-8")) for name in ("secured", "administrator")
    )
    assert (worker["kafka"].pop("user"), administrator["kafka"].pop("user")) == ("worker", "admin")
    assert worker == administrator


def test_workers_may_stop_in_order_before_they_are_killed() -> None:
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > Configuration().kafka.stop_s


def test_every_service_is_on_the_page() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert {name for name in SERVICES if f"`{name}`" not in page} == set()


def test_the_image_runs_as_nobody_in_particular_on_a_pinned_base() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG PYTHON=python:3\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", text, re.MULTILINE)
    assert stages == [("${PYTHON}", "build"), ("${PYTHON}", "")]
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "pip" not in last and "COPY --from=build" in last
    assert 'ENTRYPOINT ["katydid"]' in last and "/healthz" in last
    assert "ADD " not in text and "curl" not in text and "http://" not in text.replace("http://127.0.0.1:9477", "")


def test_the_image_is_built_from_what_the_ignore_file_lets_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for word in line.split()}
    assert copied == let_through and "*" in ignored
    assert all((ROOT / name).exists() for name in copied)
