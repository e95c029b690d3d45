"""Who comes before a simulated camera: size, shape, hours and behaviour of each taxon.

Numbers marked (m) are from memory of the literature and field guides, rounded, and not checked against a copy:
body lengths from field guides (Falk 2015, Bees of Great Britain and Ireland; Ball & Morris 2015, Hoverflies;
Waring & Townsend 2017, Moths); seconds on a flower from pollinator observations (Goulson 2010, Bumblebees: 1-10 s for
most *Bombus* on most flowers; Inouye 1980 and others alike; hoverflies several times longer); walking of flies and
beetles at one to three body lengths a second and of ants at 10-20 mm/s; flight inside a patch at 0.3-1 m/s.
Numbers marked (a) are assumptions of this simulator.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Shape(StrEnum):
    """Which outlines an insect is drawn with (`shapes.py`)."""

    BEE = "bee"
    BUMBLEBEE = "bumblebee"
    HOVERFLY = "hoverfly"
    WASP = "wasp"
    FLY = "fly"
    ANT = "ant"
    BEETLE = "beetle"
    LADYBIRD = "ladybird"
    BUTTERFLY = "butterfly"
    ROOFED_MOTH = "roofed_moth"
    FLAT_MOTH = "flat_moth"
    LACEWING = "lacewing"
    CRANEFLY = "cranefly"


class Diel(StrEnum):
    """When in the day it is active, by the sun (`sun.py`)."""

    DAY = "day"
    NIGHT = "night"
    DUSK = "dusk"
    ALWAYS = "always"


class Forages(msgspec.Struct, frozen=True, kw_only=True, tag="forages"):
    """Goes from flower to flower, or from spot to spot of a feeder, and leaves; may come back."""

    visit_s: float
    """Median seconds on one flower; lognormal."""
    visit_spread: float = 0.6
    """Standard deviation of the logarithm (a)."""
    flowers: float = 4.0
    """Mean number of flowers before it leaves the picture; geometric."""
    flight_mm_s: float = 500.0
    walk_mm_s: float = 12.0
    on_foot: float = 0.0
    """Share of the ways between two spots that it walks instead of flying."""
    hovers_s: float = 0.0
    """Mean seconds of hovering before it lands; 0 for those that do not."""
    beneath: float = 0.05
    """Share of visits in which it is under the flower, hidden but for its edge."""
    returns: float = 0.25
    """Chance that it comes back after it left."""
    away_s: float = 40.0
    """Mean seconds between leaving and coming back (a)."""
    longest_s: float = 3600.0


class Settles(msgspec.Struct, frozen=True, kw_only=True, tag="settles"):
    """Comes to the light, circles, settles, sits for long, and shuffles or turns now and then."""

    stay_s: float
    """Mean seconds from landing to leaving; exponential."""
    circles_s: float = 3.0
    """Mean seconds of flight before it settles."""
    fidgets_every_s: float = 900.0
    """Mean seconds between two small moves: a shuffle, a turn or both."""
    shuffle_mm: float = 8.0
    """Mean length of a shuffle."""
    walk_mm_s: float = 10.0
    moves_house: float = 0.04
    """Share of the small moves that are a short flight to another spot in the picture."""
    flight_mm_s: float = 700.0
    longest_s: float = 8 * 3600.0


class Walks(msgspec.Struct, frozen=True, kw_only=True, tag="walks"):
    """Enters on foot over the edge, walks in bends with rests, and leaves over the edge."""

    walk_mm_s: float
    rests: float = 0.3
    """Chance of a rest after each stretch."""
    rest_s: float = 8.0
    """Mean seconds of a rest."""
    stretches: float = 5.0
    """Mean number of stretches before it makes for the edge."""
    longest_s: float = 1800.0


Behaviour = Forages | Settles | Walks


class Insect(msgspec.Struct, frozen=True, kw_only=True):
    """One taxon as the simulator knows it."""

    taxon: str
    """Scientific name, of the rank that the name says."""
    shape: Shape
    length_mm: tuple[float, float]
    """Mean and standard deviation of what is drawn from front to back: body, or folded wings where they are longer."""
    colours: tuple[tuple[int, int, int], ...]
    """RGB: ground colour, marks, and wings where the shape has wings apart."""
    diel: Diel
    season: tuple[float, float]
    """Day of the year of the peak and standard deviation in days (a), northern temperate."""
    behaviour: Behaviour


_BEES = (
    Insect(
        taxon="Apis mellifera",
        shape=Shape.BEE,
        length_mm=(13.0, 0.7),
        colours=((150, 98, 42), (44, 30, 20), (196, 186, 166)),
        diel=Diel.DAY,
        season=(190, 70),
        behaviour=Forages(visit_s=5.0, flowers=5.0),
    ),
    Insect(
        taxon="Bombus terrestris",
        shape=Shape.BUMBLEBEE,
        length_mm=(15.0, 1.8),
        colours=((26, 23, 22), (214, 168, 44), (120, 108, 96)),
        diel=Diel.DAY,
        season=(190, 55),
        behaviour=Forages(visit_s=3.5, flowers=6.0, flight_mm_s=600.0),
    ),
    Insect(
        taxon="Lasioglossum",
        shape=Shape.BEE,
        length_mm=(6.5, 0.8),
        colours=((46, 40, 36), (92, 84, 76), (176, 170, 160)),
        diel=Diel.DAY,
        season=(180, 60),
        behaviour=Forages(visit_s=9.0, flowers=3.0, flight_mm_s=400.0, walk_mm_s=8.0, beneath=0.1),
    ),
)
_HOVERFLIES = (
    Insect(
        taxon="Episyrphus balteatus",
        shape=Shape.HOVERFLY,
        length_mm=(10.5, 0.8),
        colours=((222, 142, 36), (34, 28, 22), (204, 204, 200)),
        diel=Diel.DAY,
        season=(205, 50),
        behaviour=Forages(visit_s=12.0, flowers=3.0, hovers_s=1.8, flight_mm_s=400.0, walk_mm_s=8.0),
    ),
    Insect(
        taxon="Eristalis tenax",
        shape=Shape.HOVERFLY,
        length_mm=(13.5, 0.8),
        colours=((66, 46, 30), (176, 112, 40), (190, 182, 168)),
        diel=Diel.DAY,
        season=(225, 55),
        behaviour=Forages(visit_s=18.0, flowers=2.5, hovers_s=0.8, flight_mm_s=500.0),
    ),
)
_BUTTERFLIES = (
    Insect(
        taxon="Pieris rapae",
        shape=Shape.BUTTERFLY,
        length_mm=(25.0, 1.5),
        colours=((236, 234, 214), (52, 48, 46), (236, 234, 214)),
        diel=Diel.DAY,
        season=(205, 50),
        behaviour=Forages(visit_s=8.0, flowers=2.0, flight_mm_s=600.0, beneath=0.0),
    ),
)
_MOTHS = (
    Insect(
        taxon="Noctua pronuba",
        shape=Shape.ROOFED_MOTH,
        length_mm=(27.0, 1.6),
        colours=((104, 76, 52), (58, 42, 30)),
        diel=Diel.NIGHT,
        season=(205, 40),
        behaviour=Settles(stay_s=5400.0, shuffle_mm=20.0, fidgets_every_s=600.0, walk_mm_s=25.0),
    ),
    Insect(
        taxon="Autographa gamma",
        shape=Shape.ROOFED_MOTH,
        length_mm=(20.0, 1.3),
        colours=((112, 98, 92), (206, 196, 176)),
        diel=Diel.NIGHT,
        season=(215, 45),
        behaviour=Settles(stay_s=3600.0, fidgets_every_s=500.0, shuffle_mm=12.0),
    ),
    Insect(
        taxon="Idaea aversata",
        shape=Shape.FLAT_MOTH,
        length_mm=(14.0, 1.0),
        colours=((196, 172, 132), (122, 98, 70)),
        diel=Diel.NIGHT,
        season=(195, 30),
        behaviour=Settles(stay_s=7200.0, fidgets_every_s=1800.0, shuffle_mm=5.0),
    ),
    Insect(
        taxon="Biston betularia",
        shape=Shape.FLAT_MOTH,
        length_mm=(25.0, 1.6),
        colours=((206, 202, 192), (70, 64, 58)),
        diel=Diel.NIGHT,
        season=(170, 25),
        behaviour=Settles(stay_s=10800.0, fidgets_every_s=3600.0, shuffle_mm=6.0),
    ),
    Insect(
        taxon="Chrysoteuchia culmella",
        shape=Shape.ROOFED_MOTH,
        length_mm=(11.0, 0.8),
        colours=((188, 160, 112), (126, 100, 66)),
        diel=Diel.DUSK,
        season=(190, 25),
        behaviour=Settles(stay_s=4500.0, fidgets_every_s=1200.0, shuffle_mm=6.0),
    ),
)
_OTHERS_AT_LIGHT = (
    Insect(
        taxon="Chrysoperla carnea",
        shape=Shape.LACEWING,
        length_mm=(15.0, 1.0),
        colours=((132, 168, 88), (92, 120, 60), (206, 218, 196)),
        diel=Diel.NIGHT,
        season=(210, 45),
        behaviour=Settles(stay_s=5400.0, fidgets_every_s=900.0, shuffle_mm=8.0, flight_mm_s=350.0),
    ),
    Insect(
        taxon="Tipula oleracea",
        shape=Shape.CRANEFLY,
        length_mm=(20.0, 1.8),
        colours=((126, 110, 92), (84, 72, 60), (178, 168, 152)),
        diel=Diel.DUSK,
        season=(230, 45),
        behaviour=Settles(stay_s=2400.0, fidgets_every_s=400.0, shuffle_mm=15.0, moves_house=0.25),
    ),
    Insect(
        taxon="Harmonia axyridis",
        shape=Shape.LADYBIRD,
        length_mm=(6.8, 0.5),
        colours=((196, 66, 24), (24, 20, 20)),
        diel=Diel.DUSK,
        season=(220, 60),
        behaviour=Settles(stay_s=4800.0, fidgets_every_s=300.0, shuffle_mm=30.0, walk_mm_s=14.0),
    ),
    Insect(
        taxon="Amphimallon solstitiale",
        shape=Shape.BEETLE,
        length_mm=(16.0, 1.0),
        colours=((150, 104, 58), (98, 66, 38)),
        diel=Diel.DUSK,
        season=(185, 15),
        behaviour=Settles(stay_s=1800.0, fidgets_every_s=240.0, shuffle_mm=40.0, walk_mm_s=20.0),
    ),
)
_FLIES = (
    Insect(
        taxon="Calliphora vicina",
        shape=Shape.FLY,
        length_mm=(10.5, 1.0),
        colours=((44, 56, 82), (24, 26, 32), (170, 170, 172)),
        diel=Diel.DAY,
        season=(200, 75),
        behaviour=Forages(visit_s=25.0, flowers=4.0, on_foot=0.6, walk_mm_s=25.0, returns=0.35, away_s=30.0),
    ),
    Insect(
        taxon="Musca domestica",
        shape=Shape.FLY,
        length_mm=(7.0, 0.5),
        colours=((84, 80, 74), (44, 40, 38), (186, 184, 178)),
        diel=Diel.DAY,
        season=(210, 60),
        behaviour=Forages(visit_s=12.0, flowers=6.0, on_foot=0.7, walk_mm_s=20.0, returns=0.4, away_s=20.0),
    ),
    Insect(
        taxon="Vespula vulgaris",
        shape=Shape.WASP,
        length_mm=(13.0, 1.0),
        colours=((226, 184, 36), (26, 22, 20), (150, 138, 118)),
        diel=Diel.DAY,
        season=(230, 35),
        behaviour=Forages(visit_s=40.0, flowers=2.0, on_foot=0.5, walk_mm_s=18.0, returns=0.3, hovers_s=0.8),
    ),
    Insect(
        taxon="Lasius niger",
        shape=Shape.ANT,
        length_mm=(4.0, 0.5),
        colours=((40, 32, 30), (26, 22, 20)),
        diel=Diel.ALWAYS,
        season=(195, 60),
        behaviour=Walks(walk_mm_s=15.0),
    ),
    Insect(
        taxon="Carabus nemoralis",
        shape=Shape.BEETLE,
        length_mm=(23.0, 1.2),
        colours=((48, 42, 44), (74, 62, 70)),
        diel=Diel.NIGHT,
        season=(180, 70),
        behaviour=Walks(walk_mm_s=60.0, rest_s=15.0, stretches=3.0),
    ),
)

INSECTS: dict[str, Insect] = {
    each.taxon: each for each in (*_BEES, *_HOVERFLIES, *_BUTTERFLIES, *_MOTHS, *_OTHERS_AT_LIGHT, *_FLIES)
}
"""Every taxon by its name."""
