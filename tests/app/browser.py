"""Chromium without a window, told what to do over a pipe (the DevTools protocol): no driver, no package."""

import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

PATIENCE = 300  # seconds, on a busy machine
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    *("--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions", "--mute-audio"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),  # a camera, and nobody to be asked
)


class Browser:
    """A page in a browser of its own.

    Attributes:
      complaints: what the page's console said: errors of scripts, and what the page's policy forbade.
    """

    def __init__(self, profile: Path, size: tuple[int, int] = (1200, 1000), options: tuple[str, ...] = ()) -> None:
        assert CHROMIUM is not None
        self.complaints: list[str] = []
        self._numbers, self._said, self._session = itertools.count(1), b"", ""
        read, self._to = os.pipe()
        self._from, write = os.pipe()
        as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
        command = (CHROMIUM, *OPTIONS, *as_root, f"--user-data-dir={profile}", "--window-size={},{}".format(*size))
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{read} 4>&{write}', "bash", *command, *options, "about:blank"],
            pass_fds=(read, write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read)
        os.close(write)

    def __enter__(self) -> Self:
        page = self.until(lambda: [t for t in self("Target.getTargets")["targetInfos"] if t["type"] == "page"])[0]
        self._session = self("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        os.close(self._to)
        os.close(self._from)

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and waits for what it returns."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        data = json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def open(self, url: str) -> None:
        self("Page.navigate", url=url)
        self.until(lambda: self.evaluate("document.readyState") == "complete")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript; a promise is awaited."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: Any) -> Any:
        """Waits until it is true, and returns what it says then."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, "the page did not get so far"
            time.sleep(0.02)
        return value

    def choose_file(self, selector: str, file: Path) -> None:
        root = self("DOM.getDocument")["root"]["nodeId"]
        node = self("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def drop_file(self, file: Path, x: int, y: int) -> None:
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._said:
            ready, _, _ = select.select([self._from], [], [], PATIENCE)
            assert ready, "the browser says nothing"
            data = os.read(self._from, 2**16)
            assert data, "the browser has ended"
            self._said += data
        message, _, self._said = self._said.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(event["params"]))
