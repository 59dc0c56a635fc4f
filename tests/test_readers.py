"""Readers of other formats: the exact numbers, or one sentence."""

import io
import pickle
import zipfile

import h5py
import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nullsight.data import (
    read_array,
    read_images,
)
from nullsight.data.readers.axes import arrange, guess_axes
from nullsight.types import InputError
from tests.cases.files import RANDOM, refused


@given(
    st.sampled_from([np.float32, np.float64, ">f4", np.int16, np.uint16, np.uint8, np.bool_, np.complex64]).flatmap(
        lambda kind: arrays(kind, array_shapes(max_dims=4, max_side=3))
    )
)
def test_npy_exact_or_a_sentence(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    np.save(path, values)
    if not np.isfinite(values).all():
        return refused("finite", path, axes=None)
    read = read_array(path).values.numpy()
    if np.iscomplexobj(values):
        axis = -3 if values.ndim > 1 else -2
        read = read.take(0, axis) + 1j * read.take(1, axis)
    assert np.array_equal(read, values)
    assert values.dtype.kind != "f" or read.dtype == values.dtype.newbyteorder("=")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".png", ".tif", ".jpg"])
@given(data=st.data())
def test_random_bytes_and_truncations(tmp_path_factory, suffix, data):
    folder = tmp_path_factory.mktemp("bad")
    whole = folder / f"whole{suffix}"
    picture = (7 * np.arange(72) % 251).astype(np.uint8).reshape(9, 8)
    writers = {".npy": np.save, ".npz": np.savez, ".h5": save_h5}
    writers.get(suffix, iio.imwrite)(whole, picture)
    content = whole.read_bytes()
    kept = data.draw(st.integers(0, len(content) - 1))
    more = data.draw(st.binary(max_size=50))
    path = folder / f"bad{suffix}"
    path.write_bytes(content[:kept] + more)
    for reader in (read_array, read_images):
        try:
            reader(path)
        except InputError as error:
            assert "\n" not in str(error)


def save_h5(path, values):
    with h5py.File(path, "w") as root:
        root["a/values"] = values


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".png", ".tif", ".jpg"])
def test_empty_and_missing_files(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    refused("cannot be read", path)
    path.touch()
    refused("empty", path)


def test_truncated_npy(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 5)))
    content = (tmp_path / "a.npy").read_bytes()
    for length in (3, 6, 9, 60, 128, len(content) - 1):
        (tmp_path / "b.npy").write_bytes(content[:length])
        refused("expected", tmp_path / "b.npy")


def test_pickles_are_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    (tmp_path / "a.npy").write_bytes(pickle.dumps(Bomb()))
    refused("content is something else", tmp_path / "a.npy")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "a.npy").write_bytes(buffer.getvalue())
    refused("pickle", tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", buffer.getvalue())
    refused("pickle", tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.zeros((0, 3)), "at least one number"),
        (np.array(["a"]), "numbers"),
        (np.zeros(2, dtype=[("a", "f4")]), "numbers"),
        (np.array([[0.0, np.nan]]), r"finite .* at \(0, 1\)"),
        (np.array([[0.0, 1j * np.inf]]), "finite"),
        (np.zeros(2, np.longdouble), "64 bits"),
        (np.zeros(2, "M8[s]"), "numbers"),
        (np.zeros(2, "m8[s]"), "numbers"),
    ],
)
def test_wrong_values(tmp_path, values, match):
    np.save(tmp_path / "a.npy", values)
    refused(match, tmp_path / "a.npy")


def test_keys(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.ones((2, 4, 5)), other=np.zeros(1))
    refused("images, other.*no key", tmp_path / "a.npz")
    refused("'imgs' came", tmp_path / "a.npz", key="imgs")
    assert read_array(tmp_path / "a.npz", key="images").values.shape == (2, 4, 5)
    save_h5(tmp_path / "a.h5", np.ones((6, 4, 5)))
    assert read_images(tmp_path / "a.h5").values.shape == (6, 1, 4, 5)
    refused("a/values", tmp_path / "a.h5", key="kspace")
    np.save(tmp_path / "a.npy", np.ones(3))
    refused("leave the key out", tmp_path / "a.npy", key="x")


def test_unknown_suffix(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"x")
    refused(".npy, .npz", tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("shape", "axes", "result"),
    [
        ((5, 8, 9, 3), "NHWC", (5, 3, 8, 9)),
        ((5, 3, 8, 9), "NCHW", (5, 3, 8, 9)),
        ((5, 8, 9), "NHW", (5, 1, 8, 9)),
        ((8, 9), "HW", (1, 1, 8, 9)),
        ((9, 8, 5), "WHN", (5, 1, 8, 9)),
        ((5, 7), "NL", (5, 1, 7)),
        ((5, 7, 8, 9), "NDHW", (5, 1, 7, 8, 9)),
    ],
)
def test_axes(shape, axes, result):
    values = RANDOM.standard_normal(shape)
    moved = arrange(values, axes)
    assert moved.shape == result and np.isclose(moved.sum(), values.sum())
    back = np.moveaxis(values, [axes.index(letter) for letter in "NCDHWL" if letter in axes], range(len(axes)))
    assert np.array_equal(moved.reshape(-1), back.reshape(-1))


def test_complex_axes():
    coils = RANDOM.standard_normal((4, 8, 9)) + 1j
    moved = arrange(coils, "CHW")
    assert moved.shape == (1, 4, 2, 8, 9)
    assert np.array_equal(moved[0, :, 0] + 1j * moved[0, :, 1], coils)
    assert arrange(coils, "NHW").shape == (4, 2, 8, 9)


@pytest.mark.parametrize("axes", ["NHQ", "NHHW", "NH", "", "nhw", "NHWL", "NC"])
def test_axes_are_quoted_in_the_error(axes):
    with pytest.raises(InputError, match=f"'{axes}' came"):
        arrange(np.zeros((2, 3, 4)), axes)


def test_axes_of_another_number():
    with pytest.raises(InputError, match=r"'NHWC' says, but its shape is \(2, 3, 4\)"):
        arrange(np.zeros((2, 3, 4)), "NHWC")


@pytest.mark.parametrize(
    ("shape", "axes"), [((9, 8, 7), "NHW"), ((9, 3, 8, 7), "NCHW"), ((9, 8, 7, 3), "NHWC"), ((9, 8, 1, 1), "NHWC")]
)
def test_guess(shape, axes):
    assert guess_axes(shape, "a") == axes


@pytest.mark.parametrize("shape", [(8, 9), (3, 8, 9), (8, 9, 3), (9, 3, 8, 3), (9, 8, 8, 8), (4,), (1, 2, 3, 4, 5)])
def test_no_guess_where_more_than_one_way_fits(shape):
    with pytest.raises(InputError, match="axes = 'NHWC'"):
        guess_axes(shape, "a")
