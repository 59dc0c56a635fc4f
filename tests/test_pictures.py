"""Pictures and containers: read with their exact numbers, written back exactly."""

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import torch

from nullsight.data import (
    MeasurementFile,
    TruthFile,
    read_array,
    read_images,
    write_images,
    write_measurements,
    write_truth,
)
from nullsight.types import InputError
from tests.cases.files import RANDOM, refused


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
