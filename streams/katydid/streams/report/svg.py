"""Small pieces of SVG and of HTML that every figure of the page is made from."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from katydid.streams.report.colour import MUTED
from katydid.streams.report.text import visible

JPEG_QUALITY = 72


def data_uri(data: bytes, media_type: str) -> str:
    """The bytes as an address that holds them itself."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def jpeg(pixels: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    """uint8 [H, W, 3] RGB as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def safe(words: str) -> str:
    """`words` for the inside of an element or an attribute: invisible characters shown, HTML escaped."""
    return escape(visible(words), quote=True)


def text(x: float, y: float, words: str, *, anchor: str = "start", size: float = 11, fill: str = MUTED) -> str:
    """One text element with its baseline at (x, y)."""
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{fill}"'
    return f"<text {place}>{safe(words)}</text>"


def rect(x: float, y: float, width: float, height: float, rest: str, title: str = "") -> str:
    """One rectangle; `rest` are further attributes, `title` what a pointer over it shows."""
    inside = f"<title>{safe(title)}</title>" if title else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {rest}>{inside}</rect>'


def line(x1: float, y1: float, x2: float, y2: float, rest: str) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" fill="none" {rest}/>'


def drawing(parts: list[str], width: float, height: float, label: str, css: str = "") -> Markup:
    """The parts as one picture; `label` is what a screen reader says of it."""
    kind = f' class="{css}"' if css else ""
    head = f'<svg role="img"{kind} aria-label="{safe(label)}" viewBox="0 0 {width:g} {height:g}">'
    return Markup(head + "".join(parts) + "</svg>")


def hatch(name: str, colour: str) -> str:
    """A pattern of thin diagonals, to be used as fill="url(#name)"."""
    return (
        f'<defs><pattern id="{name}" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<path d="M0 0v5" stroke="{colour}" stroke-width="1.4"/></pattern></defs>'
    )


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most about `most` round numbers from `low` to `high`."""
    step = float(10.0 ** np.floor(np.log10(max(high - low, 1e-9) / most)))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= most or factor == 10)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(step * number, 9) for number in range(first, last + 1)]
