"""What a store remembers of the runs that filled it: models, settings, and what a person said about its folder."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from katydid.models.bundle import Bundle
from katydid.models.manifest import BundleManifest
from katydid.models.settings import IdentifySettings
from katydid.sensors.capture import Place
from katydid.streams.store import DuckDBStore


class MadeWith(msgspec.Struct, frozen=True, kw_only=True):
    """Models and settings of one run."""

    models: tuple[str, ...]
    digests: tuple[str, ...]
    settings: str

    def words(self) -> str:
        """For a person."""
        return f"{', '.join(self.models)} with settings {self.settings[:8]}"


def made_with(found: Sequence[Bundle], settings: IdentifySettings) -> MadeWith:
    """What a run with these bundles and settings makes."""
    bundles = sorted(found, key=lambda bundle: bundle.name)
    return MadeWith(
        models=tuple(bundle.manifest.model for bundle in bundles),
        digests=tuple(bundle.digest for bundle in bundles),
        settings=settings.digest(),
    )


def credits_of(store: DuckDBStore) -> list[BundleManifest]:
    """The manifests of all bundles that a store's runs used."""
    return msgspec.json.decode(store.meta("credits") or "[]", type=list[BundleManifest])


def title_of(store: DuckDBStore) -> str:
    """What the report is called."""
    return store.meta("title") or f"What was found in {store.meta('folder_name') or 'these recordings'}"


def kept(store: DuckDBStore, key: str, given: str | None) -> str | None:
    """What was given now, and is kept for later runs; else what an earlier run kept."""
    return store.meta(key) if given is None else keep(store, key, given)


def kept_place(store: DuckDBStore, given: Place | None) -> Place | None:
    """`kept` for a place."""
    word = kept(store, "place", None if given is None else msgspec.json.encode(given).decode())
    return None if word is None else msgspec.json.decode(word, type=Place)


def keep(store: DuckDBStore, key: str, value: str) -> str:
    """Keep a word in the store; returns it."""
    if store.meta(key) != value:
        store.set_meta(key, value)
    return value
