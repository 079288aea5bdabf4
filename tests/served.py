"""Commands that serve, as processes that a test can kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

MAIN = "from bitsback.cli import main; main()"


class Served:
    """A `bitsback device` command in a process of its own, on a port that was free; entered, it runs."""

    def __init__(self, *words: str) -> None:
        self._words = words or ("serve",)
        self.process: subprocess.Popen[str] | None = None
        self.said: dict[str, str] = {}
        self.port = 0

    def __enter__(self) -> "Served":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def address(self) -> str:
        return next(iter(self.said.values()))

    def start(self) -> None:
        """On the same port as before."""
        words = ["device", *self._words, "--port", str(self.port), "--json"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        self.said = json.loads(self.process.stdout.readline())
        self.port = int(self.address.rpartition(":")[2])

    def kill(self) -> None:
        """As by kill -9, and see that nothing of it lives on."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As by Ctrl-C or a service manager."""
        if self.process is not None:
            assert self._end(signal.SIGTERM) == 0

    def children(self) -> list[int]:
        """Its processes for clients."""
        return [int(each) for each in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def _end(self, how: signal.Signals) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        children = self.children()
        os.kill(self.pid, how)
        code = self.process.wait(10)
        self.process.stdout.close()
        self.process = None
        end = time.monotonic() + 5
        while alive := [each for each in children if _lives(each)]:
            assert time.monotonic() < end, f"{alive} live on"
            time.sleep(0.01)
        return code


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
