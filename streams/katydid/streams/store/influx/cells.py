"""Numbers out of an answer."""

from __future__ import annotations


def whole(cell: object) -> int:
    """An integer field or a time. Raises TypeError for what is none."""
    if isinstance(cell, bool) or not isinstance(cell, int):
        raise TypeError(f"{cell!r} is no whole number")
    return cell


def real(cell: object) -> float:
    """A float field; one that is whole comes without its point. Raises TypeError for what is none."""
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise TypeError(f"{cell!r} is no number")
    return float(cell)
