"""Asking again: for a server in trouble, with jitter, until it answers, or one is stopped or out of patience.

answer                         what follows
429, 502, 503, 504, no answer  the same again after a pause, until stopped or out of patience
500 and other 5xx              the same, a bounded number of times: a server may say 500 for ever to the same bytes
400, 413, 422                  Refusal: the caller's business, asking again would not help
401, 403, 404, other 4xx       StoreUnusable: nothing will get better by itself
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from katydid.streams.errors import StoreUnreachable, StoreUnusable
from katydid.streams.store.influx.answers import NoAnswer, Refusal

T = TypeVar("T")

POISONED = frozenset({400, 413, 422})
PATIENT = frozenset({408, 429, 502, 503, 504})

REMEDIES = {
    401: "the token is not accepted: set KATYDID_INFLUX_TOKEN to a token of this server",
    403: "the token may not do this: make one that may read and write this bucket",
    404: "there is no such bucket, or the token may not use it: make the bucket, or a token that may",
}


@dataclass(frozen=True)
class Patience:
    """How long one waits for a server that has troubles of its own."""

    first_s: float = 0.2
    """Longest first pause; it doubles, and what is waited is a random part of it."""
    longest_s: float = 15.0
    same_bytes: int = 10
    """How often 500 is taken for an answer to the same request."""
    total_s: float | None = None
    """For an answer that is not 500; None: until stopped."""


class Insistence:
    """Requests that are made until they are answered. Lives on one event loop."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._stopped = asyncio.Event()
        self.retries = 0
        """Requests that were made again."""

    def stop(self) -> None:
        """Wait for nothing any more: what is waiting raises StoreUnreachable."""
        self._stopped.set()

    async def insist(self, request: Callable[[], Awaitable[T]]) -> T:
        """Its answer. Raises Refusal for 400, 413 and 422 alone; StoreUnusable, StoreUnreachable."""
        began, tries = asyncio.get_running_loop().time(), 0
        while True:
            least = 0.0
            try:
                return await request()
            except Refusal as refusal:
                if refusal.status in POISONED:
                    raise
                tries += 1
                if not self._worth_another(refusal, tries):
                    raise _unusable(refusal, tries) from refusal
                least, said = refusal.retry_after_s or 0.0, str(refusal)
            except NoAnswer as error:
                tries, said = tries + 1, str(error)
            await self._pause(tries, least, began, said)

    def _worth_another(self, refusal: Refusal, tries: int) -> bool:
        return refusal.status in PATIENT or (refusal.status >= 500 and tries < self._patience.same_bytes)

    async def _pause(self, tries: int, least_s: float, began: float, said: str) -> None:
        """Wait a random while. Raises StoreUnreachable when stopped meanwhile, or out of patience."""
        patience = self._patience
        most = min(patience.longest_s, patience.first_s * 2 ** min(tries - 1, 30))
        pause = min(max(random.uniform(0, most), least_s), 4 * patience.longest_s)
        now = asyncio.get_running_loop().time()
        if patience.total_s is not None and now + pause > began + patience.total_s:
            raise StoreUnreachable(f"InfluxDB gave no good answer in {patience.total_s:g} s ({said}): is it running?")
        self.retries += 1
        try:
            await asyncio.wait_for(self._stopped.wait(), pause)
        except TimeoutError:
            return
        raise StoreUnreachable(f"stopped while InfluxDB gave no good answer ({said}); nothing of it was acknowledged")


def _unusable(refusal: Refusal, tries: int) -> StoreUnusable:
    remedy = REMEDIES.get(refusal.status)
    if remedy is None:
        again = f"{tries} times to the same request: see the server's log, and whether its disk is full"
        remedy = again if refusal.status >= 500 else "is that an InfluxDB 2, with no proxy in between?"
    return StoreUnusable(f"InfluxDB answers {refusal}; {remedy}")
