"""One ramp from paper to ink for every picture and chart, even in lightness, and the page's few other colours.

The ramp is drawn in OKLab (Ottosson, "A perceptual color space for image processing", 2020): lightness falls in equal
steps from nearly white to nearly black while the hue goes from warm paper through green to a deep blue-green. So
equal steps of a number look equally far apart, a grey print keeps the order, and background stays white on paper.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

INK = "#1d2622"
MUTED = "#5a6660"
LINE = "#d5dbd7"
ACCENT = "#0b6152"
REVIEW = "#8a5a00"
REFUSED = "#a6342a"
BOX = "#d1440c"
NIGHT = "#e9ecf3"

_STOPS = np.array([0.0, 0.35, 0.7, 1.0])
_LIGHTNESS = np.array([0.985, 0.76, 0.53, 0.33])
"""Linear in the stops, to within 0.01: the steps look equal."""
_A = np.array([-0.003, -0.065, -0.07, -0.02])
_B = np.array([0.006, 0.055, -0.005, -0.055])

_TO_LMS = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
"""Both matrices: Ottosson 2020, from OKLab to LMS' and from LMS to linear sRGB."""


@cache
def ramp() -> NDArray[np.uint8]:
    """uint8 [256, 3], RGB: from paper (0) to ink (255)."""
    at = np.linspace(0.0, 1.0, 256)
    lab = np.stack([np.interp(at, _STOPS, part) for part in (_LIGHTNESS, _A, _B)], axis=1)
    linear = np.clip(((lab @ _TO_LMS.T) ** 3) @ _TO_RGB.T, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: NDArray[np.uint8] = np.round(encoded * 255).astype(np.uint8)
    return colours


def shade(value: float) -> str:
    """The ramp's colour for `value` in 0..1, as "#rrggbb"."""
    red, green, blue = ramp()[round(min(max(value, 0.0), 1.0) * 255)]
    return f"#{red:02x}{green:02x}{blue:02x}"


def on(value: float) -> str:
    """A text colour that reads on `shade(value)`."""
    return "#ffffff" if value > 0.5 else INK
