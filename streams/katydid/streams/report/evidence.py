"""One detection as a picture of its own: what `katydid explain` saves."""

from __future__ import annotations

import io
from datetime import UTC
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from katydid.models.outcome import Detection, Outcome
from katydid.sensors.capture import Kind
from katydid.streams.errors import MediaLost
from katydid.streams.media import frames
from katydid.streams.media.finder import Lost, MediaFinder
from katydid.streams.report import originals, sound, svg
from katydid.streams.report.colour import BOX, INK, LINE, MUTED
from katydid.streams.report.exhibits import number_of
from katydid.streams.report.text import NS, moment, visible

PLOT = (1000, 360)
"""Pixels of a spectrogram."""
LEFT, RIGHT, HEAD, FOOT = 56, 18, 74, 52
FRAME_WIDTH = 1280


def evidence_picture(outcome: Outcome, detection: Detection, finder: MediaFinder) -> bytes:
    """The spectrogram or frame with the detection's box, its name and its numbers, as PNG.

    The original is found again and verified first. Raises MediaLost where it is gone, has changed, or is broken.
    """
    if outcome.kind is Kind.CLIP:
        heard = originals.heard(finder, outcome, detection)
        if isinstance(heard, Lost):
            raise MediaLost(f"{visible(outcome.file)}: {heard.why}")
        picture = _sound(heard.sonogram, outcome, detection)
    else:
        pixels = originals.frame(finder, outcome)
        if isinstance(pixels, Lost):
            raise MediaLost(f"{visible(outcome.file)}: {pixels.why}")
        picture = _frame(pixels, outcome, detection)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _sound(sonogram: sound.Sonogram, outcome: Outcome, detection: Detection) -> Image.Image:
    width, height = PLOT
    canvas, draw = _sheet(width, height, outcome, detection)
    plot = Image.fromarray(sound.coloured(sonogram.levels)).resize(PLOT, Image.Resampling.BICUBIC)
    canvas.paste(plot, (LEFT, HEAD))
    floor, long = HEAD + height, max(sonogram.end_s - sonogram.start_s, 1e-6)
    draw.rectangle((LEFT, HEAD, LEFT + width, floor), outline=LINE)
    for second in svg.ticks(sonogram.start_s, sonogram.end_s, 10):
        x = LEFT + width * (second - sonogram.start_s) / long
        draw.line((x, floor, x, floor + 6), fill=MUTED)
        draw.text((x, floor + 9), f"{second:g}", fill=MUTED, font=_font(15), anchor="ma")
    for kilohertz in svg.ticks(0.0, sonogram.high_hz / 1000, 7):
        y = floor - height * kilohertz * 1000 / sonogram.high_hz
        draw.line((LEFT - 6, y, LEFT, y), fill=MUTED)
        draw.text((LEFT - 10, y), f"{kilohertz:g}", fill=MUTED, font=_font(15), anchor="rm")
    draw.text((LEFT + width, floor + 30), "seconds into the recording", fill=MUTED, font=_font(14), anchor="ra")
    draw.text((8, floor + 30), "kHz", fill=MUTED, font=_font(14))
    if detection.span is not None:
        span = detection.span
        across = [LEFT + width * (at - sonogram.start_s) / long for at in (span.start_s, span.end_s)]
        high = sonogram.high_hz if span.high_hz is None else min(span.high_hz, sonogram.high_hz)
        up = [floor - height * hertz / sonogram.high_hz for hertz in (high, span.low_hz or 0.0)]
        x1, x2 = (min(max(x, LEFT), LEFT + width) for x in across)
        _box(draw, x1, min(max(up[0], HEAD), floor), x2, min(max(up[1], HEAD), floor))
    return canvas


def _frame(pixels: frames.Pixels, outcome: Outcome, detection: Detection) -> Image.Image:
    small = frames.shrunk(pixels, FRAME_WIDTH)
    height, width = small.shape[:2]
    canvas, draw = _sheet(width, height, outcome, detection)
    canvas.paste(Image.fromarray(small), (LEFT, HEAD))
    if (box := detection.box) is not None:
        x, y = LEFT + box.x * width, HEAD + box.y * height
        _box(draw, x, y, x + box.w * width, y + box.h * height)
    return canvas


def _sheet(width: int, height: int, outcome: Outcome, detection: Detection) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white sheet around a picture of `width` x `height` with the detection's name and numbers on top."""
    canvas = Image.new("RGB", (LEFT + width + RIGHT, HEAD + height + FOOT), "#ffffff")
    draw = ImageDraw.Draw(canvas)
    taxon = detection.taxon
    name = "found, and not named" if taxon is None else taxon.name
    common = f"  {taxon.common_name}" if taxon is not None and taxon.common_name else ""
    draw.text((LEFT, 12), visible(name + common), fill=INK, font=_font(24))
    into = detection.span.start_s if detection.span else 0.0
    when = moment(outcome.captured_at + round(into * NS), UTC, "%Y-%m-%d %H:%M:%S UTC")
    words = f"{number_of(detection)} · {detection.decision.verdict} · {when} · {outcome.file}"
    draw.text((LEFT, 46), visible(words), fill=MUTED, font=_font(15))
    return canvas, draw


def _box(draw: ImageDraw.ImageDraw, x1: float, y1: float, x2: float, y2: float) -> None:
    """The detection's outline, on a light line so that it is seen on anything, and never too small to be found."""
    pad = max(0.0, (12 - min(x2 - x1, y2 - y1)) / 2)
    edges = (x1 - pad, y1 - pad, max(x2, x1) + pad, max(y2, y1) + pad)
    draw.rectangle(edges, outline="#ffffff", width=5)
    draw.rectangle((edges[0] + 1, edges[1] + 1, edges[2] - 1, edges[3] - 1), outline=BOX, width=3)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow brings along: the same picture on every machine."""
    return ImageFont.load_default(size)
