"""Checkpoints: each is one new folder, made known by one renamed pointer; at any moment the last whole one is valid.

``checkpoints/pointer.json`` names two folders beside it, ``last`` and ``best``. Files are written into a folder under a
temporary name, flushed to the disk, the folder is renamed, the pointer is replaced, and only then are older folders
removed. What a killed run left behind is removed by the next one.
"""

import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from nullsight.storage import TEMPORARY, replace_file, sync, write_flushed
from nullsight.types import InputError

_POINTER = "pointer.json"

WEIGHTS = "weights.safetensors"
AVERAGED = "averaged.safetensors"
LOSS = "loss.safetensors"  # what terms of the objective keep, such as a bank of virtual images
STATE = "state.pt"


class Checkpoints:
    """The checkpoints of one run folder.

    Args:
        folder: the run's ``checkpoints`` folder; made when the first one is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def last(self) -> Path | None:
        """The folder of the newest checkpoint; None before the first."""
        return self._named("last")

    @property
    def best(self) -> Path | None:
        """The folder of the checkpoint that was chosen, else of the newest; None before the first."""
        return self.chosen or self.last

    @property
    def chosen(self) -> Path | None:
        """The folder of the checkpoint that the run's chooser found best; None where it found none."""
        return self._named("best")

    def write(self, step: int, files: dict[str, bytes], *, best: bool) -> None:
        """Write a checkpoint and point ``last`` (and ``best``) to it.

        Raises:
            InputError: the disk is full or not writable; the checkpoint before is untouched.
        """
        name = self._free_name(step)
        temporary = self.folder / f"{TEMPORARY}{name}"
        try:
            temporary.mkdir(parents=True, exist_ok=True)
            for file, content in files.items():
                write_flushed(temporary / file, content)
            sync(temporary)
            os.rename(temporary, self.folder / name)
            pointer = self._pointer()
            pointer = {"last": name, "best": name if best else pointer.get("best")}
            replace_file(self.folder / _POINTER, json.dumps(pointer).encode())
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            size = sum(map(len, files.values())) / 1e6
            before = "no checkpoint was written before" if self.last is None else f"{self.last.name} before it is whole"
            raise InputError(
                f"expected room to write a checkpoint of {size:.1f} MB in {self.folder}, but it cannot be written "
                f"({error.strerror or error}); {before}: make room and resume"
            ) from None
        self.clean()

    def clean(self) -> None:
        """Remove every folder that the pointer does not name."""
        if not self.folder.is_dir():
            return
        named = {name for name in self._pointer().values() if name}
        for entry in self.folder.iterdir():
            if entry.is_dir() and entry.name not in named:
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name.startswith(TEMPORARY):
                entry.unlink(missing_ok=True)

    def _free_name(self, step: int) -> str:
        name, copy = f"step-{step:09d}", 1
        while (self.folder / name).exists():
            copy += 1
            name = f"step-{step:09d}-{copy}"
        return name

    def _named(self, which: str) -> Path | None:
        name = self._pointer().get(which)
        return None if name is None else self.folder / name

    def _pointer(self) -> dict[str, str | None]:
        path = self.folder / _POINTER
        try:
            content: dict[str, str | None] = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            raise InputError(f"expected {path} to name the checkpoints, but it cannot be read: restore it") from None
        return content


def state_to_bytes(state: dict[str, Any]) -> bytes:
    """Return plain tensors, numbers, lists and dicts as the content of ``state.pt``."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def read_state(path: Path) -> dict[str, Any]:
    """Return what :func:`state_to_bytes` wrote; no code in it is run.

    Raises:
        InputError: the file is missing, cut off, or holds something other than tensors and numbers.
    """
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"PK":  # torch would take it for a pickle of its first versions
                raise ValueError("it is cut off or of another kind")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises on a damaged file depends on the damage
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(
            f"expected a whole training state at {path}, but it cannot be read ({reason}): restore the file, or start "
            f"a new run from the weights beside it"
        ) from None
    return state
