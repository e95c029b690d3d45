"""Bundles on disk: opened only when every byte is what the bundle says."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from katydid.models import bundle_files
from katydid.models.bundle import Bundle, open_bundle, write_bundle
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.errors import BundleError
from katydid.models.library import Library
from katydid.models.manifest import BirdNetFrontEnd, BundleKind, LogMelFrontEnd


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return placeholder_bundle(tmp_path)


def zipped(bundle: Bundle, path: Path, *, folder: str = "", extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(bundle.path.iterdir()):
            archive.write(file, folder + file.name)
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return path


def edit_manifest(bundle: Bundle, **changes: Any) -> None:
    path = bundle.path / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def with_arrays(tmp_path: Path, data: bytes) -> Bundle:
    plain = placeholder_bundle(tmp_path / "plain")
    contents = {name: plain.read(name) for name in plain.manifest.files} | {"arrays.npz": data}
    return write_bundle(tmp_path / "with-arrays", plain.manifest, contents)


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_bundle_gives_its_manifest_labels_and_files(bundle: Bundle) -> None:
    again = open_bundle(bundle.path)
    assert again.manifest.name == "placeholder"
    assert [label.name for label in again.labels][:2] == ["Parus major", "Turdus merula"]
    assert again.read("placeholder.json") == (bundle.path / "placeholder.json").read_bytes()
    assert again.graph().file == "placeholder.json"


def test_the_digest_is_the_sha256_of_bundle_json_as_it_lies_there(bundle: Bundle) -> None:
    assert bundle.digest == hashlib.sha256((bundle.path / "bundle.json").read_bytes()).hexdigest()


def test_the_same_contents_give_the_same_digest_wherever_they_are_written(tmp_path: Path) -> None:
    assert placeholder_bundle(tmp_path / "a").digest == placeholder_bundle(tmp_path / "b").digest


def test_a_zip_is_read_in_place_with_or_without_a_folder_around(bundle: Bundle, tmp_path: Path) -> None:
    for folder in ("", "placeholder/"):
        opened = open_bundle(zipped(bundle, tmp_path / "bundle.zip", folder=folder))
        assert (opened.digest, opened.labels) == (bundle.digest, bundle.labels)
        assert opened.read("placeholder.json") == bundle.read("placeholder.json")


def test_a_bundle_written_as_a_zip_opens_to_the_same(bundle: Bundle, tmp_path: Path) -> None:
    contents = {name: bundle.read(name) for name in bundle.manifest.files}
    packed = write_bundle(tmp_path / "packed.zip", bundle.manifest, contents)
    assert packed.digest == bundle.digest
    once = packed.path.read_bytes()
    write_bundle(tmp_path / "packed.zip", bundle.manifest, contents, replace=True)
    assert packed.path.read_bytes() == once


def test_one_changed_byte_is_refused_by_the_name_of_the_file(bundle: Bundle) -> None:
    target = bundle.path / "placeholder.json"
    target.write_bytes(target.read_bytes().replace(b"5", b"6", 1))
    with pytest.raises(BundleError, match=r"placeholder\.json is not the file.*again"):
        open_bundle(bundle.path)
    with pytest.raises(BundleError, match=r"placeholder\.json is not the file"):
        bundle.read("placeholder.json")


def test_a_changed_byte_in_a_zip_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.path / "placeholder.json").write_bytes(b"{}")
    with pytest.raises(BundleError, match=r"placeholder\.json is not the file"):
        open_bundle(zipped(bundle, tmp_path / "bundle.zip"))


def test_a_missing_file_is_refused_by_its_name(bundle: Bundle) -> None:
    (bundle.path / "labels.csv").unlink()
    with pytest.raises(BundleError, match=r"labels\.csv is missing: fetch or build"):
        open_bundle(bundle.path)


def test_a_file_that_nobody_listed_is_refused_by_its_name(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"'payload\.pkl' is not listed"):
        open_bundle(zipped(bundle, tmp_path / "bundle.zip", extra={"payload.pkl": b"x"}))
    (bundle.path / "payload.pkl").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"'payload\.pkl' is not listed.*move it out"):
        open_bundle(bundle.path)


def test_what_file_browsers_leave_behind_is_no_reason_to_refuse(bundle: Bundle) -> None:
    (bundle.path / ".DS_Store").write_bytes(b"x")
    assert open_bundle(bundle.path).digest == bundle.digest


def test_a_later_format_is_refused_with_the_way_out(bundle: Bundle) -> None:
    edit_manifest(bundle, format=2, kind="hologram")
    with pytest.raises(BundleError, match=r"format 2 comes from a later Katydid.*pip install --upgrade katydid"):
        open_bundle(bundle.path)


def test_what_is_no_bundle_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no bundle here"):
        open_bundle(tmp_path / "nothing")
    with pytest.raises(BundleError, match=r"it has no bundle\.json"):
        open_bundle(tmp_path)
    (tmp_path / "a.zip").write_bytes(b"PK not really")
    with pytest.raises(BundleError, match="cannot be read"):
        open_bundle(tmp_path / "a.zip")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"format": "one"}', b'{"format": 1, "name": 3}', b"\xff"])
def test_a_damaged_manifest_is_refused(bundle: Bundle, raw: bytes) -> None:
    (bundle.path / "bundle.json").write_bytes(raw)
    with pytest.raises(BundleError, match=r"bundle\.json cannot be read"):
        open_bundle(bundle.path)


@pytest.mark.parametrize(
    "name",
    [
        "../labels.csv",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        "./a",
        "c:evil",
        "a\\..\\b",
        "nul\x00",
        "line\nbreak",
        "bundle.json",
        "",
    ],
)
def test_names_that_leave_the_bundle_are_refused_everywhere(bundle: Bundle, tmp_path: Path, name: str) -> None:
    edit_manifest(bundle, files=bundle.manifest.files | {name: "0" * 64})
    with pytest.raises(BundleError, match="is no name for a file in a bundle"):
        open_bundle(bundle.path)
    with pytest.raises(BundleError, match="is no name for a file in a bundle"):
        write_bundle(tmp_path / "new", bundle.manifest, {name: b""})
    assert not (tmp_path / "new").exists()


def test_a_zip_with_a_name_that_leaves_it_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"'\.\./out' is no name"):
        open_bundle(zipped(bundle, tmp_path / "bundle.zip", extra={"../out": b"x"}))


@pytest.mark.parametrize("name", ["../elsewhere", "/elsewhere", "a/b", "..", "", "UPPER", "two words", "x\n"])
def test_a_bundle_whose_own_name_would_lead_elsewhere_is_refused_and_nothing_is_written(
    bundle: Bundle, tmp_path: Path, name: str
) -> None:
    edit_manifest(bundle, name=name)
    library = Library([tmp_path / "models" / "mine"])
    with pytest.raises(BundleError, match="is no name for a bundle"):
        library.add(bundle.path)
    assert not (tmp_path / "models").exists() and not (tmp_path / "elsewhere").exists()


def test_an_array_that_claims_more_than_there_is_memory_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 57,)})
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("huge.npy", header.getvalue())
    with pytest.raises(BundleError, match="cannot be read without trusting it"):
        with_arrays(tmp_path, data.getvalue()).arrays()


def test_a_zip_with_two_files_of_one_name_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(bundle, tmp_path / "bundle.zip", extra={"labels.csv": b"x"})
    with pytest.raises(BundleError, match="two files of one name"):
        open_bundle(path)


def test_sizes_are_bounded_before_anything_is_read(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = zipped(bundle, tmp_path / "bomb.zip", extra={"zeros": bytes(2_000_000)})
    assert bomb.stat().st_size < 10_000
    monkeypatch.setattr(bundle_files, "MAX_BUNDLE_BYTES", 1_000_000)
    with pytest.raises(BundleError, match="too large for a bundle"):
        open_bundle(bomb)
    monkeypatch.setattr(bundle_files, "MAX_FILES", 2)
    with pytest.raises(BundleError, match="too large for a bundle"):
        open_bundle(bundle.path)


def test_a_huge_manifest_is_refused(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_files, "MAX_MANIFEST_BYTES", 100)
    with pytest.raises(BundleError, match=r"bundle\.json is larger than"):
        open_bundle(bundle.path)


def test_arrays_come_back_by_name(tmp_path: Path) -> None:
    window = np.hanning(16)
    opened = with_arrays(tmp_path, npz(window=window, filters=np.eye(3, dtype=np.float32)))
    arrays = opened.arrays()
    np.testing.assert_array_equal(arrays["window"], window)
    assert arrays["filters"].dtype == np.float32
    assert placeholder_bundle(tmp_path / "other").arrays() == {}


def test_an_array_that_would_have_to_be_unpickled_is_refused(tmp_path: Path) -> None:
    hostile = np.array([{"any": "object"}], dtype=object)
    with pytest.raises(BundleError, match=r"arrays\.npz cannot be read without trusting it"):
        with_arrays(tmp_path, npz(evil=hostile)).arrays()


def test_arrays_that_unpack_to_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("katydid.models.bundle.MAX_ARRAYS_BYTES", 1000)
    with pytest.raises(BundleError, match=r"arrays\.npz unpacks to more"):
        with_arrays(tmp_path, npz(zeros=np.zeros(10_000))).arrays()


@pytest.mark.parametrize("data", [b"", b"rubbish", b"PK\x03\x04"])
def test_arrays_that_are_no_arrays_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BundleError, match=r"arrays\.npz cannot be read"):
        with_arrays(tmp_path, data).arrays()


def test_asking_for_an_unlisted_file_or_entry_names_what_there_is(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"lists no file '\.\./secret'"):
        bundle.read("../secret")
    with pytest.raises(BundleError, match="no graph for the entry 'waveform' \\(it has: features\\)"):
        bundle.graph("waveform")


def test_writing_over_something_needs_the_word(bundle: Bundle) -> None:
    contents = {name: bundle.read(name) for name in bundle.manifest.files}
    with pytest.raises(BundleError, match="there is something already"):
        write_bundle(bundle.path, bundle.manifest, contents)
    (bundle.path / "stale").write_bytes(b"")
    assert write_bundle(bundle.path, bundle.manifest, contents, replace=True).digest == bundle.digest
    assert not (bundle.path / "stale").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_zip_is_refused_or_the_same_bundle_and_never_anything_else(
    bundle: Bundle, tmp_path: Path, data: st.DataObject
) -> None:
    path = zipped(bundle, tmp_path / "damaged.zip")
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)
    try:
        opened = open_bundle(path)
    except BundleError:
        return
    assert (opened.digest, opened.labels) == (bundle.digest, bundle.labels)


def test_a_place_where_nothing_can_be_written_is_said(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    contents = {name: bundle.read(name) for name in bundle.manifest.files}
    with pytest.raises(BundleError, match="the bundle cannot be written"):
        write_bundle(tmp_path / "file" / "below", bundle.manifest, contents)


def test_a_bundle_that_does_not_hold_together_is_never_left_behind(bundle: Bundle, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BundleError, match=r"'placeholder\.json' but does not list it"):
        write_bundle(tmp_path / "half", bundle.manifest, {"labels.csv": bundle.read("labels.csv")})
    soundless = msgspec.structs.replace(bundle.manifest, kind=BundleKind.SOUND_CLASSIFIER)
    contents = {name: bundle.read(name) for name in bundle.manifest.files}
    with pytest.raises(BundleError, match="must say what its sound input is"):
        write_bundle(tmp_path / "half", soundless, contents)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("front_end", [LogMelFrontEnd(n_fft=512, hop=128), BirdNetFrontEnd(precision="fast")])
def test_front_ends_come_back_as_what_they_were(tmp_path: Path, front_end: LogMelFrontEnd | BirdNetFrontEnd) -> None:
    plain = placeholder_bundle(tmp_path / "plain", kind=BundleKind.SOUND_CLASSIFIER)
    assert plain.manifest.sound is not None
    manifest = msgspec.structs.replace(
        plain.manifest, sound=msgspec.structs.replace(plain.manifest.sound, front_end=front_end)
    )
    written = write_bundle(tmp_path / "b", manifest, {name: plain.read(name) for name in plain.manifest.files})
    assert written.manifest.sound is not None
    assert written.manifest.sound.front_end == front_end


def test_a_moved_bundle_is_the_same_bundle(bundle: Bundle, tmp_path: Path) -> None:
    moved = Path(shutil.move(bundle.path, tmp_path / "elsewhere"))
    assert open_bundle(moved).digest == bundle.digest
