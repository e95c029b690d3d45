"""A simulated deployment: order of arrival, the same bytes however they are asked for, faults, and truth kept apart."""

from __future__ import annotations

import csv
import gc
import io
import itertools
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from PIL import Image

from katydid.sensors.capture import Capture, ClockSource, Kind
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.protocol import Position, Taken
from katydid.sensors.sources.simulated import read_truth
from katydid.sensors.sources.simulated.cameras import Fidelity, TimeLapse, feeder, flower_patch
from katydid.sensors.sources.simulated.clocks import ClockTrouble, PowerLoss
from katydid.sensors.sources.simulated.deployment import DeploymentSource, SimulatedDeployment
from katydid.sensors.sources.simulated.faults import ONLY, Fault, Faults, faults_of
from katydid.sensors.sources.simulated.file import SimulatedFile
from katydid.sensors.sources.simulated.plan import DeploymentPlan, troubled
from katydid.sensors.sources.simulated.presets import simulated_source
from katydid.sensors.sources.simulated.recorders import RecorderScene
from katydid.sensors.sources.simulated.truth import Truth
from katydid.sensors.sources.simulated.writing import write_deployment

SMALL = DeploymentPlan(
    stations=3,
    days=0.1,
    fidelity=Fidelity.LOW,
    recorder=RecorderScene(clip_s=4.0, every_s=1200.0, low_sample_rate=16_000),
    cameras=(flower_patch(rhythm=TimeLapse(300.0)), feeder(rhythm=TimeLapse(300.0))),
)
TROUBLED = troubled(SMALL, dict.fromkeys(Fault, 0.06))


def never(position: Position) -> bool:
    return False


def taken_from(plan: DeploymentPlan) -> list[Taken]:
    return list(DeploymentSource(plan).captures(never))


@pytest.fixture(scope="module")
def drawn() -> list[SimulatedFile]:
    return list(SimulatedDeployment(TROUBLED).files())


def test_files_arrive_in_order_and_each_sensors_in_the_order_in_which_they_were_made(
    drawn: list[SimulatedFile],
) -> None:
    arrived = [file.arrived or 0.0 for file in drawn]
    assert arrived == sorted(arrived)
    made: dict[str, list[str]] = defaultdict(list)
    for row in (row for file in drawn for row in file.truth):
        made[row.sensor].append(row.at)
    assert len(made) == 6
    assert all(moments == sorted(moments) for moments in made.values())


def test_names_are_never_given_twice(drawn: list[SimulatedFile]) -> None:
    assert len({file.name for file in drawn}) == len(drawn)
    hours = msgspec.structs.replace(
        SMALL, days=6.0, cameras=(), clocks=ClockTrouble(losses_per_month=60.0, steps_per_month=60.0), duplicates=0.3
    )
    names = [due.name for due in SimulatedDeployment(hours).due()]
    assert len(names) > 1000
    assert len(set(names)) == len(names)
    assert any("/run2/" in name for name in names)


def test_the_same_plan_gives_the_same_bytes_however_it_is_asked(drawn: list[SimulatedFile]) -> None:
    """Drawn backwards, from another deployment of the same plan, and half of it only."""
    dues = list(SimulatedDeployment(TROUBLED).due())
    backwards = {due.name: due.file() for due in reversed(dues[::2])}
    assert {file.name: file for file in drawn[::2]} == backwards
    assert len({file.name.partition("/")[0] for file in drawn}) == 6
    other = next(SimulatedDeployment(msgspec.structs.replace(TROUBLED, seed=2)).files())
    assert other.data != drawn[0].data


def test_what_is_settled_is_not_drawn_and_the_rest_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    all_of_it = taken_from(SMALL)
    known = {taken.position for taken in all_of_it[:40]}
    rest = list(DeploymentSource(SMALL).captures(known.__contains__))
    assert rest == all_of_it[40:]
    other = DeploymentSource(msgspec.structs.replace(SMALL, seed=2))
    assert not known & {taken.position for taken in other.captures(never)}


def test_a_folder_source_takes_the_captures_that_the_source_hands_out(tmp_path: Path) -> None:
    """Also from spoilt, misnamed and copied files, under clocks that lost power."""
    plan = msgspec.structs.replace(TROUBLED, late=0.5)
    media = write_deployment(plan, tmp_path, truth=tmp_path / "truth.csv")
    read = FolderSource(media, zone=plan.zone, name=plan.name)
    written = {taken.capture.file: taken.capture for taken in read.captures(never)}
    told: list[Truth] = []
    handed = {taken.capture.file: taken.capture for taken in DeploymentSource(plan, told.append).captures(never)}
    assert len(handed) > 100
    assert handed == written
    assert told == read_truth(tmp_path / "truth.csv")


def test_the_truth_never_reaches_a_capture() -> None:
    """With the animals renamed, or with nobody told, captures are what they are; no name of a taxon is in them."""
    told: list[Truth] = []
    source = DeploymentSource(SMALL, told.append)
    captures = [taken.capture for taken in source.captures(never)]
    taxa = {row.taxon for row in told if row.taxon}
    individuals = {row.individual for row in told if row.individual}
    assert len(taxa) > 3
    for capture in captures:
        seen = msgspec.json.encode(msgspec.structs.replace(capture, payload=None)).decode()
        payload = capture.payload or b""
        assert not any(name in seen or name.encode() in payload for name in taxa | individuals)
    assert captures == [taken.capture for taken in taken_from(SMALL)]


def test_late_cards_come_whole_a_week_after_and_others_within_half_a_minute() -> None:
    plan = msgspec.structs.replace(SMALL, stations=40, days=2.0, late=0.5, card_days=1.0, cameras=())
    deployment = SimulatedDeployment(plan)
    late = {site.name for site in deployment.sites if site.is_late}
    assert 10 < len(late) < 30
    days = Counter[int]()
    for due in deployment.due():
        waited = due.arrives - due.at
        if due.sensor.site.name in late:
            days[int((due.arrives - plan.begins) // 86_400)] += 1
        else:
            assert 4.0 <= waited <= 30.0
    assert set(days) == {1, 2}


def test_a_duplicate_is_the_same_bytes_under_another_name_and_told_once() -> None:
    plan = msgspec.structs.replace(SMALL, duplicates=0.5)
    files = {file.name: file for file in SimulatedDeployment(plan).files()}
    copies = [name for name in files if "/copy/" in name]
    assert 20 < len(copies) < len(files) / 2
    for name in copies:
        assert files[name].data == files[name.replace("/copy/", "/")].data
        assert files[name].truth == ()
    ids = Counter(taken.capture.capture_id for taken in DeploymentSource(plan).captures(never))
    assert sum(count == 2 for count in ids.values()) == len(copies)
    assert max(ids.values()) == 2


def test_a_drifting_clock_shows_in_the_captures_and_a_lost_one_in_1970() -> None:
    plan = msgspec.structs.replace(
        SMALL, days=3.0, stations=2, cameras=(), clocks=ClockTrouble(drift_ppm=500.0, losses_per_month=60.0)
    )
    deployment = SimulatedDeployment(plan)
    truly = {due.name: due for due in deployment.due()}
    lost = 0
    for capture in (taken.capture for taken in DeploymentSource(plan).captures(never)):
        due = truly[capture.file]
        assert capture.captured_at / 1e9 == pytest.approx(due.sensor.clock.reading(due.at), abs=1.0)
        if due.sensor.clock.run_of(due.at):
            assert capture.clock.flags == ("before_2000",)
            lost += 1
        else:
            drift_s = (due.at - plan.begins) * due.sensor.clock.drift_ppm * 1e-6
            assert capture.captured_at / 1e9 - due.at == pytest.approx(drift_s, abs=1.0)
    assert lost > 40
    off = [event for sensor in deployment.sensors for event in sensor.clock.events if isinstance(event, PowerLoss)]
    for event, due in itertools.product(off, truly.values()):
        if event in due.sensor.clock.events:
            assert not event.at <= due.at < event.at + event.off_s, "no files without power"


def test_each_fault_does_what_it_says() -> None:
    plan = msgspec.structs.replace(SMALL, stations=2, days=0.05)
    whole = {file.name.rpartition(".")[0]: file for file in SimulatedDeployment(plan).files()}
    for fault in Fault:
        spoilt = msgspec.structs.replace(plan, faults=Faults(shares={fault: 1.0}))
        for file in SimulatedDeployment(spoilt).files():
            good = whole[file.name.rpartition(".")[0]]
            if ONLY.get(fault, file.kind) is not file.kind:
                assert file == good
                continue
            assert all(fault.value in row.note for row in file.truth)
            check(fault, file, good)


def check(fault: Fault, file: SimulatedFile, good: SimulatedFile) -> None:
    match fault:
        case Fault.TRUNCATED:
            assert good.data.startswith(file.data)
            assert 0 < len(file.data) < 0.91 * len(good.data)
        case Fault.ZERO_BYTE:
            assert file.data == b""
        case Fault.RUBBISH:
            assert file.data[:3] != good.data[:3]
        case Fault.WRONG_EXTENSION:
            assert file.data == good.data
            assert file.name.endswith((".png", ".mp3"))
        case Fault.NO_METADATA:
            assert b"SIM-000" in good.data
            assert b"SIM-000" not in file.data
        case Fault.BLACK_FRAME:
            assert np.asarray(Image.open(io.BytesIO(file.data))).max() == 0
            assert not any(row.taxon for row in file.truth)
        case _:
            check_sound(fault, soundfile.read(io.BytesIO(file.data))[0], soundfile.read(io.BytesIO(good.data))[0])


def check_sound(fault: Fault, samples: np.ndarray, good: np.ndarray) -> None:
    match fault:
        case Fault.FLAT_LINE:
            assert np.ptp(samples) == 0.0
        case Fault.CLIPPED:
            assert np.mean(samples**2) > 100 * np.mean(good**2) or np.abs(samples).max() > 0.999
        case Fault.DROPPED_SAMPLES:
            assert 16_000 * 0.009 < len(good) - len(samples) < 16_000 * 0.8


def test_faults_are_as_frequent_as_asked_and_read_from_words() -> None:
    faults = faults_of("truncated=0.1,black_frame=0.2")
    hit = Counter(faults.of(Kind.FRAME, 7, number) for number in range(5000))
    assert hit[Fault.TRUNCATED] / 5000 == pytest.approx(0.1, abs=0.015)
    assert hit[Fault.BLACK_FRAME] / 5000 == pytest.approx(0.9 * 0.2, abs=0.02)
    assert Fault.BLACK_FRAME not in {faults.of(Kind.CLIP, 7, number) for number in range(500)}
    for words in ("truncated", "truncated=2", "thunder=0.1", "truncated=x"):
        with pytest.raises(ValueError, match="is no fault with a share"):
            faults_of(words)


def test_individuals_are_listed_by_session_with_when_they_were_seen(tmp_path: Path) -> None:
    plan = msgspec.structs.replace(SMALL, start=datetime(2025, 7, 1, 7, tzinfo=UTC), days=0.25, stations=2)
    write_deployment(plan, tmp_path, truth=tmp_path / "truth.csv")
    truth = read_truth(tmp_path / "truth.csv")
    with (tmp_path / "individuals.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    wanted: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for row in truth:
        if row.individual:
            at = datetime.fromisoformat(row.at)
            noon_to_noon = (at + timedelta(hours=2) - timedelta(hours=12)).date().isoformat()
            wanted[noon_to_noon, row.individual] += [
                at + timedelta(seconds=row.start_s or 0), at + timedelta(seconds=row.end_s or 0),
            ]  # fmt: skip
    assert len(listed) == len(wanted) > 10
    for row_of in listed:
        moments = wanted[row_of["session"], row_of["individual"]]
        assert abs(datetime.fromisoformat(row_of["first"]) - min(moments)) < timedelta(milliseconds=2)
        assert abs(datetime.fromisoformat(row_of["last"]) - max(moments)) < timedelta(milliseconds=2)
        assert int(row_of["captures"]) == len(moments) // 2


def test_deployments_are_written_as_camtrap_dp_has_them(tmp_path: Path) -> None:
    write_deployment(SMALL, tmp_path)
    assert not (tmp_path / "truth.csv").exists()
    with (tmp_path / "deployments.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["cameraID"] for row in rows][:2] == ["SIM-0001-REC", "SIM-0001-CAM"]
    assert len(rows) == 6
    assert {"deploymentID", "latitude", "longitude", "deploymentStart", "deploymentEnd"} <= rows[0].keys()
    assert rows[0]["deploymentStart"] == "2025-07-01T10:00:00Z"
    assert len({row["deploymentID"] for row in rows}) == 6


def test_captures_say_when_and_where_as_devices_do() -> None:
    captures = [taken.capture for taken in taken_from(SMALL)]
    clips = [each for each in captures if each.kind is Kind.CLIP]
    frames = [each for each in captures if each.kind is Kind.FRAME]
    assert {each.clock.source for each in clips} == {ClockSource.GUANO}
    assert {each.clock.source for each in frames} == {ClockSource.EXIF}
    assert all(each.clock.zone == "+02:00" and each.clock.flags == () for each in captures)
    assert all(each.place is not None and abs(each.place.latitude - 52.16) <= 0.15 for each in clips)
    assert [each.sequence for each in frames if each.sensor_id == "SIM-0001-CAM"][:3] == [0, 1, 2]


def test_words_make_the_sources_that_they_ask_for() -> None:
    source = simulated_source(
        "preset=troubled,stations=2,days=0.5,fidelity=low,sensors=recorders,faults=rubbish:0.5,late=0"
    )
    assert isinstance(source, DeploymentSource)
    plan = source.deployment.plan
    assert (plan.stations, plan.days, plan.cameras, plan.late) == (2, 0.5, (), 0.0)
    assert plan.faults.shares == {Fault.RUBBISH: 0.5}
    for words in ("preset=storm", "stations=3", "preset=deployment,stations=0", "preset=deployment,hours=3", "seed=x"):
        with pytest.raises(ValueError, match="simulated:seed=1,hours=2"):
            simulated_source(words)


def memory(stations: int, slice_of: Iterator[object]) -> int:
    """Bytes held at most while a slice goes by, over what was held before."""
    gc.collect()
    tracemalloc.start()
    for _ in slice_of:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak // stations


def test_a_thousand_sensors_for_a_year_are_held_in_little() -> None:
    """500 stations with recorder and camera: what is held while the first 1,200 files are due, undrawn."""
    plan = DeploymentPlan(stations=500, days=365.0, fidelity=Fidelity.LOW)
    deployment = SimulatedDeployment(plan)
    assert len(deployment.sensors) == 1000
    assert memory(500, itertools.islice(deployment.due(), 1200)) < 20_000


def test_drawing_holds_no_more_after_many_files_than_after_few() -> None:
    plan = msgspec.structs.replace(SMALL, stations=2, days=365.0, cameras=SMALL.cameras[:1])
    source = DeploymentSource(plan).captures(never)

    def captures(count: int) -> Iterator[Capture]:
        return (taken.capture for taken in itertools.islice(source, count))

    for _ in captures(100):
        pass  # Prepared songs and backgrounds are made.
    few, many = memory(1, captures(30)), memory(1, captures(150))
    assert many < 2.0 * few + 2_000_000


def test_a_plan_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no deployment"):
        DeploymentPlan(stations=0)
    with pytest.raises(ValueError, match="with a zone"):
        DeploymentPlan(start=datetime(2025, 7, 1))
    assert DeploymentPlan(start=datetime(2025, 7, 1, tzinfo=UTC), days=0.5).ends == 1_751_371_200.0
