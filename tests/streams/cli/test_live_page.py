"""docs/live.md names every option of `katydid capture` and every number that is a default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from katydid.sensors.sources.camera import CameraSettings
from katydid.sensors.sources.camera_stream import read_address
from katydid.sensors.sources.camera_watch import MotionSettings
from katydid.sensors.sources.recorder import RecorderSettings
from katydid.streams.cli import run_command

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "live.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["camera", "recorder", "devices"])
def test_every_option_of_capture_is_on_its_page(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["capture", command, "--help"]) == 0
    said = capsys.readouterr().out
    assert "Example:" in said
    named = set(re.findall(r"(?<!\w)--[a-z][a-z-]+", PAGE))
    assert set(re.findall(r"(?<!\w)--[a-z][a-z-]+", said)) - {"--help", "--to", "--no-motion", "--no-quiet"} <= named


def test_the_defaults_on_the_page_are_those_of_the_code() -> None:
    motion, recorder = MotionSettings(), RecorderSettings()
    assert f"more than {motion.levels} of 255 levels" in PAGE
    assert f"default {motion.share * 100:g}," in PAGE
    assert f"`--clip SECONDS` | length of a clip; default {recorder.clip_s:g}" in PAGE
    assert f"`--rate HERTZ` | default {recorder.form.sample_rate}" in PAGE
    assert f"one step of 65,536 for {recorder.flat_s:g} s" in PAGE
    assert f"default {CameraSettings(address=read_address('0')).quality}, noted in the file" in PAGE
