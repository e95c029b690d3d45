"""How a live source is: what it counts, the note of it in its folder, and how `katydid push` finds that note.

A capture and a push are two processes, which may live on two machines that share a folder. So the source writes how it
is into `.health.json` of its own folder, each minute and at its end, and a push of the folder above sends on what it
finds there, with the time at which it was written: the same reading twice is one reading.
"""

from __future__ import annotations

import shutil
import time
from importlib.metadata import version
from pathlib import Path

import msgspec

from katydid.sensors.capture import Health
from katydid.sensors.sources.live_folder import HEALTH, LiveFolder

EVERY_S = 60.0
_LONGEST = 64 * 1024
_MOST_SENSORS = 1000


class LiveCounts(msgspec.Struct, kw_only=True):
    """What every live source counts, since its start."""

    kept: int = 0
    reconnects: int = 0
    away_s: float = 0.0
    """Without a stream."""

    @property
    def lost(self) -> int:
        """Frames or pieces of sound that were there and were not kept."""
        return 0

    @property
    def blind_s(self) -> float:
        """Seconds without a usable picture or sound."""
        return self.away_s


class _Note(msgspec.Struct, frozen=True):
    """What `.health.json` holds."""

    health: Health
    source: str
    counts: dict[str, float]


class LiveNotes:
    """Writes the note of one source, when it is due."""

    def __init__(self, folder: LiveFolder, source: str, counts: LiveCounts) -> None:
        """`source`: what it reads, without secrets."""
        self._folder, self._source, self._counts = folder, source, counts
        self._began = self._noted = time.monotonic()

    def tick(self) -> None:
        """Write it if a minute has passed."""
        if time.monotonic() - self._noted >= EVERY_S:
            self.write()

    def write(self) -> None:
        """Write it now."""
        self._noted = time.monotonic()
        counts = self._counts
        health = Health(
            sensor_id=self._folder.sensor,
            at=time.time_ns(),
            storage_free_bytes=_free(self._folder.directory),
            uptime_s=self._noted - self._began,
            captured=counts.kept,
            lost=counts.lost,
            reconnects=counts.reconnects,
            blind_s=counts.blind_s,
            version=version("katydid"),
        )
        note = _Note(health, self._source, msgspec.structs.asdict(counts))
        self._folder.note_health(msgspec.json.format(msgspec.json.encode(note)))


def read_notes(root: Path) -> list[Health]:
    """What the live sources that capture into `root` said last. What is no such note is passed over."""
    found: list[Health] = []
    try:
        notes = sorted(root.glob(f"*/{HEALTH}"))[:_MOST_SENSORS]
    except OSError:  # A card that was pulled out.
        return []
    for path in notes:
        try:
            with path.open("rb") as file:
                found.append(msgspec.json.decode(file.read(_LONGEST), type=_Note).health)
        except (OSError, msgspec.DecodeError):
            continue
    return found


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
