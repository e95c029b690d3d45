"""How good a bundle is on recordings that it has never heard: `katydid evaluate`.

Each recording is heard by the real runtime: decoded, resampled, cut into the bundle's windows, its front end, its
graph. Windows more than 20 dB quieter than the loudest are left out, since insects pause; the others' log-probabilities
are averaged (`pooled`), and the taxon with the highest mean is the answer. So a recording has one answer here, however
long it is; `katydid run` answers event by event.

**Unheard**: recordings whose label is none of the bundle's. They have no right answer; what counts is whether the
bundle can tell that it does not know them: the AUROC of known against unheard, by the distance of the embedding to the
nearest training embedding, and by the top probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from katydid.models.bundle import Bundle
from katydid.models.decide.lineage import GENUS
from katydid.models.decide.novelty import Neighbours
from katydid.models.errors import LabelledDataError
from katydid.models.labelled import Labelled, find_labelled, name_key, told
from katydid.models.manifest import BundleKind, Label, Role
from katydid.models.metrics import Interval, auroc, by_group, macro_recall, top1
from katydid.models.model import Model, Seen, open_model
from katydid.models.sound.windows import Windows, grid_for, resampled
from katydid.sensors import audio
from katydid.sensors.errors import RefusedMedia
from katydid.sensors.limits import Limits

QUIET_DB = 20.0
"""Windows that are this much quieter than the recording's loudest do not count."""
_BLOCK = 1 << 18
_AT_ONCE = 16
_LEAST = 1e-9

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """What one recording as a whole comes to."""

    log_probabilities: NDArray[np.float64]
    """[classes], mean over the windows that count."""
    distance: float | None
    """Cosine distance to the nearest training embedding, mean over the same windows; None without neighbours."""
    windows: int


@dataclass(frozen=True)
class Judged:
    """One recording with its answer."""

    labelled: Labelled
    answer: Label
    """The best taxon; noise set aside."""
    probability: float
    """Of the answer, mean over the windows in logarithms."""
    distance: float | None
    known: Label | None
    """The class that the label means; None for a species that the bundle does not have."""
    noise: bool
    """Noise or background was more likely than any taxon."""


@dataclass(frozen=True)
class Evaluation:
    """What `katydid evaluate` prints."""

    model: str
    judged: tuple[Judged, ...]
    refused: tuple[tuple[Path, str], ...]
    """Recordings that are missing or cannot be decoded, with the reason; in no figure."""

    @property
    def known(self) -> list[Judged]:
        """Recordings of taxa that the bundle has."""
        return [each for each in self.judged if each.known is not None and each.known.role is Role.TAXON]

    @property
    def noises(self) -> list[Judged]:
        """Recordings labelled as what the bundle has for no organism."""
        return [each for each in self.judged if each.known is not None and each.known.role is not Role.TAXON]

    @property
    def unheard(self) -> list[Judged]:
        return [each for each in self.judged if each.known is None]

    def accuracy(self) -> Interval:
        """Top-1 over the known recordings."""
        truth, answers = self._names()
        return by_group(self._groups(), lambda rows: top1(_at(truth, rows), _at(answers, rows)))

    def recall(self) -> Interval:
        """Macro recall over the known recordings."""
        truth, answers = self._names()
        return by_group(self._groups(), lambda rows: macro_recall(_at(truth, rows), _at(answers, rows)))

    def genus(self) -> Interval:
        """Share of the known recordings whose genus is right."""
        truth = [genus_of(each.known) for each in self.known if each.known is not None]
        answers = [genus_of(each.answer) for each in self.known]
        return by_group(self._groups(), lambda rows: top1(_at(truth, rows), _at(answers, rows)))

    def unheard_by_distance(self) -> Interval | None:
        """AUROC of known against unheard by the distance; None for a bundle without neighbours."""
        if any(each.distance is None for each in self.judged):
            return None
        return self._unheard(lambda each: -(each.distance or 0.0))

    def unheard_by_probability(self) -> Interval:
        """AUROC of known against unheard by the top probability."""
        return self._unheard(lambda each: each.probability)

    def _names(self) -> tuple[list[str], list[str]]:
        return [each.known.name for each in self.known if each.known], [each.answer.name for each in self.known]

    def _groups(self) -> list[str]:
        return [each.labelled.group for each in self.known]

    def _unheard(self, knownness: Callable[[Judged], float]) -> Interval:
        both = [*self.known, *self.unheard]
        scores = np.array([knownness(each) for each in both])
        known = np.arange(len(both)) < len(self.known)
        groups = [each.labelled.group for each in both]
        return by_group(
            groups, lambda rows: auroc(scores[rows][known[rows]].tolist(), scores[rows][~known[rows]].tolist())
        )


def evaluate_bundle(
    folder: Path,
    labels: Path,
    bundle: Bundle,
    *,
    limits: Limits | None = None,
    heard: Callable[[int, int], None] = lambda done, of: None,
) -> Evaluation:
    """Evaluate a sound bundle on a labelled folder. `heard` is told how many recordings are done, of how many.

    Recordings that are missing or cannot be decoded are counted apart. Raises LabelledDataError for labels that cannot
    be used, or where no recording at all is there, and ModelError where the bundle cannot run.
    """
    rows, missing = find_labelled(labels, (folder,))
    if not rows:
        raise LabelledDataError(told(missing))
    if bundle.manifest.kind is not BundleKind.SOUND_CLASSIFIER:
        raise LabelledDataError(f"{bundle.manifest.name} does not name sounds: evaluate takes sound classifiers")
    model = open_model(bundle, slots=1)
    try:
        judged, refused = judge(model, rows, limits or Limits(), heard)
    finally:
        model.close()
    if not judged:
        raise LabelledDataError(f"{labels}: none of its {len(rows)} recordings can be decoded")
    absent = [(Path(each.file), each.reason) for each in missing]
    return Evaluation(model=bundle.manifest.model, judged=tuple(judged), refused=(*absent, *refused))


def judge(
    model: Model, rows: Sequence[Labelled], limits: Limits, heard: Callable[[int, int], None] = lambda done, of: None
) -> tuple[list[Judged], list[tuple[Path, str]]]:
    """An answer for each recording that can be decoded; the path and the reason for each that cannot."""
    labels = model.bundle.labels
    names, neighbours = _names_of(labels), neighbours_of(model.bundle)
    judged: list[Judged] = []
    refused: list[tuple[Path, str]] = []
    for number, row in enumerate(rows, start=1):
        try:
            view = listen(model, neighbours, row.path, limits)
        except RefusedMedia as error:
            refused.append((row.path, str(error)))
        else:
            judged.append(_judged(row, view, labels, names))
        heard(number, len(rows))
    return judged, refused


def listen(model: Model, neighbours: Neighbours | None, path: Path, limits: Limits) -> View:
    """Hear a recording window by window. Raises RefusedMedia."""
    sound = model.bundle.manifest.sound
    assert sound is not None, "evaluate takes sound classifiers only"
    grid = grid_for(sound)
    logs: list[Floats] = []
    levels: list[Floats] = []
    distances: list[NDArray[np.float64]] = []
    with audio.open_sound(path, limits) as reader:
        stream = resampled(reader.blocks(_BLOCK), reader.header.sample_rate, grid.rate)
        for batch in Windows(stream, grid, _AT_ONCE).batches():
            seen = model.infer(batch.samples)
            logs.append(_log_probabilities(model, seen))
            levels.append(loudness(batch.samples))
            if neighbours is not None and seen.embedding is not None:
                distances.append(neighbours.distances(seen.embedding))
    level = np.concatenate(levels)
    counted = sounding(level)
    return View(
        log_probabilities=pooled(np.concatenate(logs), level),
        distance=float(np.concatenate(distances)[counted].mean()) if distances else None,
        windows=int(counted.sum()),
    )


def loudness(windows: Floats) -> Floats:
    """[n, samples] → [n]: mean square of the first difference, which plays wind and handling down (6 dB an octave)."""
    return np.asarray(np.square(np.diff(windows, axis=1)).mean(axis=1), np.float32)


def sounding(level: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which windows count: those within QUIET_DB of the loudest."""
    return np.asarray(level >= level.max() * 10.0 ** (-QUIET_DB / 10.0))


def pooled(log_probabilities: NDArray[np.floating], level: NDArray[np.floating]) -> NDArray[np.float64]:
    """[n, classes] → [classes]: the mean over the windows that count."""
    return np.asarray(log_probabilities[sounding(level)].mean(axis=0, dtype=np.float64))


def genus_of(label: Label) -> str:
    """The genus of a class; its own name where it has none."""
    return dict(label.higher).get(GENUS, label.name.split(" ")[0])


def neighbours_of(bundle: Bundle) -> Neighbours | None:
    """The training embeddings of a bundle, where it has them."""
    spec = bundle.manifest.neighbours
    return None if spec is None else Neighbours(bundle.arrays()[spec.embeddings], spec.nearest)


def _log_probabilities(model: Model, seen: Seen) -> Floats:
    calibrated = model.calibrated(seen.scores if seen.logits is None else seen.logits, logits=seen.logits is not None)
    return np.asarray(np.log(np.maximum(seen.scores if calibrated is None else calibrated, _LEAST)), np.float32)


def _names_of(labels: Sequence[Label]) -> dict[str, Label]:
    names = {name_key(label.common_name): label for label in labels if label.common_name}
    return names | {name_key(label.name): label for label in labels}


def _judged(row: Labelled, view: View, labels: Sequence[Label], names: dict[str, Label]) -> Judged:
    taxa = [label.index for label in labels if label.role is Role.TAXON]
    best = max(taxa, key=lambda index: view.log_probabilities[index])
    return Judged(
        labelled=row,
        answer=labels[best],
        probability=float(np.exp(view.log_probabilities[best])),
        distance=view.distance,
        known=names.get(name_key(row.label)),
        noise=labels[int(view.log_probabilities.argmax())].role is not Role.TAXON,
    )


def _at(values: Sequence[str], rows: NDArray[np.intp]) -> list[str]:
    return [values[row] for row in rows]
