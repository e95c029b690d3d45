"""What the contract suite may ask of a store of any kind, beyond the five reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from katydid.models.outcome import Outcome
from katydid.streams.store import Store


class KeptStore(Store, Protocol):
    """A `Store` that also tells what it holds."""

    def outcome(self, capture_id: str) -> Outcome | None: ...
    def known(self, capture_ids: Iterable[str]) -> set[str]: ...
    def content_hash(self) -> str: ...
