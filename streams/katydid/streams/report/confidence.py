"""Histograms of confidence: how many detections the models were how sure of."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from katydid.streams.report import svg
from katydid.streams.report.colour import ACCENT, LINE, MUTED

WIDTH, HEIGHT, LEFT, FLOOR, TOP = 520.0, 190.0, 44.0, 158.0, 12.0


def histogram(bars: Sequence[int], label: str) -> Markup:
    """The distribution over 0..1 in len(bars) bars, with axes."""
    most = max(max(bars), 1)
    wide = (WIDTH - LEFT - 10) / len(bars)
    parts = []
    for level in svg.ticks(0, most, 4):
        if level == int(level):
            y = FLOOR - (FLOOR - TOP) * level / most
            parts += [svg.line(LEFT, y, WIDTH - 10, y, f'stroke="{LINE}"')]
            parts += [svg.text(LEFT - 6, y + 4, f"{level:,.0f}", anchor="end")]
    for number, found in enumerate(bars):
        if found:
            tall = max((FLOOR - TOP) * found / most, 1.0)
            title = f"{number / len(bars):.2f}–{(number + 1) / len(bars):.2f}: {found:,}"
            x = LEFT + number * wide + 1
            parts.append(svg.rect(x, FLOOR - tall, wide - 2, tall, f'fill="{ACCENT}"', title))
    parts.append(svg.line(LEFT, FLOOR, WIDTH - 10, FLOOR, f'stroke="{MUTED}"'))
    for tenth in range(0, 11, 2):
        x = LEFT + (WIDTH - LEFT - 10) * tenth / 10
        parts.append(svg.text(x, FLOOR + 15, f"{tenth / 10:.1f}", anchor="middle"))
    parts.append(svg.text(WIDTH - 10, HEIGHT - 3, "probability, or score where there is no calibration", anchor="end"))
    return svg.drawing(parts, WIDTH, HEIGHT, label, "histogram")


def spark(bars: Sequence[int], label: str) -> Markup:
    """The same as a line of small bars to stand beside a name."""
    most = max(max(bars), 1)
    path = "".join(
        f"M{number * 5} {22 - max(20 * found / most, 1.0):.1f}h4V22h-4z" for number, found in enumerate(bars) if found
    )
    parts = [f'<path d="{path}" fill="{ACCENT}"/>', svg.line(0, 22.5, 100, 22.5, f'stroke="{LINE}"')]
    return svg.drawing(parts, 100, 24, label, "spark")
