"""Plain gates: what cannot be told apart should not be named. Each leaves a measure with its bound.

| measure | of what | bound (settings) |
|---|---|---|
| `exposure_mean` | mean grey level of the frame, 0..255 | min_mean .. max_mean |
| `sharpness` | standard deviation of the Laplacian, grey, at 224 px or the own size if smaller | min_sharpness |
| `crop_px` | shorter side of a crop, pixels of the full frame | min_crop_px |
| `clipped_share` | share of the samples of an event at full scale | max_clipped_share |
| `rms_dbfs` | level of the event around its own mean, dB below a full-scale square wave | min_rms_dbfs |

A detection that fails a gate stays, with its name and numbers, and is *unidentifiable* with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from katydid.models.outcome import Measure
from katydid.models.settings import GateSettings
from katydid.sensors import images

SHARPNESS_PX = 224
"""Crops and frames are brought to a square of this side before the Laplacian, so that one bound fits all sizes."""

_WORDS = {
    "exposure_dark": "too dark: mean grey level {value:.0f} under {bound:.0f}",
    "exposure_bright": "overexposed: mean grey level {value:.0f} over {bound:.0f}",
    "sharpness": "blurred: sharpness {value:.1f} under {bound:.1f}",
    "crop_px": "too small: {value:.0f} px under {bound:.0f}",
    "clipped_share": "clipped: {value:.0%} of the samples at full scale, over {bound:.0%}",
    "rms_dbfs": "silent: {value:.0f} dBFS under {bound:.0f}",
}


def exposure(pixels: NDArray[np.uint8], gates: GateSettings) -> Measure:
    """Mean grey level of uint8 [H, W, 3] or [H, W] against both bounds; the bound in the measure is the nearer one."""
    levels = grey(pixels)
    # The sum of bytes is exact in float64, and OpenCV takes it twenty times faster than numpy's mean.
    value = float(cv2.sumElems(levels)[0]) / levels.size
    if value > gates.max_mean:
        return Measure(name="exposure_mean", value=value, bound=gates.max_mean, passed=False)
    return Measure(name="exposure_mean", value=value, bound=gates.min_mean, passed=value >= gates.min_mean)


def sharpness(pixels: NDArray[np.uint8], gates: GateSettings) -> Measure:
    """Standard deviation of the Laplacian at 224 px; of a smaller crop at its own size, since enlarging blurs."""
    side = min(SHARPNESS_PX, *pixels.shape[:2])
    square = images.resize(grey(pixels), side, side)
    value = float(np.asarray(cv2.Laplacian(square, cv2.CV_32F)).std())
    return Measure(name="sharpness", value=value, bound=gates.min_sharpness, passed=value >= gates.min_sharpness)


def crop_size(width: int, height: int, gates: GateSettings) -> Measure:
    """Shorter side of a crop in pixels of the full frame."""
    value = float(min(width, height))
    return Measure(name="crop_px", value=value, bound=float(gates.min_crop_px), passed=value >= gates.min_crop_px)


def clipping(share: float, gates: GateSettings) -> Measure:
    """Share of samples at full scale, 0..1."""
    bound = gates.max_clipped_share
    return Measure(name="clipped_share", value=share, bound=bound, passed=share <= bound)


def level(rms_dbfs: float, gates: GateSettings) -> Measure:
    """Level in dB below full scale."""
    bound = gates.min_rms_dbfs
    return Measure(name="rms_dbfs", value=rms_dbfs, bound=bound, passed=rms_dbfs >= bound)


def why_not(measures: Sequence[Measure]) -> str | None:
    """The first failed gate in words; None where all passed."""
    for measure in measures:
        if measure.passed is False:
            return _WORDS[_key(measure)].format(value=measure.value, bound=measure.bound)
    return None


def _key(measure: Measure) -> str:
    if measure.name != "exposure_mean":
        return measure.name
    return "exposure_bright" if measure.bound is not None and measure.value > measure.bound else "exposure_dark"


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] RGB or [H, W] → grey levels [H, W]. The gates take either, so who asks twice can convert once."""
    if pixels.ndim == 2:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
