"""Where bundles lie on this machine: the user's own folder first, then those that ship with the package.

A library is a list of folders; each entry of a folder that holds a `bundle.json`, or is a zip, is a bundle. Of two
bundles with one name the one in the earlier folder counts, and in one folder the higher version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from katydid.models.bundle import Bundle, open_bundle, read_manifest, write_bundle
from katydid.models.bundle_files import BUNDLE_FILE, open_files
from katydid.models.errors import BundleError
from katydid.models.manifest import BundleKind, BundleManifest
from katydid.sensors.capture import Kind

BUNDLED = Path(__file__).parent / "bundled"
"""The bundles that ship with the package."""

CLASSIFIER_OF = {Kind.FRAME: BundleKind.IMAGE_CLASSIFIER, Kind.CLIP: BundleKind.SOUND_CLASSIFIER}


@dataclass(frozen=True)
class Shelf:
    """One bundle as a list shows it: its manifest is read, its files are not verified yet."""

    path: Path
    manifest: BundleManifest


class Library:
    """Bundles by name."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self.directories = tuple(directories)

    def shelves(self) -> list[Shelf]:
        """One entry a name, sorted by name. Bundles that cannot be read are left out; `problems` tells them."""
        return sorted(self._look()[0].values(), key=lambda shelf: shelf.manifest.name)

    def problems(self) -> list[BundleError]:
        """What lies in the library and cannot be read."""
        return list(self._look()[1].values())

    def names(self) -> list[str]:
        """Sorted."""
        return [shelf.manifest.name for shelf in self.shelves()]

    def open(self, name: str) -> Bundle:
        """Open a bundle by its name, or by its path. Raises BundleError that names what there is."""
        shelves, problems = self._look()
        if name in shelves:
            return open_bundle(shelves[name].path)
        if Path(name).exists() and ("/" in name or "\\" in name or Path(name).suffix == ".zip"):
            return open_bundle(Path(name))
        for path, problem in problems.items():
            if name in (path.name, path.stem):
                raise problem
        known = ", ".join(sorted(shelves)) or "none"
        raise BundleError(f"no model named {name!r} (there are: {known}): see 'katydid models add --help'")

    def fitting(self, kind: Kind) -> list[Bundle]:
        """What runs on frames or on clips without being named: the classifiers, and detectors that say so; opened, in
        the order of their names. Raises BundleError."""
        return [open_bundle(shelf.path) for shelf in self.shelves() if _fits(shelf.manifest, kind)]

    def priors(self) -> list[Bundle]:
        """The place-and-season priors, opened. Raises BundleError."""
        return [open_bundle(shelf.path) for shelf in self.shelves() if shelf.manifest.kind is BundleKind.PRIOR]

    def add(self, source: Path, *, replace: bool = False) -> Bundle:
        """Copy a bundle, verified, into the first folder. Raises BundleError where one of its name is there."""
        bundle = open_bundle(source)
        contents = {name: bundle.read(name) for name in bundle.manifest.files}
        return write_bundle(self.directories[0] / bundle.name, bundle.manifest, contents, replace=replace)

    def _look(self) -> tuple[dict[str, Shelf], dict[Path, BundleError]]:
        found: dict[str, Shelf] = {}
        problems: dict[Path, BundleError] = {}
        for directory in self.directories:
            here: dict[str, Shelf] = {}
            for path in _candidates(directory):
                try:
                    shelf = Shelf(path, read_manifest(path, open_files(path).read(BUNDLE_FILE)))
                except BundleError as error:
                    problems[path] = error
                    continue
                known = here.get(shelf.manifest.name)
                if known is None or _version_key(known.manifest) < _version_key(shelf.manifest):
                    here[shelf.manifest.name] = shelf
            found = here | found
        return found, problems


def default_library(user_directory: Path | None = None) -> Library:
    """The user's bundles (`user_directory`, else the folder that this system keeps for it), then the shipped ones."""
    return Library((user_directory or user_models(), BUNDLED))


def user_models() -> Path:
    """Where `katydid models add` puts bundles."""
    return platformdirs.user_data_path("katydid", appauthor=False) / "models"


def _fits(manifest: BundleManifest, kind: Kind) -> bool:
    if manifest.kind is BundleKind.DETECTOR:
        return kind is Kind.FRAME and manifest.detector is not None and manifest.detector.unasked
    return manifest.kind is CLASSIFIER_OF[kind]


def _candidates(directory: Path) -> list[Path]:
    try:
        entries = sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BundleError(f"{directory}: the folder of models cannot be read: {error}") from error
    return [
        path
        for path in entries
        if not path.name.startswith(".") and (path.suffix == ".zip" or (path / BUNDLE_FILE).exists())
    ]


def _version_key(manifest: BundleManifest) -> list[tuple[int, str]]:
    """ "2.10" comes after "2.9"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.\-+]", manifest.version)]
