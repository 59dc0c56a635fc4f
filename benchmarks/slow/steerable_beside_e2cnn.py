"""Our steerable convolution beside e2cnn 0.2.3: ``python benchmarks/slow/steerable_beside_e2cnn.py``.

It runs in an environment of its own that has both, and touches no results file; e2cnn is unmaintained and wants an
older NumPy and SciPy than nullsight's newest:

    python3.11 -m venv .venv-e2cnn && .venv-e2cnn/bin/pip install torch==2.13.0 e2cnn==0.2.3 scipy -e .

For every group and pair of fields three numbers on each side: how many kernels solve the constraint (with the same
rings and frequencies they must agree), the error over the angle of one random layer, and milliseconds to expand a
kernel of eight fields in and out.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

# e2cnn names NumPy's types as they were called before NumPy 1.24
for name, kind in (("float", float), ("int", int), ("bool", bool)):
    if not hasattr(np, name):
        setattr(np, name, kind)

from e2cnn import gspaces  # noqa: E402
from e2cnn import nn as enn  # noqa: E402

from nullsight.contracts import equivariance_curve  # noqa: E402
from nullsight.groups import Dihedral, Rotations  # noqa: E402
from nullsight.groups.base import PointGroup  # noqa: E402
from nullsight.networks import Field, Fields, IrreducibleField, RegularField, SteerableConvolution, TrivialField  # noqa: E402
from nullsight.networks.harmonics import SPACING, WIDTH, rings  # noqa: E402

DEGREES = [15.0, 22.5, 30.0, 45.0, 90.0]
KINDS: dict[str, Field] = {"trivial": TrivialField(), "regular": RegularField(), "frequency 1": IrreducibleField(1)}


def theirs(n: int, mirrored: bool, kinds: tuple[str, str], counts: tuple[int, int], side: int) -> enn.R2Conv:
    """Return their layer with our rings and highest frequencies."""
    space = gspaces.FlipRot2dOnR2(n) if mirrored else gspaces.Rot2dOnR2(n)
    irreducible = space.irrep(1, 1) if mirrored else space.irrep(1)
    known = {"trivial": space.trivial_repr, "regular": space.regular_repr, "frequency 1": irreducible}
    inputs, outputs = (enn.FieldType(space, [known[kind]] * count) for kind, count in zip(kinds, counts, strict=True))
    highest = {round(ring.radius / SPACING): ring.frequency for ring in rings(side)}  # the last one of each radius
    return enn.R2Conv(
        inputs, outputs, side, padding=side // 2, bias=False, sigma=[WIDTH] * (side // 2 + 1),
        rings=[SPACING * k for k in highest],
        frequencies_cutoff=lambda radius: highest[round(radius / SPACING)],
    )  # fmt: skip


def ours(n: int, mirrored: bool, kinds: tuple[str, str], counts: tuple[int, int], side: int) -> SteerableConvolution:
    """Return our layer."""
    group: PointGroup = Dihedral(n) if mirrored else Rotations(n)
    inputs, outputs = (Fields(group, ((KINDS[kind], count),)) for kind, count in zip(kinds, counts, strict=True))
    return SteerableConvolution(inputs, outputs, kernel=side, bias=False)


def image(side: int = 65) -> Tensor:
    """Return a smooth image well inside its border."""
    axis = torch.arange(side) - (side - 1) / 2
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(6, 2, generator=generator) * side / 14
    spots = [torch.exp(-((axis[:, None] - a) ** 2 + (axis - b) ** 2) / 12) for a, b in places]
    return torch.stack(spots).sum(0)[None, None]


def milliseconds(work: Callable[[], object], times: int = 20) -> float:
    """Return the median time of a call."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return 1e3 * float(np.median(found))


def curve(make: Callable[..., Callable[[Tensor], Tensor]], n: int, mirrored: bool, side: int) -> list[float]:
    """Return the error over the angle of a random layer to regular fields and one back."""
    there = make(n, mirrored, ("trivial", "regular"), (1, 4), side)
    back = make(n, mirrored, ("regular", "trivial"), (4, 1), side)
    return equivariance_curve(lambda x: back(torch.relu(there(x))), image(), DEGREES).tolist()


def as_map(
    n: int, mirrored: bool, kinds: tuple[str, str], counts: tuple[int, int], side: int
) -> Callable[[Tensor], Tensor]:
    """Return their layer as a map of tensors."""
    layer = theirs(n, mirrored, kinds, counts, side).eval()
    return lambda x: layer(enn.GeometricTensor(x, layer.in_type)).tensor


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--side", type=int, default=5, help="of the kernels")
    side = options.parse_args().side
    torch.manual_seed(0)
    for n, mirrored in ((4, False), (8, False), (16, False), (4, True), (8, True)):
        print(f"{'D' if mirrored else 'C'}_{n}, {side}x{side}: kernels and milliseconds to expand, ours and theirs")
        for kinds in ((a, b) for a in KINDS for b in KINDS):
            mine, other = (make(n, mirrored, kinds, (8, 8), side) for make in (ours, theirs))
            numbers = [sum(weight.numel() for weight in layer.parameters()) // 64 for layer in (mine, other)]
            expansions = [milliseconds(mine.filters), milliseconds(other.expand_parameters)]
            print(f"  {kinds[0]:>11s} to {kinds[1]:11s} {numbers}  {expansions[0]:.2f} {expansions[1]:.2f} ms")
        for name, make in (("ours", ours), ("theirs", as_map)):
            errors = " ".join(f"{error:.1e}" for error in curve(make, n, mirrored, side))
            print(f"  error at {DEGREES} degrees, {name:6s} {errors}")


if __name__ == "__main__":
    main()
