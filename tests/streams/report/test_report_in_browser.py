"""The report as a reader's browser shows it, at the width of a desk and of a phone."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from katydid.models.outcome import Box, Detection, Outcome, Verdict
from katydid.sensors.capture import Kind, Place
from katydid.sensors.sources.protocol import Position
from katydid.streams.report import write_report
from katydid.streams.sink import Arrival
from katydid.streams.store import open_store

from .chromium import Page
from .conftest import DUSK, NS, Scene, heard, seen

pytestmark = pytest.mark.browser

WIDTHS = (1280, 375)
MANY = 100_000
HOUR = 3600 * NS
LOAD_S = 2.0
LIMIT_BYTES = 15_000_000


def report(scene: Scene, outcomes: Sequence[Outcome], path: Path) -> Path:
    store = open_store(None)
    store.write(
        [
            Arrival(outcome=one, position=Position(source="folder", partition=str(number)))
            for number, one in enumerate(outcomes)
        ]
    )
    write_report(store, path, root=scene.root, title="Sixty nights in a meadow with a rather long name")
    store.close()
    return path


def few(scene: Scene) -> list[Outcome]:
    file = scene.recording()
    photos = [scene.photo(f"p{number}.jpg") for number in range(3)]
    box = Box(x=0.5, y=0.5, w=0.075, h=0.1)
    long_name = "recorder/2025-07-14/" + "a_very_long_name_" * 6 + ".flac"
    return [
        scene.outcome(
            file, [heard(common_name="Great Green Bush-cricket", score=0.4 + 0.1 * n)], at=DUSK + n * 3600 * NS
        )
        for n in range(4)
    ] + [
        *(scene.outcome(one, [seen(box=box)], kind=Kind.FRAME, at=DUSK + n * NS) for n, one in enumerate(photos)),
        scene.outcome(long_name, [heard("Gryllus campestris")], sensor="a sensor with an unusually long name indeed"),
    ]


def many(scene: Scene) -> list[Outcome]:
    dice = random.Random(3)
    files = [scene.recording(f"rec_{number}.flac", 1500 + 400 * number) for number in range(8)]
    photos = [scene.photo(f"photo_{number}.jpg") for number in range(4)]
    outcomes: list[Outcome] = []
    made = 0
    while made < MANY:
        number = len(outcomes)
        count = dice.choice((0, 5, 20, 60, 100))
        if number % 4 == 0:
            box = Box(x=0.5, y=0.5, w=0.1, h=0.1)
            found = [
                seen(f"Insectum species{int(dice.paretovariate(0.5)) % 90}", dice.random(), box) for _ in range(count)
            ]
        else:
            found = [one_sound(dice) for _ in range(count)]
        outcomes.append(
            scene.outcome(
                photos[number % 4] if number % 4 == 0 else files[number % 8],
                found,
                at=DUSK + (number * 37 % 86_400) * 60 * NS + number,
                sensor=f"trap-{number % 17}",
                kind=Kind.FRAME if number % 4 == 0 else Kind.CLIP,
                place=Place(latitude=52.5, longitude=13.4),
            )
        )
        made += count
    return outcomes


def one_sound(dice: random.Random) -> Detection:
    verdict = dice.choice((Verdict.ACCEPTED, Verdict.REVIEW))
    name = f"Cantor vox{int(dice.paretovariate(0.5)) % 90}"
    return heard(name, dice.random(), start=dice.random() * 3, verdict=verdict)


def one_sight(dice: random.Random) -> Detection:
    name = f"Insectum species{int(dice.paretovariate(0.5)) % 90}"
    return seen(name, dice.random(), Box(x=0.5, y=0.5, w=0.1, h=0.1))


def drawn(page: Page) -> float:
    """The share of the screen that is not paper."""
    pixels = np.asarray(Image.open(io.BytesIO(page.picture())).convert("L"))
    return float((pixels < 200).mean())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["empty", "one", "few"])
def test_the_page_is_drawn_without_a_complaint_or_a_wide_line(
    kind: str, width: int, page: Page, scene: Scene, tmp_path: Path
) -> None:
    outcomes = {"empty": [], "one": [scene.outcome(scene.recording(), [heard()])], "few": few(scene)}
    path = report(scene, outcomes[kind], tmp_path / "r.html")
    page.open(path, width)
    assert page.complaints == []
    assert page.requested == [path.resolve().as_uri()]
    assert page.value("document.documentElement.scrollWidth") <= width
    assert drawn(page) > 0.01


def test_pictures_are_decoded_and_sounds_play(page: Page, scene: Scene, tmp_path: Path) -> None:
    page.open(report(scene, few(scene), tmp_path / "r.html"), 1280)
    page.picture(whole=True)
    broken = "[...document.images].filter(one => !(one.complete && one.naturalWidth)).length"
    assert page.value("document.images.length") == 3
    assert page.value(broken) == 0
    length = page.promised(
        "new Promise((done, fail) => { const sound = document.querySelector('audio'); sound.preload = 'auto';"
        " sound.onloadedmetadata = () => done(sound.duration); sound.onerror = () => fail(sound.error.message);"
        " sound.load(); })"
    )
    assert 3.9 < length < 4.2


def test_headings_go_down_one_step_at_a_time_and_pictures_have_words(page: Page, scene: Scene, tmp_path: Path) -> None:
    page.open(report(scene, few(scene), tmp_path / "r.html"), 1280)
    levels = page.value("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.value("[...document.querySelectorAll('svg')].every(one => one.getAttribute('aria-label'))")
    assert page.value("[...document.images].every(one => one.alt)")


def test_it_prints(page: Page, scene: Scene, tmp_path: Path) -> None:
    page.open(report(scene, few(scene), tmp_path / "r.html"), 1280)
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.slow
def test_a_hundred_thousand_detections_are_small_and_open_fast(page: Page, scene: Scene, tmp_path: Path) -> None:
    path = report(scene, many(scene), tmp_path / "r.html")
    assert path.stat().st_size <= LIMIT_BYTES
    for width in WIDTHS:
        fastest = min(page.open(path, width) for _ in range(3))
        assert fastest <= LOAD_S
        assert page.complaints == []
        assert page.value("document.documentElement.scrollWidth") <= width
        assert drawn(page) > 0.01
