"""A detection where it was found: a spectrogram or a frame with the box drawn, and the axes to read it by."""

from __future__ import annotations

from markupsafe import Markup

from katydid.models.outcome import Box, Span
from katydid.streams.report import svg
from katydid.streams.report.colour import BOX, LINE, MUTED
from katydid.streams.report.sound import Sonogram

WIDTH, HEIGHT = 360.0, 200.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 30.0, 6.0, 4.0, 32.0
_OUTLINES = ('stroke="#fff" stroke-width="4" stroke-opacity="0.85"', f'stroke="{BOX}" stroke-width="1.8"')
"""A light line under the coloured one, so that the box is seen on any picture."""


class _Axes:
    """From seconds and hertz to the drawing's own units."""

    def __init__(self, sonogram: Sonogram) -> None:
        self.width, self.height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
        self.start, self.long = sonogram.start_s, max(sonogram.end_s - sonogram.start_s, 1e-6)
        self.high = max(sonogram.high_hz, 1.0)

    def across(self, seconds: float) -> float:
        return _LEFT + self.width * min(max((seconds - self.start) / self.long, 0.0), 1.0)

    def up(self, hertz: float) -> float:
        return _TOP + self.height * (1 - min(max(hertz / self.high, 0.0), 1.0))


def sound_figure(sonogram: Sonogram, picture: str, span: Span | None, label: str) -> Markup:
    """The spectrogram `picture` (a data URI) with its axes in s and kHz and the detection's box."""
    axes = _Axes(sonogram)
    place = f'x="{_LEFT}" y="{_TOP}" width="{axes.width}" height="{axes.height}"'
    parts = [
        f'<image href="{picture}" {place} preserveAspectRatio="none"/>',
        f'<rect {place} fill="none" stroke="{LINE}"/>',
        *_scales(axes, sonogram),
    ]
    if span is not None:
        parts.append(_span(axes, sonogram, span))
    return svg.drawing(parts, WIDTH, HEIGHT, label, "sonogram")


def _scales(axes: _Axes, sonogram: Sonogram) -> list[str]:
    floor = _TOP + axes.height
    parts = []
    for second in svg.ticks(sonogram.start_s, sonogram.end_s, 7):
        x = axes.across(second)
        parts += [svg.line(x, floor, x, floor + 4, f'stroke="{MUTED}"')]
        edge = "end" if x > WIDTH - 12 else "middle"
        parts += [svg.text(x, floor + 15, f"{second:g}", anchor=edge)]
    for kilohertz in svg.ticks(0.0, sonogram.high_hz / 1000, 5):
        y = axes.up(kilohertz * 1000)
        parts += [svg.line(_LEFT - 4, y, _LEFT, y, f'stroke="{MUTED}"')]
        parts += [svg.text(_LEFT - 6, max(y + 4, _TOP + 9), f"{kilohertz:g}", anchor="end")]
    parts += [svg.text(WIDTH - _RIGHT, HEIGHT - 4, "seconds into the recording", anchor="end")]
    parts += [svg.text(0, HEIGHT - 4, "kHz")]
    return parts


def _span(axes: _Axes, sonogram: Sonogram, span: Span) -> str:
    high = sonogram.high_hz if span.high_hz is None else span.high_hz
    x, y = axes.across(span.start_s), axes.up(high)
    width, height = max(axes.across(span.end_s) - x, 2.0), max(axes.up(span.low_hz or 0.0) - y, 2.0)
    return _outlined(x, y, width, height)


def _outlined(x: float, y: float, width: float, height: float) -> str:
    return "".join(svg.rect(x, y, width, height, f'rx="2" fill="none" {line}') for line in _OUTLINES)


def frame_figure(picture: str, width: int, height: int, box: Box | None, label: str) -> Markup:
    """The frame `picture` (a data URI of a picture `width` x `height`) with the detection's box."""
    tall = WIDTH * height / max(width, 1)
    parts = [f'<image href="{picture}" width="{WIDTH}" height="{tall:.1f}" preserveAspectRatio="none"/>']
    if box is not None:
        x, y, wide, high = box.x * WIDTH, box.y * tall, box.w * WIDTH, box.h * tall
        pad = max(2.0, (14 - min(wide, high)) / 2)
        parts.append(_outlined(x - pad, y - pad, wide + 2 * pad, high + 2 * pad))
    return svg.drawing(parts, WIDTH, round(tall, 1), label, "frame")
