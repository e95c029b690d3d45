"""What can go wrong between the models and the reader.

KatydidError
└── StreamError
    ├── StoreError
    │   ├── StoreBusy          another process has the store open                          exit code 5
    │   ├── StoreUnusable      no store, damaged, or written by a newer Katydid            exit code 5
    │   │   ├── StoreReadOnly  the place may not be written to                             exit code 6
    │   │   └── Unkeepable     one thing that the store will never take; others it takes   exit code 5
    │   ├── StoreUnreachable   the store's server does not answer                          exit code 5
    │   └── StoreFull          no room left on the disk                                    exit code 6
    ├── ExportError            an export cannot be written                                 exit code 6
    └── MediaLost              the original of a detection is gone, changed or broken      exit code 3

After any of them nothing is half written: the transaction that met the error is rolled back, and what was durable
before is still there.
"""

from __future__ import annotations

from katydid.sensors.errors import KatydidError


class StreamError(KatydidError):
    """Something about moving, keeping or showing outcomes."""


class StoreError(StreamError):
    """Something about a store."""

    exit_code = 5


class StoreBusy(StoreError):
    """Another process has the store open; one process owns a store."""


class StoreUnusable(StoreError):
    """What lies there cannot be used as a store."""


class StoreReadOnly(StoreUnusable):
    """The place may be read but not written."""

    exit_code = 6


class Unkeepable(StoreUnusable):
    """One thing that the store will never take, however often it is asked; others it takes."""


class StoreUnreachable(StoreError):
    """The server that keeps the store does not answer, or only with troubles of its own."""


class StoreFull(StoreError):
    """No room left to write."""

    exit_code = 6


class ExportError(StreamError):
    """A file of an export cannot be written."""

    exit_code = 6


class MediaLost(StreamError):
    """The original behind a detection is gone, has changed since, or cannot be decoded."""

    exit_code = 3
