"""The measurement container: exact round trips, damage found, nothing half-written."""

import builtins
import dataclasses
import errno
import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nullsight.data import (
    MeasurementFile,
    TruthFile,
    checksum,
    read_measurements,
    read_truth,
    write_measurements,
    write_truth,
)
from nullsight.types import InputError

FILE = MeasurementFile(
    y=torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0)),
    physics={"name": "inpainting", "mask": {"array": "mask"}, "parts": [1, 2.5, {"matrix": {"array": "m"}}]},
    noise={"name": "gaussian", "sigma": 0.1},
    names=("one", "zwei", "trois à"),
    groups=("a", "a", "b"),
    axes=("view", "detector"),
    units={"y": "1/mm", "view": "degree"},
    arrays={"mask": torch.tensor([[True, False]]), "m": torch.arange(6, dtype=torch.float64).reshape(2, 3)},
)


def same(one, two):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(two, field.name)
        if isinstance(a, torch.Tensor):
            assert a.dtype == b.dtype and torch.equal(a, b), field.name
        elif field.name == "arrays":
            assert a.keys() == b.keys()
            assert all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)
        else:
            assert a == b, field.name


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("container") / "m.h5"
    write_measurements(path, FILE)
    return path


def either(path, reader=read_measurements):
    """Read: what was written, or one sentence."""
    try:
        same(reader(path), FILE)
        return True
    except InputError as error:
        assert "\n" not in str(error) and str(error).startswith("expected")
        return False


def test_round_trip(written):
    same(read_measurements(written), FILE)


finite = {"allow_nan": False, "allow_infinity": False}
shapes = array_shapes(min_dims=2, max_dims=5, max_side=3)


@settings(max_examples=40)
@given(
    st.one_of(
        arrays(np.float32, shapes, elements=st.floats(width=32, **finite)),
        arrays(np.float64, shapes, elements=st.floats(**finite)),
    ),
    st.dictionaries(
        st.text(), st.recursive(st.none() | st.integers(-9, 9) | st.floats(**finite) | st.text(), st.lists)
    ),
    st.data(),
)
def test_round_trip_of_anything(tmp_path_factory, values, physics, data):
    texts = st.none() | st.lists(st.text(), min_size=len(values), max_size=len(values)).map(tuple)
    try:
        json.dumps(physics, ensure_ascii=False).encode()
        names = data.draw(texts)
        "".join(names or ()).encode()
    except UnicodeEncodeError:
        return
    file = MeasurementFile(torch.from_numpy(values), physics, names=names, groups=data.draw(texts.filter(encodable)))
    path = tmp_path_factory.mktemp("any") / "m.h5"
    write_measurements(path, file)
    same(read_measurements(path), file)


def encodable(names):
    try:
        "".join(names or ()).encode()
    except UnicodeEncodeError:
        return False
    return True


def test_truth_round_trip(tmp_path):
    truth = TruthFile(torch.rand(3, 1, 2, 2).double(), torch.tensor([True, False, True]), ("a", "b", "c"), "1/mm")
    write_truth(tmp_path / "t.h5", truth)
    same(read_truth(tmp_path / "t.h5"), truth)
    write_truth(tmp_path / "u.h5", TruthFile(truth.x))
    same(read_truth(tmp_path / "u.h5"), TruthFile(truth.x))


def test_truth_and_measurements_are_not_mistaken(tmp_path, written):
    write_truth(tmp_path / "t.h5", TruthFile(torch.rand(3, 1, 2, 2)))
    with pytest.raises(InputError, match=r"expected measurements .* holds ground truth"):
        read_measurements(tmp_path / "t.h5")
    with pytest.raises(InputError, match=r"expected ground truth .* holds measurements"):
        read_truth(written)


def test_no_truth_in_a_measurement_file(written):
    with h5py.File(written, "r") as root:
        assert root.attrs["kind"] == "measurements"
        assert sorted(json.loads(root["header"][()].tobytes())["arrays"]) == ["physics/m", "physics/mask", "y"]


@given(st.data())
def test_truncated_anywhere(tmp_path_factory, written, data):
    content = written.read_bytes()
    length = data.draw(st.integers(0, len(content) - 1) | st.sampled_from([0, 1, 8, 59, 60, 123, 511, 512, 513, 520]))
    path = tmp_path_factory.mktemp("short") / "m.h5"
    path.write_bytes(content[:length])
    assert not either(path)


@given(st.data())
def test_flipped_bytes(tmp_path_factory, written, data):
    content = bytearray(written.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 640))
        content[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flip") / "m.h5"
    path.write_bytes(bytes(content))
    either(path)


def test_a_flipped_bit_of_the_values_is_found_without_the_front(tmp_path, written):
    """A copy whose first 512 bytes are lost still has the checksums of its arrays and of its header."""
    bare = written.read_bytes()[512:]
    (tmp_path / "bare.h5").write_bytes(bare)
    assert either(tmp_path / "bare.h5")
    for wanted in (FILE.y.numpy().tobytes(), b'"sigma": 0.1'):
        at = bare.index(wanted)
        (tmp_path / "flip.h5").write_bytes(bare[: at + 9] + bytes([bare[at + 9] ^ 1]) + bare[at + 10 :])
        assert not either(tmp_path / "flip.h5")


@given(st.binary(max_size=2000), st.sampled_from([b"", b"\x89HDF\r\n\x1a\n", b"nullsight container; "]))
def test_random_bytes(tmp_path_factory, content, start):
    path = tmp_path_factory.mktemp("random") / "m.h5"
    path.write_bytes(start + content)
    assert not either(path) and not either(path, read_truth)


def test_places_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.h5", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_measurements(path)
        if path != tmp_path:
            with pytest.raises(InputError, match="cannot be read"):
                checksum(path)


def test_another_hdf5_file_and_another_version(tmp_path, written):
    with h5py.File(tmp_path / "other.h5", "w") as root:
        root["kspace"] = np.zeros(3)
    with pytest.raises(InputError, match="another HDF5 file"):
        read_measurements(tmp_path / "other.h5")
    (tmp_path / "new.h5").write_bytes(written.read_bytes()[512:])
    with h5py.File(tmp_path / "new.h5", "r+") as root:
        root.attrs["format_version"] = 99
    with pytest.raises(InputError, match=r"version 1, but .* version 99 .by nullsight"):
        read_measurements(tmp_path / "new.h5")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"y": torch.zeros(3, 2, 4, dtype=torch.float16)}, "float32 or float64"),
        ({"y": torch.zeros(3, 2, 4, dtype=torch.int64)}, "float32 or float64"),
        ({"y": torch.zeros(0, 2, 4)}, "at least one sample"),
        ({"y": torch.zeros(3)}, "samples"),
        ({"y": torch.full((3, 2, 4), torch.nan)}, "sample 0 has NaN"),
        ({"y": torch.cat([torch.zeros(2, 2, 4), torch.full((1, 2, 4), -torch.inf)])}, "sample 2 has NaN"),
        ({"names": ("one",)}, "3 names"),
        ({"groups": ("one",) * 4}, "3 groups"),
        ({"axes": ("view",)}, "2 names of axes"),
        ({"arrays": {}}, "'m'"),
    ],
)
def test_what_does_not_fit(change, match):
    with pytest.raises(InputError, match=match):
        dataclasses.replace(FILE, **change)


def test_truth_that_does_not_fit():
    with pytest.raises(InputError, match="has_x"):
        TruthFile(torch.zeros(2, 1, 2, 2), torch.tensor([True]))
    with pytest.raises(InputError, match="2 names"):
        TruthFile(torch.zeros(2, 1, 2, 2), names=("a",))


def test_a_description_that_is_no_json(tmp_path):
    with pytest.raises(InputError, match="descriptions"):
        write_measurements(tmp_path / "m.h5", dataclasses.replace(FILE, physics={"size": {1, 2}}))
    assert not list(tmp_path.iterdir())


class Full(io.FileIO):
    """A file on a disk with little room left."""

    room = 0

    def write(self, content):
        if self.tell() + len(content) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


@pytest.mark.parametrize("room", [0, 600, 2000, 4000])
@pytest.mark.parametrize("before", [False, True])
def test_full_disk(tmp_path, monkeypatch, room, before):
    path = tmp_path / "m.h5"
    if before:
        path.write_bytes(b"what was there")
    plain = builtins.open
    monkeypatch.setattr(Full, "room", room)
    monkeypatch.setattr(
        builtins,
        "open",
        lambda f, mode="r", *a: io.BufferedRandom(Full(f, "x+")) if mode == "x+b" else plain(f, mode, *a),
    )
    with pytest.raises(InputError, match="the disk is full"):
        write_measurements(path, FILE, overwrite=True)
    monkeypatch.undo()
    assert [one.name for one in tmp_path.iterdir()] == (["m.h5"] if before else [])
    assert not before or path.read_bytes() == b"what was there"


def test_full_disk_when_flushing(tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="the disk is full"):
        write_measurements(tmp_path / "m.h5", FILE)
    assert not list(tmp_path.iterdir())


def test_interrupted_writing_leaves_nothing(tmp_path, monkeypatch):
    def stop(number):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_measurements(tmp_path / "m.h5", FILE)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_unasked(tmp_path):
    path = tmp_path / "deep" / "m.h5"
    write_measurements(path, FILE)
    known = checksum(path)
    other = dataclasses.replace(FILE, y=FILE.y + 1)
    with pytest.raises(InputError, match="exists"):
        write_measurements(path, other)
    assert checksum(path) == known
    write_measurements(path, other, overwrite=True)
    same(read_measurements(path), other)
    assert checksum(path) != known and checksum(path.parent) != known


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="expected to be able to write"):
        write_measurements(tmp_path / "file" / "m.h5", FILE)


def test_reading_changes_nothing(written):
    known = checksum(written)
    first = read_measurements(written)
    first.y.zero_()
    same(read_measurements(written), FILE)
    assert checksum(written) == known == checksum(Path(written))
