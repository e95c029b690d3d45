"""From a source to the cluster, until everything was acknowledged: what `katydid push` does.

One thread: take a capture, put its media into the store where they are large, hand it to the uplink, note what was
acknowledged. Nothing is noted before the broker has it, so whatever ends a push, the next one goes on where it was and
sends at most what was in flight again, under the same ids.

A capture that cannot be sent as it is (8 MiB and more without a media store, a file that changed while it was read) is
left out and said so, and the others go on; it is tried again by the next push. A media store or broker that does not
answer is waited for, without end.

No gate for people's privacy stands here yet: what is in the folder is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from katydid.sensors.capture import Capture
from katydid.sensors.errors import EnvelopeError, MediaStoreDown, ScratchUnusable, SourceError
from katydid.sensors.limits import MIB, Limits
from katydid.sensors.media_store import MediaStore, local_path
from katydid.sensors.scratch import no_room, scratch_folder
from katydid.sensors.sources.protocol import Position, Source, Taken
from katydid.sensors.uplink.flac import as_flac
from katydid.sensors.uplink.health import PushHealth
from katydid.sensors.uplink.journal import JournalUnusable, PushJournal
from katydid.sensors.uplink.kafka import KafkaUplink

WATCH_S = 0.2
"""How often the watcher is told, seconds."""
STALLED_S = 10.0
"""Nothing acknowledged for so long, with something in flight: said once, and again after ten times as long."""
STOP_S = 5.0
"""How long what is in flight is waited for after Ctrl-C."""
_FIRST_REST_S, _LONGEST_REST_S = 1.0, 60.0
_NOTES = 20
"""Captures left out that are named one by one; the rest are counted."""


class PushProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a push stands."""

    acknowledged: int = 0
    acknowledged_bytes: int = 0
    in_flight: int = 0
    in_flight_bytes: int = 0
    left_out: int = 0
    stored: int = 0
    """Captures whose media went into the store."""
    flac: int = 0
    elapsed_s: float = 0.0
    trouble: str = ""

    @property
    def bytes_per_s(self) -> float:
        """Acknowledged bytes a second."""
        return self.acknowledged_bytes / self.elapsed_s if self.elapsed_s > 0 else 0.0


Watch = Callable[[PushProgress], None]
Notify = Callable[[str], None]


class Push:
    """One push. `run` it once; its results are in `progress`."""

    def __init__(
        self,
        source: Source,
        uplink: KafkaUplink,
        *,
        watch: Watch,
        notify: Notify,
        journal: PushJournal | None = None,
        store: MediaStore | None = None,
        flac: bool = False,
        limits: Limits | None = None,
        health: PushHealth | None = None,
    ) -> None:
        self._source = source
        self._uplink = uplink
        self._journal = journal
        self._store = store
        self._flac = flac
        self._limits = limits or Limits()
        self._watch = watch
        self._notify = notify
        self._health = health
        self._left_out = self._stored = self._flacs = self._skipped = 0
        self._cluster = ""
        self._began = self._watched = time.monotonic()
        self._last = (self._began, 0, STALLED_S)
        uplink.waiting = self._tick

    @property
    def progress(self) -> PushProgress:
        """Where it stands now."""
        up = self._uplink
        return PushProgress(
            acknowledged=up.acknowledged,
            acknowledged_bytes=up.acknowledged_bytes,
            in_flight=up.in_flight,
            in_flight_bytes=up.in_flight_bytes,
            left_out=self._left_out,
            stored=self._stored,
            flac=self._flacs,
            elapsed_s=time.monotonic() - self._began,
            trouble=up.trouble,
        )

    def run(self) -> PushProgress:
        """Send everything that is new; returns when all of it was acknowledged.

        Raises UplinkError where the broker refuses, SourceError where the source or journal cannot be used,
        ScratchUnusable where there is no room for a FLAC, and KeyboardInterrupt. Whatever it raises, what was
        acknowledged until then is noted.
        """
        try:
            self._cluster = self._uplink.connect(self._unreachable)
            for taken in self._source.captures(self._settled):
                self._take(taken)
                self._tick()
            while self._uplink.in_flight:
                self._uplink.poll(WATCH_S)
                self._tick()
            self._report()
        finally:
            self._uplink.close(STOP_S)
            if self._journal is not None:
                self._journal.flush()
        if self._left_out > _NOTES:
            self._notify(f"{self._left_out - _NOTES:,} more were left out")
        return self.progress

    def rest(self, seconds: float) -> None:
        """Do nothing for so long but take in what is acknowledged: what a source does between two looks."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._uplink.poll(min(left, WATCH_S))
            self._tick()

    # ------------------------------------------------------------------ one capture

    def _take(self, taken: Taken) -> None:
        try:
            with self._sendable(taken.capture) as capture:
                if self._health is not None:
                    self._health.taken(capture.capture_id)
                self._uplink.send(capture, lambda: self._durable(taken))
        except JournalUnusable:  # Comes through here where something is acknowledged meanwhile.
            raise
        except (EnvelopeError, SourceError) as exc:
            self._leave(taken.capture, str(exc))
            if self._health is not None:
                self._health.left_out(taken.capture.capture_id)

    @contextmanager
    def _sendable(self, capture: Capture) -> Iterator[Capture]:
        """The capture as it can travel: its media inside it, or in the store."""
        if capture.payload_ref is None:
            yield capture
            return
        if not self._flac:
            yield self._placed(capture)
            return
        with scratch_folder("katydid-push-") as folder:
            smaller = self._smaller(capture, local_path(capture.payload_ref.url), folder)
            self._flacs += smaller is not None
            yield self._placed(smaller or capture)

    def _smaller(self, capture: Capture, path: Path, folder: Path) -> Capture | None:
        try:
            return as_flac(capture, path, folder / "copy.flac", self._limits)
        except OSError as exc:
            raise ScratchUnusable(no_room(exc)) from exc

    def _placed(self, capture: Capture) -> Capture:
        ref = capture.payload_ref
        if ref is None:
            return capture
        if self._store is None:
            raise SourceError(
                f"{ref.length / MIB:,.0f} MiB are over the {self._limits.inline_bytes / MIB:,.0f} MiB that travel in a "
                "message: say where large media go with --media-store file:///SHARED/FOLDER or s3://BUCKET/PATH"
                + ("" if self._flac else ", or try --as-flac for WAV")
            )
        rest = _FIRST_REST_S
        while True:
            try:
                kept = self._store.put(local_path(ref.url), ref.sha256, ref.length)
            except MediaStoreDown as exc:
                self._notify(f"{exc}; trying again in {rest:.0f} s")
                self.rest(rest)
                rest = min(2 * rest, _LONGEST_REST_S)
            else:
                self._stored += 1
                return msgspec.structs.replace(capture, payload_ref=kept)

    def _leave(self, capture: Capture, why: str) -> None:
        self._left_out += 1
        if self._left_out <= _NOTES:
            self._notify(f"{capture.file or capture.capture_id} was not sent: {why}")

    # ------------------------------------------------------------------ what was acknowledged, and who is told

    def _settled(self, position: Position) -> bool:
        settled = self._journal is not None and self._journal.has(self._cluster, position)
        self._skipped += settled
        return settled

    def _durable(self, taken: Taken) -> None:
        if self._journal is not None:
            self._journal.acknowledge(self._cluster, taken.position)
        self._source.durable(taken.position)
        if self._health is not None:
            self._health.acknowledged(taken.capture.capture_id, self._uplink.append_ms)

    def _report(self) -> None:
        """Say how it stands, to who watches over the devices."""
        if self._health is None:
            return
        up = self._uplink
        done = self._skipped + up.acknowledged + self._left_out
        readings = [self._health.reading(pushed_bytes=up.acknowledged_bytes, done=done), *self._health.live()]
        for reading in readings:
            up.report(reading, self._unheard)

    def _unheard(self, why: str) -> None:
        if self._health is not None:
            self._health = None
            self._notify(f"no health readings are sent: {why}")

    def _tick(self) -> None:
        """Between two captures, and while waiting."""
        now = time.monotonic()
        if now - self._watched < WATCH_S:
            return
        self._watched = now
        if self._journal is not None:
            self._journal.tick()
        if self._health is not None and self._health.due():
            self._report()
        progress = self.progress
        self._watch(progress)
        since, acknowledged, patience = self._last
        if acknowledged != progress.acknowledged or not progress.in_flight:
            self._last = (now, progress.acknowledged, STALLED_S)
        elif now - since >= patience:
            self._last = (since, acknowledged, patience * 10)
            self._say_waiting(now - since, progress.trouble)

    def _unreachable(self, seconds: float, trouble: str) -> bool:
        self._watch(self.progress)
        since, acknowledged, patience = self._last
        if seconds >= patience:
            self._last = (since, acknowledged, patience * 10)
            self._say_waiting(seconds, trouble)
        return False

    def _say_waiting(self, seconds: float, trouble: str) -> None:
        why = f" ({trouble})" if trouble else ""
        self._notify(f"nothing was acknowledged for {seconds:.0f} s{why}; going on trying, Ctrl-C ends it")
