"""The tables of findings in docs/decisions: every test that they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("page", "folder", "least"),
    [("0010-kafka-host.md", "kafka", 15), ("0012-influxdb-without-transactions.md", "store/influx", 13)],
)
def test_every_finding_names_a_test_that_is_there(page: str, folder: str, least: int) -> None:
    text = (ROOT / "docs" / "decisions" / page).read_text(encoding="utf-8").split("## Findings, and the tests")[1]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= least
    for row in rows:
        named = re.findall(r"`(test_\w+)(\.py)?`", row)
        assert [name for name, ending in named if not ending], row
        source = ""
        for name, ending in named:
            if ending:
                source = (ROOT / "tests" / "streams" / folder / f"{name}.py").read_text(encoding="utf-8")
            else:
                assert f"def {name}(" in source, name
