"""Checks of a reconstructor, for our tests and for users' own: each raises an AssertionError that says by how much.

All but the gradient check look at the reconstructor in eval mode and leave its mode as it was.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor


def assert_same_shape(f: Reconstructor, y: Tensor, physics: Physics) -> None:
    """Check that ``f(y)`` is a finite batch of images of the physics, in the dtype of ``y``.

    Args:
        f: the reconstructor.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: the operator that made them.

    Example:
        >>> from nullsight.physics.inpainting import Inpainting
        >>> from nullsight.reconstructors import LinearInverse
        >>> physics = Inpainting((1, 4, 4), torch.ones(4, 4, dtype=torch.bool))
        >>> assert_same_shape(LinearInverse(), torch.rand(2, 1, 4, 4), physics)
    """
    x = _reconstruct(f, y, physics)
    expected = (y.shape[0], *physics.image_shape)
    assert tuple(x.shape) == expected, f"the images should be of shape {expected}, they are {tuple(x.shape)}"
    assert x.dtype == y.dtype, f"the images should be {y.dtype} as the measurements, they are {x.dtype}"
    bad = int((~torch.isfinite(x)).sum())
    assert bad == 0, f"the images should be finite, {bad} of {x.numel()} values are not"


def assert_batch_independent(f: Reconstructor, y: Tensor, physics: Physics, *, tolerance: float = 1e-5) -> None:
    """Check that each image alone is reconstructed as in the batch: relative difference at most ``tolerance``.

    Args:
        f: the reconstructor.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: the operator that made them.
        tolerance: largest relative difference of an image.
    """
    together = _reconstruct(f, y, physics)
    for i in range(y.shape[0]):
        alone = _reconstruct(f, y[i : i + 1], physics.take([i]))
        error = _relative(together[i : i + 1] - alone, alone)
        assert error <= tolerance, (
            f"image {i} alone and in the batch should differ by at most {tolerance:g}, they differ by {error:.3g}: "
            f"does the network look across the batch?"
        )


def assert_deterministic(f: Reconstructor, y: Tensor, physics: Physics) -> None:
    """Check that ``f(y)`` is the same twice, bit for bit, and changes neither ``y``, nor ``f``, nor the global seed.

    Args:
        f: the reconstructor.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: the operator that made them.
    """
    given, kept = y.clone(), {name: value.clone() for name, value in f.state_dict().items()}
    random = torch.get_rng_state()
    first, second = _reconstruct(f, y, physics), _reconstruct(f, y, physics)
    error = _relative(first - second, first)
    assert torch.equal(first, second), f"two reconstructions should be the same, they differ by {error:.3g}"
    assert torch.equal(given, y), "the measurements should be left alone, they were changed"
    changed = [name for name, value in f.state_dict().items() if not torch.equal(value, kept[name])]
    assert not changed, f"reconstructing should change no weight or buffer, it changed {', '.join(changed)}"
    assert torch.equal(random, torch.get_rng_state()), "reconstructing should not draw from the global random state"


def assert_gradients_reach_all_weights(f: Reconstructor, y: Tensor, physics: Physics) -> None:
    """Check that every weight that is trained gets a finite gradient that is not all zero, from ``|f(y) - y'|``.

    A random target keeps the gradient from vanishing by symmetry. The weights keep the gradients they had.

    Args:
        f: the reconstructor.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: the operator that made them.
    """
    named = [(name, weight) for name, weight in f.named_parameters() if weight.requires_grad]
    with torch.enable_grad(), evaluating(f):
        x = f(y, physics)
        target = torch.rand(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        loss = (x - target.to(x.device, x.dtype) * f.scale).square().mean()
        assert not named or loss.requires_grad, "the images should depend on the weights, they do not"
        weights = [weight for _, weight in named]
        gradients = torch.autograd.grad(loss, weights, allow_unused=True) if named else ()
    for (name, _), gradient in zip(named, gradients, strict=True):
        assert gradient is not None, f"{name} should get a gradient, it gets none"
        assert bool(torch.isfinite(gradient).all()), f"the gradient of {name} should be finite, it is not"
        assert bool((gradient != 0).any()), f"the gradient of {name} should not be zero everywhere, it is"


def assert_consistent(f: Reconstructor, y: Tensor, physics: Physics, *, tolerance: float = 1e-4) -> None:
    """Check that ``A f(y) = A A_dagger y``: relative difference at most ``tolerance`` (null-space reconstructors).

    Args:
        f: the reconstructor.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: the operator that made them.
        tolerance: largest relative difference of the measurements.
    """
    expected = physics.A(physics.A_dagger(y))
    error = _relative(physics.A(_reconstruct(f, y, physics)) - expected, expected)
    assert error <= tolerance, (
        f"A f(y) and A A_dagger y should differ by at most {tolerance:g}, they differ by {error:.3g}"
    )


def assert_runs_on(f: Reconstructor, physics: Sequence[Physics], *, batch: int = 2) -> None:
    """Check that one and the same ``f`` reconstructs from other operators: masks, angles, image sizes.

    Measurements are of noise images in the dtype of ``f``, ``batch`` of them (or as many as the physics has operators).

    Args:
        f: the reconstructor.
        physics: operators, one after the other.
        batch: how many measurements of each.
    """
    for one in physics:
        shape = (one.samples or batch, *one.image_shape)
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        assert_same_shape(f, one.A(x.to(f.scale.device, f.scale.dtype)), one)


@contextmanager
def evaluating(f: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode and every part of it back into the mode it had."""
    modes = [(module, module.training) for module in f.modules()]
    f.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _reconstruct(f: Reconstructor, y: Tensor, physics: Physics) -> Tensor:
    with torch.no_grad(), evaluating(f):
        return f(y, physics)  # type: ignore[no-any-return]


def _relative(difference: Tensor, of: Tensor) -> float:
    error, size = float(difference.detach().norm()), float(of.detach().norm())
    return error / size if size > 0 else error
