"""A brain by eight coils, reconstructed in three ways from one measurement, side by side.

Run it with ``python experiments/brain/side_by_side.py [PICTURE.png]``; NULLSIGHT_DATA is the folder of the data. Least
squares by conjugate gradients (CG-SENSE), total variation, and a network that is fitted to this one measurement by
splitting its frequencies, each as its recipe beside this file says. A tenth of the frequencies outside of the middle is
hidden from all three; how well they are predicted is printed, and it stops the fit early. There is no truth to compare
with. The second row of the picture shows the middle of each image twice as large.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import nullsight as ns
from nullsight.app.prepare import Ready, prepare
from nullsight.draws import Stream
from nullsight.physics import Split, bernoulli_mask
from nullsight.physics.base import Physics
from nullsight.schema import read_recipe
from nullsight.types import Image

HERE = Path(__file__).parent
PICTURE = HERE.parents[1] / "docs" / "brain.png"
RECIPES = {"least squares": "cg_sense", "total variation": "total_variation", "fit": "single_image"}
MIDDLE = 24  # side of the square that sensitivities are made of, which stays whole, in samples


@dataclass(frozen=True, eq=False)
class Given(Split):
    """The frequencies to hide are given.

    Args:
        hidden: bool ``(height, width)``.
        keep: between the scores of both.
    """

    hidden: Tensor
    keep: float = 0.5

    def _scores(self, shape: tuple[int, ...], axes: int, stream: Stream) -> Tensor:
        return self.hidden.double().expand(1, *shape)


def hidden_of(physics: Physics, middle: int) -> Tensor:
    """Return a tenth of the measured frequencies, none of the middle, bool ``(height, width)``; the same each time."""
    assert physics.measured is not None
    measured = physics.measured.flatten(0, -3).any(0)
    height, width = measured.shape
    hidden = ~bernoulli_mask((height, width), 0.9, seed=0) & measured
    top, left = height // 2 - middle // 2, width // 2 - middle // 2
    hidden[top : top + middle, left : left + middle] = False
    return hidden


def reconstruct(ready: Ready, split: Given) -> tuple[Image, int]:
    """Return the image made without what is hidden, ``(1, 2, height, width)``, and the steps that were taken."""
    y, physics, f, settings = (
        ready.data.y,
        ready.data.physics,
        ready.experiment.reconstructor,
        ready.experiment.settings,
    )
    if any(True for _ in f.parameters()):
        steps = settings.steps or 1
        found = ns.fit_single(f, y, physics, ready.experiment.loss, steps=steps, hide=split, settings=settings)
        return found.x, found.step
    keep = ~split.hidden.expand(y.shape)
    with torch.no_grad():
        return f(torch.where(keep, y, 0), physics.subset(keep)), 0


def main(picture: Path, overrides: Sequence[str] = (), *, middle: int = MIDDLE) -> dict[str, float]:
    """Write the picture; return each method's relative error on the frequencies that were hidden from it.

    Raises:
        InputError: data that are missing or have another shape than the recipes say.
    """
    errors, whole, parts = {}, [], []
    for name, recipe in RECIPES.items():
        ready = prepare(read_recipe(HERE / f"{recipe}.toml", overrides), HERE, {})
        y, physics = ready.data.y, ready.data.physics
        split = Given(hidden_of(physics, middle))
        x, steps = reconstruct(ready, split)
        wrong, right = ((physics.A(x) - y)[..., split.hidden], y[..., split.hidden])
        errors[name] = float(wrong.norm() / right.norm())
        after = f" after {steps} steps" if steps else ""
        print(f"{name:16} |A x - y| / |y| on the hidden frequencies: {errors[name]:.3f}{after}", flush=True)
        image = x[0].norm(dim=0, keepdim=True)
        image = image / torch.quantile(image, 0.995)
        height, width = image.shape[1:]
        whole.append(image)
        part = image[:, height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2]
        parts.append(part.repeat_interleave(2, 1).repeat_interleave(2, 2))
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(ns.data.to_png(ns.data.montage([whole, parts]), (0.0, 1.0)))
    print(f"wrote {picture}, {picture.stat().st_size / 1000:.0f} kB")
    return errors


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
    except ns.InputError as error:
        sys.exit(str(error))
