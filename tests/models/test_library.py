"""Where bundles lie on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from katydid.models.bundle import write_bundle
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.errors import BundleError
from katydid.models.library import BUNDLED, Library, default_library
from katydid.models.manifest import BundleKind
from katydid.sensors.capture import Kind


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The user's folder with a sound bundle, and the shipped one with frames, sound and a prior."""
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    placeholder_bundle(own, name="mine", kind=BundleKind.SOUND_CLASSIFIER)
    placeholder_bundle(shipped, name="frames")
    placeholder_bundle(shipped, name="songs", kind=BundleKind.SOUND_CLASSIFIER)
    placeholder_bundle(shipped, name="where", kind=BundleKind.PRIOR)
    return own, shipped


def test_names_are_sorted_over_all_folders(folders: tuple[Path, Path]) -> None:
    assert Library(folders).names() == ["frames", "mine", "songs", "where"]


def test_bundles_are_picked_by_media_kind(folders: tuple[Path, Path]) -> None:
    library = Library(folders)
    assert [bundle.name for bundle in library.fitting(Kind.CLIP)] == ["mine", "songs"]
    assert [bundle.name for bundle in library.fitting(Kind.FRAME)] == ["frames"]
    assert [bundle.name for bundle in library.priors()] == ["where"]


def test_the_users_own_bundle_hides_a_shipped_one_of_its_name(folders: tuple[Path, Path]) -> None:
    own, _ = folders
    mine = placeholder_bundle(own, name="songs", kind=BundleKind.SOUND_CLASSIFIER, version="0.1", seed=9)
    assert Library(folders).open("songs").digest == mine.digest


def test_in_one_folder_the_higher_version_counts(tmp_path: Path) -> None:
    for version in ("2.9", "2.10", "2.1"):
        bundle = placeholder_bundle(tmp_path / "made" / version, version=version)
        (tmp_path / "lib").mkdir(exist_ok=True)
        bundle.path.rename(tmp_path / "lib" / f"placeholder-{version}")
    assert Library([tmp_path / "lib"]).open("placeholder").manifest.version == "2.10"


def test_zips_are_bundles_too(folders: tuple[Path, Path]) -> None:
    own, shipped = folders
    bundle = placeholder_bundle(shipped.parent / "made", name="zipped")
    contents = {name: bundle.read(name) for name in bundle.manifest.files}
    write_bundle(own / "zipped.zip", bundle.manifest, contents)
    assert Library(folders).open("zipped").digest == bundle.digest


def test_an_unknown_name_says_what_there_is(folders: tuple[Path, Path]) -> None:
    with pytest.raises(BundleError, match="no model named 'owls' \\(there are: frames, mine, songs, where\\)"):
        Library(folders).open("owls")


def test_a_bundle_is_opened_by_its_path_as_well(folders: tuple[Path, Path]) -> None:
    assert Library([]).open(str(folders[0] / "mine")).name == "mine"


def test_an_unreadable_bundle_does_not_hide_the_others_but_is_told(folders: tuple[Path, Path]) -> None:
    own, _ = folders
    (own / "broken").mkdir()
    (own / "broken" / "bundle.json").write_bytes(b"{")
    (own / ".hidden").mkdir()
    (own / "notes").mkdir()
    library = Library(folders)
    assert library.names() == ["frames", "mine", "songs", "where"]
    assert [str(problem).split(": ")[0] for problem in library.problems()] == [str(own / "broken")]
    with pytest.raises(BundleError, match=r"bundle\.json cannot be read"):
        library.open("broken")


def test_a_damaged_bundle_is_refused_when_it_is_picked(folders: tuple[Path, Path]) -> None:
    (folders[0] / "mine" / "labels.csv").write_bytes(b"")
    with pytest.raises(BundleError, match=r"labels\.csv is not the file"):
        Library(folders).fitting(Kind.CLIP)


def test_adding_copies_a_verified_bundle_into_the_first_folder(folders: tuple[Path, Path], tmp_path: Path) -> None:
    library = Library(folders)
    made = placeholder_bundle(tmp_path / "made", name="newcomer")
    added = library.add(made.path)
    assert (added.path, added.digest) == (folders[0] / "newcomer", made.digest)
    with pytest.raises(BundleError, match="there is something already"):
        library.add(made.path)
    assert library.add(made.path, replace=True).digest == made.digest


def test_folders_that_do_not_exist_hold_nothing(tmp_path: Path) -> None:
    assert Library([tmp_path / "none"]).names() == []


def test_the_default_is_the_users_folder_and_then_the_shipped_ones(tmp_path: Path) -> None:
    assert default_library(tmp_path).directories == (tmp_path, BUNDLED)
    assert default_library().directories[0].name == "models"
