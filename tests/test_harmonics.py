"""Sampled rings of harmonics: how far they are from turning along, for details of every size, and over the angle."""

import math

import pytest
import torch

from nullsight.contracts import equivariance_curve
from nullsight.groups import Rotations
from nullsight.networks import Fields, IrreducibleField, SteerableConvolution, TrivialField, VectorField
from nullsight.networks.harmonics import Ring, rings, sample

SIDES = (3, 5, 7, 9)
PERIODS = (12.0, 8.0, 6.0, 4.0, 3.0)  # of waves, in pixels


def turning_error(found: list[Ring], side: int, period: float, degrees: float) -> float:
    """Return how far answers to turned waves are from turned answers, by the size of all answers.

    The kernels of a ring answer a wave ``exp(i k x)`` with a vector K(k); a ring that turns along has
    ``K(R k) = E K(k)`` with E a rotation by frequency times the angle. Root mean square over directions and rings, each
    of the same weight, as weights are drawn.
    """
    axis = torch.arange(side, dtype=torch.float64) - side // 2
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    directions = torch.arange(72, dtype=torch.float64) * math.tau / 72

    def answer(kernels: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        wave = math.tau / period * torch.stack([angle.cos(), angle.sin()], -1)
        return kernels.to(torch.complex128) @ torch.exp(1j * (pixels @ wave.T))

    wrong, whole = 0.0, 0.0
    for ring in found:
        kernels = sample(ring, side).flatten(1)
        a = ring.frequency * math.radians(degrees)
        turn = torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]], dtype=torch.complex128)
        before = answer(kernels, directions)
        after = turn[: len(kernels), : len(kernels)] @ before
        wrong += float((answer(kernels, directions + math.radians(degrees)) - after).abs().square().sum())
        whole += float(before.abs().square().sum())
    return math.sqrt(wrong / whole)


@pytest.mark.parametrize("degrees", [22.5, 45.0])
@pytest.mark.parametrize("period", PERIODS)
def test_larger_kernels_turn_along_better(period, degrees):
    errors = [turning_error(rings(side), side, period, degrees) for side in SIDES]
    assert errors == sorted(errors, reverse=True), errors
    assert max(turning_error(rings(side), side, period, 90.0) for side in SIDES) < 1e-10


def test_rings_on_the_border_of_the_kernel_do_not():
    """Why rings are less than a pixel apart: on whole pixels the last one is cut off, and 7x7 was worse than 5x5."""
    errors = {}
    for side in (5, 7):
        whole = [Ring(k, m) for k in range(side // 2 + 1) for m in range(2 * k + 1)]
        inner = [ring for ring in whole if ring.radius < side // 2]
        outer = [ring for ring in whole if ring.radius == side // 2]
        assert turning_error(inner, side, 4.0, 45.0) < 0.1 * turning_error(outer, side, 4.0, 45.0)
        assert turning_error(rings(side), side, 4.0, 45.0) < turning_error(whole, side, 4.0, 45.0) / 1.5
        errors[side] = turning_error(whole, side, 3.0, 45.0)
    assert errors[7] > errors[5]


@pytest.mark.parametrize("kind", [TrivialField(), VectorField(), IrreducibleField(2)], ids=repr)
def test_curve_of_a_larger_kernel_is_lower_at_every_angle(kind):
    """Two layers by way of a field of one frequency; of 16 turns, so that no other frequency mixes with it."""
    axis = torch.arange(33, dtype=torch.float64) - 16
    places = 3 * torch.randn(2, 8, 2, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spots = [sum(torch.exp(-((axis[:, None] - a) ** 2 + (axis - b) ** 2) / 4) for a, b in image) for image in places]
    x, degrees = torch.stack(spots)[:, None], [10.0, 22.5, 45.0, 70.0, 90.0]
    image, hidden = (Fields(Rotations(16), ((field, count),)) for field, count in ((TrivialField(), 1), (kind, 8)))
    curves = []
    for side in (5, 7):
        there = SteerableConvolution(image, hidden, kernel=side, bias=False).double()
        back = SteerableConvolution(hidden, image, kernel=side, bias=False).double()
        with torch.no_grad():
            for weight in (*there.parameters(), *back.parameters()):
                weight.abs_()  # so that what is answered does not cancel out by chance
        curves.append(equivariance_curve(lambda z: back(there(z)), x, degrees))  # noqa: B023
    five, seven = curves
    assert bool((seven[:-1] < five[:-1]).all()), curves
    assert float(torch.stack(curves)[:, -1].max()) < 1e-10
