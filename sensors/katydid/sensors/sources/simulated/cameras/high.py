"""High fidelity: a frame drawn at the scene's full size, layer by layer. RGB uint8 [height, width, 3].

Ground, shadows of plants, grass and stems; who is beneath the flowers; the flowers; the shadows of the others and the
others; leaves before the lens, web and dew; then light, the camera's shake and its noise.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from katydid.sensors.sources.simulated.cameras import shapes
from katydid.sensors.sources.simulated.cameras.chance import mixed
from katydid.sensors.sources.simulated.cameras.grounds import ground_picture
from katydid.sensors.sources.simulated.cameras.layout import Layout, layout_of
from katydid.sensors.sources.simulated.cameras.light import Kind, Light, dew_at, light_at
from katydid.sensors.sources.simulated.cameras.paths import Paths, Placed
from katydid.sensors.sources.simulated.cameras.plants import Greenery
from katydid.sensors.sources.simulated.cameras.scene import CameraScene, bare
from katydid.sensors.sources.simulated.cameras.sprites import Floats, Pixels, Where, insect_sprite, lay_smeared, shade
from katydid.sensors.sources.simulated.cameras.wet import Dew, Web

_SMEARS = 6
"""At most this many pictures make one that moved while the shutter was open."""
_BODY_MM = 0.25
"""How high a sitting body stands, of its length: what its shadow falls from."""
_NOISE = {Kind.DAY: 2.2, Kind.LAMP: 3.0, Kind.INFRARED: 4.5, Kind.NONE: 5.0}
"""Standard deviation of the sensor's noise, grey levels."""


class Optics(NamedTuple):
    """What a camera of one size adds, whatever it looks at."""

    noise: Pixels
    """[height + 64, width + 64, 3], around 128 with a standard deviation of 16."""
    lamp: Pixels
    """The spot of a sheet's lamp, [height, width, 3], 200 for full light."""
    spot: Pixels
    """The hot spot of the camera's own infrared lamp, [height, width]."""


@lru_cache(maxsize=4)
def optics_of(width: int, height: int) -> Optics:
    """The optics of a size; the last four are kept."""
    lamp = np.repeat(_lamp(width, height, 0.62, 0.45)[:, :, None], 3, axis=2)
    return Optics(_noise(width, height), lamp, _lamp(width, height, 0.3, 0.36))


class Stage:
    """All that stands in a scene at one size, without animals; shared by every camera with the same look."""

    def __init__(self, scene: CameraScene, layout: Layout, width: int, height: int) -> None:
        self.scene, self.layout, self.width, self.height = scene, layout, width, height
        self.scale = width / scene.width_mm
        look = layout.seed
        self._ground = ground_picture(scene, look, width, height)
        self._greenery = Greenery(layout, width)
        self._web = Web(look, layout) if scene.weather.web else None
        self._dew = Dew(look, width, height) if scene.weather.dew > 0.0 else None
        self.optics = optics_of(width, height)

    def below(self, at: float) -> Pixels:
        """Ground and all that lies under the flowers."""
        canvas = self._ground.copy()
        self._greenery.under(canvas, at)
        return canvas

    def heads(self, canvas: Pixels, at: float) -> None:
        self._greenery.heads(canvas, at)

    def above(self, canvas: Pixels, at: float, dew: float) -> None:
        """Leaves before the lens, the web, dew."""
        self._greenery.leaves(canvas, at)
        if self._web is not None:
            self._web.hang(canvas, at, self.scale)
        if self._dew is not None and dew > 0.02:
            self._dew.fall(canvas, dew)


@lru_cache(maxsize=3)
def _stage(scene: CameraScene, look: int, width: int, height: int) -> Stage:
    return Stage(scene, layout_of(scene, look), width, height)


def stage_of(scene: CameraScene, layout: Layout, width: int, height: int) -> Stage:
    """The stage of a scene at a size; the last three are kept."""
    return _stage(bare(scene), layout.seed, width, height)


class HighFidelity:
    """Draws the frames of one camera."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._sprite = lru_cache(maxsize=64)(insect_sprite)

    def frame(self, at: float, placed: list[Placed]) -> Pixels:
        """The frame at `at` with these animals, lowest first."""
        scene, seed = self._paths.scene, self._paths.seed
        stage = stage_of(scene, self._paths.layout, scene.width, scene.height)
        light = light_at(scene, seed, at)
        canvas = stage.below(at)
        for each in (each for each in placed if each.pose.beneath):
            self._draw(canvas, each, at, light)
        stage.heads(canvas, at)
        for each in (each for each in placed if not each.pose.beneath):
            self._draw(canvas, each, at, light)
        stage.above(canvas, at, dew_at(scene, at))
        shaken = _shaken(canvas, scene, seed, at)
        return exposed(shaken, light, stage.optics, mixed(seed, round(at * 1e6)))

    def _draw(self, canvas: Pixels, each: Placed, at: float, light: Light) -> None:
        scale = self._paths.scene.width / self._paths.scene.width_mm
        if self._paths.scene.shadows and light.shadow > 0.0:
            _cast(canvas, each, light, scale)
        item = self._sprite(each.who.taxon, each.who.pattern, each.pose.flying, round(each.who.length_mm * scale))
        lay_smeared(canvas, item, self._poses(each, at, scale))

    def _poses(self, each: Placed, at: float, scale: float) -> list[Where]:
        """Where it is while the shutter is open: a pose for each two pixels of its way, up to some."""
        if not each.pose.flying:
            return [(each.x * scale, each.y * scale, each.pose.heading, each.scale * scale)]
        last = self._paths.place(each.who, at + self._paths.scene.exposure_s)
        far = 0.0 if last is None else math.hypot(last.x - each.x, last.y - each.y) * scale
        count = max(1, min(_SMEARS, round(far / 2.0) + 1))
        between = np.linspace(0.0, self._paths.scene.exposure_s, count)
        found = [self._paths.place(each.who, at + float(after)) for after in between]
        return [(p.x * scale, p.y * scale, p.pose.heading, p.scale * scale) for p in found if p is not None]


def _cast(canvas: Pixels, each: Placed, light: Light, scale: float) -> None:
    """Its shadow: the outline moved by its height along the light, softer the higher it flies."""
    high = each.pose.lift + _BODY_MM * each.who.length_mm
    outline: Floats = each.spread(shapes.silhouette(each.insect.shape, each.pose.flying)) * scale
    outline += (light.cast[0] * high * scale, light.cast[1] * high * scale)
    blur = light.blur * scale * (0.04 * each.who.length_mm + 0.03 * each.pose.lift)
    shade(canvas, outline, light.shadow * math.exp(-each.pose.lift / 120.0), blur)


def exposed(canvas: Pixels, light: Light, optics: Optics, key: int) -> Pixels:
    """The picture under its light, with the noise of its sensor, another one for each key."""
    return _noisy(_lit(canvas, light, optics), optics.noise, _NOISE[light.kind], key)


def _lit(canvas: Pixels, light: Light, optics: Optics) -> Pixels:
    """The picture under its light."""
    if light.kind is Kind.INFRARED:
        grey = cv2.transform(canvas, np.array([[0.45, 0.45, 0.1]], np.float32))
        grey = cv2.multiply(grey, optics.spot, None, light.gain[0] * 0.9 / 200.0)
        return np.asarray(cv2.merge([grey, grey, grey]), np.uint8)
    if light.kind is Kind.LAMP:
        canvas = np.asarray(cv2.multiply(canvas, optics.lamp, None, 1.0 / 200.0), np.uint8)
    left, right = light.gain
    if abs(left - right) < 0.004:
        return canvas if abs(left - 1.0) < 0.004 else np.asarray(cv2.convertScaleAbs(canvas, alpha=left), np.uint8)
    edge = np.clip(np.linspace(left, right, canvas.shape[1]) * 200.0, 0, 255).astype(np.uint8)
    ramp = np.broadcast_to(edge[None, :, None], canvas.shape)
    return np.asarray(cv2.multiply(canvas, np.ascontiguousarray(ramp), None, 1.0 / 200.0), np.uint8)


def _noisy(canvas: Pixels, noise: Pixels, spread: float, key: int) -> Pixels:
    """With a cut of the stored noise, another one for each key."""
    height, width = canvas.shape[:2]
    down, across = key % (noise.shape[0] - height + 1), (key >> 20) % (noise.shape[1] - width + 1)
    cut = noise[down : down + height, across : across + width]
    share = spread / 16.0
    return np.asarray(cv2.addWeighted(canvas, 1.0, cut, share, -128.0 * share), np.uint8)


def _noise(width: int, height: int) -> Pixels:
    """Noise around 128, 64 pixels larger each way; that of colour is coarser, as after a Bayer filter."""
    chance = np.random.default_rng(81)
    grey = chance.standard_normal((height + 64, width + 64), dtype=np.float32)
    colour = chance.standard_normal(((height + 64) // 2, (width + 64) // 2, 3), dtype=np.float32)
    grown = cv2.resize(colour, (width + 64, height + 64), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(128.0 + 13.0 * grey[:, :, None] + 10.0 * grown, 0, 255), np.uint8)


def _lamp(width: int, height: int, reach: float, floor: float) -> Pixels:
    """A lamp's spot, 200 for full light, falling to `floor` of it."""
    x = (np.arange(width, dtype=np.float32) / width - np.float32(0.5))[None, :]
    y = ((np.arange(height, dtype=np.float32) - height / 2) / width)[:, None]
    light = floor + (1.15 - floor) * np.exp(-0.5 * (x**2 + y**2) / np.float32(reach) ** 2)
    return np.clip(200.0 * light, 0, 255).astype(np.uint8)


def _shaken(canvas: Pixels, scene: CameraScene, seed: int, at: float) -> Pixels:
    if scene.weather.shake_px <= 0.0:
        return canvas
    chance = np.random.default_rng([seed & 0xFFFFFFFF, 82, round(at * 1e6)])
    x, y = chance.normal(0.0, scene.weather.shake_px, 2)
    move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    size = (canvas.shape[1], canvas.shape[0])
    return np.asarray(cv2.warpAffine(canvas, move, size, borderMode=cv2.BORDER_REFLECT), np.uint8)
