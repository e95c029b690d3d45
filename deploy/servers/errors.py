"""What can go wrong with a server; the tree is drawn in the package's docstring."""

from __future__ import annotations


class ServerError(Exception):
    """A server for tests could not be had."""


class ServerMissing(ServerError):
    """It is not built here, or what it runs on is not installed. The message says what to do."""


class ServerFailed(ServerError):
    """It was started and ended by itself, or was not ready in time. The message ends with the last lines of its
    log."""
