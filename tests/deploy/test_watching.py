"""Alert rules and dashboards ask for metrics and fields that there are, and the rules do what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("prometheus_client", reason="needs the kafka extra")

from katydid.streams.kafka.metrics import Metrics
from katydid.streams.store.influx.schema import MEASUREMENTS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
GRAFANA = DEPLOY / "grafana"
RULES: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"][0][
    "rules"
]
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}


def published() -> dict[str, set[str]]:
    """Every series that a worker publishes, with its labels."""
    found: dict[str, set[str]] = {}
    registry = Metrics().registry
    for family in registry.collect():
        labels = set(getattr(registry._names_to_collectors[family.name], "_labelnames", ()))
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        found |= {family.name + ending: labels | ({"le"} if ending == "_bucket" else set()) for ending in endings}
    return found


PUBLISHED = published()


def expressions() -> list[str]:
    asked = [str(rule["expr"]) for rule in RULES]
    for board in BOARDS.values():
        asked += [target["expr"] for panel in board["panels"] for target in panel["targets"] if "expr" in target]
    return asked


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_and_label_that_is_asked_for_is_published(expression: str) -> None:
    names = set(re.findall(r"\bkatydid_\w+", expression))
    assert names or "up{" in expression
    assert names <= set(PUBLISHED), names - set(PUBLISHED)
    labels = {label for name in names for label in PUBLISHED[name]} | {"instance", "job"}
    grouped = {word for group in re.findall(r"by \(([\w, ]+)\)", expression) for word in re.split(r", *", group)}
    assert grouped <= labels, grouped - labels


def test_every_alert_says_what_to_do_and_how_soon() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "action"}


def test_every_alert_is_on_the_page_with_its_severity() -> None:
    page = (DEPLOY.parent / "docs" / "deploy.md").read_text(encoding="utf-8")
    listed: dict[str, str] = {}
    for names, severity in re.findall(r"^\| (`Katydid[^|]+) \| (\w+) \|", page, re.MULTILINE):
        listed |= dict.fromkeys(re.findall(r"`(\w+)`", names), severity)
    assert listed == {rule["alert"]: rule["labels"]["severity"] for rule in RULES}


def test_every_alert_is_tested_to_fire_and_to_keep_still() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    asked = [(each["alertname"], bool(each["exp_alerts"])) for test in tests for each in test["alert_rule_test"]]
    names = {rule["alert"] for rule in RULES}
    assert {name for name, fires in asked if fires} == {name for name, fires in asked if not fires} == names


@pytest.mark.parametrize(
    "words",
    [["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]],
    ids=["rules", "config", "tests"],
)
def test_promtool_agrees(words: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here (Debian has it in the package prometheus)")
    done = subprocess.run([promtool, *words], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_both_kinds_of_worker() -> None:
    (job,) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    compose = yaml.safe_load((DEPLOY.parent / "docker-compose.yml").read_text(encoding="utf-8"))
    (found,) = job["dns_sd_configs"]
    assert set(found["names"]) == {name for name in compose["services"] if name.startswith("worker")}
    assert job["job_name"] == "katydid" and found["port"] == 9477


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_asks_provisioned_sources_and_its_panels_do_not_overlap(name: str) -> None:
    board = BOARDS[name]
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/katydid.yml").read_text(encoding="utf-8"))[
        "datasources"
    ]
    kinds = {each["uid"]: each["type"] for each in sources}
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert kinds[panel["datasource"]["uid"]] == panel["datasource"]["type"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


def test_flux_asks_for_measurements_and_fields_of_the_schema() -> None:
    schema = {each.name: set(each.fields) | set(each.tags) for each in MEASUREMENTS}
    queries = [target["query"] for panel in BOARDS["field"]["panels"] for target in panel["targets"]]
    assert len(queries) == 8
    for query in queries:
        (measurement,) = re.findall(r'r\._measurement == "(\w+)"', query)
        fields = set(re.findall(r'r\._field == "(\w+)"', query))
        assert fields and fields <= schema[measurement], (measurement, fields)


def test_dashboards_are_where_the_provider_looks_and_the_token_is_read_from_its_file() -> None:
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/katydid.yml").read_text(encoding="utf-8"))[
        "providers"
    ][0]
    compose = yaml.safe_load((DEPLOY.parent / "docker-compose.yml").read_text(encoding="utf-8"))
    grafana = compose["services"]["grafana"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    text = (GRAFANA / "provisioning/datasources/katydid.yml").read_text(encoding="utf-8")
    assert "$__file{/run/secrets/influx_token}" in text and "influx_token" in grafana["secrets"]
