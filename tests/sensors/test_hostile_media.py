"""Every hostile file, through the folder source and the decoders: right or refused, quickly, in little room."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from hostile_files import NO_CAPTURE, REFUSED, RIGHT, HostileFile, write_hostile_files
from katydid.sensors import audio, envelope, images
from katydid.sensors.capture import Capture, Kind
from katydid.sensors.errors import RefusedMedia
from katydid.sensors.limits import Limits
from katydid.sensors.references import open_media
from katydid.sensors.sources.folder import FolderSource

LIMITS = Limits()
MOST_SECONDS = 1.0
MOST_BYTES = 256 * 1024 * 1024


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[HostileFile], dict[str, Capture]]:
    folder = tmp_path_factory.mktemp("hostile")
    expected = write_hostile_files(folder)
    found = [each.capture for each in FolderSource(folder).captures(lambda _: False)]
    assert len({capture.file for capture in found}) == len(found)
    return expected, {capture.file: capture for capture in found}


def decode(capture: Capture) -> str:
    """The reason of the refusal, "" where it was decoded to its end."""
    if capture.refusal:
        return capture.refusal.partition(":")[0]
    media = open_media(capture)
    try:
        if capture.kind is Kind.FRAME:
            assert isinstance(media, bytes)
            frame = images.decode(media, LIMITS)
            assert frame.pixels.shape == (frame.full_height, frame.full_width, 3)
        else:
            with audio.open_sound(media, LIMITS) as reader:
                frames = sum(block.shape[1] for block in reader.blocks(48_000))
                assert frames == reader.header.frames > 0
    except RefusedMedia as refused:
        assert str(refused)
        return refused.reason
    return ""


def test_there_are_enough_of_them(hostile: tuple[list[HostileFile], dict[str, Capture]]) -> None:
    assert len([each for each in hostile[0] if each.expectation != NO_CAPTURE]) >= 40


def test_each_is_captured_once_or_never(hostile: tuple[list[HostileFile], dict[str, Capture]]) -> None:
    expected, found = hostile
    assert set(found) == {each.name for each in expected if each.expectation != NO_CAPTURE}


def test_each_is_decoded_or_refused_for_the_expected_reason(
    hostile: tuple[list[HostileFile], dict[str, Capture]],
) -> None:
    expected, found = hostile
    wanted = {each.name: each.reason for each in expected if each.expectation in (RIGHT, REFUSED)}
    assert {name: decode(found[name]) for name in wanted} == wanted


def test_none_takes_longer_than_a_second_or_more_than_256_megabytes(
    hostile: tuple[list[HostileFile], dict[str, Capture]],
) -> None:
    for name, capture in hostile[1].items():
        started = time.process_time()
        tracemalloc.start()
        decode(capture)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert time.process_time() - started < MOST_SECONDS, name
        assert most < MOST_BYTES, name


def test_all_of_them_survive_the_wire_and_no_fact_holds_a_control_character(
    hostile: tuple[list[HostileFile], dict[str, Capture]],
) -> None:
    for capture in hostile[1].values():
        assert envelope.unpack(envelope.pack(capture)) == capture
        for fact in capture.facts:
            assert fact.value.isprintable(), (capture.file, fact)
