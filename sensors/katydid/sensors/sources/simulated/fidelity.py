"""How much is put into drawing a file."""

from enum import StrEnum


class Fidelity(StrEnum):
    FULL = "full"
    """Every song sung and every insect drawn anew, at the sensor's own rate and size."""
    LOW = "low"
    """Cut from songs and frames that were prepared once, small: for many sensors and long times."""
