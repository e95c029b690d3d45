"""One self-contained HTML file that says what was found, how sure that is, and out of how much effort.

The two functions are looked up when they are first used, so that the command line can use this package's words
(`text.py`) without loading decoders and charts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from katydid.streams.report.evidence import evidence_picture
    from katydid.streams.report.page import write_report

__all__ = ["evidence_picture", "write_report"]


def __getattr__(name: str) -> object:
    if name == "write_report":
        from katydid.streams.report.page import write_report

        return write_report
    if name == "evidence_picture":
        from katydid.streams.report.evidence import evidence_picture

        return evidence_picture
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
