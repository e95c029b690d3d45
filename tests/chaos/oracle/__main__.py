"""`python -m chaos.oracle`: plays faults, reads the stores back, prints seed, faults and verdict; 1 where not clean."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from chaos.oracle.play import Plan, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos.oracle", description=__doc__)
    parser.add_argument("--captures", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=14.0, help="how long captures are sent for, about")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", action="append", default=[], help="only faults of this kind; may be repeated")
    parser.add_argument("--keep", type=Path, default=None, help="folder for logs and data; else a temporary one")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    with tempfile.TemporaryDirectory(prefix="katydid-chaos-") as folder:
        chosen = Plan(
            captures=options.captures,
            faults=options.faults,
            minutes=options.minutes,
            seed=seed,
            only=tuple(options.only),
        )
        began = time.monotonic()
        print(f"seed {seed}: {chosen.captures} captures, {chosen.faults} faults", flush=True)
        result = play(chosen, options.keep or Path(folder), say=lambda line: print(line, flush=True))
        print(f"seed {seed}: {time.monotonic() - began:.0f} s in all")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
