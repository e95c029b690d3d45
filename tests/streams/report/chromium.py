"""A headless Chromium spoken to over a pipe (its DevTools protocol), with nothing else to install."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
DEADLINE_S = 60.0
BECOME = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""The browser wants its two pipes as descriptors 3 and 4."""

Json = dict[str, Any]  # what the protocol's messages are


class Page:
    """One tab. Every message, exception and refused load of the page is kept in `complaints`."""

    def __init__(self, program: str, profile: Path) -> None:
        to_read, to_write = os.pipe(), os.pipe()  # the browser reads the first and writes the second
        ends = (str(to_read[0]), str(to_write[1]))
        self._process = subprocess.Popen(
            [sys.executable, "-c", BECOME, *ends, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_read[0], to_write[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read[0])
        os.close(to_write[1])
        self._out, self._in = to_read[1], to_write[0]
        self._buffer = b""
        self._id = 0
        self._session = ""
        self._events: list[Json] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Json:
        """One command of the protocol, answered."""
        self._id += 1
        message: Json = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._id:
                assert "error" not in answer, answer
                result: Json = answer["result"]
                return result
            self._events.append(answer)

    def _next(self) -> Json:
        end = time.monotonic() + DEADLINE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser did not answer"
            self._buffer += os.read(self._in, 1 << 20)
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: Json = json.loads(line)
        return message

    def open(self, path: Path, width: int, height: int = 900) -> float:
        """Loads a file as a screen `width` pixels wide shows it; returns the seconds until it had loaded."""
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self._events.clear()
        begin = time.monotonic()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._events.append(self._next())
        self.value("document.body.offsetHeight")
        return time.monotonic() - begin

    def value(self, expression: str) -> Any:
        """What a line of JavaScript gives; runs beside the page, not as part of it."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def promised(self, expression: str) -> Any:
        """What a promise of JavaScript comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, whole: bool = False) -> bytes:
        """A PNG of the screen, or of the whole page."""
        if whole:  # what lies off the screen is otherwise not drawn until it is scrolled to
            self.value("document.querySelectorAll('.species').forEach(e => e.style.contentVisibility = 'visible')")
            self.value("document.querySelectorAll('img').forEach(e => e.loading = 'eager')")
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """The page as it prints."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings of the console since the page was opened."""
        kinds = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}
        return [json.dumps(event["params"])[:300] for event in self._events if event.get("method") in kinds]

    @property
    def requested(self) -> list[str]:
        """Addresses that the page asked for, without those that hold their own data."""
        asked = [event["params"]["request"]["url"] for event in self._events if _is_request(event)]
        return [url for url in asked if not url.startswith("data:")]

    def close(self) -> None:
        self._process.kill()
        self._process.wait(timeout=DEADLINE_S)
        os.close(self._out)
        os.close(self._in)


def _is_request(event: Json) -> bool:
    return event.get("method") == "Network.requestWillBeSent"


def found() -> str | None:
    """The browser's program on this machine, if it has one that can be spoken to this way."""
    if os.name != "posix":
        return None
    return next((program for name in NAMES if (program := shutil.which(name))), None)
