"""The equivariant bootstrap beside closed forms of linear reconstructors, and what it does at borders."""

import math

import pytest
import torch
from torch import Tensor

from nullsight.data import MeasurementSet
from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.groups import Elastic, Gain, QuarterTurns, Rotations, Shifts, Trivial
from nullsight.noise import Gaussian, Noiseless
from nullsight.physics import Inpainting, ParallelBeamCT, bernoulli_mask
from nullsight.physics.base import Physics
from nullsight.trust.bootstrap import bootstrap, join, predict_errors

MASK = bernoulli_mask((1, 12), 0.5, seed=3)[0]
LINE = Inpainting((1, 12), MASK)


def dagger(y: Tensor, physics: Physics) -> Tensor:
    return physics.A_dagger(y)


def _signals(count: int) -> Tensor:
    return torch.randn(count, 1, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _draws(count: int, seed: int = 0) -> Draws:
    return Draws(seed, 0, tuple(range(count)))


def test_predicted_error_of_a_linear_reconstructor_is_its_closed_form() -> None:
    """With f = A_dagger and all shifts: mean over g of |(A_dagger A T_g - T_g) x1|^2 + sigma^2 |A_dagger|^2."""
    sigma, copies, shifts = 0.3, 2000, Shifts((12,))
    y = LINE.A(_signals(2))
    found = bootstrap(dagger, y, LINE, shifts, Gaussian(sigma), _draws(2), copies=copies)
    matrix = LINE.to_matrix()
    inverse = torch.linalg.pinv(matrix)
    x1 = (inverse @ y[:, 0].T).T
    turned = torch.stack([x1.roll(k, 1) for k in range(12)])
    bias = turned @ (inverse @ matrix).T - turned
    own = torch.stack([one.roll(-k, 1) for k, one in enumerate(bias)])  # back in the frame of the image
    noisy = sigma**2 * torch.stack([torch.diagonal(inverse @ inverse.T).roll(-k) for k in range(12)]).mean(0)
    expected = own.square().mean(0) + noisy
    torch.testing.assert_close(found.mean_square, expected.mean(1), rtol=0.05, atol=0)
    torch.testing.assert_close(found.spread[:, 0].square(), expected, rtol=0.3, atol=0)
    assert found.covered == 1.0


def test_without_transformations_only_noise_is_seen() -> None:
    y = LINE.A(_signals(1))
    still = bootstrap(dagger, y, LINE, Trivial(), Gaussian(0.2), _draws(1), copies=2000)
    torch.testing.assert_close(
        still.spread[0, 0][MASK.bool()], torch.full((int(MASK.sum()),), 0.2).double(), rtol=0.1, atol=0
    )
    assert float(still.spread[0, 0][~MASK.bool()].max()) == 0  # a parametric bootstrap is blind to the null space
    moved = bootstrap(dagger, y, LINE, Shifts((12,)), Noiseless(), _draws(1), copies=50)
    assert float(moved.spread[0, 0][~MASK.bool()].min()) == 0  # zeros stay zeros, wherever they go
    assert float(moved.mean_square) > 0


def test_the_measured_part_has_nothing_of_the_null_space() -> None:
    y = LINE.A(_signals(3))
    found = bootstrap(dagger, y, LINE, Shifts((12,)), Gaussian(0.2), _draws(3), copies=20)
    hidden = ~MASK.bool()
    assert float(found.seen_spread[:, 0][:, hidden].abs().max()) == 0
    assert float(found.seen[:, 0][:, hidden].abs().max()) == 0
    torch.testing.assert_close(found.seen_spread[:, 0][:, MASK.bool()], found.spread[:, 0][:, MASK.bool()])
    torch.testing.assert_close(found.seen, y)


def test_a_perfect_reconstructor_has_no_error_and_factors_are_undone() -> None:
    """Gain is far from orthogonal: the inverse is used, not the transpose."""
    whole = Inpainting((1, 12), torch.ones(12))
    y = _signals(2)
    found = bootstrap(dagger, y, whole, Gain(0.2, 5.0), Noiseless(), _draws(2), copies=5)
    assert float(found.mean_square.max()) < 1e-25
    noisy = bootstrap(dagger, y, whole, Gain(0.5, 0.5), Gaussian(0.1), _draws(2), copies=2000)
    torch.testing.assert_close(noisy.mean_square, torch.full((2,), 0.04).double(), rtol=0.05, atol=0)  # (sigma / 0.5)^2


def test_interpolation_there_and_back_is_not_counted_as_an_error() -> None:
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = Inpainting((1, 16, 16), torch.ones(16, 16))
    found = bootstrap(dagger, x, whole, Rotations(360), Noiseless(), _draws(2), copies=6)
    assert float(found.mean_square.max()) < 1e-25
    g = torch.tensor([30, 75])
    trip = Rotations(360).act(-g % 360, Rotations(360).act(g, x)) - x
    assert float(trip.square().mean()) > 1e-4


def test_corners_count_only_in_copies_that_keep_them() -> None:
    """A reconstructor that loses what lies in the corners errs there in every frame that keeps them."""
    disk = (torch.stack(torch.meshgrid(*[torch.arange(16.0) - 7.5] * 2, indexing="ij")).norm(dim=0) < 7.5).double()
    whole = Inpainting((1, 16, 16), torch.ones(16, 16))
    x = torch.ones(1, 1, 16, 16, dtype=torch.float64)
    found = bootstrap(
        lambda y, physics: y * disk + 0.5 * (1 - disk) * y, x, whole, Rotations(8), Noiseless(), _draws(1), copies=40
    )
    corner = float(found.spread[0, 0, 0, 0])
    assert corner == pytest.approx(0.25, abs=1e-6)  # |0.5 * 0.5 - 0.5| of x1 = 0.5 there, only in quarter turns
    assert found.covered == 1.0
    few = bootstrap(dagger, x, whole, Rotations(360), Noiseless(), _draws(1), copies=2)
    assert few.covered < 1.0


def test_draws_decide_and_batches_do_not() -> None:
    y = LINE.A(_signals(4))
    whole = bootstrap(dagger, y, LINE, Shifts((12,)), Gaussian(0.1), _draws(4), copies=5)
    parts = predict_errors(dagger, MeasurementSet(y, LINE), Shifts((12,)), Gaussian(0.1), copies=5, batch_size=3)
    for name in ("x1", "mean_square", "spread", "seen", "seen_spread"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name))
    assert (parts.copies, parts.covered) == (5, 1.0)
    other = bootstrap(dagger, y, LINE, Shifts((12,)), Gaussian(0.1), _draws(4, seed=1), copies=5)
    assert not torch.equal(other.mean_square, whole.mean_square)


def test_one_operator_a_measurement() -> None:
    masks = bernoulli_mask((2, 1, 8, 8), 0.5, seed=0)
    physics = Inpainting((1, 8, 8), masks)
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = bootstrap(dagger, physics.A(x), physics, QuarterTurns(), Noiseless(), _draws(2), copies=8)
    alone = bootstrap(
        dagger,
        physics.take([1]).A(x[1:]),
        physics.take([1]),
        QuarterTurns(),
        Noiseless(),
        _draws(2).take([1]),
        copies=8,
    )
    torch.testing.assert_close(found.spread[1:], alone.spread)


def test_predicted_psnr_is_that_of_the_predicted_error() -> None:
    whole = Inpainting((1, 12), torch.ones(12))
    found = bootstrap(dagger, _signals(2), whole, Shifts((12,)), Gaussian(0.1), _draws(2), copies=500)
    expected = 20 * math.log10(2.0 / 0.1)
    torch.testing.assert_close(found.psnr(2.0), torch.full((2,), expected).double(), atol=0.5, rtol=0)
    torch.testing.assert_close(found.psnr(torch.tensor([2.0, 1.0]))[1], found.psnr(1.0)[1])


def test_tomography_keeps_its_dtype() -> None:
    physics = ParallelBeamCT((1, 16, 16), 8)
    y = physics.A(torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
    found = bootstrap(dagger, y, physics, Rotations(360), Gaussian(0.01), _draws(1), copies=3)
    assert found.spread.dtype == found.mean_square.dtype == torch.float32
    assert bool(torch.isfinite(found.spread).all())


def test_what_cannot_be_compared_is_refused() -> None:
    y = torch.zeros(1, 1, 8, 8)
    whole = Inpainting((1, 8, 8), torch.ones(8, 8))
    with pytest.raises(InputError, match="have an inverse"):
        bootstrap(dagger, y, whole, Elastic(), Noiseless(), _draws(1))
    with pytest.raises(InputError, match="at least 2 copies"):
        bootstrap(dagger, y, whole, QuarterTurns(), Noiseless(), _draws(1), copies=1)
    with pytest.raises(InputError, match="one row of draws"):
        bootstrap(dagger, y, whole, QuarterTurns(), Noiseless(), _draws(2))
    with pytest.raises(InputError, match="one number of copies"):
        join([])
