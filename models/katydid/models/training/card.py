"""The bundle's card: what it is, how good it is, what it must not be used for."""

from __future__ import annotations

from collections.abc import Collection

_CARD = """# singing-insects

Names 26 singing insects (7 Orthoptera of north-western Europe, 19 cicadas of South Africa and Australia) from 1.5 s of
sound at 44.1 kHz. A noise class stands for what is no insect; a sound that is far from everything it was taught is
answered as unidentifiable. Provisional species ("sp10", "cf. catenata") are answered as their genus{coarse}.

**Made from** the 166 recordings of InsectSet32 that may train a shipped model (Baudewijn Odé, Ed Baker; CC BY 4.0),
90 clips of ESC-10 as noise (K. J. Piczak; CC BY 3.0), songs simulated from published carriers and rhythms, and an
EfficientNet-Lite0 trained on ImageNet (Apache-2.0), all of whose layers were taught for {steps} batches of 16.

## How good it is

On recordings of groups (specimens, days) that were held out: the groups were dealt into {folds} folds, and {tested} of
them held out, each by a network of its own that was taught on the other {taught:.0%}; pooled. Species with one group
only are not among them. What is named and accepted is decided as the runtime does at a recording's surest window, with
the temperature, thresholds, genera and distance that the other folds choose. Intervals are drawn by group.

{table}
Held-out recordings, species by species:

{by_species}
## How to doubt it

- The intervals are wide: most species have a handful of held-out groups, some have none. Read them, not the middle.
- Crickets and cicadas come from two archives. Some of what tells the orders and genera apart may be the recorder.
- Most errors of species lie inside *Platypleura*, whose species sing alike. What stands first among the alternatives of
  such an answer is a hint, no name.
- Noise was of ten kinds. An engine or a bird that is like none of them may be taken for an insect.
- Close recordings of one insect. Choruses, distance and other recorders are harder than what was measured here. Of
  insects that sing at once it names one, or none: its answers exclude each other.
- Faint and cold singers are missed: a simulated *Oecanthus pellucens* gets .1 to .4 at 12 °C, .4 to .9 at 16 °C (6 to
  24 dB above the noise in its band). Heavy rain and rumble are at times taken for an insect, seldom surely.
- Species outside the list are seldom turned away: a related stranger is given the genus that it is most like, which is
  often its own, and often a known species, surely: without *Chorthippus biguttulus* it calls all of these \
*C. brunneus*.
  Where other species of its genera sing, have a person listen.

**Not for** deciding on rarities, on pests or on protected species without a person who listens.
"""


def card(table: str, by_species: str, *, coarse: Collection[str], folds: int, tested: int, steps: int) -> str:
    """card.md. `tested` of `folds` were held out; species of the genera in `coarse` are answered at the genus."""
    genera = ", ".join(f"*{genus}*" for genus in sorted(coarse))
    return _CARD.format(
        table=table,
        by_species=by_species,
        coarse=f", and so are\nall species of {genera}, which no threshold tells apart nine times in ten"
        if coarse
        else "",
        folds=folds,
        tested=tested,
        steps=steps,
        taught=1 - 1 / folds,
    )
