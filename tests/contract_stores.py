"""What the contract suite may ask of a store of any kind, beyond the five reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from katydid.models.outcome import Outcome
from katydid.streams.store import Store
from katydid.streams.store.protocol import Followed


class KeptStore(Store, Followed, Protocol):
    """A `Store` that also tells what it holds, and follows."""

    def follow(self) -> int: ...

    def outcome(self, capture_id: str) -> Outcome | None: ...
    def known(self, capture_ids: Iterable[str]) -> set[str]: ...
    def content_hash(self) -> str: ...
