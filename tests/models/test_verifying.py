"""A bundle against the graph that it was made from."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from katydid.models.bundle import Bundle, write_bundle
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.errors import BundleError
from katydid.models.foreign_labels import bind
from katydid.models.labels import write_labels
from katydid.models.manifest import Activation, BundleKind, Graph
from katydid.models.verifying import check, compare, trial_items
from tiny_graphs import onnx_sound, tflite_dense, weights

SAMPLES, CLASSES = 400, 6


def bundle_of_two(tmp_path: Path, *, off_by: float) -> Bundle:
    """An ONNX graph with a LiteRT reference whose weights differ by `off_by`."""
    pytest.importorskip("onnx")
    layer = weights(SAMPLES, CLASSES) / np.float32(20)
    plain = placeholder_bundle(tmp_path, kind=BundleKind.SOUND_CLASSIFIER, sample_rate=SAMPLES)
    graphs = (
        Graph(file="quick.onnx", engine="onnx", input="samples", scores="logits", max_batch=8),
        Graph(file="original.tflite", engine="litert", input="samples", scores="scores", entry="reference"),
    )
    manifest = msgspec.structs.replace(plain.manifest, graphs=graphs, activation=Activation.SIGMOID)
    contents = {
        "quick.onnx": onnx_sound(SAMPLES, layer),
        "original.tflite": tflite_dense((layer + off_by).astype(np.float32)),
        "labels.csv": write_labels([bind(index, f"class {index}") for index in range(CLASSES)]),
    }
    return write_bundle(tmp_path / "two", manifest, contents)


def test_a_bundle_that_answers_as_the_original_passes(tmp_path: Path) -> None:
    bundle = bundle_of_two(tmp_path, off_by=0.0)
    comparison = compare(bundle)
    assert comparison is not None
    assert (comparison.items, comparison.top_differs, comparison.passed) == (16, 0, True)
    assert comparison.largest_difference < 1e-5
    check(bundle, comparison)


def test_a_bundle_that_answers_otherwise_does_not(tmp_path: Path) -> None:
    bundle = bundle_of_two(tmp_path, off_by=0.05)
    comparison = compare(bundle)
    assert comparison is not None and not comparison.passed
    with pytest.raises(BundleError, match=r"differs from the original by up to .*add the model again"):
        check(bundle, comparison)


def test_without_a_reference_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert compare(placeholder_bundle(tmp_path)) is None


@pytest.mark.parametrize("kind", [BundleKind.IMAGE_CLASSIFIER, BundleKind.SOUND_CLASSIFIER, BundleKind.PRIOR])
def test_trial_items_are_the_same_each_time_and_differ_from_each_other(tmp_path: Path, kind: BundleKind) -> None:
    bundle = placeholder_bundle(tmp_path, kind=kind)
    first, again = trial_items(bundle, 3), trial_items(bundle, 3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    if first.dtype == np.float32 and kind is BundleKind.SOUND_CLASSIFIER:
        assert 0.05 < np.abs(first).max() <= 1
