"""The converted BirdNET against the published reference and against its own file in LiteRT, on real recordings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from katydid.models.bundle import Bundle
from katydid.models.conversion import to_onnx
from katydid.models.manifest import BirdNetFrontEnd, SoundInput
from katydid.models.model import Model, open_model
from katydid.models.sound.birdnet import SAMPLE_RATE, SAMPLES

pytestmark = pytest.mark.birdnet

REFERENCE = "soundscapes/birdnet_soundscape/birdnet_v2.4_audio_reference.json"
LEIDEN_MAY = (52.16, 4.49, 20.0)
Floats = NDArray[np.float32]


def with_precision(bundle: Bundle, precision: str) -> Bundle:
    """The same bundle behind the other front end."""
    sound = bundle.manifest.sound
    assert isinstance(sound, SoundInput)
    sound = msgspec.structs.replace(sound, front_end=BirdNetFrontEnd(precision=precision))
    return dataclasses.replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, sound=sound))


@pytest.fixture(scope="module")
def models(birdnet: Bundle) -> Iterator[dict[str, Model]]:
    made = {
        "litert": open_model(birdnet, entry="reference", slots=1),
        "exact": open_model(birdnet, slots=1),
        "fast": open_model(with_precision(birdnet, "fast"), slots=1),
    }
    yield made
    for model in made.values():
        model.close()


def sound(path: Path) -> Floats:
    """Mono at 48 kHz, the same for both sides: mean of the channels, soxr HQ."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono: Floats = samples.mean(axis=1, dtype=np.float32)
    return mono if rate == SAMPLE_RATE else np.asarray(soxr.resample(mono, rate, SAMPLE_RATE, "HQ"), np.float32)


def window(samples: Floats, start: int) -> Floats:
    """Three seconds from a sample on, zeros behind the end."""
    cut = samples[start : start + SAMPLES]
    return np.pad(cut, (0, SAMPLES - len(cut)))


def starts(seconds: float, overlap: float) -> list[float]:
    """BirdNET's rule: window k begins at k (3 - overlap), and exists if k = 0 or it reaches beyond the overlap."""
    found = [0.0]
    while (start := len(found) * (3 - overlap)) + overlap < seconds:
        found.append(start)
    return found


@pytest.fixture(scope="module")
def scores(models: dict[str, Model], shared_data: Path) -> Callable[[str, float], Floats]:
    """(engine, second) → scores [6522] of the published soundscape; each window is looked at once."""
    samples = sound(shared_data / "soundscapes" / "birdnet_soundscape" / "soundscape.flac")
    kept: dict[tuple[str, float], Floats] = {}

    def look(engine: str, start: float) -> Floats:
        if (engine, start) not in kept:
            heard = window(samples, round(start * SAMPLE_RATE))
            kept[engine, start] = models[engine].infer(heard[np.newaxis]).scores[0]
        return kept[engine, start]

    return look


@pytest.mark.parametrize("engine", ["litert", "exact", "fast"])
@pytest.mark.parametrize("parameters", range(7))
def test_the_published_detections_come_out_again(
    engine: str, parameters: int, birdnet: Bundle, scores: Callable[[str, float], Floats], shared_data: Path
) -> None:
    """Same windows, same labels; scores within 1e-3, in a padded last window within 4e-3."""
    published: dict[str, Any] = json.loads((shared_data / REFERENCE).read_text())[parameters]
    wanted, floor = published["result"], published["params"]["min_confidence"]
    overlap = published["params"]["chunk_overlap_s"]
    assert [start for (start, _), _ in wanted] == pytest.approx(starts(120.0, overlap))
    for (start, end), detections in wanted:
        found = scores(engine, start)
        expected = {label.split("_")[0]: score for label, score in detections}
        above = {birdnet.labels[k].name: float(found[k]) for k in np.flatnonzero(found >= floor)}
        assert above == pytest.approx(expected, abs=1e-3 if end - start == 3 else 4e-3), f"{start} s"


def full_windows(folder: Path) -> Iterator[tuple[str, Floats]]:
    """Every window without padding of every recording."""
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in (".wav", ".flac", ".mp3"):
            try:
                samples = sound(path)
            except soundfile.LibsndfileError:
                continue
            for k in range(len(samples) // SAMPLES):
                yield f"{path.name} window {k}", window(samples, k * SAMPLES)


@pytest.mark.slow
def test_exact_gives_litert_s_probabilities_on_every_full_window_of_all_recordings(
    models: dict[str, Model], shared_data: Path
) -> None:
    worst, compared = {"exact": 0.0, "fast": 0.0}, 0
    for where, heard in full_windows(shared_data / "soundscapes"):
        expected = models["litert"].infer(heard[np.newaxis]).scores[0]
        first, second = np.sort(expected)[[-1, -2]]
        for engine in worst:
            found = models[engine].infer(heard[np.newaxis]).scores[0]
            worst[engine] = max(worst[engine], float(np.abs(found - expected).max()))
            assert found.argmax() == expected.argmax() or first - second < 1e-3, f"{engine} {where}"
        compared += 1
    assert compared >= 120
    assert worst["exact"] <= 1e-5
    assert worst["fast"] <= 1e-3


def test_a_bat_recording_of_a_third_of_a_second_is_one_padded_window(
    models: dict[str, Model], shared_data: Path
) -> None:
    samples = sound(shared_data / "soundscapes" / "batdetect1" / "test_file.wav")
    assert starts(len(samples) / SAMPLE_RATE, 0.0) == [0.0]
    heard = window(samples, 0)[np.newaxis]
    expected = models["litert"].infer(heard).scores
    assert np.abs(models["exact"].infer(heard).scores - expected).max() <= 1e-5
    assert np.abs(models["fast"].infer(heard).scores - expected).max() <= 4e-3


def test_a_batch_of_any_size_gives_the_same_scores(models: dict[str, Model], shared_data: Path) -> None:
    samples = sound(shared_data / "soundscapes" / "birdnet_soundscape" / "soundscape.flac")
    heard = np.stack([window(samples, k * SAMPLES) for k in range(11)])
    alone = np.concatenate([models["exact"].infer(one[np.newaxis]).scores for one in heard])
    np.testing.assert_allclose(models["exact"].infer(heard).scores, alone, atol=1e-5)


def test_the_embedding_leads_to_the_logits(models: dict[str, Model], birdnet: Bundle, shared_data: Path) -> None:
    """The second output is what the dense layer of the original file sees."""
    from katydid.models.conversion import read_tflite

    samples = sound(shared_data / "soundscapes" / "birdnet_soundscape" / "soundscape.flac")
    seen = models["exact"].infer(window(samples, 0)[np.newaxis])
    assert seen.embedding is not None and seen.logits is not None
    assert seen.embedding.shape == (1, 1024)
    original = read_tflite(birdnet.read("birdnet.tflite"))
    dense = original.operators[-1]
    weights, bias = (original.constant(k).astype(np.float64) for k in dense.inputs[1:])
    np.testing.assert_allclose(seen.logits, seen.embedding @ weights.T + bias, atol=1e-4)


def test_the_prior_equals_the_geo_model_s_own_output(birdnet_geo: Bundle) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from katydid.models.adding_birdnet import find_package

    interpreter = Interpreter(model_content=find_package().geo, num_threads=1)
    interpreter.allocate_tensors()
    prior = open_model(birdnet_geo, slots=1)
    for place in (LEIDEN_MAY, (-33.87, 151.21, 2.0), (0.0, -78.5, 48.0)):
        query = np.asarray([place], np.float32)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], query)
        interpreter.invoke()
        own = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_array_equal(prior.infer(query).scores, own)


def test_the_prior_knows_the_birds_of_leiden_in_may(birdnet_geo: Bundle) -> None:
    likely = open_model(birdnet_geo, slots=1).infer(np.asarray([LEIDEN_MAY], np.float32)).scores[0]
    by_name = {label.name: float(p) for label, p in zip(birdnet_geo.labels, likely, strict=True)}
    assert by_name["Turdus merula"] > 0.99
    assert by_name["Columba palumbus"] > 0.99
    assert birdnet_geo.manifest.prior_cut is not None
    assert int((likely >= birdnet_geo.manifest.prior_cut).sum()) == 136
    assert by_name["Poecile atricapillus"] < birdnet_geo.manifest.prior_cut


def test_the_geo_model_converts_too(birdnet_geo: Bundle) -> None:
    """Slices, comparisons, sines and weights stored as halves: the converter is not made for one graph."""
    import onnxruntime

    places = np.asarray([LEIDEN_MAY, (-33.87, 151.21, 2.0), (60.0, 10.0, -1.0), (60.0, 10.0, 50.0)], np.float32)
    session = onnxruntime.InferenceSession(
        to_onnx(birdnet_geo.read("birdnet-geo.tflite")), providers=["CPUExecutionProvider"]
    )
    expected = open_model(birdnet_geo, slots=1).infer(places).scores
    np.testing.assert_allclose(session.run(None, {"input": places})[0], expected, atol=5e-6)


def test_the_prior_says_which_taxa_it_was_never_taught(birdnet_geo: Bundle) -> None:
    known = {
        label.name: bool(knows) for label, knows in zip(birdnet_geo.labels, birdnet_geo.arrays()["known"], strict=True)
    }
    assert not any(known[name] for name in ("Engine", "Apis mellifera", "Gryllus assimilis", "Acris crepitans"))
    assert all(known[name] for name in ("Turdus merula", "Poecile atricapillus", "Menura novaehollandiae"))
