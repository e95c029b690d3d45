"""The oracle run: what was minted and acknowledged, against what a store holds after many faults.

captures.py   the captures, minted from a simulated station, each with the id that it must come back under
ledger.py     what the broker acknowledged, written down outside of everything that is killed
verdict.py    missing, spurious, corrupted, doubled: the store read back against a run without faults
stage.py      the servers, the proxies in front of them, the workers and who restarts them
faults.py     what goes wrong, each fault with the evidence that it hit
__main__.py   `python -m chaos.oracle --captures 10000 --faults 30`: plays it, prints the seed and the figures
"""
