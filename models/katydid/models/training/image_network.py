"""A small anchor-free network: a heat map of insects' centres at a quarter of the picture's scale, sizes and offsets.

After CenterNet (Zhou, Wang & Krähenbühl 2019, "Objects as Points"). Plain 3 × 3 convolutions, which CPUs run best.

    x [N, H, W, 3] uint8 → /255 - 0.5
      s2   16 channels     s4   32     s8   64     s16  96, twice dilated: sees some 200 pixels around
      back up: s16 → s8 → s4, adding what was there
    → heat [N, 1, H/4, W/4]   logits
    → size [N, 2, H/4, W/4]   width and height, pixels
    → offset [N, 2, H/4, W/4] of the centre from the cell's upper left corner, cells (0.5: the middle)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

UNIT = 24.0
"""Pixels of a box that the network's 0 stands for: about the median insect on the trap photos."""
LARGEST = 4.0
"""Natural logarithm of size / UNIT is held within ± this."""
RARE = -4.6
"""Logit of 0.01: a new network expects few insects (Lin et al. 2017, "Focal Loss")."""


@dataclass(frozen=True)
class Seen:
    """What the network says about patches."""

    heat: Tensor
    """[N, 1, h, w], logits."""
    size: Tensor
    """[N, 2, h, w], pixels."""
    offset: Tensor
    """[N, 2, h, w], cells."""


class Conv(nn.Module):  # type: ignore[misc]  # torch is Any: it is in the train extra alone
    """3 × 3 convolution, norm, ReLU."""

    def __init__(self, inside: int, outside: int, stride: int = 1, dilation: int = 1, kernel: int = 3) -> None:
        super().__init__()
        pad = dilation * (kernel // 2)
        self.conv = nn.Conv2d(inside, outside, kernel, stride, pad, dilation, bias=False)
        self.norm = nn.BatchNorm2d(outside, momentum=0.05)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


class Residual(nn.Module):  # type: ignore[misc]
    """Two convolutions whose result is added to what went in."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = Conv(channels, channels)
        self.second = Conv(channels, channels, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class DotNet(nn.Module):  # type: ignore[misc]
    """The whole of it: 0.56 million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 16, stride=2)
        self.down4 = nn.Sequential(Conv(16, 32, stride=2), Conv(32, 32))
        self.down8 = nn.Sequential(Conv(32, 64, stride=2), Residual(64))
        self.down16 = nn.Sequential(Conv(64, 96, stride=2), Residual(96, dilation=2), Residual(96, dilation=2))
        self.up8, self.join8 = Conv(96, 64, kernel=1), Conv(64, 64)
        self.up4, self.join4 = Conv(64, 32, kernel=1), Conv(32, 32)
        self.head = Conv(32, 48)
        self.last = nn.Conv2d(48, 5, 1)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.bias.zero_()
            self.last.bias[0] = RARE

    def forward(self, x: Tensor) -> Seen:
        """`x`: float [N, 3, H, W], pixel / 255 - 0.5; H and W multiples of 16."""
        four = self.down4(self.stem(x))
        eight = self.down8(four)
        eight = self.join8(eight + _double(self.up8(self.down16(eight))))
        four = self.join4(four + _double(self.up4(eight)))
        said = self.last(self.head(four)).float()
        size = UNIT * torch.exp(said[:, 1:3].clamp(-LARGEST, LARGEST))
        return Seen(heat=said[:, :1], size=size, offset=said[:, 3:] + 0.5)


def _double(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def save_dots(net: DotNet, file: Path) -> None:
    """The weights as plain arrays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    with draft.open("wb") as out:
        np.savez(out, allow_pickle=False, **{name: tensor.numpy() for name, tensor in net.state_dict().items()})
    draft.replace(file)


def load_dots(file: Path) -> DotNet:
    """A network that `save_dots` wrote, ready to be asked."""
    net = DotNet()
    with np.load(file, allow_pickle=False) as arrays:
        net.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    net.eval()
    return net
