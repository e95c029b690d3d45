"""docs/store.md names every measurement, tag and field that is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from katydid.streams.store.influx.schema import MEASUREMENTS, Measurement

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "store.md").read_text(encoding="utf-8").split("## InfluxDB")[1]


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda measurement: measurement.name)
def test_the_page_has_a_row_that_names_all_of_it(measurement: Measurement) -> None:
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{measurement.name}`"))
    missing = [name for name in (*measurement.tags, *measurement.fields) if f"`{name}`" not in row]
    assert missing == []
