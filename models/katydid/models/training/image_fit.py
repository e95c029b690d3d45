"""One fit of the detector: AdamW, one learning-rate cycle, and the running mean of the weights as the result."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from katydid.models.training.image_network import DotNet, Seen
from katydid.models.training.image_patches import STRIDE, Batch, Patches
from katydid.models.training.image_photos import Photo

BATCH = 16
LEARNING_RATE = 3e-3
WARM_UP = 0.15
"""Share of the steps in which the learning rate rises."""
WEIGHT_DECAY = 0.02
MEMORY = 0.98
"""The running mean of the weights forgets over some 50 steps."""
BOX_WEIGHT = 2.0
"""Of the boxes' loss beside the heat map's."""


def fit(photos: Sequence[Photo], *, steps: int, seed: int, say: Callable[[str], None]) -> DotNet:
    """Teach a network from scratch. Deterministic for a seed on one machine and one thread."""
    torch.manual_seed(seed)
    patches = Patches(photos, seed)
    net = DotNet().to(memory_format=torch.channels_last).train()
    mean: DotNet = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=WARM_UP)
    began, spent = time.monotonic(), time.process_time()
    for step in range(1, steps + 1):
        batch = patches.draw(BATCH)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            seen = net(_channels_last(batch.pixels))
        heat, boxes = losses(seen, batch)
        optimiser.zero_grad()
        (heat + BOX_WEIGHT * boxes).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        cycle.step()
        _follow(mean, net, min(MEMORY, step / (step + 9)))
        if step % 50 == 0 or step == steps:
            say(
                f"step {step} of {steps}, loss {heat.item():.2f} + {boxes.item():.2f}, "
                f"{time.monotonic() - began:.0f} s, {time.process_time() - spent:.0f} s of CPU"
            )
    return mean


def losses(seen: Seen, batch: Batch) -> tuple[Tensor, Tensor]:
    """Of the heat map (focal, as CenterNet's) and of the boxes (1 - generalised overlap), each per insect."""
    heat, counts = torch.from_numpy(batch.heat), torch.from_numpy(batch.counts)
    there = heat == 1
    p = torch.sigmoid(seen.heat).clamp(1e-4, 1 - 1e-4)
    centre = torch.log(p) * (1 - p) ** 2 * there
    around = torch.log(1 - p) * p**2 * (1 - heat) ** 4 * ~there
    of_heat = -((centre + around) * counts).sum() / there.sum().clamp(min=1)
    weight = torch.from_numpy(batch.weight)
    overlap = generalised_overlap(boxes_of(seen), torch.from_numpy(batch.boxes))
    of_boxes = ((1 - overlap) * weight[:, 0]).sum() / weight.sum().clamp(min=1)
    return of_heat, of_boxes


def boxes_of(seen: Seen) -> Tensor:
    """[N, 4, h, w]: left, top, right, bottom in pixels of the patch, for every cell."""
    height, width = seen.size.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centre = (torch.stack((x, y)) + seen.offset) * STRIDE
    return torch.cat((centre - seen.size / 2, centre + seen.size / 2), dim=1)


def generalised_overlap(a: Tensor, b: Tensor) -> Tensor:
    """GIoU [N, h, w] of boxes [N, 4, h, w] (Rezatofighi et al. 2019)."""
    both = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    around = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=1)
    either = (a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - both
    overlap: Tensor = both / either.clamp(min=1e-6) - (around - either) / around.clamp(min=1e-6)
    return overlap


def _channels_last(pixels: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(pixels).to(memory_format=torch.channels_last)


def _follow(mean: DotNet, net: DotNet, memory: float) -> None:
    """Move the mean (weights and norm statistics) towards the net."""
    with torch.no_grad():
        for kept, new in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1.0 - memory)
            else:
                kept.copy_(new)
