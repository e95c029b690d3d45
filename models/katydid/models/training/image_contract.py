"""What the bundle `insect-detector` says about itself: its contract, its card and its licence."""

from __future__ import annotations

from katydid.models.manifest import (
    FORMAT,
    Activation,
    BundleKind,
    BundleManifest,
    Calibration,
    CentreOutput,
    Detector,
    Graph,
    ImageInput,
    Label,
    Thresholds,
    Tiles,
)
from katydid.models.training.image_export import HEAT, INPUT, OFFSET, SIZE

NAME, VERSION = "insect-detector", "1.0"
GRAPH = "insect-detector.onnx"
SIDE = 800
"""Pixels of a tile: six make a photo of 1536 x 2048."""
SHORT_SIDE = 1536
"""That of the photos that it was taught on: an insect has the size in pixels that it is known by."""
OVERLAP = 64
REPORT, ACCEPT = 0.2, 0.5
"""On the calibrated probability."""

LABELS = (Label(index=0, taxon_id="name:Insecta", name="Insecta", rank="class", common_name="insect"),)

LICENCE = """The weights of this bundle are published under the Creative Commons Attribution 4.0 International licence:
https://creativecommons.org/licenses/by/4.0/

You may use, share and change them for any purpose, as long as you give credit to

- SPOHF, insect-detection-yellow-traps: photos of yellow sticky traps with boxes, CC BY 4.0;
- bnn, by Mat Kelcey (matpalm): frames of a hive's entrance with points of bees, under the MIT licence below;
- Katydid, which trained it.

The licence of bnn:

MIT License

Copyright (c) 2018 Matthew Kelcey

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""

_CARD = """# insect-detector

Finds insects on photos of yellow sticky traps, taken so that an insect is some 10 to 200 pixels long when the photo's
shorter side is 1536 pixels, and draws a box around each. It names none: its one class is Insecta. A classifier that is
chosen beside it names what lies in the boxes.

**Made from** 114 photos of yellow sticky traps with 9,856 boxes (SPOHF, insect-detection-yellow-traps; CC BY 4.0) and
8 frames of a hive's entrance with 139 points (Mat Kelcey, bnn; MIT). {weights:.2f} million weights, from scratch,
{steps} batches of 16 patches of 256 pixels: about {minutes:.0f} minutes of CPU a network. Eight bits.

## How good it is

Photo by photo: the photos were dealt into {folds} folds, and {tested} of them held out, each from a network of its own
that was taught on the other {taught:.0%}; pooled: {photos} photos with {boxes} boxes, {frames} frames with {points}
points. *settled* is Katydid's localiser without weights, *dark blobs* are what is darker than a fixed grey level
({level}). A box is right where it overlaps a drawn one by 0.3 (intersection over union). Intervals are drawn by photo.
Written down is what has a probability of at least {report}; the other two write down all that they find.

{table}
## How to doubt it

- **The truth has holes.** Whoever drew the boxes left out many insects, above all small and worn ones.
  Of the 40 surest boxes that counted as false, 36 hold an insect as far as an eye can tell; of 40 drawn at random from
  those with a score over 0.4, about 29 (of two folds of version 1.0, looked at by one person).
  So average precision and, above all, recall at one false box a photo say less than the truth: a box around an insect
  that nobody drew counts as false.
- A probability is the chance that somebody had drawn such a box, fitted on the held-out photos that the table is of.
- One camera, one kind of trap, one project. On other grounds it is of little use: on 35 frames of flowers with honey
  bees it found 6 of 38, and some 7 boxes a frame that are none.
- On plants, print, dirt and the table under the trap it finds what is not there: look at the report's pictures.
- Insects that lie on each other are one box at times.

**Not for** counting pests where a count decides something, without a person who looks.
"""


def manifest(calibration: Calibration) -> BundleManifest:
    """Everything but the digests of the files."""
    return BundleManifest(
        format=FORMAT,
        name=NAME,
        version=VERSION,
        title="Insects on yellow sticky traps: boxes",
        kind=BundleKind.DETECTOR,
        graphs=(Graph(file=GRAPH, engine="onnx", input=INPUT, scores=HEAT, max_batch=1),),
        image=ImageInput(height=SIDE, width=SIDE),
        detector=Detector(
            output=CentreOutput(size=SIZE, offset=OFFSET),
            tiles=Tiles(short_sides=(SHORT_SIDE,), overlap=OVERLAP),
            unasked=False,
        ),
        activation=Activation.SIGMOID,
        thresholds=Thresholds(report=REPORT, accept=ACCEPT),
        calibration=calibration,
        licence="CC-BY-4.0",
        credit=(
            "insect-detector, trained on photos of SPOHF (insect-detection-yellow-traps; CC BY 4.0) and frames of "
            "Mat Kelcey (bnn; MIT)"
        ),
        citation="SPOHF, insect-detection-yellow-traps, annotated photos of yellow sticky traps, version 9 (2026).",
        uses="Finding insects on photos of sticky traps; any use with credit. It counts and names nothing by itself.",
        files={},
    )


def card(table: str, **facts: float | str) -> str:
    """card.md."""
    return _CARD.format(table=table, report=REPORT, **facts)
