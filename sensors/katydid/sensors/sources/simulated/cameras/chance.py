"""Chance that can be asked out of order: a number for (seed, keys), and smooth noise as a function of time."""

from __future__ import annotations

import math
import random

_MASK = (1 << 64) - 1


def mixed(*keys: int) -> int:
    """64 bits that depend on every key (SplitMix64's finaliser, Steele et al. 2014, over each in turn)."""
    state = 0x9E3779B97F4A7C15
    for key in keys:
        state = (state + (key & _MASK) * 0xD1342543DE82EF95 + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def uniform(*keys: int) -> float:
    """0 ≤ x < 1 for the keys."""
    return (mixed(*keys) >> 11) * 2.0**-53


def stream(*keys: int) -> random.Random:
    """A generator of its own for the keys."""
    return random.Random(mixed(*keys))


def smooth(at: float, period: float, *keys: int) -> float:
    """Value noise, 0..1: random values `period` apart, joined by a smoothstep."""
    place = at / period
    whole = math.floor(place)
    part = place - whole
    part = part * part * (3.0 - 2.0 * part)
    first, second = uniform(*keys, whole), uniform(*keys, whole + 1)
    return first + (second - first) * part
