"""One self-contained HTML file that says what was found, how sure that is, and out of how much effort."""

from katydid.streams.report.evidence import evidence_picture
from katydid.streams.report.page import write_report

__all__ = ["evidence_picture", "write_report"]
