"""What can be asked of a store: five reads, all answered as Arrow tables."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec
import pyarrow as pa

from katydid.models.outcome import Outcome
from katydid.streams.sink import Sink


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A half-open stretch of UTC time, nanoseconds: start <= captured_at < end. None: unbounded."""

    start: int | None = None
    end: int | None = None


class By(StrEnum):
    """How wide one row of activity is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class OutcomeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which outcomes; an empty tuple means any."""

    window: Window = Window()
    sensors: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    taxa: tuple[str, ...] = ()
    """Taxon ids or scientific names; rows of detections that match."""
    min_confidence: float = 0.0
    limit: int | None = None


class Store(Sink, Protocol):
    """A sink that can be read. Columns of each answer are in `store/columns.py`."""

    def activity(self, window: Window, by: By, taxa: Sequence[str] = ()) -> pa.Table:
        """ACTIVITY: per sensor, time bin and taxon: detections, mean confidence, and the effort behind them; bins
        with effort and no detection have a row with taxon_id null."""

    def outcomes(self, filter: OutcomeFilter) -> pa.Table:
        """OUTCOME: one row per outcome, ordered by captured_at and capture_id."""

    def detections(self, filter: OutcomeFilter) -> pa.Table:
        """DETECTION: one row per detection of the outcomes that `filter` picks, in the same order, then ordinal."""

    def detection(self, detection_id: str) -> Outcome | None:
        """The whole outcome that holds the detection (its evidence for `explain`), or None."""

    def latest(self, n: int) -> pa.Table:
        """DETECTION: the n newest."""

    def sensors(self) -> pa.Table:
        """SENSOR: per sensor: captures by status, first and last capture, effort."""


@runtime_checkable
class Followed(Protocol):
    """A store that keeps individuals and bouts beside the detections that they gather."""

    def occurrences(self, filter: OutcomeFilter) -> pa.Table:
        """OCCURRENCE: those first seen in the window, by first_seen and occurrence_id, as far as they were followed."""

    def unfollowed(self) -> int:
        """Sensor nights that have detections which were not followed yet."""
