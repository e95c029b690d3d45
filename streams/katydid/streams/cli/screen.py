"""What the terminal shows. Everything from the field passes `safe` first: file names, EXIF strings and labels may hold
control characters, bidi marks or what Rich would read as markup.
"""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from katydid.streams.report.text import visible


def safe(text: object) -> str:
    """`text` fit for a terminal and for Rich's markup; line breaks and other controls written as escapes."""
    return escape(visible(str(text)))


PIPE_WIDTH = 1000
"""Columns where output goes into a file or a pipe: nothing there should be cut or folded."""


def console() -> Console:
    """Where results go."""
    screen = Console(highlight=False, soft_wrap=True)
    if not screen.is_terminal:
        screen.width = PIPE_WIDTH
    return screen


def complain(message: str) -> None:
    """One error, on stderr. Our own messages may have several lines; what they quote is made visible."""
    lines = [safe(line) for line in message.splitlines() or [""]]
    Console(stderr=True, highlight=False, soft_wrap=True).print("[bold red]katydid:[/] " + "\n".join(lines))


def note(message: str) -> None:
    """One warning line, on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print("[yellow]note:[/] " + safe(message))
