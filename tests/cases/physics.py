"""Toy operators: every contract runs through all of them in float32 and float64."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from nullsight import physics as p
from nullsight.groups import Scales
from nullsight.physics.base import Physics
from nullsight.physics.matrix import _sparse
from nullsight.physics.several import several


@dataclass(frozen=True)
class Case:
    """One operator at toy size, built anew at every call."""

    name: str
    build: Callable[[], Physics]
    needs: str = "torch"  # the package without which nothing can be measured


class Turns:
    """Quarter turns (square images), enough of a group for the operators."""

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return torch.stack([torch.rot90(one, int(k), (-2, -1)) for k, one in zip(g, x, strict=True)])

    def act_adjoint(self, g: Tensor, x: Tensor) -> Tensor:
        return self.act(-g, x)

    def inverse(self, g: Tensor) -> Tensor:
        return -g


class Stretch:
    """Values times 1 + g: linear, no inverse in the class, not orthogonal."""

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return x * (1.0 + g.to(x)).reshape(-1, *[1] * (x.ndim - 1))

    def act_adjoint(self, g: Tensor, x: Tensor) -> Tensor:
        return self.act(g, x)


class DenseForeign(torch.nn.Module):
    """A linear operator as another library would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("m", p.gaussian_matrix(10, 32, seed=3))

    def A(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.m.T

    def A_adjoint(self, y: Tensor) -> Tensor:
        return (y @ self.m).reshape(-1, 2, 4, 4)

    def A_dagger(self, y: Tensor) -> Tensor:
        return (y @ torch.linalg.pinv(self.m).T).reshape(-1, 2, 4, 4)


class Saturation:
    """A nonlinear operator as another library would write it."""

    def A(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def A_dagger(self, y: Tensor) -> Tensor:
        return torch.atanh(y.clamp(-0.999, 0.999))


def masks(shape: tuple[int, ...], count: int) -> Tensor:
    return torch.stack([p.bernoulli_mask(shape, 0.6, seed=s) for s in range(count)])


def sparse() -> Tensor:
    rng = np.random.default_rng(0)
    return _sparse(scipy.sparse.random_array((14, 24), density=0.3, rng=rng, dtype=np.float64).tocsr())


def kernels(count: int) -> Tensor:
    return torch.stack([p.gaussian_kernel(0.5 + 0.1 * k, reach=1.9 / (0.5 + 0.1 * k)) for k in range(count)])[:, None]


def some(shape: tuple[int, ...]) -> Tensor:
    return p.bernoulli_mask(shape, 0.6, seed=9)


def coils(count: int, shape: tuple[int, int], samples: int) -> Tensor:
    drawn = p.gaussian_matrix(samples * count, 2 * shape[0] * shape[1], seed=5)
    return p.normalised(drawn.reshape(samples, count, 2, *shape))


def paths(count: int, shape: tuple[int, int], samples: int) -> Tensor:
    drawn = p.gaussian_matrix(samples * count, 2, seed=6).reshape(samples, count, 2)
    return torch.tensor(shape) / 2 * torch.tanh(drawn * samples**0.5 * count**0.5)


def views(count: int, detectors: int, samples: int) -> Tensor:
    kept = torch.stack([p.bernoulli_mask((1, count, 1), 0.7, seed=s) for s in range(samples)])
    return kept.expand(samples, 1, count, detectors).contiguous()


def fan_views(count: int, detectors: int) -> Tensor:
    return views(count, detectors, 2).expand(2, 2, count, detectors).contiguous()


EVERY: list[Case] = [
    Case("inpainting", lambda: p.Inpainting((3, 6, 5), some((6, 5)))),
    Case("inpainting by channel", lambda: p.Inpainting((3, 6, 5), some((3, 6, 5)))),
    Case("inpainting by sample", lambda: p.Inpainting((3, 6, 5), masks((1, 6, 5), 3))),
    Case("inpainting 1-D", lambda: p.Inpainting((2, 9), p.periodic_mask((9,), 2))),
    Case("matrix", lambda: p.MatrixOperator((2, 4, 4), p.gaussian_matrix(12, 32, seed=0))),
    Case("tall matrix 1-D", lambda: p.MatrixOperator((1, 8), p.gaussian_matrix(20, 8, seed=0).double())),
    Case("sparse matrix", lambda: p.MatrixOperator((1, 4, 6), sparse())),
    Case("hadamard", lambda: p.Hadamard((2, 4, 8), 11)),
    Case("hadamard 1-D", lambda: p.Hadamard((1, 16), 16)),
    Case("mri", lambda: p.CartesianMRI((2, 6, 7), p.cartesian_mask((6, 7), 2.0, 0.15, seed=0))),
    Case("mri by sample", lambda: p.CartesianMRI((2, 6, 6), masks((6, 6), 3))),
    Case(
        "multi-coil mri",
        lambda: p.MultiCoilMRI((2, 6, 7), coils(4, (6, 7), 1), p.cartesian_mask((6, 7), 1.8, 0.3, seed=0), 200),
    ),
    Case("multi-coil mri by sample", lambda: p.MultiCoilMRI((2, 5, 6), coils(3, (5, 6), 3), masks((5, 6), 3), 200)),
    Case("multi-coil mri, few steps", lambda: p.MultiCoilMRI((2, 6, 6), coils(2, (6, 6), 1), some((6, 6)), 4)),
    Case(
        "non-cartesian mri",
        lambda: p.NonCartesianMRI((2, 6, 5), paths(40, (6, 5), 1), coils(3, (6, 5), 1), 200),
        needs="finufft",
    ),
    Case(
        "non-cartesian mri by sample",
        lambda: p.NonCartesianMRI((2, 5, 6), paths(20, (5, 6), 2), iterations=200),
        needs="finufft",
    ),
    Case("blur", lambda: p.Blur((2, 9, 8), p.gaussian_kernel(0.6))),
    Case("blur with zeros", lambda: p.Blur((1, 8, 8), p.box_kernel(4), threshold=1e-4)),
    Case("strong blur", lambda: p.Blur((1, 16, 16), p.gaussian_kernel(1.5, reach=4), threshold=0.1)),
    Case("blur by sample", lambda: p.Blur((1, 9, 8), kernels(2))),
    Case("blur by channel 1-D", lambda: p.Blur((2, 12), torch.tensor([[0.2, 0.6, 0.1], [0.0, 1.0, 0.5]]))),
    Case("blur valid", lambda: p.BlurValid((2, 9, 8), p.gaussian_kernel(0.5, reach=2))),
    Case("blur valid, few steps", lambda: p.BlurValid((1, 9, 8), p.box_kernel(4), iterations=3)),
    Case("blur valid even 1-D", lambda: p.BlurValid((1, 12), torch.tensor([0.5, 0.3, 0.1, 0.05]))),
    Case("downsampling", lambda: p.Downsampling((2, 8, 6), 2, p.gaussian_kernel(0.6))),
    Case("downsampling aliased", lambda: p.Downsampling((1, 8, 6), 2)),
    Case("downsampling 1-D", lambda: p.Downsampling((1, 12), 3, p.box_kernel(3, axes=1))),
    Case("downsampling valid", lambda: p.DownsamplingValid((1, 10, 9), 2, p.gaussian_kernel(0.7, reach=2))),
    Case("masked", lambda: p.Masked(p.MatrixOperator((1, 5, 5), p.gaussian_matrix(15, 25, seed=1)), some((15,)))),
    Case(
        "masked by sample",
        lambda: p.Masked(p.Inpainting((1, 6, 5), masks((1, 6, 5), 3)), some((1, 6, 5))),
    ),
    Case(
        "transformed",
        lambda: p.Transformed(p.Inpainting((1, 6, 6), some((6, 6))), Turns(), torch.tensor([0, 1, 3])),
    ),
    Case(
        "transformed, not orthogonal",
        lambda: p.Transformed(
            p.MatrixOperator((1, 5, 6), p.gaussian_matrix(12, 30, seed=1)),
            Scales(0.6, 1.6),
            Scales().element(torch.tensor([1.5, 0.7, 1.0])),
        ),
    ),
    Case(
        "transformed, no inverse",
        lambda: p.Transformed(p.Hadamard((1, 4, 4), 9), Stretch(), torch.tensor([0.5], dtype=torch.float64)),
    ),
    Case(
        "stacked",
        lambda: p.Stacked(
            [p.Inpainting((1, 4, 4), some((4, 4))), p.MatrixOperator((1, 4, 4), p.gaussian_matrix(3, 16, seed=0))]
        ),
    ),
    Case(
        "stacked by sample",
        lambda: p.Stacked([p.Inpainting((1, 4, 4), masks((1, 4, 4), 2)), p.Hadamard((1, 4, 4), 5)]),
    ),
    Case("foreign linear", lambda: p.ForeignLinear(DenseForeign(), (2, 4, 4), (10,))),
    Case("foreign", lambda: p.Foreign(Saturation(), (1, 5, 5), (1, 5, 5), dagger_error=None)),
    Case("ct", lambda: p.ParallelBeamCT((1, 12, 12), 9)),
    Case(
        "ct, rectangle, odd angles",
        lambda: p.ParallelBeamCT(
            (2, 10, 14), [-20.0, 3.0, 45.0, 90.0, 200.0], detectors=15, spacing=1.3, offset=0.4, pixel_size=0.5
        ),
    ),
    Case("ct by sample", lambda: p.ParallelBeamCT((1, 12, 12), 16, keep=views(16, 17, 3))),
    Case(
        "several",
        lambda: p.Several(
            [p.MatrixOperator((1, 4, 4), p.gaussian_matrix(9, 16, seed=k)) for k in (0, 1)],
            torch.tensor([1, 0, 1]),
        ),
    ),
    Case(
        "several ct",
        lambda: several(
            [p.ParallelBeamCT((1, 9, 9), 6), p.ParallelBeamCT((1, 9, 9), 6).turned(7)], torch.tensor([1, 0])
        ),
    ),
    Case("ct on the fly", lambda: p.ParallelBeamCT((2, 9, 12), 8, memory_limit=50_000)),
    Case("fan beam ct", lambda: p.FanBeamCT((1, 12, 12), 20, 24.0)),
    Case(
        "fan beam ct by sample, rectangle",
        lambda: p.FanBeamCT(
            (2, 8, 11), 16, 9.0, detector_distance=5.0, detectors=18, offset=0.4, pixel_size=0.5, keep=fan_views(16, 18)
        ),
    ),
    Case("fan beam ct on the fly", lambda: p.FanBeamCT((1, 9, 12), 12, 20.0, memory_limit=50_000)),
    Case("transmission", lambda: p.Transmission(p.ParallelBeamCT((1, 12, 12), 9), 1e4, 0.05, sigma=10.0)),
    Case(
        "transmission of a fan by sample",
        lambda: p.Transmission(
            p.FanBeamCT((2, 8, 11), 16, 9.0, detectors=18, keep=fan_views(16, 18)), 1e3, 0.1, floor=0.5
        ),
    ),
    Case("saturation", lambda: p.Saturation(p.Inpainting((1, 6, 5), some((6, 5))), 1.0, low=-0.8)),
    Case(
        "saturation by sample",
        lambda: p.Saturation(p.Inpainting((1, 6, 5), masks((1, 6, 5), 3)), 0.9, low=-2.0, margin=0.1),
    ),
    Case(
        "saturated matrix",
        lambda: p.Saturation(p.MatrixOperator((1, 4, 5), p.gaussian_matrix(15, 20, seed=2)), 1.2, low=-1.5),
    ),
    Case("whitened", lambda: p.Whitened(p.Inpainting((1, 6, 5), some((6, 5))), 1 - 0.5 * masks((1, 6, 5), 3))),
    Case("ct least squares", lambda: p.LeastSquares(p.ParallelBeamCT((1, 9, 9), 6), iterations=10)),
    Case(
        "ct weighted least squares by sample",
        lambda: p.WeightedLeastSquares(p.ParallelBeamCT((1, 9, 9), 8, keep=views(8, 13, 2))),
    ),
]

PHYSICS = [case for case in EVERY if find_spec(case.needs) is not None]
"""Those that can be used here."""
