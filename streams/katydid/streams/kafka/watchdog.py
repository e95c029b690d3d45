"""An end that does not come by itself. With its broker away Faust stops after a minute, and says 0; so a timer is set
when the worker is told to stop, and **nothing ever cancels it**: a process that has ended needs no timer."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

TEMPORARY = 75
"""EX_TEMPFAIL of sysexits.h: start it again."""

_log = logging.getLogger(__name__)


def arm(seconds: float, end: Callable[[int], None] = os._exit) -> None:
    """End the process with 75 after so many seconds, whatever it does then."""

    def bite() -> None:
        _log.critical("not stopped after %g s: ending. What was acknowledged is durable, the rest comes again", seconds)
        logging.shutdown()
        end(TEMPORARY)

    timer = threading.Timer(seconds, bite)
    timer.name = "katydid-watchdog"
    timer.daemon = True
    timer.start()


def fail_stop(error: BaseException, end: Callable[[int], None] = os._exit) -> None:
    """End the process now, before anything more is acknowledged: something happened that nobody expected."""
    code = int(getattr(error, "exit_code", 1))
    if hasattr(error, "exit_code"):
        _log.critical("%s", error)
    else:
        _log.critical("unexpected, stopping before any further acknowledgement", exc_info=error)
    logging.shutdown()
    end(code)
