"""Toy operators that reconstructors are tried on, written here so that no other room is needed."""

import torch
from torch import Tensor

from nullsight.physics.base import LinearPhysics, Physics


class ToyMask(LinearPhysics):
    """``A x = gain mask x``, with an exact ``A_dagger`` that counts its calls."""

    per_sample = ("mask",)

    def __init__(self, image_shape: tuple[int, ...], mask: Tensor, gain: float = 1.0) -> None:
        super().__init__(image_shape, image_shape)
        self.gain = gain
        self.register_buffer("mask", mask)
        self.calls = 0

    def _measure(self, x: Tensor) -> Tensor:
        return self.gain * x * self.mask

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.gain * y * self.mask

    def _invert(self, y: Tensor) -> Tensor:
        self.calls += 1
        return y * self.mask / self.gain


class ToyMatrix(LinearPhysics):
    """``y = M x`` for flattened images; ``A_dagger`` is the scaled adjoint, so only approximate."""

    def __init__(self, image_shape: tuple[int, ...], matrix: Tensor) -> None:
        super().__init__(image_shape, (matrix.shape[0],))
        self.register_buffer("matrix", matrix)

    def _measure(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.matrix.T

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y @ self.matrix).reshape(-1, *self.image_shape)

    def _invert(self, y: Tensor) -> Tensor:
        return self._adjoint(y) / self.matrix.square().sum(0).mean()


class ToySaturation(Physics):
    """A nonlinear detector: ``A(x) = tanh(x)``."""

    def _measure(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def _invert(self, y: Tensor) -> Tensor:
        return y


def toy_mask(*image_shape: int, seed: int = 0, samples: int = 1, gain: float = 1.0) -> ToyMask:
    mask = torch.rand(samples, 1, *image_shape[1:], generator=torch.Generator().manual_seed(seed)) < 0.6
    return ToyMask(image_shape, mask, gain)


def toy_matrix(image_shape: tuple[int, ...], measurements: int, seed: int = 0) -> ToyMatrix:
    """Singular values between 1 and 2, so that iterations converge quickly."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.Size(image_shape).numel()
    square = torch.randn(pixels, pixels, generator=generator, dtype=torch.float64)
    rows = torch.linalg.qr(square).Q[:measurements] * torch.linspace(1, 2, measurements, dtype=torch.float64)[:, None]
    return ToyMatrix(image_shape, rows.float())


def images(physics, batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, *physics.image_shape, generator=generator, dtype=torch.float64)


def count(module):
    return sum(weight.numel() for weight in module.parameters())
