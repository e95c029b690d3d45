"""One simulated file with what is really in it, and the capture that a folder source would make of it."""

from __future__ import annotations

import hashlib

import msgspec

from katydid.sensors import metadata, signature
from katydid.sensors.capture import Capture, Kind
from katydid.sensors.sources.assembly import Assembly
from katydid.sensors.sources.simulated.truth import Truth


class SimulatedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file, and what is really in it."""

    name: str
    """Below the media folder, "/" between parts."""
    kind: Kind
    data: bytes
    truth: tuple[Truth, ...]
    """Of a duplicate: empty, for what it shows was told already."""
    arrived: float | None = None
    """When it reached whoever reads it, seconds since 1970: also the date of the file."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def capture(self, assembly: Assembly, sha256: str) -> Capture:
        """What `FolderSource` makes of the file: from its bytes, name and date, and from nothing of the truth."""
        date_ns = None if self.arrived is None else round(self.arrived * 1e9)
        if not self.data:
            refusal = "empty_file: the file has no bytes"
            return assembly.refused(self.name, self.kind, refusal, size=0, date_ns=date_ns)
        return assembly.capture(
            self.name,
            self.kind,
            metadata.read(self.data, self.kind, self.name.rpartition("/")[2]),
            media_type=signature.media_type(self.data[: signature.HEAD_BYTES]),
            sha256=sha256,
            length=len(self.data),
            date_ns=date_ns,
            payload=self.data,
        )
