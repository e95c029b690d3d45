"""The report as a file: what it says, that it is safe, complete in itself, and never too large."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from katydid.models.manifest import BundleKind, BundleManifest
from katydid.models.outcome import Box, Context, Outcome, Status, Verdict
from katydid.sensors.capture import Kind, Place
from katydid.streams.report import page as page_module
from katydid.streams.report import write_report
from katydid.streams.store import DuckDBStore

from .conftest import DUSK, NS, Scene, heard, seen, without_a_time

Keep = Callable[[Sequence[Outcome]], DuckDBStore]
HOUR = 3600 * NS
HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>'
NOW = datetime(2025, 7, 16, 12, 0, tzinfo=UTC)


class _Reader(HTMLParser):
    """Collects what a browser would: elements, addresses, inline handlers and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action", "background"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text("utf-8"))
    return reader


def test_counts_in_the_page_are_those_of_the_store(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    file = scene.recording()
    store = keep(
        [
            scene.outcome(file, [heard(), heard(score=0.3, verdict=Verdict.REVIEW)]),
            scene.outcome(file, [heard(score=0.7)], at=DUSK + HOUR),
            scene.outcome(file, [heard("Gryllus campestris", 0.2, verdict=Verdict.REVIEW)], at=DUSK + 2 * HOUR),
            scene.outcome(file, at=DUSK + 3 * HOUR),
            scene.outcome("bad.wav", status=Status.REFUSED, reason="truncated", message="the clip breaks off"),
        ]
    )
    words = read(write_report(store, tmp_path / "r.html", root=scene.root, now=NOW)).text
    assert "Species and other names 2" in words
    assert "Detections 4 2 accepted, 2 to review" in words
    assert "Looked at 4 1 of them empty" in words
    assert "Not usable 1" in words
    assert "3 detections in 2 captures: 2 accepted, 1 to review" in words
    assert "the clip breaks off" in words and "bad.wav" in words
    assert "5: 3 with something found, 1 empty, 1 refused" in words


def test_an_answer_above_species_says_at_which_rank_it_is(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    file = scene.recording()
    store = keep(
        [
            scene.outcome(file, [heard("Gryllus", rank="genus")]),
            scene.outcome(file, [heard("Gryllus campestris", common_name="Field Cricket")], at=DUSK + HOUR),
        ]
    )
    words = read(write_report(store, tmp_path / "r.html", root=scene.root)).text
    assert "Gryllus genus only" in words
    assert "Gryllus campestris Field Cricket" in words and words.count("genus only") == 2  # the table, the evidence


def test_nothing_found_is_effort_and_said_so(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    file = scene.recording(seconds=10)
    store = keep([scene.outcome(file, at=DUSK + hour * HOUR, seconds=10) for hour in range(24)])
    reader = read(write_report(store, tmp_path / "r.html", root=scene.root))
    assert "No species was found. This is effort all the same: 24 recordings, 4 min of sound" in reader.text
    assert "audio" not in reader.tags


def test_effort_without_a_time_is_told_in_words(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    store = keep([without_a_time(scene.outcome(scene.recording(), [heard()]))])
    text = read(write_report(store, tmp_path / "r.html", root=scene.root, credits=(), title="Attic", now=NOW)).text
    assert "1 recording, 6 s of sound · 1 sensor" in text
    assert "1 capture said nothing about time" in text
    assert "None of it has a time that can be used" in text
    assert "Nothing was recorded" not in text
    assert "Impossible clocks" not in text
    assert "without a time · trap-7" in text
    assert f"{datetime.fromtimestamp(DUSK // NS, UTC):%Y-%m-%d}" not in text.replace("2025-07-16", "")


def test_captures_without_a_time_are_told_beside_the_strip(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    file = scene.recording()
    wrong = scene.outcome(file, at=3600 * NS)
    wrong = msgspec.structs.replace(wrong, clock=msgspec.structs.replace(wrong.clock, flags=("before_2000",)))
    lost = without_a_time(scene.outcome(file, at=DUSK + HOUR), sensor="attic")
    store = keep([scene.outcome(file, [heard()]), wrong, lost])
    page = read(write_report(store, tmp_path / "r.html", root=scene.root, credits=(), title="Attic", now=NOW))
    assert "1 capture had a clock that cannot be right" in page.text
    assert "1 capture said nothing about time" in page.text
    assert "2 more captures without a time that can be used are counted above, and not drawn" in page.text
    assert "What 1 sensor recorded" in (tmp_path / "r.html").read_text("utf-8")


def test_an_empty_store_gives_a_page_that_says_so(keep: Keep, tmp_path: Path) -> None:
    words = read(write_report(keep([]), tmp_path / "r.html", root=None)).text
    assert "nothing in the store yet" in words


def test_one_detection_has_its_picture_and_its_sound(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    store = keep([scene.outcome(scene.recording(), [heard(common_name="Great Green Bush-cricket")])])
    reader = read(write_report(store, tmp_path / "r.html", root=scene.root))
    assert reader.tags.count("audio") == 1
    assert reader.tags.count("image") == 1
    sound = next(one for one in reader.addresses if one.startswith("data:audio/"))
    assert len(base64.b64decode(sound.partition(",")[2])) < 40_000
    assert "Great Green Bush-cricket" in reader.text


def test_frames_are_shown_with_a_contact_sheet(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    box = Box(x=0.5, y=0.5, w=0.075, h=0.1)
    photos = [scene.photo(f"trap_{n}.jpg") for n in range(4)]
    store = keep(
        [scene.outcome(one, [seen(box=box)], kind=Kind.FRAME, at=DUSK + n * NS * 60) for n, one in enumerate(photos)]
    )
    reader = read(write_report(store, tmp_path / "r.html", root=scene.root))
    assert reader.tags.count("img") == 4
    assert "4 frames" in reader.text and "audio" not in reader.tags


def test_a_contact_sheet_shows_each_animal_once_and_says_how_long_it_was_there(
    scene: Scene, keep: Keep, tmp_path: Path
) -> None:
    """One sits through six frames of a minute, another far from it is in two of them: eight boxes, two animals."""
    sitting, visiting = Box(x=0.5, y=0.5, w=0.075, h=0.1), Box(x=0.1, y=0.1, w=0.05, h=0.05)
    photos = [scene.photo(f"trap_{n}.jpg") for n in range(6)]
    store = keep(
        [
            scene.outcome(
                one,
                [seen(box=sitting, score=0.6 + n / 100), *([seen(box=visiting, score=0.5)] if n in (2, 3) else [])],
                kind=Kind.FRAME,
                at=DUSK + n * 60 * NS,
            )
            for n, one in enumerate(photos)
        ]
    )
    store.follow()
    reader = read(write_report(store, tmp_path / "r.html", root=scene.root))
    assert reader.tags.count("img") == 2
    assert "Animals in view 2" in reader.text
    assert "2 animals in view; 8 detections in 6 captures" in reader.text
    assert "0.65 · 22:00:00 to 22:05:00, 6 frames" in reader.text
    assert "0.50 · 22:02:00 to 22:03:00, 2 frames" in reader.text
    assert "Not all followed" not in reader.text


def test_what_was_not_followed_yet_is_said_and_shown_by_its_detections(
    scene: Scene, keep: Keep, tmp_path: Path
) -> None:
    box = Box(x=0.5, y=0.5, w=0.075, h=0.1)
    photos = [scene.photo(f"trap_{n}.jpg") for n in range(3)]
    store = keep(
        [scene.outcome(one, [seen(box=box)], kind=Kind.FRAME, at=DUSK + n * NS * 60) for n, one in enumerate(photos)]
    )
    reader = read(write_report(store, tmp_path / "r.html", root=scene.root))
    assert "The animals and bouts of 1 sensor night are still to be counted" in reader.text
    assert reader.tags.count("img") == 3


def test_noise_is_no_bout_of_song(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    store = keep([scene.outcome(scene.recording(), [heard(), heard("Engine", rank="none")])])
    store.follow()
    words = read(write_report(store, tmp_path / "r.html", root=scene.root)).text
    assert "Bouts of song 1" in words and "1 bout of song; 1 detection in 1 capture" in words


def test_every_address_lies_in_the_file_itself(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    box = Box(x=0.5, y=0.5, w=0.075, h=0.1)
    store = keep(
        [
            scene.outcome(scene.recording(), [heard()]),
            scene.outcome(scene.photo(), [seen(box=box)], kind=Kind.FRAME),
            scene.outcome(scene.photo("b.jpg"), [seen(box=box)], kind=Kind.FRAME, at=DUSK + NS),
            scene.outcome("http://evil.example/a.wav", status=Status.REFUSED, reason="x", message="y"),
        ]
    )
    path = write_report(store, tmp_path / "r.html", root=scene.root, credits=[manifest()])
    reader = read(path)
    assert reader.addresses
    assert all(one.startswith(("data:image/", "data:audio/", "#")) for one in reader.addresses)
    assert {one[1:] for one in reader.addresses if one.startswith("#")} <= set(reader.ids)
    assert not {"script", "iframe", "object", "embed", "link", "form", "base"} & set(reader.tags)
    html = path.read_text("utf-8")
    assert "default-src 'none'" in html and "script-src" not in html
    assert "@import" not in html and not re.search(r"url\((?!#)", html)


@pytest.mark.parametrize("where", ["file", "sensor", "taxon", "common_name", "title", "message", "reason", "credit"])
def test_hostile_text_is_shown_and_never_run(where: str, scene: Scene, keep: Keep, tmp_path: Path) -> None:
    file = scene.recording()
    word = {where: HOSTILE}
    named = heard(word.get("taxon", "Gryllus campestris"), common_name=word.get("common_name", ""))
    refused = scene.outcome(
        word.get("file", "bad.wav"),
        status=Status.REFUSED,
        reason=word.get("reason", "truncated"),
        message=word.get("message", "breaks off"),
    )
    store = keep([scene.outcome(file, [named], sensor=word.get("sensor", "trap-7")), refused])
    credits = [msgspec.structs.replace(manifest(), credit=word.get("credit", "us"), uses=word.get("credit", "any"))]
    path = write_report(
        store, tmp_path / "r.html", root=scene.root, title=word.get("title", "A night"), credits=credits
    )
    reader = read(path)
    assert "<script>alert(1)</script>" in reader.text
    assert "script" not in reader.tags
    assert not reader.handlers
    assert all(one.startswith(("data:image/", "data:audio/", "#")) for one in reader.addresses)


def test_marks_that_turn_text_around_are_written_out(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    store = keep(
        [
            scene.outcome("a\u202egnp.exe\nb\x1b[31m.wav", status=Status.REFUSED, reason="x", message="y"),
            scene.outcome(scene.recording(), [heard("Gryllus\u2066 campestris")], sensor="\u200ftrap\x07"),
        ]
    )
    html = write_report(store, tmp_path / "r.html", root=scene.root).read_text("utf-8")
    assert not set("\u202e\u2066\u200f\x1b\x07") & set(html)
    assert "a\\u202egnp.exe\\nb\\x1b[31m.wav" in html
    assert "Gryllus\\u2066 campestris" in html


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(min_size=1, max_size=40), message=st.text(max_size=60))
def test_any_name_and_message_leave_the_page_whole(
    name: str, message: str, scene: Scene, keep: Keep, tmp_path: Path
) -> None:
    named = scene.outcome(name.replace("\0", ""), [heard(name.replace("\0", "") or "x")], at=DUSK + len(name) * NS)
    refused = scene.outcome("x.wav", status=Status.REFUSED, reason="r", message=message.replace("\0", ""))
    reader = read(write_report(keep([named, refused]), tmp_path / "r.html", root=scene.root))
    assert "This file is complete in itself" in reader.text
    assert "script" not in reader.tags and not reader.handlers


def test_an_original_that_has_changed_is_said_instead_of_shown(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    changed, gone = scene.recording("changed.flac"), scene.recording("gone.flac")
    store = keep(
        [
            scene.outcome(changed, [heard("Gryllus campestris")]),
            scene.outcome(gone, [heard("Tettigonia cantans")]),
        ]
    )
    scene.recording(changed, hertz=900)
    (scene.root / gone).unlink()
    reader = read(write_report(store, tmp_path / "r.html", root=scene.root))
    assert "1 detection cannot be shown: the original has changed since it was identified." in reader.text
    assert "1 detection cannot be shown: the original is gone from the folder." in reader.text
    assert "audio" not in reader.tags


def test_without_the_folder_the_page_says_why_it_has_no_pictures(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    store = keep([scene.outcome(scene.recording(), [heard()])])
    reader = read(write_report(store, tmp_path / "r.html", root=None))
    assert "there are no pictures or sounds" in reader.text
    assert "audio" not in reader.tags


def test_ultrasound_is_slowed_and_said_to_be(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    file = scene.recording("bat.wav", hertz=45_000, rate=250_000, seconds=3)
    bat = heard("Pipistrellus pipistrellus", start=1.0, end=2.0, low=40_000, high=50_000)
    store = keep([scene.outcome(file, [bat], seconds=3)])
    assert "Plays 10 times slower" in read(write_report(store, tmp_path / "r.html", root=scene.root)).text


def test_scores_without_calibration_are_called_scores(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    file = scene.recording()
    store = keep(
        [
            scene.outcome(file, [heard(score=0.61)]),
            scene.outcome(file, [heard("Gryllus campestris", 0.9, probability=0.42, model="calm-1")], at=DUSK + HOUR),
        ]
    )
    words = read(write_report(store, tmp_path / "r.html", root=scene.root)).text
    assert "The numbers of singing-insects-0.1 are scores" in words
    assert "score 0.61" in words and "probability 0.42" in words
    assert "calm-1 are scores" not in words


def test_unexpected_detections_are_flagged_and_kept(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    strange = msgspec.structs.replace(heard("Clamator coromandus"), context=Context(prior=0.001, expected=False))
    store = keep([scene.outcome(scene.recording(), [strange])])
    words = read(write_report(store, tmp_path / "r.html", root=scene.root)).text
    assert "1 unexpected" in words
    assert "1 detection not expected there in that week" in words


def test_the_sun_is_drawn_where_the_place_is_known(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    berlin = Place(latitude=52.52, longitude=13.405, source="option")
    store = keep([scene.outcome(scene.recording(), [heard()], place=berlin)])
    words = read(write_report(store, tmp_path / "r.html", root=None)).text
    observer = pytest.importorskip("astral").Observer(52.52, 13.405)
    told = pytest.importorskip("astral.sun").sun(observer, date(2025, 7, 14), tzinfo=ZoneInfo("Europe/Berlin"))
    for name in ("sunset", "sunrise"):
        drawn = re.search(rf"{name} (\d\d):(\d\d)", words)
        assert drawn is not None
        assert abs(int(drawn[1]) * 60 + int(drawn[2]) - told[name].hour * 60 - told[name].minute) <= 2
    assert "52.520° N, 13.405° E" in words


def test_an_unknown_place_is_said(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    words = read(write_report(keep([scene.outcome(scene.recording(), [heard()])]), tmp_path / "r.html", root=None)).text
    assert "Sunrise and sunset are not drawn" in words and "place unknown" in words


def test_more_species_than_the_table_holds_are_counted_all_the_same(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    many = [heard(f"Gryllus sp{number}", start=0.0, end=1.0) for number in range(320)]
    words = read(write_report(keep([scene.outcome(scene.recording(), many)]), tmp_path / "r.html", root=None)).text
    assert "Species and other names 320 320 with an accepted detection" in words
    assert "20 more names with fewer detections stand in the table of detections" in words


def test_models_are_credited_with_licence_and_uses(scene: Scene, keep: Keep, tmp_path: Path) -> None:
    store = keep([scene.outcome(scene.recording(), [heard()])])
    words = read(write_report(store, tmp_path / "r.html", root=None, credits=[manifest()])).text
    for part in ("Singing insects", "CC-BY-4.0", "Recordings by the testers", "Teaching only", "ab" * 32, "onnx"):
        assert part in words


def test_an_old_report_stands_until_the_new_one_is_whole(
    scene: Scene, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.html"
    path.write_text("the old one")

    def fails(_: object) -> str:
        raise RuntimeError("power cut")

    monkeypatch.setattr(page_module, "render", fails)
    with pytest.raises(RuntimeError):
        write_report(keep([]), path, root=None)
    assert path.read_text() == "the old one"
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["r.html"]


def test_pictures_stop_where_the_allowance_ends(
    scene: Scene, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MEDIA_BYTES", 150_000)
    file = scene.recording()
    store = keep(
        [scene.outcome(file, [heard(f"Gryllus sp{n}")], at=DUSK + n * HOUR) for n in range(8)],
    )
    path = write_report(store, tmp_path / "r.html", root=scene.root)
    assert path.stat().st_size < 260_000
    words = read(path).text
    assert 0 < read(path).tags.count("audio") < 8
    assert "to keep this file small enough to be mailed" in words


def manifest() -> BundleManifest:
    return BundleManifest(
        format=1,
        name="singing-insects",
        version="0.1",
        title="Singing insects",
        kind=BundleKind.SOUND_CLASSIFIER,
        graphs=(),
        licence="CC-BY-4.0",
        credit="Recordings by the testers",
        uses="Teaching only",
        files={},
    )
