"""What the checks of operators share: copies, drawn images and measurements, distances and derivatives."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.physics.base import Physics, like
from nullsight.physics.ensembles import white

PhysicsT = TypeVar("PhysicsT", bound=Physics)


def copied(physics: PhysicsT, dtype: torch.dtype) -> PhysicsT:
    """Return a copy in this precision."""
    return copy.deepcopy(physics).to(dtype)


def draw(physics: Physics, shape: tuple[int, ...], size: int, dtype: torch.dtype, seed: int, term: str) -> Tensor:
    """Return white noise, one a sample where the operator is one a sample, else ``size``."""
    draws = Draws(seed, 0, tuple(range(physics.samples or size)))
    return white(shape, draws.of(term)).to(like(physics, dtype))


def images(physics: Physics, size: int, dtype: torch.dtype, seed: int) -> Tensor:
    """Return white images."""
    return draw(physics, physics.image_shape, size, dtype, seed, "images")


def measurements(physics: Physics, size: int, dtype: torch.dtype, seed: int) -> Tensor:
    """Return white measurements."""
    return draw(physics, physics.measurement_shape, size, dtype, seed, "measurements")


def distance(a: Tensor, b: Tensor) -> float:
    """Return ``|a - b| / |b|``."""
    return float((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-30))


def pull(function: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    """Return the gradient of ``<function(x), v>``."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad((function(x) * v).sum(), x)
    return gradient


def difference(function: Callable[[Tensor], Tensor], x: Tensor, seed: int) -> float:
    """Return the mismatch of autograd and central differences, along one direction and against one vector."""
    step = 1e-5 * float(x.norm())
    ids = tuple(range(x.shape[0]))
    u = white(tuple(x.shape[1:]), Draws(seed, 0, ids).of("direction")).to(x)
    u = u / u.norm()
    with torch.no_grad():
        moved = (function(x + step * u) - function(x - step * u)) / (2 * step)
    v = white(tuple(moved.shape[1:]), Draws(seed, 0, ids).of("vector")).to(x)
    pulled = pull(function, x, v)
    size = float(moved.norm() * v.norm()) + float(pulled.norm() * u.norm())
    return abs(float((moved * v).sum() - (pulled * u).sum())) / max(size, 1e-30)
