"""Drawings of the page as SVG: pictures with axes and boxes. Text stays text, so it prints and can be read aloud."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from katydid.models.outcome import Span
from katydid.streams.report.colour import BOX, INK, LINE, MUTED
from katydid.streams.report.sound import Sonogram
from katydid.streams.report.text import visible

JPEG_QUALITY = 74


def data_uri(data: bytes, media_type: str) -> str:
    """The bytes as an address that holds them itself."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def jpeg(pixels: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    """uint8 [H, W, 3] RGB as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def text(x: float, y: float, words: str, anchor: str = "start", size: float = 11, fill: str = MUTED) -> str:
    """One SVG text element; `words` are made visible and escaped."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{fill}">'
        f"{escape(visible(words))}</text>"
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round numbers from `low` to `high`."""
    step = 10.0 ** np.floor(np.log10(max(high - low, 1e-9) / most))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= most:
            step *= factor
            break
    first = np.ceil(low / step - 1e-9)
    return [float(step * n) for n in range(int(first), int(np.floor(high / step + 1e-9)) + 1)]


SOUND_WIDTH, SOUND_HEIGHT = 420.0, 214.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 34.0, 8.0, 6.0, 34.0


def sound_figure(sonogram: Sonogram, picture: str, span: Span | None, label: str) -> Markup:
    """The spectrogram `picture` (a data URI) with its axes in s and kHz and the detection's box."""
    width, height = SOUND_WIDTH - _LEFT - _RIGHT, SOUND_HEIGHT - _TOP - _BOTTOM
    long = max(sonogram.end_s - sonogram.start_s, 1e-6)

    def across(seconds: float) -> float:
        return _LEFT + width * min(max((seconds - sonogram.start_s) / long, 0.0), 1.0)

    def up(hertz: float) -> float:
        return _TOP + height * (1 - min(max(hertz / sonogram.high_hz, 0.0), 1.0))

    place = f'x="{_LEFT}" y="{_TOP}" width="{width}" height="{height}"'
    parts = [
        f'<image href="{picture}" {place} preserveAspectRatio="none"/>',
        f'<rect {place} fill="none" stroke="{LINE}"/>',
    ]
    for second in ticks(sonogram.start_s, sonogram.end_s, 7):
        x = across(second)
        parts.append(f'<path d="M{x:.1f} {_TOP + height}v4" stroke="{MUTED}"/>')
        parts.append(text(x, _TOP + height + 15, f"{second:g}", "middle"))
    for kilohertz in ticks(0.0, sonogram.high_hz / 1000, 5):
        y = up(kilohertz * 1000)
        parts.append(f'<path d="M{_LEFT - 4} {y:.1f}h4" stroke="{MUTED}"/>')
        parts.append(text(_LEFT - 6, max(y + 4, _TOP + 9), f"{kilohertz:g}", "end"))
    parts.append(text(_LEFT + width, SOUND_HEIGHT - 4, "s into the recording", "end"))
    parts.append(text(2, SOUND_HEIGHT - 4, "kHz"))
    if span is not None:
        x, y = across(span.start_s), up(span.high_hz if span.high_hz is not None else sonogram.high_hz)
        wide, tall = max(across(span.end_s) - x, 2.0), max(up(span.low_hz or 0.0) - y, 2.0)
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" rx="2" fill="none" '
            f'stroke="{BOX}" stroke-width="1.8"/>'
        )
    return Markup(
        f'<svg role="img" aria-label="{escape(visible(label), quote=True)}" viewBox="0 0 {SOUND_WIDTH:g} '
        f'{SOUND_HEIGHT:g}" fill="{INK}">{"".join(parts)}</svg>'
    )
