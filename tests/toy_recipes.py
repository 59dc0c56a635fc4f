"""Recipes at toy size and the command line run in this process."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nullsight.cli import main

IMAGES = 9
DATA = """
[data]
measurements = "data/train.h5"
truth = "data/train_truth.h5"
test_measurements = "data/test.h5"
test_truth = "data/test_truth.h5"
"""
SIMULATE = """
[simulate]
images = "images.npy"
train = [0, 6]
test = [6, 9]
"""
INPAINTING = """
[physics]
name = "inpainting"
image_shape = [1, 12, 12]
mask = { make = "bernoulli_mask", shape = [12, 12], keep = 0.7, seed = 1 }
[group]
name = "shifts"
"""
CT = """
[physics]
name = "parallel_beam_ct"
image_shape = [1, 12, 12]
angles = 6
[group]
name = "rotations"
n = 360
"""
NETWORK = """
[network]
name = "unet"
width = 4
depth = 2
"""
LOSS = """
[[loss]]
name = "measurement_consistency"
[[loss]]
name = "equivariance"
weight = 0.1
"""
TRAINING = """
[training]
steps = 2
batch_size = 2
"""


def images(count: int = IMAGES) -> torch.Tensor:
    """Return smooth positive images, (count, 1, 12, 12)."""
    generator = torch.Generator().manual_seed(4)
    return torch.rand(count, 1, 12, 12, generator=generator).cumsum(-1) / 12


def write_recipe(
    folder: Path, physics: str = INPAINTING, *, data: str = DATA, loss: str = LOSS, name: str = "recipe.toml"
) -> Path:
    """Write images and a recipe into a folder and return the recipe."""
    np.save(folder / "images.npy", images().numpy())
    simulate = SIMULATE if "test_measurements" in data else ""
    path = folder / name
    path.write_text('title = "toy"\nseed = 0\n' + data + simulate + physics + NETWORK + loss + TRAINING)
    return path


def simulated(folder: Path, physics: str = INPAINTING) -> Path:
    """Write a recipe and its measurement files."""
    recipe = write_recipe(folder, physics)
    assert main(["simulate", str(recipe)]) == 0
    return recipe


class Shell:
    """The command line in this process, with what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: object) -> int:
        self.capsys.readouterr()
        code = main([str(word) for word in words])
        captured = self.capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        return code

    def refused(self, *words: object) -> str:
        """Run what must be refused: exit code 2, one sentence on standard error, nothing else there."""
        assert self(*words) == 2, self.out
        lines = [line for line in self.err.splitlines() if line.startswith("nullsight: ")]
        assert len(lines) == 1 and "Traceback" not in self.err and "unexpected" not in lines[0], self.err
        return lines[0]
