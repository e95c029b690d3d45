"""Hostile files through `katydid run`: each one outcome with its reason or a right result, and nothing escapes."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from hostile_files import NO_CAPTURE, REFUSED, SCRIPT, HostileFile, write_hostile_files
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.manifest import BundleKind
from katydid.streams.cli import run_command
from katydid.streams.store import open_store

Station = tuple[Path, list[HostileFile], str]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Station:
    place = tmp_path_factory.mktemp("hostile")
    folder = place / "card"
    folder.mkdir()
    expected = write_hostile_files(folder)
    placeholder_bundle(place / "models", name="ears", kind=BundleKind.SOUND_CLASSIFIER)
    placeholder_bundle(place / "models", name="eyes", kind=BundleKind.IMAGE_CLASSIFIER)
    words = ["run", str(folder), "--models", "ears,eyes", "--models-dir", str(place / "models"), "-q"]
    assert run_command(words) == 0
    return folder, expected, str(place / "card.katydid")


def test_every_hostile_file_has_exactly_one_outcome_with_its_reason_or_a_right_result(station: Station) -> None:
    _, expected, out = station
    assert len(expected) >= 40
    with open_store(Path(out) / "detections.duckdb", read_only=True) as store:
        settled = set(store.settled("folder"))
        found = {
            str(file): (str(status), str(reason), str(capture_id))
            for rows in store.tuples("SELECT file, status, reason, capture_id FROM outcome")
            for file, status, reason, capture_id in rows
        }
        assert store.captures_without_outcome() == 0
    assert len({capture_id for _, _, capture_id in found.values()}) == len(found)
    for each in expected:
        if each.expectation == NO_CAPTURE:
            assert each.name not in found
            continue
        assert each.name in settled, each
        if each.name not in found:
            continue  # the same bytes as another one: its outcome is that one's
        status, reason, _ = found[each.name]
        if each.expectation == REFUSED:
            assert (status, reason) == ("refused", each.reason), each
        else:
            assert status in ("identified", "empty"), each


def test_a_hostile_folder_is_settled_and_a_second_run_finds_nothing_new(
    station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, _ = station
    assert (
        run_command(["run", str(folder), "--models-dir", str(folder.parent / "models"), "--models", "ears,eyes"]) == 0
    )
    assert "Nothing new" in capsys.readouterr().out


def test_nothing_reaches_the_terminal_or_the_report_unescaped(
    station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, out = station
    for words in (["query", "latest", "-n", "1000"], ["query", "activity"]):
        assert run_command([*words[:2], str(folder), *words[2:]]) == 0
    with open_store(Path(out) / "detections.duckdb", read_only=True) as store:
        ids = [str(row[0]) for rows in store.tuples("SELECT capture_id FROM outcome") for row in rows]
    for capture_id in ids:
        assert run_command(["explain", capture_id, str(folder)]) == 0
    shown = capsys.readouterr().out
    hidden = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs") and c != "\n"}
    assert hidden == set()
    page = (Path(out) / "report.html").read_text(encoding="utf-8")
    assert SCRIPT not in page
    assert "\u202e" not in page
    for line in (json.loads(line) for line in _json_lines(folder, capsys)):
        assert isinstance(line["file"], str)


def _json_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert run_command(["query", "latest", str(folder), "-n", "1000", "--json"]) == 0
    return capsys.readouterr().out.splitlines()
