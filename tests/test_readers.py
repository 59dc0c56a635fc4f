"""Readers of other formats: the exact numbers, or one sentence."""

import io
import pickle
import zipfile

import h5py
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nullsight.data import (
    MeasurementFile,
    TruthFile,
    read_array,
    read_images,
    write_images,
    write_measurements,
    write_truth,
)
from nullsight.data.readers.axes import arrange, guess_axes
from nullsight.types import InputError

RANDOM = np.random.default_rng(0)


def refused(match, path, **arguments):
    for reader in (read_array, read_images):
        with pytest.raises(InputError, match=match) as caught:
            reader(path, **arguments)
        assert "\n" not in str(caught.value)


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


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures(tmp_path, suffix, kind, channels):
    if suffix == ".png" and kind == np.uint16 and channels > 1:
        pytest.skip("refused, see below")
    top = np.iinfo(kind).max
    values = RANDOM.integers(0, top, (3, 6, 5, channels), endpoint=True).astype(kind)
    values[0, 0, 0] = top
    for name, value in zip((f"p2{suffix}", f"p10{suffix}", f"p1{suffix}"), values[[1, 2, 0]], strict=True):
        extra = {} if suffix == ".png" else {"photometric": "minisblack" if channels == 1 else "rgb"}
        extra |= {"extrasamples": ["unassalpha"]} if suffix == ".tif" and channels == 4 else {}
        write = iio.imwrite if suffix == ".png" else tifffile.imwrite
        write(tmp_path / name, value[..., 0] if channels == 1 else value, **extra)
    (tmp_path / "notes.txt").write_text("not a picture")
    read = read_array(tmp_path)
    assert read.names == (f"p1{suffix}", f"p2{suffix}", f"p10{suffix}")
    assert f"divided by {top}" in read.note
    kept = min(channels, 3)
    expected = values[..., :kept].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(top)
    assert torch.equal(read.values, torch.from_numpy(expected))
    assert torch.equal(read_images(tmp_path / f"p1{suffix}").values, read.values[:1])


def test_colour_png_of_16_bits_is_not_halved_in_silence(tmp_path):
    content = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (1).to_bytes(4, "big") * 2 + bytes([16, 2, 0, 0, 0])
    (tmp_path / "a.png").write_bytes(content)
    refused("16", tmp_path / "a.png")


def test_float_tiff_pages_and_white_is_zero(tmp_path):
    values = RANDOM.standard_normal((4, 6, 5)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    read = read_array(tmp_path / "a.tif")
    assert np.array_equal(read.values[:, 0].numpy(), values) and read.note == ""
    assert read.names == ("a.tif#0", "a.tif#1", "a.tif#2", "a.tif#3")
    tifffile.imwrite(tmp_path / "b.tif", np.array([[0, 255]], np.uint8), photometric="miniswhite")
    assert read_array(tmp_path / "b.tif").values.flatten().tolist() == [1.0, 0.0]
    tifffile.imwrite(tmp_path / "c.tif", np.array([[0, 255]], np.int32), photometric="minisblack")
    refused("8- or 16-bit", tmp_path / "c.tif")


def test_folders_that_do_not_fit(tmp_path):
    refused("there are none", tmp_path)
    iio.imwrite(tmp_path / "a.png", np.zeros((4, 5), np.uint8))
    iio.imwrite(tmp_path / "b.png", np.zeros((4, 6), np.uint8))
    refused("a.png has 4 rows, 5 columns .* b.png has 4 rows, 6 columns", tmp_path)
    refused("leave them out", tmp_path / "a.png", axes="HW")
    refused("leave the key out", tmp_path, key="a")


def test_integers_of_unknown_range_are_no_images(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((9, 8, 8), np.int64))
    assert read_array(tmp_path / "a.npy").values.dtype == torch.int64
    with pytest.raises(InputError, match="int64"):
        read_images(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.full((9, 8, 8), 51, np.uint8))
    read = read_images(tmp_path / "b.npy")
    assert read.values.shape == (9, 1, 8, 8) and read.values.max() == 0.2 and "255" in read.note


def test_containers(tmp_path):
    y = torch.rand(2, 3, 4)
    write_measurements(tmp_path / "m.h5", MeasurementFile(y, names=("a", "b")))
    read = read_array(tmp_path / "m.h5")
    assert torch.equal(read.values, y) and read.names == ("a", "b")
    truth = TruthFile(torch.rand(3, 1, 4, 4), torch.tensor([True, False, True]), ("a", "b", "c"))
    write_truth(tmp_path / "t.h5", truth)
    with pytest.raises(InputError, match="holds ground truth"):
        read_array(tmp_path / "t.h5")
    images = read_images(tmp_path / "t.h5")
    assert torch.equal(images.values, truth.x[[0, 2]]) and images.names == ("a", "c")
    content = bytearray((tmp_path / "m.h5").read_bytes())
    content[-1] ^= 1
    (tmp_path / "m.h5").write_bytes(content)
    refused("damaged", tmp_path / "m.h5")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5", "*.tif", "folder"])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_written_images_come_back_exactly(tmp_path, name, kind, channels):
    images = torch.randn(3, channels, 6, 5, dtype=kind)
    path = tmp_path / "out" / name
    write_images(path, images)
    place = path.parent if "*" in name else path
    axes = "NCHW" if name.startswith("a.") else None
    read = read_images(place, axes=axes)
    assert read.values.dtype == kind and torch.equal(read.values, images)
    with pytest.raises(InputError, match="exists"):
        write_images(path, images + 1)
    assert torch.equal(read_images(place, axes=axes).values, images)
    write_images(path, images + 1, overwrite=True)
    assert torch.equal(read_images(place, axes=axes).values, images + 1)
    assert not [one for one in tmp_path.rglob(".*")]


def test_png_in_and_out(tmp_path):
    values = RANDOM.integers(0, 255, (2, 3, 6, 5), endpoint=True, dtype=np.uint8)
    (tmp_path / "in").mkdir()
    for name, value in zip(("x.png", "y.png"), values, strict=True):
        iio.imwrite(tmp_path / "in" / name, value.transpose(1, 2, 0))
    read = read_images(tmp_path / "in")
    write_images(tmp_path / "out", read.values, like=read)
    again = read_images(tmp_path / "out")
    assert again.names == ("x.png", "y.png") and torch.equal(again.values, read.values)
    write_images(tmp_path / "one.png", read.values[:1] + 7)
    assert read_images(tmp_path / "one.png").values.min() == 1


def test_what_cannot_be_written(tmp_path):
    images = torch.rand(2, 2, 4, 4)
    for path, match in (("a.png", "2 came"), ("a.dcm", "choose"), ("*.png", "one or three channels")):
        with pytest.raises(InputError, match=match):
            write_images(tmp_path / "new" / path, images)
    assert not list((tmp_path / "new").rglob("*")) if (tmp_path / "new").exists() else True
