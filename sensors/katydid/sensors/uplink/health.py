"""What a push says of itself, now and then: whether it gets through, how much waits, how full the disk is, and how far
this machine's clock is from the broker's.

It travels on the topic of health readings under the name of the folder, and is worth nothing by the side of a capture:
it is sent once in a while and at the end, is never waited for, and where the topic is missing or may not be written
that is said once and the push goes on without.

**The clock.** A broker that stamps messages with its own time (`LogAppendTime`, as `katydid topics create` asks for)
says it in its acknowledgement. The smallest difference of many is the one that waited least on its way back; what is
left of that way is in it. Where the broker leaves stamps alone nothing is known, and nothing is said.
"""

from __future__ import annotations

import shutil
import time
from collections import OrderedDict
from importlib.metadata import version
from pathlib import Path

from katydid.sensors.capture import Health
from katydid.sensors.sources.live_health import read_notes

EVERY_S = 300.0
"""A few hundred bytes every five minutes: 0.1 MB a day."""


class PushHealth:
    """Gathers what a push knows. One thread."""

    def __init__(self, sensor_id: str, folder: Path | None, *, total: int = 0, every_s: float = EVERY_S) -> None:
        """`folder`: what is pushed, for the room on its disk; `total`: files that it held at the start."""
        self.sensor_id = sensor_id
        self._folder = folder
        self._total = total
        self._every_s = every_s
        self._last = time.monotonic()
        self._waiting: OrderedDict[str, float] = OrderedDict()
        self._last_capture: str | None = None
        self._offset_s: float | None = None

    def taken(self, capture_id: str) -> None:
        """This capture waits for its acknowledgement from now on."""
        self._waiting.setdefault(capture_id, time.monotonic())

    def acknowledged(self, capture_id: str, broker_ms: int | None) -> None:
        """It waits no more; `broker_ms` is the broker's time then (ms since 1970), where it told."""
        self._waiting.pop(capture_id, None)
        self._last_capture = capture_id
        if broker_ms is not None:
            offset = time.time() - broker_ms / 1000
            self._offset_s = offset if self._offset_s is None else min(self._offset_s, offset)

    def left_out(self, capture_id: str) -> None:
        """It cannot be sent, and waits no more."""
        self._waiting.pop(capture_id, None)

    def due(self) -> bool:
        """Whether it is time for a reading."""
        return time.monotonic() - self._last >= self._every_s

    def reading(self, *, pushed_bytes: int, done: int) -> Health:
        """The reading of this moment; the next is due after a while. `done`: files that need not be looked at any
        more, sent before or now, or left out."""
        now = time.monotonic()
        self._last = now
        offset, self._offset_s = self._offset_s, None
        return Health(
            sensor_id=self.sensor_id,
            at=time.time_ns(),
            storage_free_bytes=self._free(),
            last_capture_id=self._last_capture,
            pushed_bytes=pushed_bytes,
            backlog=max(len(self._waiting), self._total - done),
            oldest_waiting_s=now - next(iter(self._waiting.values()), now),
            clock_offset_s=offset,
            version=version("katydid"),
        )

    def live(self) -> list[Health]:
        """What the live sources that capture into the folder said last (`katydid capture`)."""
        return [] if self._folder is None else read_notes(self._folder)

    def _free(self) -> int | None:
        if self._folder is None:
            return None
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:  # A card that was pulled out.
            return None
