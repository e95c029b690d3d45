"""From a file's bytes and name to its Capture: what every source that hands out files does with them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import tzinfo

import msgspec

from katydid.sensors import clock, identity, metadata
from katydid.sensors.capture import Capture, Kind, MediaRef, Place
from katydid.sensors.metadata import FileFacts

_CARD_FOLDER = re.compile(r"DCIM|\d{3}[A-Z0-9_]{5}", re.IGNORECASE)
"""What cameras name the folders of a card (JEITA CP-3461): they name no sensor."""


class Assembly(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside the file itself.

    `sensor` names the sensor of files that carry no serial number; else it is the first folder of their name, else
    `name`. `zone` is an IANA name or offset for readings without one; `place` stands in where a file has none.
    `machine_zone` and `now_ns` stand in for this machine's in tests.
    """

    name: str
    sensor: str | None = None
    zone: str | None = None
    place: Place | None = None
    machine_zone: tzinfo | None = None
    now_ns: Callable[[], int] | None = None

    def capture(
        self,
        file: str,
        kind: Kind,
        facts: FileFacts,
        *,
        media_type: str,
        sha256: str,
        length: int,
        date_ns: int | None = None,
        payload: bytes | None = None,
        ref: MediaRef | None = None,
        refusal: str = "",
    ) -> Capture:
        """The capture of a file named `file` ("/" between parts); `date_ns` is the file's date, UTC."""
        reading = clock.chosen(facts.readings)
        captured_at, how = clock.resolve(
            facts.readings,
            zone_option=self.zone,
            file_date_ns=date_ns,
            now_ns=self.now_ns() if self.now_ns else None,
            machine_zone=self.machine_zone,
        )
        sensor_id = facts.serial or self.sensor or self._by_folder(file)
        return Capture(
            capture_id=identity.capture_id(
                sensor_id=sensor_id,
                recorded=reading.recorded if reading else "",
                recorded_ms=reading.recorded_ms if reading else None,
                sequence=facts.sequence,
                sha256=sha256,
            ),
            sensor_id=sensor_id,
            kind=kind,
            captured_at=captured_at,
            clock=how,
            media_type=media_type,
            payload=payload,
            payload_ref=ref,
            sha256=sha256,
            length=length,
            sequence=facts.sequence,
            place=facts.place or self.place,
            facts=facts.facts,
            file=file,
            refusal=refusal,
        )

    def refused(self, file: str, kind: Kind, refusal: str, *, size: int, date_ns: int | None = None) -> Capture:
        """A capture without bytes: what stands for its digest is its name and size, which is all that is known."""
        digest = hashlib.sha256(f"{file}\0{size}".encode()).hexdigest()
        facts = metadata.file_name.read(file.rpartition("/")[2], kind)
        return self.capture(
            file, kind, facts, media_type="", sha256=digest, length=size, date_ns=date_ns, payload=b"", refusal=refusal
        )

    def _by_folder(self, file: str) -> str:
        folders = file.split("/")[:-1]
        return folders[0] if folders and not _CARD_FOLDER.fullmatch(folders[0]) else self.name
