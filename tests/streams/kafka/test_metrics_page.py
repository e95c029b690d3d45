"""docs/metrics.md names every metric that there is, with its labels, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client", reason="needs the kafka extra")

from katydid.streams.kafka.metrics import Metrics

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(katydid_[a-z_]+)(?:\{([a-z,]+)\})?` \|", re.MULTILINE)


def test_the_page_has_one_row_for_each_metric_with_its_labels() -> None:
    written = {name: tuple(labels.split(",")) if labels else () for name, labels in ROW.findall(PAGE)}
    metrics = Metrics()
    there = {}
    for family in metrics.registry._collector_to_names:
        name = family._name + ("_total" if family._type == "counter" else "")  # type: ignore[attr-defined]
        there[name] = tuple(family._labelnames)  # type: ignore[attr-defined]
    assert written == there


def test_every_row_says_when_to_worry() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `katydid_")]
    assert rows and all(len([cell for cell in row.split("|") if cell.strip()]) == 3 for row in rows)
