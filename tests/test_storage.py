"""Files and folders are there whole, or as they were before."""

import errno
import os
from pathlib import Path

import pytest

from nullsight.storage import TEMPORARY, replace_file, whole_file, whole_folder, write_atomically
from nullsight.types import InputError


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_text_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["toy.json"]


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(path, overwrite=True) as file:
        file.write(b"new")
        _ = 1 // 0
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_folder_takes_its_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder"
    with whole_folder(path) as inside:
        (inside / "a").write_text("1")
        assert not path.exists()
    with pytest.raises(InputError, match="exists"), whole_folder(path):
        pass
    with whole_folder(path, overwrite=True) as inside:
        (inside / "b").write_text("2")
    assert names(path) == ["b"] and names(path.parent) == ["folder"]


def test_a_folder_that_cannot_be_renamed_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder"
    with whole_folder(path) as inside:
        (inside / "a").write_text("1")
    plain = os.rename

    def rename(old: Path, new: Path) -> None:
        if Path(new) == path and Path(old).suffix == ".writing":
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(old, new)

    monkeypatch.setattr("os.rename", rename)
    with pytest.raises(InputError, match="the disk is full"), whole_folder(path, overwrite=True) as inside:
        (inside / "b").write_text("2")
    assert names(path) == ["a"] and names(tmp_path) == ["folder"]


def test_replacing_overwrites_what_a_killed_process_left(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(b"old")
    (tmp_path / f"{TEMPORARY}plan.json").write_bytes(b"half of the n")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["plan.json"]
