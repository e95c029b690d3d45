"""The bundle that ships: it opens, is small, and knows its own recordings from noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from katydid.models.bundle import Bundle, open_bundle
from katydid.models.evaluation import judge, neighbours_of
from katydid.models.labelled import read_labelled
from katydid.models.library import BUNDLED
from katydid.models.manifest import Role
from katydid.models.model import Model, open_model
from katydid.sensors.limits import Limits
from katydid.sensors.sources.songs import SONGS, song

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(BUNDLED / "singing-insects")


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> Iterator[Model]:
    opened = open_model(bundle, slots=1)
    yield opened
    opened.close()


def test_it_takes_six_megabytes_at_most(bundle: Bundle) -> None:
    files = [path for path in bundle.path.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 6 * MIB


def test_it_names_26_insects_and_noise_and_steps_back_where_species_cannot_be_told_apart(bundle: Bundle) -> None:
    taxa = [label for label in bundle.labels if label.role is Role.TAXON]
    assert len(taxa) == 26
    assert [label.name for label in bundle.labels if label.role is Role.NOISE] == ["Noise"]
    coarse = {label.name for label in taxa if label.answer_rank == "genus"}
    assert coarse == {label.name for label in taxa if label.name.startswith("Platypleura ")}
    assert {"Platypleura sp10", "Platypleura cf. catenata", "Platypleura plumosa"} <= coarse


def test_it_gives_credit_where_the_licences_ask_for_it(bundle: Bundle) -> None:
    for text in (bundle.manifest.credit, bundle.read("card.md").decode(), bundle.read("LICENSE.txt").decode()):
        for name in ("Baudewijn Odé", "Ed Baker", "ESC-10", "Piczak", "CC BY 4.0"):
            assert name in text


def test_its_card_tells_held_out_figures(bundle: Bundle) -> None:
    text = bundle.read("card.md").decode()
    assert "| top-1, species |" in text
    assert "held out" in text


def test_its_scores_are_shares_and_its_calibration_keeps_them_so(model: Model) -> None:
    sounds = np.random.default_rng(0).normal(0, 0.1, (2, 66_150)).astype(np.float32)
    seen = model.infer(sounds)
    assert seen.scores.shape == (2, 27)
    assert seen.scores.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    calibrated = model.calibrated(seen.scores)
    assert calibrated is not None
    assert calibrated.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_window_is_answered_alike_in_any_batch_and_at_any_gain(model: Model) -> None:
    rng = np.random.default_rng(1)
    sounds = np.stack(
        [song(species, 1.5, 44_100, 22.0, rng) for species in ("Gryllus campestris", "Nemobius sylvestris")]
    )
    together = model.infer(sounds).scores
    assert together[0] == pytest.approx(model.infer(sounds[:1]).scores[0], abs=1e-5)
    assert together == pytest.approx(model.infer(sounds * np.float32(0.25)).scores, abs=1e-3)


@pytest.mark.parametrize(
    "species", ["Gryllus campestris", "Oecanthus pellucens", "Nemobius sylvestris", "Pholidoptera griseoaptera"]
)
def test_simulated_songs_of_its_species_are_named(model: Model, bundle: Bundle, species: str) -> None:
    """Simulated songs are among what it was taught: this says that the demo can work, not how good it is. Over faint
    hiss, since no recorder is as silent as a simulation."""
    assert species in SONGS
    sounds = np.stack([song(species, 1.5, 44_100, 22.0, np.random.default_rng(seed)) for seed in range(100, 105)])
    sounds += np.random.default_rng(99).normal(0.0, 0.01, sounds.shape).astype(np.float32)
    names = [bundle.labels[int(row.argmax())].name for row in model.infer(sounds).scores]
    assert names.count(species) >= 4


@pytest.mark.parametrize("species", ["Gryllus campestris", "Oecanthus pellucens", "Nemobius sylvestris"])
def test_a_simulated_song_of_its_species_is_no_stranger(model: Model, bundle: Bundle, species: str) -> None:
    """Simulated songs are training data: a night of them must not be turned away as unlike all that it was taught."""
    sounds = np.stack([song(species, 1.5, 44_100, 18.0, np.random.default_rng(seed)) for seed in range(200, 210)])
    sounds += np.random.default_rng(98).normal(0.0, 0.01, sounds.shape).astype(np.float32)
    seen, neighbours, spec = model.infer(sounds), neighbours_of(bundle), bundle.manifest.neighbours
    assert neighbours is not None and seen.embedding is not None and spec is not None
    assert (neighbours.distances(seen.embedding) <= spec.reject_above).sum() >= 8


def test_recordings_that_it_was_taught_are_named(shared_data: Path, model: Model) -> None:
    rows = read_labelled(shared_data / "sound_clips" / "insectset32" / "labels.csv", [shared_data])
    short = [row for row in rows if row.path.stat().st_size < 700_000][::8]
    results = judge(model, short, Limits())[0]
    assert len(results) >= 12
    right = sum(each.known is not None and each.answer.name == each.known.name for each in results)
    assert right >= 0.85 * len(results)


def test_noise_is_not_taken_for_an_insect(shared_data: Path, model: Model, bundle: Bundle) -> None:
    rows = read_labelled(shared_data / "sound_clips" / "esc10" / "labels.csv", [shared_data])
    results = judge(model, rows[::6], Limits())[0]
    assert len(results) >= 12
    spec = bundle.manifest.neighbours
    assert spec is not None
    away = [each.noise or (each.distance or 0.0) > spec.reject_above for each in results]
    assert sum(away) >= 0.9 * len(results)


@pytest.mark.parametrize("fall_db_per_octave", [0.0, 3.0])
def test_plain_hiss_is_noise(model: Model, bundle: Bundle, fall_db_per_octave: float) -> None:
    """Microphones and far traffic fill most of a night: white and pink noise must not be taken for an insect."""
    rng = np.random.default_rng(5)
    hertz = np.maximum(np.fft.rfftfreq(66_150, 1 / 44_100), 20.0)
    spectra = np.fft.rfft(rng.normal(0, 1, (6, 66_150))) * (hertz / 1000.0) ** (-fall_db_per_octave / 6.02)
    sounds = np.fft.irfft(spectra, 66_150)
    sounds = (0.01 * sounds / sounds.std(axis=1, keepdims=True)).astype(np.float32)
    roles = [bundle.labels[int(row.argmax())].role for row in model.infer(sounds).scores]
    assert roles.count(Role.NOISE) >= 5


def test_the_documentation_gives_the_figures_of_the_card(bundle: Bundle) -> None:
    page = (Path(__file__).parents[2] / "docs" / "models" / "singing-insects.md").read_text(encoding="utf-8")
    rows = [line for line in bundle.read("card.md").decode().splitlines() if line.startswith("| ")]
    assert len(rows) >= 30
    assert [row for row in rows if row not in page] == []
