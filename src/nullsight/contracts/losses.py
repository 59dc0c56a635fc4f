"""Checks of a loss, for our tests and for users' own: each raises an AssertionError that says by how much.

They take an :class:`~nullsight.losses.Evidence` (with truth for a loss that needs it) and look at copies of it, so what
it has computed already does not matter.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from nullsight.losses.base import Evidence, Loss


def assert_scalar(loss: Loss, evidence: Evidence) -> None:
    """Check that the loss is one finite number, in the dtype of the measurements.

    Example:
        >>> from nullsight.draws import Draws
        >>> from nullsight.losses import MeasurementConsistency
        >>> from nullsight.physics.inpainting import Inpainting
        >>> physics, y = Inpainting((1, 3), torch.tensor([1, 0, 1])), torch.rand(2, 1, 3)
        >>> f = lambda y, physics, start=None, draws=None: y
        >>> assert_scalar(MeasurementConsistency(), Evidence(y, physics, torch.arange(2), Draws(0, 0, (0, 1)), 0.0, f))
    """
    value = loss(_fresh(evidence))
    assert value.shape == (), f"the loss should be one number of shape (), its shape is {tuple(value.shape)}"
    assert value.dtype == evidence.y.dtype, f"the loss should be {evidence.y.dtype}, it is {value.dtype}"
    assert bool(torch.isfinite(value)), f"the loss should be finite, it is {value.item()}"


def assert_mean_over_samples(loss: Loss, evidence: Evidence, *, tolerance: float = 1e-5) -> None:
    """Check that the batch twice, with the same draws, has the loss of the batch.

    Args:
        loss: the loss.
        evidence: a batch.
        tolerance: largest relative difference.
    """
    rows = list(range(_size(evidence)))
    once, twice = _value(loss, evidence.take(rows)), _value(loss, evidence.take(rows + rows))
    error = _relative(twice, once)
    assert error <= tolerance, (
        f"the loss of a batch repeated should be that of the batch, {once:.6g}, it is {twice:.6g}: is it a sum?"
    )


def assert_split_independent(loss: Loss, evidence: Evidence, *, tolerance: float = 1e-5) -> None:
    """Check that the loss is the mean of those of two equal halves, so that processes may share a batch.

    Args:
        loss: the loss.
        evidence: a batch of an even number of samples.
        tolerance: largest relative difference.

    Raises:
        AssertionError: it is not, or the batch is odd.
    """
    size = _size(evidence)
    assert size % 2 == 0 and size > 0, f"the batch should have an even number of samples, it has {size}"
    whole = _value(loss, _fresh(evidence))
    halves = [_value(loss, evidence.take(rows)) for rows in (range(size // 2), range(size // 2, size))]
    mean = sum(halves) / 2
    error = _relative(mean, whole)
    assert error <= tolerance, (
        f"the loss should be the mean of its halves', {mean:.6g}, it is {whole:.6g}: does it look across the batch?"
    )


def assert_repeatable(loss: Loss, evidence: Evidence) -> None:
    """Check that the same evidence has the same loss, bit for bit, and that torch's own generator is left alone."""
    random = torch.get_rng_state()
    first, second = _value(loss, _fresh(evidence)), _value(loss, _fresh(evidence))
    assert first == second, f"the same evidence should have one loss, it has {first!r} and {second!r}: draw from draws"
    assert torch.equal(random, torch.get_rng_state()), "a loss should not draw from the global random state, it does"


def assert_changes_nothing(loss: Loss, evidence: Evidence) -> None:
    """Check that computing the loss leaves its buffers and weights as they were: what it keeps changes in ``update``.

    Args:
        loss: the loss.
        evidence: a batch.
    """
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    loss(_fresh(evidence))
    for name, value in loss.state_dict().items():
        same = value.shape == before[name].shape and torch.equal(value.nan_to_num(), before[name].nan_to_num())
        assert same, f"forward should not change {name}, it does: change it in update"


def assert_zero(loss: Loss, evidence: Evidence, *, tolerance: float = 1e-10) -> None:
    """Check that a reconstructor without fault has no loss.

    Args:
        loss: the loss.
        evidence: a batch of a reconstructor that returns the truth.
        tolerance: largest value.
    """
    value = _value(loss, _fresh(evidence))
    assert abs(value) <= tolerance, f"the loss of a perfect reconstructor should be <= {tolerance:g}, it is {value:.3g}"


def assert_gradient_reaches(loss: Loss, evidence: Evidence, weights: Iterable[Tensor]) -> None:
    """Check that every weight of the reconstructor gets a finite gradient that is not zero everywhere.

    Args:
        loss: the loss.
        evidence: a batch of a reconstructor that has these weights.
        weights: of the reconstructor.
    """
    listed = list(weights)
    gradients = torch.autograd.grad(loss(_fresh(evidence)), listed, allow_unused=True)
    for i, gradient in enumerate(gradients):
        assert gradient is not None, f"weight {i} should get a gradient, it gets none: is f's output detached?"
        assert bool(torch.isfinite(gradient).all()), f"the gradient of weight {i} should be finite, it is not"
        assert bool((gradient != 0).any()), f"the gradient of weight {i} should not be zero everywhere, it is"


def assert_gradient_exact(
    loss: Loss, evidence: Evidence, weight: Tensor, *, step: float = 1e-5, tolerance: float = 1e-6
) -> None:
    """Check the gradient with respect to a float64 ``weight`` against central differences in a random direction.

    The weight is moved while this looks and is put back afterwards.

    Args:
        loss: the loss.
        evidence: a batch of a reconstructor that has this weight.
        weight: float64.
        step: half the distance of the two values, in units of a random normal direction.
        tolerance: largest relative difference of the slopes.
    """
    assert weight.dtype == torch.float64, f"the weight should be float64 for differences, it is {weight.dtype}"
    (gradient,) = torch.autograd.grad(loss(_fresh(evidence)), [weight])
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(weight.shape, generator=generator, dtype=weight.dtype).to(weight.device)
    given = weight.detach().clone()
    values = []
    try:
        for sign in (1, -1):
            weight.data.copy_(given + sign * step * direction)
            values.append(_value(loss, _fresh(evidence)))
    finally:
        weight.data.copy_(given)
    slope, stated = (values[0] - values[1]) / (2 * step), float((gradient * direction).sum())
    error = _relative(stated, slope)
    assert error <= tolerance, f"the slope along a direction should be {slope:.8g}, the gradient says {stated:.8g}"


def assert_players_apart(loss: Loss, evidence: Evidence, reconstructor: nn.Module) -> None:
    """Check that f's loss moves no opponent, that no opponent's objective moves f, and that they share no weight.

    Args:
        loss: one with opponents; others pass.
        evidence: a batch of the reconstructor.
        reconstructor: f.
    """
    own = list(reconstructor.parameters())
    shared_evidence = _fresh(evidence)
    value = loss(shared_evidence)
    for player in loss.players():
        theirs = list(player.module.parameters())
        assert not {id(p) for p in theirs} & {id(p) for p in own}, "an opponent should share no weight with f, it does"
        leak = torch.autograd.grad(value, theirs, allow_unused=True, retain_graph=True)
        assert all(g is None or not bool(g.any()) for g in leak), "f's loss should not move the opponent, it does"
        objective = player.objective(shared_evidence)
        back = torch.autograd.grad(objective, own, allow_unused=True, retain_graph=True)
        assert all(g is None or not bool(g.any()) for g in back), "the objective should not move f, it does"
        forth = torch.autograd.grad(objective, theirs, allow_unused=True)
        assert any(g is not None and bool(g.any()) for g in forth), (
            "the objective should move the opponent, it does not"
        )


def assert_loss(loss: Loss, evidence: Evidence, reconstructor: nn.Module, *, tolerance: float = 1e-5) -> None:
    """Run every check that needs no perfect reconstructor.

    Args:
        loss: the loss.
        evidence: a batch of an even number of samples, whose ``reconstruct`` is the ``reconstructor``.
        reconstructor: f.
        tolerance: largest relative difference, one that suits the dtype of the evidence.
    """
    assert_scalar(loss, evidence)
    assert_repeatable(loss, evidence)
    assert_changes_nothing(loss, evidence)
    assert_mean_over_samples(loss, evidence, tolerance=tolerance)
    assert_split_independent(loss, evidence, tolerance=tolerance)
    assert_gradient_reaches(loss, evidence, [p for p in reconstructor.parameters() if p.requires_grad])
    assert_players_apart(loss, evidence, reconstructor)


def _size(evidence: Evidence) -> int:
    return int(evidence.y.shape[0])


def _fresh(evidence: Evidence) -> Evidence:
    return evidence.take(range(_size(evidence)))


def _value(loss: Loss, evidence: Evidence) -> float:
    with torch.no_grad():
        return float(loss(evidence))


def _relative(value: float, of: float) -> float:
    return abs(value - of) / abs(of) if of else abs(value)
