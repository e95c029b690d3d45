"""One fit: AdamW over all layers, one learning-rate cycle, and the running mean of the weights as the result."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from katydid.models.training.batches import Batches, padded
from katydid.models.training.features import FRAMES, Heard
from katydid.models.training.network import SongNet, pretrained

BATCH = 16
LEARNING_RATE = 1.5e-3
WARM_UP = 0.15
"""Share of the steps in which the learning rate rises."""
WEIGHT_DECAY = 0.02
SMOOTHING = 0.05
"""Label smoothing."""
MEMORY = 0.98
"""The running mean of the weights forgets over some 50 steps."""
PREDICT_HOP = FRAMES // 2
"""Windows of a recording overlap by half, as in the bundle."""


def fit(
    heard: Sequence[Heard], classes: Sequence[str], *, steps: int, seed: int, say: Callable[[str], None]
) -> SongNet:
    """Teach a network the classes from the recordings. Deterministic for a seed on one machine and one thread."""
    torch.manual_seed(seed)
    batches = Batches(heard, classes, seed)
    net = pretrained(len(classes)).train()
    mean: SongNet = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(_parameter_groups(net), lr=LEARNING_RATE)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=WARM_UP)
    began = time.monotonic()
    for step in range(1, steps + 1):
        windows, labels = batches.draw(BATCH)
        logits, _ = net(torch.from_numpy(windows))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        cycle.step()
        _follow(mean, net, min(MEMORY, step / (step + 9)))
        if step % 50 == 0 or step == steps:
            say(f"step {step} of {steps}, loss {loss.item():.2f}, {time.monotonic() - began:.0f} s")
    return mean


def windows_of(heard: Heard, most: int | None = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The windows of a recording, overlapping by half, [n, BANDS, FRAMES], and their level [n]; only the loudest if
    `most` are asked for."""
    frames = heard.features.shape[1]
    starts = np.arange(0, max(frames - FRAMES, 0) + 1, PREDICT_HOP)
    levels = np.array([heard.level[at : at + FRAMES].mean() for at in starts], np.float32)
    chosen = np.arange(len(starts)) if most is None else np.argsort(-levels, kind="stable")[:most]
    windows = np.stack([padded(heard.features[:, at : at + FRAMES], 0) for at in starts[chosen]])
    return windows, levels[chosen]


def predict(net: SongNet, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits [n, classes] and embedding [n, 1280] of windows [n, BANDS, FRAMES]."""
    with torch.no_grad():
        parts = [net(torch.from_numpy(windows[at : at + BATCH])) for at in range(0, len(windows), BATCH)]
    logits = torch.cat([logits for logits, _ in parts]).numpy()
    return logits, torch.cat([embedding for _, embedding in parts]).numpy()


def _parameter_groups(net: SongNet) -> list[dict[str, object]]:
    """Weights decay; biases and norms do not."""
    weights = [each for each in net.parameters() if each.ndim > 1]
    others = [each for each in net.parameters() if each.ndim <= 1]
    return [{"params": weights, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]


def _follow(mean: SongNet, net: SongNet, memory: float) -> None:
    """Move the mean (weights and norm statistics) towards the net."""
    with torch.no_grad():
        for kept, new in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1.0 - memory)
            else:
                kept.copy_(new)
