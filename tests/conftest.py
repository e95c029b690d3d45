"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Real servers, where they can be had.
pytest_plugins = ["server_fixtures"]

# Other work on the machine must not fail a property: pytest-timeout bounds each test.
settings.register_profile("katydid", deadline=None)
settings.load_profile("katydid")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings, photos and models beside the checkout; see its SOURCES.md."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real recordings and photos are not here: ../shared/data is absent")
    return folder
