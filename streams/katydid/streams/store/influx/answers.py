"""What a server answered, other than yes."""

from __future__ import annotations


class Refusal(Exception):
    """The server answered with a status that is no success."""

    def __init__(self, status: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


class NoAnswer(Exception):
    """The server cannot be reached, or did not answer in time: whether it has done what was asked is not known."""
