"""How well tracks tell individuals apart, against a truth: HOTA (Luiten et al. 2021), IDF1 (Ristani et al. 2016),
identity switches and fragments (Bernardin & Stiefelhagen 2008).

A frame is a truth's individuals with their boxes, tracks with theirs, and how alike each box is to each other (0..1, as
intersection over union). What is not seen at all lowers DetA, what is seen under the wrong identity AssA; HOTA is their
geometric mean, averaged over nineteen demands on how well boxes lie.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

_ALPHAS = np.arange(0.05, 0.99, 0.05)
_ENOUGH = 0.5
"""Likeness from which on a box is an individual's, for IDF1 and switches."""
_EPS = float(np.finfo(float).eps)


class Frame(msgspec.Struct, frozen=True):
    """What is in one frame and what was followed there."""

    individuals: tuple[int, ...]
    """0.., each once."""
    tracks: tuple[int, ...]
    """0.., each once."""
    alike: NDArray[np.float64]
    """[individuals, tracks], 0..1."""


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """All but the last two are in 0..1."""

    hota: float
    det_a: float
    ass_a: float
    idf1: float
    switches: int
    """How often an individual goes on under another track than before."""
    fragments: int
    """How often an individual is followed again after frames without it, whether it was there or not."""


def scores(frames: Sequence[Frame]) -> Scores:
    """Scores of one sequence. Nothing in truth and tracks gives zeros."""
    individuals = 1 + max((max(frame.individuals, default=-1) for frame in frames), default=-1)
    tracks = 1 + max((max(frame.tracks, default=-1) for frame in frames), default=-1)
    hota, det_a, ass_a = _hota(frames, individuals, tracks)
    switches, fragments = _broken(frames, individuals)
    return Scores(
        hota=hota,
        det_a=det_a,
        ass_a=ass_a,
        idf1=_idf1(frames, individuals, tracks),
        switches=switches,
        fragments=fragments,
    )


def _hota(frames: Sequence[Frame], individuals: int, tracks: int) -> tuple[float, float, float]:
    possible = np.zeros((individuals, tracks))
    of_individual, of_track = np.zeros((individuals, 1)), np.zeros((1, tracks))
    for frame in frames:
        rows, columns = list(frame.individuals), list(frame.tracks)
        of_individual[rows] += 1
        of_track[0, columns] += 1
        either = frame.alike.sum(0)[None, :] + frame.alike.sum(1)[:, None] - frame.alike
        share = np.divide(frame.alike, either, out=np.zeros_like(frame.alike), where=either > _EPS)
        possible[np.ix_(rows, columns)] += share
    aligned = possible / np.maximum(of_individual + of_track - possible, _EPS)
    matches = np.zeros((len(_ALPHAS), individuals, tracks))
    for frame in frames:
        score = aligned[np.ix_(list(frame.individuals), list(frame.tracks))] * frame.alike
        for i, j in zip(*linear_sum_assignment(-score), strict=True):
            good = frame.alike[i, j] >= _ALPHAS - _EPS
            matches[good, frame.individuals[i], frame.tracks[j]] += 1
    found = matches.sum((1, 2))
    det_a = found / np.maximum(1.0, of_individual.sum() + of_track.sum() - found)
    jaccard = matches / np.maximum(1.0, of_individual + of_track - matches)
    ass_a = (matches * jaccard).sum((1, 2)) / np.maximum(1.0, found)
    return float(np.sqrt(det_a * ass_a).mean()), float(det_a.mean()), float(ass_a.mean())


def _idf1(frames: Sequence[Frame], individuals: int, tracks: int) -> float:
    shared = np.zeros((individuals, tracks))
    boxes = 0
    for frame in frames:
        boxes += len(frame.individuals) + len(frame.tracks)
        shared[np.ix_(list(frame.individuals), list(frame.tracks))] += frame.alike >= _ENOUGH - _EPS
    return 2.0 * float(shared[linear_sum_assignment(-shared)].sum()) / max(1, boxes)


def _broken(frames: Sequence[Frame], individuals: int) -> tuple[int, int]:
    """Identity switches and fragments: who was followed as the same in the frame before stays so where boxes allow."""
    track_of = [-1] * individuals
    before: dict[int, int] = {}
    switches = fragments = 0
    for frame in frames:
        if not (frame.individuals and frame.tracks):
            continue  # As TrackEval counts.
        same = [[before.get(i) == j for j in frame.tracks] for i in frame.individuals]
        again = np.array(same, np.float64).reshape(frame.alike.shape)
        score = np.where(frame.alike >= _ENOUGH - _EPS, 1000.0 * again + frame.alike, 0.0)
        now = {
            frame.individuals[i]: frame.tracks[j]
            for i, j in zip(*linear_sum_assignment(-score), strict=True)
            if score[i, j] > 0.0
        }
        for individual, track in now.items():
            switches += track_of[individual] not in (-1, track)
            fragments += track_of[individual] >= 0 and individual not in before
            track_of[individual] = track
        before = now
    return switches, fragments
