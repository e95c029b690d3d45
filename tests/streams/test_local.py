"""The embedded host over real folders with placeholder bundles: outputs, second runs, copies, zones, moves."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from PIL import Image

from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.errors import BundleError
from katydid.models.library import Library
from katydid.models.manifest import BundleKind
from katydid.models.settings import IdentifySettings
from katydid.sensors.capture import Kind, Place
from katydid.sensors.clock import ZoneError
from katydid.sensors.errors import SourceError
from katydid.sensors.limits import Limits
from katydid.streams.errors import StoreFull
from katydid.streams.local import RunOptions, RunProgress, RunSummary, run_folder
from katydid.streams.sink import Arrival
from katydid.streams.store import DuckDBStore, open_store
from katydid.streams.tunables import PipelineSettings

RATE = 16000
SLOW = msgspec.structs.replace(PipelineSettings.for_this_machine(1), max_items=2, commit_items=1)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("library")
    placeholder_bundle(folder, name="ears", kind=BundleKind.SOUND_CLASSIFIER, sample_rate=RATE)
    placeholder_bundle(folder, name="eyes", kind=BundleKind.IMAGE_CLASSIFIER)
    return Library([folder])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six clips with times in their names, two frames, one broken file, one note."""
    folder = tmp_path / "moor"
    (folder / "night").mkdir(parents=True)
    for n in range(6):
        samples = np.random.default_rng(n).uniform(-0.3, 0.3, RATE * 2)
        soundfile.write(folder / "night" / f"20250601_21{n:02d}00.wav", samples, RATE)
    for n in range(2):
        pixels = np.random.default_rng(n).integers(0, 255, (80, 120, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"frame{n}.png")
    (folder / "broken.flac").write_bytes(b"no sound at all")
    (folder / "notes.txt").write_text("wet feet")
    return folder


def run(folder: Path, library: Library, said: list[str] | None = None, **options: Any) -> RunSummary:
    notes = [] if said is None else said
    return run_folder(RunOptions(folder=folder, **options), library=library, watch=ignore, notify=notes.append)


def ignore(progress: RunProgress) -> None:
    """Nobody watches."""


def ids(summary: RunSummary) -> set[str]:
    with open_store(summary.outputs.store, read_only=True) as store:
        return {str(row[0]) for rows in store.tuples("SELECT capture_id FROM outcome") for row in rows}


def content(summary: RunSummary) -> str:
    with open_store(summary.outputs.store, read_only=True) as store:
        return store.content_hash()


def test_every_medium_becomes_one_outcome_and_the_outputs_are_there(folder: Path, library: Library) -> None:
    summary = run(folder, library)
    out = folder.with_name("moor.katydid")
    assert summary.outputs.directory == out
    assert summary.progress.done == 9
    assert summary.progress.pipeline.refused == 1
    assert len(ids(summary)) == 9
    with (out / "detections.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {
        "broken.flac", "frame0.png", "frame1.png", *(f"night/20250601_21{n:02d}00.wav" for n in range(6)),
    }  # fmt: skip
    assert (out / "night" / "20250601_210000.wav.katydid.selections.txt").is_file()
    assert (out / "report.html").stat().st_size > 1000


def test_a_second_run_finds_nothing_new_and_changes_nothing(folder: Path, library: Library) -> None:
    first = run(folder, library)
    before, written = content(first), first.outputs.csv.stat().st_mtime_ns
    second = run(folder, library)
    assert second.nothing_new
    assert content(second) == before
    assert second.outputs.csv.stat().st_mtime_ns == written


def test_a_new_file_alone_is_identified_in_a_later_run(folder: Path, library: Library) -> None:
    run(folder, library)
    soundfile.write(folder / "late.wav", np.random.default_rng(9).uniform(-0.3, 0.3, RATE), RATE)
    second = run(folder, library)
    assert second.progress.pipeline.taken == 1
    assert len(ids(second)) == 10


def test_the_store_is_the_same_in_another_place_with_other_threads(
    folder: Path, library: Library, tmp_path: Path
) -> None:
    one = run(folder, library, out=tmp_path / "one", pipeline=PipelineSettings.for_this_machine(1))
    four = run(folder, library, out=tmp_path / "four", pipeline=PipelineSettings.for_this_machine(4))
    assert content(one) == content(four)


def test_copies_are_identified_once_under_the_name_that_comes_first(folder: Path, library: Library) -> None:
    for n in range(6):
        name = f"20250601_21{n:02d}00.wav"
        (folder / "night" / "zcopy").mkdir(exist_ok=True)
        shutil.copy2(folder / "night" / name, folder / "night" / "zcopy" / name)
    summary = run(folder, library)
    assert summary.duplicates == 6
    assert len(ids(summary)) == 9
    with open_store(summary.outputs.store, read_only=True) as store:
        files = {str(row[0]) for rows in store.tuples("SELECT file FROM outcome") for row in rows}
        assert len(store.settled("folder")) == 15
    assert not any("zcopy" in file for file in files)
    assert run(folder, library).nothing_new


def test_a_renamed_file_is_known_and_not_identified_again(folder: Path, library: Library) -> None:
    run(folder, library)
    (folder / "frame0.png").rename(folder / "a better name.png")
    second = run(folder, library)
    assert (second.duplicates, second.progress.pipeline.taken) == (1, 0)
    assert len(ids(second)) == 9
    assert run(folder, library).nothing_new


def test_moving_the_folder_makes_no_new_id(folder: Path, library: Library, tmp_path: Path) -> None:
    first = ids(run(folder, library))
    moved = tmp_path / "elsewhere" / "heath"
    moved.parent.mkdir()
    folder.rename(moved)
    folder.with_name("moor.katydid").rename(moved.with_name("heath.katydid"))
    os.utime(moved / "frame0.png")
    second = run(moved, library)
    assert ids(second) == first


def test_declaring_a_zone_afterwards_makes_no_new_id(folder: Path, library: Library, tmp_path: Path) -> None:
    assumed = run(folder, library, out=tmp_path / "assumed")
    declared = run(folder, library, out=tmp_path / "declared", zone="Asia/Tokyo")
    assert ids(assumed) == ids(declared)
    with open_store(declared.outputs.store, read_only=True) as store:
        times = store.tuples("SELECT captured_at FROM outcome WHERE file LIKE '%210000.wav'")
        assert "12:00:00" in str(next(iter(times))[0][0]) or "1748779200" in str(next(iter(times)))


def test_dated_files_without_an_offset_give_exactly_one_warning(folder: Path, library: Library) -> None:
    said: list[str] = []
    run(folder, library, said)
    assert len([line for line in said if "--timezone" in line]) == 1


def test_a_declared_zone_is_kept_for_later_runs_and_nothing_is_assumed(folder: Path, library: Library) -> None:
    said: list[str] = []
    run(folder, library, said, zone="Europe/Paris")
    soundfile.write(folder / "20250602_000000.wav", np.random.default_rng(9).uniform(-0.3, 0.3, RATE), RATE)
    summary = run(folder, library, said)
    assert not [line for line in said if "--timezone" in line]
    with open_store(summary.outputs.store, read_only=True) as store:
        zones = {str(row[0]) for rows in store.tuples(
            "SELECT clock_zone FROM outcome WHERE clock_source = 'file_name'") for row in rows}  # fmt: skip
    assert zones == {"Europe/Paris"}


def test_another_model_later_is_said_in_one_line_with_the_way_out(folder: Path, library: Library) -> None:
    run(folder, library)
    soundfile.write(folder / "late.wav", np.random.default_rng(9).uniform(-0.3, 0.3, RATE), RATE)
    said: list[str] = []
    run(folder, library, said, identify=IdentifySettings(min_probability=0.9))
    assert len([line for line in said if "--out" in line]) == 1


def test_nothing_new_but_another_model_or_zone_asked_for_is_said_with_the_way_out(
    folder: Path, library: Library
) -> None:
    run(folder, library, models=("eyes",))
    said: list[str] = []
    summary = run(folder, library, said, models=("eyes", "ears"))
    assert summary.nothing_new
    assert [("--out" in line, "ears-" in line) for line in said] == [(True, True)]
    said.clear()
    run(folder, library, said, models=("eyes",), zone="Asia/Tokyo")
    assert [("--out" in line, "Asia/Tokyo" in line) for line in said] == [(True, True)]
    said.clear()
    run(folder, library, said, models=("eyes",), zone="Asia/Tokyo")
    assert said == []


def test_a_prior_alone_identifies_nothing_and_the_error_says_so(folder: Path, tmp_path: Path) -> None:
    placeholder_bundle(tmp_path / "models", name="where", kind=BundleKind.PRIOR)
    with pytest.raises(BundleError, match="only weighs what another model named"):
        run(folder, Library([tmp_path / "models"]), models=("where",))


def test_results_cannot_lie_among_the_recordings_themselves(folder: Path, library: Library) -> None:
    with pytest.raises(SourceError, match="--out"):
        run(folder, library, out=folder)
    assert not list(folder.glob("*.duckdb"))
    inside = run(folder, library, out=folder / "results")
    assert inside.progress.done == 9
    assert run(folder, library, out=folder / "results").nothing_new


def test_a_name_that_no_system_takes_is_an_error_of_the_source(tmp_path: Path, library: Library) -> None:
    with pytest.raises(SourceError):
        run(tmp_path / ("a" * 4000), library)


def test_a_folder_that_cannot_be_entered_is_told_once(
    folder: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def no_scan(path: Path) -> Any:
        if Path(path).name == "night":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", no_scan)
    said: list[str] = []
    assert run(folder, library, said).progress.done == 3
    assert len([line for line in said if "night/" in line and "cannot be read" in line]) == 1


@pytest.mark.parametrize("inline", [0, 1 << 20], ids=["as references", "as bytes"])
def test_a_card_that_is_pulled_stops_the_run_and_loses_nothing(
    folder: Path, library: Library, inline: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = folder.with_name("pulled")

    def pulling(store: DuckDBStore, arrivals: Sequence[Arrival]) -> None:
        if folder.exists():
            folder.rename(away)
        real(store, arrivals)

    real = DuckDBStore.write
    monkeypatch.setattr(DuckDBStore, "write", pulling)
    with pytest.raises(SourceError, match="the same command goes on"):
        run(folder, library, limits=Limits(inline_bytes=inline), pipeline=SLOW)
    monkeypatch.undo()
    with open_store(folder.with_name("moor.katydid") / "detections.duckdb", read_only=True) as store:
        assert 0 < len(store.settled("folder")) < 9
    away.rename(folder)
    summary = run(folder, library)
    with open_store(summary.outputs.store, read_only=True) as store:
        rows = [row for some in store.tuples("SELECT file, reason FROM outcome ORDER BY file") for row in some]
    assert len(rows) == 9
    assert [row for row in rows if row[1]] == [("broken.flac", "not_media")]


def test_a_place_is_kept_for_later_runs(folder: Path, library: Library) -> None:
    run(folder, library, place=Place(latitude=52.16, longitude=4.49, source="option"))
    soundfile.write(folder / "late.wav", np.random.default_rng(9).uniform(-0.3, 0.3, RATE), RATE)
    with open_store(run(folder, library).outputs.store, read_only=True) as store:
        places = [row for rows in store.tuples("SELECT latitude, longitude FROM outcome") for row in rows]
    assert len(places) == 10
    assert set(places) == {(52.16, 4.49)}


def test_media_without_a_model_have_an_outcome_too_and_the_run_says_so(folder: Path, library: Library) -> None:
    summary = run(folder, library, models=("ears",))
    assert summary.unnamed == {Kind.FRAME: 2}
    assert len(ids(summary)) == 9
    assert run(folder, library).nothing_new


def test_errors_name_the_thing_and_leave_nothing_behind(folder: Path, library: Library, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder"):
        run(tmp_path / "nowhere", library)
    with pytest.raises(SourceError, match="is a file"):
        run(folder / "notes.txt", library)
    run(folder, library)
    with pytest.raises(SourceError, match="earlier run"):
        run(folder.with_name("moor.katydid"), library)
    with pytest.raises(BundleError, match="no model named"):
        run(folder, library, models=("unicorns",), out=tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if "nowhere" in path.name) == []


def test_no_model_at_all_is_an_error_that_says_how_to_get_one(folder: Path) -> None:
    with pytest.raises(BundleError, match="models add"):
        run(folder, Library([]))


def test_a_zone_that_does_not_exist_is_refused_before_anything_is_kept(folder: Path, library: Library) -> None:
    with pytest.raises(ZoneError, match="Olympus"):
        run(folder, library, zone="Mars/Olympus")
    assert not folder.with_name("moor.katydid").exists()
    assert run(folder, library).progress.done == 9


def test_a_store_that_fills_up_stops_the_run_and_a_later_one_finishes_it(
    folder: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = 0

    def filling(store: DuckDBStore, arrivals: Sequence[Arrival]) -> None:
        nonlocal writes
        writes += 1
        if writes > 1:
            raise StoreFull("no room left")
        real(store, arrivals)

    real = DuckDBStore.write
    quick = msgspec.structs.replace(PipelineSettings.for_this_machine(2), commit_items=3)
    monkeypatch.setattr(DuckDBStore, "write", filling)
    with pytest.raises(StoreFull):
        run(folder, library, pipeline=quick)
    monkeypatch.undo()
    summary = run(folder, library)
    assert len(ids(summary)) == 9
    assert 0 < summary.progress.pipeline.taken < 9
