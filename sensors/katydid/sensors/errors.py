"""What can go wrong between the field and the models.

KatydidError                 a message for a person: what, where, what to do
└── SensorError
    ├── RefusedMedia         these bytes cannot be used; `reason` is a short code, the message says it in words
    │   ├── OverLimit        more pixels, seconds, channels or expansion than a sensor may send
    │   └── Undecodable      truncated, not what it says it is, or broken
    ├── SourceError          a source cannot be read at all (no such folder, no permission)
    ├── EnvelopeError        a message that is not a capture, or from a future version
    │   └── MediaDiffer      its header names a capture, and its value is not that capture's media
    ├── MediaStoreError      a place for large media that cannot be used as it was asked for
    ├── MediaStoreDown       it does not answer now; the same later may go through
    ├── FolderUnwritable     the folder that a live source writes to is full, or may not be written
    ├── ScratchUnusable      the machine's temporary folder is full, or may not be written
    └── UplinkError          what receives captures refuses them: password, certificate, topic, rights, size
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from katydid.sensors.capture import Capture


class KatydidError(Exception):
    """Base of all errors that are meant for a person; the command line prints the message and `exit_code`."""

    exit_code = 1


class SensorError(KatydidError):
    """Something about media or their source."""


class RefusedMedia(SensorError):
    """Bad input: it becomes a refused outcome, never a crash.

    `reason` is a short code such as "truncated", "too_many_pixels", "not_media", "empty_file".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OverLimit(RefusedMedia):
    """Checked on the header, before anything is decoded."""


class Undecodable(RefusedMedia):
    """The decoder, or our reading of the header, says no."""


class SourceError(SensorError):
    """A source as a whole cannot be read."""

    exit_code = 3


class EnvelopeError(SensorError):
    """A message that is not one of ours."""


class MediaDiffer(EnvelopeError):
    """The header can be believed and the value cannot. `capture` is the one that the header names, without media."""

    def __init__(self, message: str, capture: Capture) -> None:
        super().__init__(message)
        self.capture = capture


class MediaStoreError(SensorError):
    """A media store that cannot be: no URL, or a package that is not installed."""

    exit_code = 2


class MediaStoreDown(SensorError):
    """The store of large media does not answer, or cannot be written: nothing is wrong with the capture."""

    exit_code = 75


class FolderUnwritable(SensorError):
    """What a live source captures cannot be kept: the disk is full, or read-only."""

    exit_code = 6


class ScratchUnusable(SensorError):
    """There is no room for temporary files."""

    exit_code = 6


class UplinkError(SensorError):
    """The receiving side says no, and would go on saying it."""

    exit_code = 7
