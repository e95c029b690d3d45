"""What the store must hold in the end: the same captures through the same pipeline, with nothing in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from katydid.models.library import default_library
from katydid.models.settings import IdentifySettings
from katydid.sensors.capture import Capture
from katydid.sensors.sources.protocol import Position, Taken
from katydid.streams.chosen import chosen_bundles, open_models
from katydid.streams.context import Situator
from katydid.streams.pipeline import Pipeline
from katydid.streams.store import DuckDBStore, open_store
from katydid.streams.tunables import PipelineSettings


def expected_store(captures: Iterable[Capture], names: Sequence[str], path: Path) -> DuckDBStore:
    """A DuckDB store at `path` that holds the outcome of each capture, identified by the bundles of these names."""
    library = default_library()
    settings, identify = PipelineSettings.for_this_machine(), IdentifySettings()
    models = open_models(chosen_bundles(library, names), slots=settings.workers)
    situator = Situator.open(library, None, identify, slots=settings.workers)
    store = open_store(path)
    with Pipeline(models, store, settings, identify=identify, situate=situator) as pipeline:
        for number, capture in enumerate(captures):
            position = Position(source="oracle", partition="0", offset=number)
            pipeline.put_wait(Taken(capture=capture, position=position))
    for model in (*models, *situator.models()):
        model.close()
    return store
