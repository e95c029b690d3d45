"""Where in a frame to look: chosen from the ground and the frames before, as asked, and never under a mask."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from katydid.models.image.earlier import EARLIER, LONGEST_NS, Grey, Reduced, comparable
from katydid.models.image.localise import Proposal, outside
from katydid.models.image.locating import Located, locate
from katydid.models.image.masking import hidden, mask_of, read_mask
from katydid.models.outcome import Box
from katydid.models.settings import REGIONS, IdentifySettings, Mask

HEIGHT, WIDTH = 270, 480
SECOND = 1_000_000_000


def frame(pixels: Grey, number: int = 9, *, sensor: str = "cam", at: int | None = None) -> Reduced:
    return Reduced(f"{number:032x}", sensor, number * SECOND if at is None else at, pixels)


def meadow(seed: int = 1) -> Grey:
    coarse = np.random.default_rng(seed).integers(60, 220, (HEIGHT // 6, WIDTH // 6), np.uint8)
    return np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def sheet() -> Grey:
    return np.full((HEIGHT, WIDTH), 200, np.uint8)


def with_insect(ground: Grey, x: int = 200, y: int = 140) -> Grey:
    drawn = ground.copy()
    cv2.ellipse(drawn, (x, y), (8, 5), 0, 0, 360, (15,), -1)
    return drawn


def before(ground: Grey, n: int) -> list[Reduced]:
    return [frame(ground, number) for number in range(n)]


def looked(ground: Grey, earlier: int, region: str = "auto", *masks: Mask) -> Located:
    settings = IdentifySettings(region=region, masks=masks)
    return locate(frame(with_insect(ground)), before(ground, earlier), settings)


def by(located: Located) -> list[str]:
    assert located.crops is not None
    return [crop.by for crop in located.crops]


def test_on_a_sheet_what_sits_there_is_looked_at_whatever_came_before() -> None:
    assert by(looked(sheet(), 0)) == by(looked(sheet(), 8)) == ["settled-1"]
    assert looked(sheet(), 8).earlier == 0, "it was compared with none"


def test_on_restless_ground_what_moved_is_looked_at_and_without_earlier_frames_the_whole() -> None:
    assert looked(meadow(), 0).crops is None
    located = looked(meadow(), 8)
    assert by(located) == ["motion-1"] and located.earlier == 8 and located.message == ""
    assert [ran.bundle for ran in located.ran] == ["settled-1", "motion-1"]


@pytest.mark.parametrize("earlier", [1, 2])
def test_fewer_than_three_earlier_frames_make_it_provisional(earlier: int) -> None:
    located = looked(meadow(), earlier)
    assert by(located) == ["motion-1"] and located.message.startswith(f"provisional: compared with {earlier} earlier")
    (measure,) = [measure for measure in located.measures if measure.name == "earlier_frames"]
    assert (measure.value, measure.bound, measure.passed) == (earlier, 3, False)


def test_photos_of_different_things_are_looked_at_whole() -> None:
    located = locate(frame(meadow(1)), before(meadow(2), 8), IdentifySettings())
    assert located.crops is None and located.message == ""


def test_what_is_asked_for_is_done() -> None:
    assert by(looked(meadow(), 8, "motion")) == ["motion-1"]
    assert by(looked(sheet(), 8, "motion")) == ["motion-1"]
    assert by(looked(sheet(), 8, "both")) == ["settled-1"], "the moved box lies in the settled one"
    assert set(by(looked(meadow(), 0, "crops"))) <= {"settled-1"}
    assert looked(sheet(), 8, "settled").earlier == 0


def test_looking_for_motion_without_earlier_frames_is_no_effort() -> None:
    located = looked(meadow(), 0, "motion")
    assert located.crops == () and not located.looked and "no earlier frame" in located.message


def test_a_region_that_is_none_is_refused() -> None:
    assert "both" in REGIONS
    with pytest.raises(ValueError, match="'al' is not one of auto, whole"):
        IdentifySettings(region="al")


def test_what_moved_within_something_settled_is_part_of_it() -> None:
    moth = Proposal(box=Box(x=0.4, y=0.4, w=0.1, h=0.1), score=0.9)
    wing = Proposal(box=Box(x=0.48, y=0.42, w=0.03, h=0.03), score=0.5, by="motion-1")
    other = Proposal(box=Box(x=0.49, y=0.42, w=0.03, h=0.03), score=0.5, by="motion-1")
    assert outside([wing, other], [moth]) == (other,), "two thirds of the wing lie in the moth, a third of the other"


def test_only_earlier_frames_of_the_same_size_and_evening_count() -> None:
    hours = 3600 * SECOND
    now = frame(sheet(), 50, at=100 * hours)
    fitting = [frame(sheet(), number, at=100 * hours - number) for number in range(20, 0, -1)]
    others = [
        frame(sheet(), 60, at=100 * hours + 1),
        frame(sheet(), 61, at=100 * hours - LONGEST_NS - 1),
        frame(np.zeros((270, 360), np.uint8), 62, at=100 * hours - 5),
        now,
    ]
    assert comparable(now, [*others, *fitting]) == tuple(fitting[-EARLIER:])
    assert comparable(now, others) == ()


RECTANGLE = Mask(sensor="cam", polygons=(((0.3, 0.3), (0.6, 0.3), (0.6, 0.7), (0.3, 0.7)),))


def test_nothing_is_looked_for_under_a_mask_on_either_ground() -> None:
    assert looked(sheet(), 0, "auto", RECTANGLE).crops == ()
    assert looked(meadow(), 8, "auto", RECTANGLE).crops == ()
    other = Mask(sensor="another", polygons=RECTANGLE.polygons)
    assert len(by(looked(meadow(), 8, "auto", other))) == 1


def test_a_mask_covers_its_polygon_and_a_polygon_in_it_is_a_hole() -> None:
    hole = ((0.4, 0.4), (0.5, 0.4), (0.5, 0.6), (0.4, 0.6))
    mask = hidden((Mask(polygons=(*RECTANGLE.polygons, hole)),), "cam", (100, 200))
    assert mask is not None and mask.shape == (100, 200)
    assert mask[50, 70] and mask[50, 110] and not mask[50, 90] and not mask[10, 10]
    assert mask.mean() == pytest.approx(0.3 * 0.4 - 0.1 * 0.2, abs=0.02)
    assert hidden((), "cam", (100, 200)) is None


def test_a_black_and_white_picture_is_a_mask(tmp_path: Path) -> None:
    drawn = np.full((540, 960), 255, np.uint8)
    cv2.circle(drawn, (480, 270), 200, (0,), -1)
    cv2.circle(drawn, (480, 270), 80, (255,), -1)
    cv2.imwrite(str(tmp_path / "mask.png"), drawn)
    mask = hidden((read_mask(tmp_path / "mask.png"),), "cam", (270, 480))
    small = np.asarray(cv2.resize(drawn, (480, 270), interpolation=cv2.INTER_AREA))
    assert mask is not None and (mask != (small < 128)).mean() < 0.01


def test_a_mask_on_the_command_line_is_a_rectangle_or_a_file(tmp_path: Path) -> None:
    assert mask_of("0.25,0.5,0.5,0.25").polygons == (((0.25, 0.5), (0.75, 0.5), (0.75, 0.75), (0.25, 0.75)),)
    assert mask_of("trap 7=0,0,1,0.1").sensor == "trap 7"
    with pytest.raises(ValueError, match="each from 0 to 1"):
        mask_of("0,0,1920,100")
    with pytest.raises(FileNotFoundError):
        mask_of(str(tmp_path / "none.png"))


def test_masks_and_region_change_the_digest_of_the_settings() -> None:
    digests = {
        settings.digest()
        for settings in (IdentifySettings(), IdentifySettings(region="motion"), IdentifySettings(masks=(RECTANGLE,)))
    }
    assert len(digests) == 3
