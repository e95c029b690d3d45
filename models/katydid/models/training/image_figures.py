"""The figures on the card: boxes on photos of traps, points on frames of a hive, three contestants side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from katydid.models.box_metrics import Judged, Matched, average_precision, matched, recall, threshold_at
from katydid.models.manifest import Calibration
from katydid.models.metrics import by_group

BINS = ((8, 16), (16, 24), (24, 32), (32, 64), (64, 200))
"""Side of a box by hand (square root of its area), pixels."""
REACH = 16.0
"""Pixels from a point within which the middle of a box counts as a hit: a bee on these frames is 20 to 30 long."""
DRAWS = 200
LEAST = 20
"""Right boxes, and wrong ones, that a calibration can be fitted on."""
OVERLAP = 0.3
"""What is right where nothing else is said: where a box is drawn around 20 pixels, two persons hardly agree better."""


@dataclass(frozen=True)
class Contestant:
    """What one detector found on the held-out photos."""

    name: str
    traps: Sequence[Judged]
    hive: Sequence[Judged]
    report: float
    """Boxes at or above this score are written down."""


def calibration(traps: Sequence[Judged], fitted_on: str) -> Calibration:
    """From a score to the share of such boxes that somebody had drawn (Platt 1999)."""
    judged = matched(traps, OVERLAP)
    scores = np.clip(judged.scores.astype(np.float64), 1e-6, 1 - 1e-6)
    if min(judged.right.sum(), (~judged.right).sum()) < LEAST:
        return Calibration(fitted_on=f"nothing: fewer than {LEAST} boxes of each kind")
    logit, right = np.log(scores / (1 - scores)), judged.right.astype(np.float64)

    def loss(parameters: NDArray[np.float64]) -> float:
        said = parameters[0] * logit + parameters[1]
        return float(np.mean(np.logaddexp(0, said) - right * said))

    slope, bias = minimize(loss, np.array((1.0, 0.0)), method="Nelder-Mead").x
    return Calibration(temperature=round(1 / float(slope), 3), bias=round(float(bias), 3), fitted_on=fitted_on)


def score_of(probability: float, sure: Calibration) -> float:
    """The score that a calibrated probability stands for."""
    logit = (np.log(probability / (1 - probability)) - sure.bias) * sure.temperature
    return float(1 / (1 + np.exp(-logit)))


def table(contestants: Sequence[Contestant]) -> str:
    """Markdown: a row for each figure, a column for each contestant."""
    judged = [{each: matched(one.traps, each) for each in (0.3, 0.5)} for one in contestants]
    rows = [
        _row("average precision, overlap 0.3", [_interval(one.traps, 0.3) for one in contestants]),
        _row("average precision, overlap 0.5", [_interval(one.traps, 0.5) for one in contestants]),
    ]
    for false in (1, 5, 20):
        name = f"recall at {false} false box{'es' * (false > 1)} a photo"
        rows.append(_row(name, [_percent(recall(each[0.3], threshold_at(each[0.3], false))) for each in judged]))
    rows += [
        _row(
            "recall of what is written down",
            [_at(one, each[0.3]) for one, each in zip(contestants, judged, strict=True)],
        ),
        *(
            _row(
                f"… of {low} to {high} pixels ({_count(judged[0][0.3], low, high)})",
                [_at(one, each[0.3], (low, high)) for one, each in zip(contestants, judged, strict=True)],
            )
            for low, high in BINS
        ),
        _row(
            "boxes written down a photo, and of these drawn by hand",
            [_written(one, each[0.3]) for one, each in zip(contestants, judged, strict=True)],
        ),
        _row("points of bees on frames of a hive, found", [_points(one) for one in contestants]),
        _row("boxes on these frames that are at no point, a frame", [_pointless(one) for one in contestants]),
    ]
    return _row("figure", [one.name for one in contestants]) + "|---" * (len(contestants) + 1) + "|\n" + "".join(rows)


def _interval(traps: Sequence[Judged], overlap: float) -> str:
    """With the interval by photo."""
    each = [matched([photo], overlap) for photo in traps]
    names = [str(number) for number in range(len(each))]
    return str(by_group(names, lambda rows: average_precision(_pooled([each[row] for row in rows])), draws=DRAWS))


def _pooled(each: Sequence[Matched]) -> Matched:
    scores = np.concatenate([one.scores for one in each])
    order = np.argsort(-scores, kind="stable")
    return Matched(
        scores=scores[order],
        right=np.concatenate([one.right for one in each])[order],
        sides=np.concatenate([one.sides for one in each])[order],
        truths=np.concatenate([one.truths for one in each]),
        photos=len(each),
    )


def _at(one: Contestant, judged: Matched, sides: tuple[float, float] = (0.0, np.inf)) -> str:
    return _percent(recall(judged, one.report, sides))


def _count(judged: Matched, low: float, high: float) -> int:
    return int(((judged.truths >= low) & (judged.truths < high)).sum())


def _written(one: Contestant, judged: Matched) -> str:
    written = judged.scores >= one.report
    share = judged.right[written].mean() if written.any() else float("nan")
    return f"{written.sum() / judged.photos:.0f}, {_percent(float(share))}"


def _points(one: Contestant) -> str:
    hits = sum(int(_hits(frame, one.report)[0].sum()) for frame in one.hive)
    return f"{hits} of {sum(len(frame.truth) for frame in one.hive)}"


def _pointless(one: Contestant) -> str:
    false = sum(int((~_hits(frame, one.report)[1]).sum()) for frame in one.hive)
    return f"{false / max(len(one.hive), 1):.1f}"


def _hits(frame: Judged, report: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which points [n] are in reach of the middle of a box, or within one; and which boxes [m] have a point so."""
    boxes = frame.found[frame.scores >= report]
    points = frame.truth[:, :2]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = np.linalg.norm(middle[:, np.newaxis] - points, axis=2) <= REACH
    within = ((points >= boxes[:, np.newaxis, :2]) & (points <= boxes[:, np.newaxis, 2:])).all(axis=2)
    touch = near | within
    return touch.any(axis=0), touch.any(axis=1)


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |\n"


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{share:.2f}"
