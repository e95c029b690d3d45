"""What can go wrong with models.

KatydidError
└── ModelError
    ├── BundleError          a bundle that is missing, damaged, from a future version or does not match its digests
    ├── ConversionError      a graph that the converter or importer does not understand; names the operator
    ├── EngineError          an engine cannot open or run a graph
    ├── LabelledDataError    labelled recordings to train or evaluate on that cannot be used
    └── MissingExtra         a package that is not installed; names the extra to install
"""

from __future__ import annotations

from katydid.sensors.errors import KatydidError


class ModelError(KatydidError):
    """Something about a model."""

    exit_code = 4


class BundleError(ModelError):
    """A bundle that may not be used."""


class ConversionError(ModelError):
    """A foreign graph that we cannot take in."""


class EngineError(ModelError):
    """An engine that cannot open or run a graph."""


class LabelledDataError(ModelError):
    """Labelled recordings that cannot be used; names the file, the line and the remedy."""

    exit_code = 3


class MissingExtra(ModelError):
    """A package of an optional extra is needed and absent; `extra` is "" for a package of the base install."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        remedy = f"'katydid[{extra}]'" if extra else package
        super().__init__(f"{purpose} needs the package {package!r}: pip install {remedy}")
        self.package = package
        self.extra = extra
