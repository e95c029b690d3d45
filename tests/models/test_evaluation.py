"""A tiny bundle that hears three tones: what evaluation says of it can be counted by hand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from katydid.models.bundle import Bundle, open_bundle, write_bundle
from katydid.models.errors import LabelledDataError
from katydid.models.evaluation import Evaluation, evaluate_bundle, loudness, pooled, sounding
from katydid.models.labels import taxon_id, write_labels
from katydid.models.manifest import (
    FORMAT,
    Activation,
    BundleKind,
    BundleManifest,
    Graph,
    Label,
    NearestNeighbours,
    Role,
    SoundInput,
)
from tiny_graphs import onnx_sound

SAMPLES, RATE = 200, 8_000
SPECIES = ("Gryllus campestris", "Gryllus bimaculatus", "Platypleura cf. catenata")
CYCLES = (5, 11, 17, 23)
"""Tones of the three species and of noise, cycles a window."""
STRANGER = 41

pytest.importorskip("onnx", reason="the graph of these tests is made with onnx")


def tone(cycles: int, windows: int = 4, loud: float = 0.5) -> NDArray[np.float32]:
    at = np.arange(SAMPLES * windows) / SAMPLES
    return np.asarray(loud * np.sin(2 * np.pi * cycles * at), np.float32)


def label(index: int, name: str) -> Label:
    return Label(
        index=index, taxon_id=taxon_id(name), name=name, rank="species", higher=(("genus", name.split(" ")[0]),)
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return tiny(tmp_path / "tones")


def tiny(where: Path, *, neighbours: bool = True) -> Bundle:
    layer = np.stack([tone(cycles, 1) for cycles in CYCLES], axis=1)
    unit = (layer / np.linalg.norm(layer, axis=0)).T[:3]
    arrays = io.BytesIO()
    np.savez(arrays, allow_pickle=False, neighbours=unit)
    labels = [
        *(label(index, name) for index, name in enumerate(SPECIES)),
        Label(index=3, taxon_id=taxon_id("Noise"), name="Noise", rank="none", role=Role.NOISE),
    ]
    manifest = BundleManifest(
        format=FORMAT,
        name="tones",
        version="1",
        title="Tones",
        kind=BundleKind.SOUND_CLASSIFIER,
        graphs=(Graph(file="g.onnx", engine="onnx", input="samples", scores="logits", embedding="embedding"),),
        sound=SoundInput(sample_rate=RATE, samples=SAMPLES, hop_s=SAMPLES / RATE),
        activation=Activation.SOFTMAX,
        neighbours=NearestNeighbours(reject_above=0.5) if neighbours else None,
        licence="CC0-1.0",
        credit="a test",
        uses="tests",
        files={},
    )
    contents = {
        "g.onnx": onnx_sound(SAMPLES, layer),
        "labels.csv": write_labels(labels),
        "arrays.npz": arrays.getvalue(),
    }
    return write_bundle(where, manifest, contents)


def recorded(folder: Path, rows: Sequence[tuple[str, NDArray[np.float32], str]]) -> Path:
    """Write name, sound, label as files and labels.csv."""
    folder.mkdir()
    for name, sound, _ in rows:
        soundfile.write(folder / name, sound, RATE, subtype="FLOAT")
    text = "\n".join(f"{name},{text}" for name, _, text in rows)
    (folder / "labels.csv").write_text(f"file,label\n{text}\n", encoding="utf-8")
    return folder / "labels.csv"


def evaluated(tmp_path: Path, bundle: Bundle, rows: Sequence[tuple[str, NDArray[np.float32], str]]) -> Evaluation:
    labels = recorded(tmp_path / "field", rows)
    return evaluate_bundle(tmp_path / "field", labels, bundle)


def test_figures_are_those_counted_by_hand(tmp_path: Path, bundle: Bundle) -> None:
    result = evaluated(
        tmp_path,
        bundle,
        [
            ("a.wav", tone(5), "Gryllus campestris"),
            ("b.wav", tone(5), "Gryllus campestris"),
            ("c.wav", tone(11), "Gryllus campestris"),  # taken for the other Gryllus
            ("d.wav", tone(11), "Gryllus bimaculatus"),
            ("e.wav", tone(5), "Platypleura cf. catenata"),  # taken for a Gryllus
        ],
    )
    assert result.accuracy().value == pytest.approx(3 / 5)
    assert result.recall().value == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert result.genus().value == pytest.approx(4 / 5)


@pytest.mark.parametrize("spelling", ["Gryllusbimaculatus", "gryllus_bimaculatus", "GRYLLUS BIMACULATUS"])
def test_labels_are_matched_however_they_are_spelt(tmp_path: Path, bundle: Bundle, spelling: str) -> None:
    assert evaluated(tmp_path, bundle, [("a.wav", tone(11), spelling)]).accuracy().value == 1.0


def test_provisional_names_are_matched_as_collections_write_them(tmp_path: Path, bundle: Bundle) -> None:
    assert evaluated(tmp_path, bundle, [("a.wav", tone(17), "Platypleuracfcatenata")]).accuracy().value == 1.0


def test_a_label_that_the_model_does_not_have_is_unheard_and_no_error_of_it(tmp_path: Path, bundle: Bundle) -> None:
    result = evaluated(tmp_path, bundle, [("a.wav", tone(5), SPECIES[0]), ("b.wav", tone(STRANGER), "Pycna semiclara")])
    assert len(result.known) == 1
    assert len(result.unheard) == 1
    assert result.accuracy().value == 1.0
    by_distance = result.unheard_by_distance()
    assert by_distance is not None
    assert by_distance.value == 1.0
    assert result.judged[0].distance == pytest.approx(0.0, abs=1e-5)
    assert result.judged[1].distance == pytest.approx(1.0, abs=1e-3)


def test_unheard_species_that_look_known_score_as_the_pairs_say(tmp_path: Path, bundle: Bundle) -> None:
    """Of the 2 × 2 pairs of known and unheard, the unheard that sounds like a known one wins none and ties none."""
    half = tone(5) + tone(STRANGER)  # distance 1 - cos 45°
    result = evaluated(
        tmp_path,
        bundle,
        [
            ("a.wav", tone(5), SPECIES[0]),
            ("b.wav", half, SPECIES[0]),
            ("c.wav", tone(STRANGER), "Pycna semiclara"),
            ("d.wav", tone(11) + np.float32(0.1) * tone(STRANGER), "Kikihia muta"),
        ],
    )
    by_distance = result.unheard_by_distance()
    assert by_distance is not None
    assert by_distance.value == pytest.approx(3 / 4)


def test_a_bundle_without_neighbours_has_no_figure_by_distance(tmp_path: Path) -> None:
    bundle = tiny(tmp_path / "plain", neighbours=False)
    result = evaluated(tmp_path, bundle, [("a.wav", tone(5), SPECIES[0]), ("b.wav", tone(STRANGER), "Pycna semiclara")])
    assert result.unheard_by_distance() is None
    assert result.unheard_by_probability().value == 1.0


def test_pauses_do_not_count(tmp_path: Path, bundle: Bundle) -> None:
    """One loud window of a song among many of faint noise is what the recording is about."""
    sound = np.concatenate([tone(23, 9, 0.003), tone(5, 1, 0.5)])
    result = evaluated(tmp_path, bundle, [("a.wav", sound, SPECIES[0])])
    assert result.accuracy().value == 1.0
    assert not result.judged[0].noise


def test_noise_is_counted_apart_and_the_best_taxon_is_the_answer(tmp_path: Path, bundle: Bundle) -> None:
    result = evaluated(tmp_path, bundle, [("a.wav", tone(23) + np.float32(0.5) * tone(11), SPECIES[1])])
    assert result.judged[0].noise
    assert result.accuracy().value == 1.0


def test_a_recording_that_cannot_be_decoded_is_counted_apart(tmp_path: Path, bundle: Bundle) -> None:
    labels = recorded(tmp_path / "field", [("a.wav", tone(5), SPECIES[0]), ("b.wav", tone(5), SPECIES[0])])
    (tmp_path / "field" / "b.wav").write_bytes(b"no sound at all")
    result = evaluate_bundle(tmp_path / "field", labels, bundle)
    assert len(result.judged) == 1
    assert [path.name for path, _ in result.refused] == ["b.wav"]


def test_a_recording_that_is_missing_is_counted_apart(tmp_path: Path, bundle: Bundle) -> None:
    labels = recorded(tmp_path / "field", [("a.wav", tone(5), SPECIES[0]), ("b.wav", tone(5), SPECIES[0])])
    (tmp_path / "field" / "b.wav").unlink()
    result = evaluate_bundle(tmp_path / "field", labels, bundle)
    assert len(result.judged) == 1
    (path, reason) = result.refused[0]
    assert path.name == "b.wav"
    assert "no file 'b.wav'" in reason


def test_recordings_of_noise_are_neither_known_nor_unheard_species(tmp_path: Path, bundle: Bundle) -> None:
    result = evaluated(tmp_path, bundle, [("a.wav", tone(5), SPECIES[0]), ("b.wav", tone(23), "noise")])
    assert (len(result.known), len(result.unheard), len(result.noises)) == (1, 0, 1)
    assert result.accuracy().value == 1.0


def test_recordings_of_another_rate_are_resampled(tmp_path: Path, bundle: Bundle) -> None:
    """The tone of 11 cycles in 200 samples at 8 kHz is 440 Hz; at 22.05 kHz it is written with other samples."""
    (tmp_path / "field").mkdir()
    sound = 0.5 * np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)
    soundfile.write(tmp_path / "field" / "a.wav", np.stack([sound, sound], axis=1), 22_050)
    (tmp_path / "field" / "labels.csv").write_text(f"file,label\na.wav,{SPECIES[1]}\n", encoding="utf-8")
    assert evaluate_bundle(tmp_path / "field", tmp_path / "field" / "labels.csv", bundle).accuracy().value == 1.0


def test_if_nothing_can_be_decoded_that_is_an_error(tmp_path: Path, bundle: Bundle) -> None:
    labels = recorded(tmp_path / "field", [("a.wav", tone(5), SPECIES[0])])
    (tmp_path / "field" / "a.wav").write_bytes(b"no sound at all")
    with pytest.raises(LabelledDataError, match="none of its 1 recordings can be decoded"):
        evaluate_bundle(tmp_path / "field", labels, bundle)


def test_groups_widen_the_interval(tmp_path: Path, bundle: Bundle) -> None:
    """Four recordings of two specimens, one always right and one always wrong: the interval is 0 to 1."""
    labels = recorded(tmp_path / "field", [(f"{at}.wav", tone(5 if at < 2 else 11), SPECIES[0]) for at in range(4)])
    rows = "\n".join(f"{at}.wav,{SPECIES[0]},{'right' if at < 2 else 'wrong'}" for at in range(4))
    labels.write_text(f"file,label,recording_group\n{rows}\n", encoding="utf-8")
    interval = evaluate_bundle(tmp_path / "field", labels, bundle).accuracy()
    assert (interval.value, interval.low, interval.high) == (0.5, 0.0, 1.0)


def test_loudness_plays_down_low_frequencies() -> None:
    """A first difference has the gain 2 sin(π f / rate)."""
    low, high = (loudness(tone(cycles, 1)[np.newaxis])[0] for cycles in (5, 50))
    gain = (np.sin(np.pi * 50 / SAMPLES) / np.sin(np.pi * 5 / SAMPLES)) ** 2
    assert high / low == pytest.approx(gain, rel=0.02)


def test_windows_twenty_decibels_down_are_the_last_to_count() -> None:
    level = np.array([1.0, 0.0101, 0.0099])
    assert sounding(level).tolist() == [True, True, False]
    logs = np.log(np.array([[0.5, 0.5], [0.125, 0.875], [0.9, 0.1]]))
    assert np.exp(pooled(logs, level)) == pytest.approx([0.25, np.sqrt(0.5 * 0.875)])


def test_the_bundle_of_these_tests_opens(bundle: Bundle) -> None:
    assert open_bundle(bundle.path).digest == bundle.digest
