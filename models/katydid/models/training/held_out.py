"""What a network says about recordings that it was not taught: the ground for every threshold and every figure.

Groups are dealt out to folds, species by species, so each fold holds about the same share of each species. A species
with one group only is taught in all folds and tested in none. Noise is dealt out by kind: rain that is tested was in
no training batch, and neither was any other rain.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from katydid.models.decide.novelty import Neighbours
from katydid.models.evaluation import sounding
from katydid.models.training.batches import Batches
from katydid.models.training.export import INPUT, SCORES, onnx_bytes, quantised
from katydid.models.training.features import Heard
from katydid.models.training.fit import predict, windows_of
from katydid.models.training.network import SongNet
from katydid.models.training.taxa import NOISE

REFERENCES = 8
"""Windows of each training recording, the loudest, that distances are measured to."""
SIMULATED = 24
"""Simulated windows of each species with a song that distances are measured to as well, since they are training data
like the recordings. Without them a quarter of the windows of simulated songs lay beyond a distance of .28, with them
one in twenty-five; nothing changed for species left out (AUROC .73 either way)."""
NEAREST = 10
"""Windows over which the distance is averaged. On species left out: AUROC .69 for 1, .71 for 5, .73 for 10, .68 for 30;
with 64 principal axes of the embedding, as in an earlier version, .65 for 1; whitening, medians and the top probability
beside it did not help (63 recordings, so differences of .05 mean little)."""


@dataclass(frozen=True)
class Said:
    """What was said about one recording, window by window (the windows that sound)."""

    label: str
    group: str
    logits: NDArray[np.float32]
    """[n, classes]"""
    distance: NDArray[np.float64]
    """[n], cosine distance to the NEAREST training windows."""


@dataclass(frozen=True)
class HeldOut:
    """One fold: its classes, what was said about what it held out, and how int8 weights changed that."""

    classes: tuple[str, ...]
    said: tuple[Said, ...]
    int8_agreement: float
    """Share of the held-out windows where float32 and int8 weights name the same class."""
    int8_difference: float
    """Largest difference of any class's probability over those windows."""


def folds_of(heard: Sequence[Heard], folds: int, seed: int) -> dict[str, int | None]:
    """Group → fold; None for the only group of its species, which is always taught."""
    rng = np.random.default_rng(seed)
    sizes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for each in heard:
        sizes[each.label][each.group] += 1
    fold: dict[str, int | None] = {}
    for label in class_names(heard):
        groups = sorted(sizes[label])
        rng.shuffle(groups)
        order = rng.permutation(folds)
        for place, group in enumerate(sorted(groups, key=lambda name: -sizes[label][name])):
            fold[group] = None if len(groups) < 2 and label != NOISE else int(order[place % folds])
    return fold


def hold_out(net: SongNet, taught: Sequence[Heard], held: Sequence[Heard]) -> HeldOut:
    """What a network that was `taught` some recordings says about others."""
    near = Neighbours(reference(net, taught), NEAREST)
    rounded = _Int8(net)
    said = [_say(net, rounded, near, each) for each in held]
    return HeldOut(tuple(class_names(taught)), tuple(said), rounded.agreement, rounded.difference)


def class_names(heard: Sequence[Heard]) -> list[str]:
    """The species in alphabetical order, then noise."""
    names = {each.label for each in heard}
    return [*sorted(names - {NOISE}), *sorted(names & {NOISE})]


def reference(net: SongNet, taught: Sequence[Heard]) -> NDArray[np.int8]:
    """The embeddings [m, 1280] that distances are measured to (insects only), each scaled to fill a byte."""
    recorded = [windows_of(each, most=REFERENCES)[0] for each in taught if each.label != NOISE]
    batches = Batches(taught, class_names(taught), seed=0)
    simulated = [batches.simulated(name)[np.newaxis] for name in batches.singers for _ in range(SIMULATED)]
    return quantised(predict(net, np.concatenate([*recorded, *simulated]))[1])[0]


def _say(net: SongNet, rounded: _Int8, near: Neighbours, heard: Heard) -> Said:
    windows, level = windows_of(heard)
    windows = windows[sounding(level)]
    logits, embedding = predict(net, windows)
    rounded.compare(windows, logits)
    return Said(heard.label, heard.group, logits, near.distances(embedding))


class _Int8:
    """Runs the exported graph, its weights as int8, beside the network, and keeps how far they are apart."""

    def __init__(self, net: SongNet) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(onnx_bytes(net), options, providers=["CPUExecutionProvider"])
        self._same = self._windows = 0
        self.difference = 0.0

    @property
    def agreement(self) -> float:
        """Share of the windows with the same first class."""
        return self._same / max(self._windows, 1)

    def compare(self, windows: NDArray[np.float32], exact: NDArray[np.float32]) -> None:
        rounded = self._session.run([SCORES], {INPUT: windows})[0]
        self._windows += len(windows)
        self._same += int((exact.argmax(axis=1) == rounded.argmax(axis=1)).sum())
        self.difference = max(self.difference, float(np.abs(softmax(exact) - softmax(rounded)).max()))


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Along the last axis."""
    power = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(power / power.sum(axis=-1, keepdims=True))


def digest_of(key: str) -> str:
    """12 hexadecimal digits for the name of a file."""
    return hashlib.blake2b(key.encode(), digest_size=6).hexdigest()


def kept(folder: Path, name: str, key: str, make: Callable[[], HeldOut]) -> HeldOut:
    """`make()`, or what an earlier run with the same key left in the folder."""
    file = folder / f"{name}-{digest_of(key)}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _save(file, make())
    return _load(file)


class _Facts(msgspec.Struct, frozen=True):
    classes: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    counts: tuple[int, ...]
    int8_agreement: float
    int8_difference: float


def _save(file: Path, held: HeldOut) -> None:
    facts = _Facts(
        held.classes,
        tuple(each.label for each in held.said),
        tuple(each.group for each in held.said),
        tuple(len(each.logits) for each in held.said),
        held.int8_agreement,
        held.int8_difference,
    )
    draft = file.with_suffix(".part")
    with draft.open("wb") as out:
        np.savez(
            out,
            facts=np.frombuffer(msgspec.json.encode(facts), np.uint8),
            logits=np.concatenate([each.logits for each in held.said]),
            distance=np.concatenate([each.distance for each in held.said]),
        )
    draft.replace(file)


def _load(file: Path) -> HeldOut:
    with np.load(file, allow_pickle=False) as arrays:
        facts = msgspec.json.decode(arrays["facts"].tobytes(), type=_Facts)
        cuts = np.cumsum(facts.counts)[:-1]
        logits, distance = np.split(arrays["logits"], cuts), np.split(arrays["distance"], cuts)
    said = tuple(
        Said(label=label, group=group, logits=rows, distance=far)
        for label, group, rows, far in zip(facts.labels, facts.groups, logits, distance, strict=True)
    )
    return HeldOut(facts.classes, said, facts.int8_agreement, facts.int8_difference)
