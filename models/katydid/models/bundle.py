"""A bundle on disk: opened only when every byte is what the bundle says it is.

`manifest.py` draws the layout. Opening a directory or a zip

1. reads `bundle.json` (bounded) and refuses a format from the future,
2. refuses file names that leave the bundle, files that are missing, and files that nobody listed,
3. compares the SHA-256 of every file, reading in pieces,
4. reads the labels, and checks that the manifest holds together.

Reading a file later compares its digest again, so what an engine gets is what was verified. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.models.bundle_files import BUNDLE_FILE, UNREADABLE, BundleFiles, check_name, open_files
from katydid.models.errors import BundleError
from katydid.models.image.contract import check_detector
from katydid.models.labels import read_labels
from katydid.models.manifest import FORMAT, BundleKind, BundleManifest, Graph, Label

NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
"""What a bundle may be called: the name becomes that of a folder, and a stranger's bundle must not choose where."""
ARRAYS_FILE = "arrays.npz"
MAX_ARRAYS_BYTES = 1 << 30
"""Bytes that arrays.npz may unpack to; a front end needs 3 MB, neighbours of 100,000 embeddings 400 MB."""
MAX_LABELS_BYTES = 64 << 20


@dataclass(frozen=True)
class Bundle:
    """One opened, verified bundle."""

    path: Path
    manifest: BundleManifest
    labels: tuple[Label, ...]
    digest: str
    """SHA-256 of bundle.json, 64 hexadecimal digits."""
    files: BundleFiles = field(repr=False)

    @property
    def name(self) -> str:
        return self.manifest.name

    def read(self, name: str) -> bytes:
        """The bytes of one listed file, verified once more. Raises BundleError."""
        expected = self.manifest.files.get(name)
        if expected is None:
            raise BundleError(f"{self.path}: the bundle lists no file {name!r}")
        data = self.files.read(name)
        if hashlib.sha256(data).hexdigest() != expected:
            raise _mismatch(self.path, name)
        return data

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays of arrays.npz by name; empty where the bundle has none. Raises BundleError."""
        if ARRAYS_FILE not in self.manifest.files:
            return {}
        return _load_arrays(self.path, self.read(ARRAYS_FILE))

    def graph(self, entry: str = "features") -> Graph:
        """The graph for an entry. Raises BundleError where the bundle has none."""
        for graph in self.manifest.graphs:
            if graph.entry == entry:
                return graph
        known = ", ".join(sorted({graph.entry for graph in self.manifest.graphs})) or "none"
        raise BundleError(f"{self.path}: the bundle has no graph for the entry {entry!r} (it has: {known})")


def open_bundle(path: Path) -> Bundle:
    """Open and verify a bundle, a directory or a zip. Raises BundleError that names the file and the remedy."""
    files = open_files(path)
    raw = files.read(BUNDLE_FILE)
    manifest = read_manifest(path, raw)
    _verify(path, files, manifest)
    _check_consistent(path, manifest)
    if files.size(manifest.labels) > MAX_LABELS_BYTES:
        raise BundleError(f"{path}: {manifest.labels} is larger than {MAX_LABELS_BYTES >> 20} MiB")
    labels = read_labels(files.read(manifest.labels), f"{path}: {manifest.labels}")
    return Bundle(path=path, manifest=manifest, labels=labels, digest=hashlib.sha256(raw).hexdigest(), files=files)


def read_manifest(path: Path, raw: bytes) -> BundleManifest:
    """Decode bundle.json. `path` goes into messages. Raises BundleError, with a word of its own for a later format."""
    try:
        version = msgspec.json.decode(raw, type=_FormatOnly).format
        if version > FORMAT:
            raise BundleError(
                f"{path}: bundle format {version} comes from a later Katydid (this one reads up to {FORMAT}): "
                "pip install --upgrade katydid"
            )
        manifest = msgspec.json.decode(raw, type=BundleManifest)
    except msgspec.MsgspecError as error:
        raise BundleError(f"{path}: {BUNDLE_FILE} cannot be read ({error}): fetch or build the bundle again") from error
    if not NAME.fullmatch(manifest.name):
        raise BundleError(
            f"{path}: {manifest.name!r} is no name for a bundle: lower case letters and digits, joined by hyphens"
        )
    return manifest


def write_bundle(
    destination: Path, manifest: BundleManifest, contents: Mapping[str, bytes], *, replace: bool = False
) -> Bundle:
    """Write a bundle and open it: a zip where `destination` ends in ".zip", else a directory.

    `contents` maps the path in the bundle to bytes, for every file but bundle.json; digests go into the manifest.
    It appears whole or not at all. Raises BundleError where something is there already (unless `replace`), or where
    what was written does not hold together.
    """
    if destination.exists() and not replace:
        raise BundleError(f"{destination}: there is something already: choose another place, or replace it")
    for name in contents:
        check_name(destination, name)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    raw = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(manifest, files=digests)), indent=2)
    try:
        _put(destination, {BUNDLE_FILE: raw, **contents})
    except OSError as error:
        raise BundleError(f"{destination}: the bundle cannot be written: {error.strerror or error}") from error
    return open_bundle(destination)


class _FormatOnly(msgspec.Struct):
    format: int


def _put(destination: Path, contents: Mapping[str, bytes]) -> None:
    """Write beside the destination, check, and rename; what was there goes away only when the new one stands."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".katydid-", dir=destination.parent) as scratch:
        draft, old = Path(scratch) / destination.name, Path(scratch) / "old"
        write = _write_zip if destination.suffix == ".zip" else _write_directory
        write(draft, contents)
        open_bundle(draft)
        if destination.exists():
            destination.rename(old)
        try:
            draft.rename(destination)
        except OSError:
            if old.exists():
                old.rename(destination)
            raise


def _write_directory(directory: Path, contents: Mapping[str, bytes]) -> None:
    for name, data in contents.items():
        target = directory.joinpath(*PurePosixPath(name).parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _write_zip(path: Path, contents: Mapping[str, bytes]) -> None:
    """The same contents give the same bytes: entries carry zip's first date."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=zipfile.ZIP_DEFLATED)


def _verify(path: Path, files: BundleFiles, manifest: BundleManifest) -> None:
    for name in manifest.files:
        check_name(path, name)
    present = set(files.names()) - {BUNDLE_FILE}
    if missing := sorted(set(manifest.files) - present):
        raise BundleError(f"{path}: {missing[0]} is missing: fetch or build the bundle again")
    if extra := sorted(present - set(manifest.files)):
        raise BundleError(f"{path}: {extra[0]!r} is not listed in {BUNDLE_FILE}: move it out of the bundle")
    for name, expected in manifest.files.items():
        if files.sha256(name) != expected:
            raise _mismatch(path, name)


def _mismatch(path: Path, name: str) -> BundleError:
    return BundleError(
        f"{path}: {name} is not the file that the bundle was made with (its SHA-256 differs): "
        "it is damaged or was changed; fetch or build the bundle again"
    )


def _check_consistent(path: Path, manifest: BundleManifest) -> None:
    needed = [manifest.labels, *(graph.file for graph in manifest.graphs)]
    for name in needed:
        if name not in manifest.files:
            raise BundleError(f"{path}: {BUNDLE_FILE} speaks of {name!r} but does not list it among its files")
    if not manifest.graphs:
        raise BundleError(f"{path}: {BUNDLE_FILE} names no graph")
    if manifest.kind in (BundleKind.IMAGE_CLASSIFIER, BundleKind.DETECTOR) and manifest.image is None:
        raise BundleError(f"{path}: a bundle of kind {manifest.kind} must say what its image input is")
    if manifest.kind is BundleKind.SOUND_CLASSIFIER and manifest.sound is None:
        raise BundleError(f"{path}: a bundle of kind {manifest.kind} must say what its sound input is")
    if manifest.kind is BundleKind.DETECTOR:
        check_detector(str(path), manifest.image, manifest.detector)


def _load_arrays(path: Path, data: bytes) -> dict[str, NDArray[np.generic]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_ARRAYS_BYTES:
            raise BundleError(f"{path}: {ARRAYS_FILE} unpacks to more than {MAX_ARRAYS_BYTES >> 20} MiB")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (*UNREADABLE, MemoryError) as error:  # An array's own header may claim any size.
        raise BundleError(f"{path}: {ARRAYS_FILE} cannot be read without trusting it: {error}") from error
