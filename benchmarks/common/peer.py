"""A peer in an environment of its own, asked over pipes."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
SERVER = ROOT / "benchmarks" / "peers" / "deepinverse.py"
ABSENT = "The peer's environment is absent (make bench-peers makes it): only our own times follow."


class PeerError(Exception):
    """The peer is not there or has failed."""


class Peer:
    """DeepInverse in its own process; ``ask("time", what="A", ...)`` returns what it answers.

    Raises:
        PeerError: no environment, or one in which it does not start.
    """

    def __init__(self, python: Path = PYTHON) -> None:
        if not python.exists():
            raise PeerError(ABSENT)
        command = [str(python), str(SERVER)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.versions: dict[str, str] = self.ask("versions")

    def ask(self, do: str, **arguments: Any) -> Any:
        """Return the answer to a request; PeerError where it fails."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise PeerError(f"The peer's process ended (exit code {self.close()}): only our own times follow.")
        found = json.loads(answer)
        if "error" in found:
            raise PeerError(f"The peer failed ({found['error']}): only our own times follow.")
        return found["ok"]

    def close(self) -> int:
        """Let the process end and return its exit code."""
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        return self.process.wait()


def peer_or_none() -> Peer | None:
    """Return the peer, or None after saying in a sentence why there is none."""
    try:
        return Peer()
    except PeerError as error:
        print(error)
        return None
