"""docs/captures.md says what the code does: limits, reasons, clock sources and flags."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from hostile_files import encoded, pcm16, photo, wav
from katydid.sensors.capture import ClockSource, ZoneSource
from katydid.sensors.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "captures.md").read_text(encoding="utf-8")
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "sensors/katydid/sensors").rglob("*.py"))
    if "simulated" not in path.parts and path.name != "errors.py"
)


def test_every_limit_is_listed_with_its_default() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", PAGE, re.MULTILINE))
    actual = {name: f"{value:,.0f}" for name, value in msgspec.structs.asdict(Limits()).items()}
    assert listed == actual


def test_every_reason_of_a_refusal_is_listed_and_no_other() -> None:
    section = PAGE.split("## Reasons of a refusal")[1].split("## ")[0]
    listed = {
        name for row in re.findall(r"^\|([^|]+)\|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    raised = set(re.findall(r'(?:OverLimit|Undecodable)\(\s*"(\w+)"', SOURCES))
    raised |= set(re.findall(r'"(\w+)" if [^\n]+ else "(\w+)"\s*\n\s*raise', SOURCES)[0])
    assert listed == raised | {"bad_header", "unreadable", "truncated"}


def test_every_clock_source_and_zone_source_and_flag_is_explained() -> None:
    assert all(f"`{source}`" in PAGE for source in ClockSource if source is not ClockSource.SIMULATED)
    assert all(f"`{source}`" in PAGE for source in ZoneSource)
    assert all(f"| `{flag}` |" in PAGE for flag in ("fold", "gap", "before_2000", "in_future", "no_reading"))


def test_the_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "a_20240528_100000.wav").write_bytes(wav(pcm16()))
    (tmp_path / "card" / "b.jpg").write_bytes(encoded(photo(), "JPEG"))
    monkeypatch.chdir(tmp_path)
    example = PAGE.split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {"print": lambda *parts: printed.append(parts)}
    printed: list[tuple[object, ...]] = []
    exec(compile(example, "docs/captures.md", "exec"), names)
    assert [parts[-1] for parts in printed] == ["a_20240528_100000.wav", "b.jpg"]
    assert "frame" in names and "block" in names
