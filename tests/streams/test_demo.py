"""The demo: a night drawn, run and held beside its truth; honest, since the truth is not what is looked at."""

from __future__ import annotations

import random
import re
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from katydid.models.library import BUNDLED, Library
from katydid.sensors.errors import SourceError
from katydid.sensors.sources.simulated import Night, Station, Truth, read_truth, write_station
from katydid.streams.cli import run_command
from katydid.streams.comparison import compare
from katydid.streams.local import RunOptions, run_folder
from katydid.streams.store import open_store
from katydid.streams.store.protocol import OutcomeFilter

pytestmark = pytest.mark.slow

NIGHT = Night(hours=6.0, clip_every_s=900, clip_s=10.0, frame_every_s=1800, rain_hours=(99.0, 99.0))


class Ran(msgspec.Struct, frozen=True):
    truth: list[Truth]
    detections: pa.Table
    content: str


def ran(folder: Path, *, keep_truth: bool) -> Ran:
    media = write_station(Station(NIGHT), folder)
    truth = read_truth(folder / "truth.csv")
    if not keep_truth:
        (folder / "truth.csv").unlink()
    summary = run_folder(
        RunOptions(folder=media, zone="+02:00", media="none"),
        library=Library((BUNDLED,)),
        watch=lambda progress: None,
        notify=lambda line: None,
    )
    with open_store(summary.outputs.store, read_only=True) as store:
        return Ran(truth, store.detections(OutcomeFilter()), store.content_hash())


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran(tmp_path_factory.mktemp("night"), keep_truth=True)


def shuffled(truth: list[Truth], seed: int) -> list[Truth]:
    """The same songs in other clips."""
    files = sorted({row.file for row in truth if row.kind == "clip"})
    others = random.Random(seed).sample(files, len(files))
    moved = dict(zip(files, others, strict=True))
    return [msgspec.structs.replace(row, file=moved.get(row.file, row.file)) for row in truth]


def test_shuffling_the_truth_drops_the_score_to_chance(night: Ran) -> None:
    """By chance a name given to a clip is right as often as its species sings in any clip."""
    score = compare(night.truth, night.detections).score
    by_chance = [compare(shuffled(night.truth, seed), night.detections).score for seed in range(20)]
    mean = sum(by_chance) / len(by_chance)
    assert score > 0.3
    assert mean < score / 2


def test_the_models_never_see_the_truth(night: Ran, tmp_path: Path) -> None:
    assert ran(tmp_path, keep_truth=False).content == night.content


def test_insects_on_the_sheet_are_found_and_few_boxes_are_made_up(night: Ran) -> None:
    found = compare(night.truth, night.detections)
    assert found.insects > 10
    assert found.insects_found >= 0.9 * found.insects
    assert found.insects_made_up <= 0.1 * found.insects


def test_the_demo_prints_truth_beside_result_and_what_was_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert run_command(["demo", "--hours", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert "Truth beside result" in printed
    assert re.search(r"Individuals: (\d+) came; \1 were counted", printed)
    assert "truncated" in printed
    assert "report.html" in printed
    assert "katydid models add birdnet" in printed
    assert (tmp_path / "katydid-demo" / "media.katydid" / "report.html").is_file()
    assert run_command(["demo", "--hours", "0.5"]) == 0, "a second demo clears what the first made"


def test_the_demo_never_clears_a_folder_that_it_did_not_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run_command(["demo", "--out", str(tmp_path)]) == SourceError.exit_code
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert "was not made by a demo" in capsys.readouterr().err
