"""How far a reconstructor is from turning its image with what it is given: two numbers that are not the same.

A reconstructor that follows a turned operator need not follow a turned image, and a system (measure, then reconstruct)
that follows turned images may be blind to the operator it is told. The first can be built into f, whatever A is; the
second asks for an A that turns along, or for what A does not see to be filled in. Chen, Davies, Ehrhardt, Schönlieb,
Sherry, Tachella, "Imaging with equivariant deep learning", IEEE Signal Processing Magazine 2023.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from nullsight.contracts.groups import inscribed_disk
from nullsight.contracts.reconstructors import evaluating
from nullsight.draws import Draws
from nullsight.groups.base import Family, FiniteGroup, Group
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.physics.composed import transformed
from nullsight.types import Element, Image, InputError, Measurement

Reconstruct = Callable[[Tensor, Physics], Tensor]


def reconstructor_equivariance(
    f: Reconstruct, y: Measurement, physics: LinearPhysics, group: Group, *, elements: int = 8, seed: int = 0
) -> Tensor:
    """Return ``|f(y, A T_g) - T_g^-1 f(y, A)| / |f(y, A)|`` of every measurement, ``(batch,)`` float64.

    Whether f uses the operator it is told, turned or not. Root mean square over elements g: all of a finite group that
    has no more than ``elements``, else as many random ones for each image. Where the group interpolates, on the disk
    for which it states its ``action_error``, which is in the number.

    Args:
        f: a reconstructor, or anything that takes measurements and their operator; modules run in evaluation mode.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: A, which made them.
        group: acts linearly on images.
        elements: how many, >= 1.
        seed: of the random ones.

    Raises:
        InputError: fewer than 1 element, or a group whose action is not linear.

    Example:
        >>> from nullsight.groups import Shifts
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.reconstructors import LinearInverse
        >>> physics = Inpainting((1, 4), torch.tensor([1, 1, 0, 1]))
        >>> reconstructor_equivariance(LinearInverse(), torch.rand(1, 1, 4), physics, Shifts((4,)))
        tensor([0.], dtype=torch.float64)
    """
    with _at_rest(f), torch.no_grad():
        found = f(y, physics)
        gaps = [
            f(y, transformed(physics, group, g)) - group.act(group.inverse(g), found)
            for g in _drawn(group, len(y), elements, seed)
        ]
    return _relative(gaps, found, group)


def system_equivariance(
    f: Reconstruct, x: Image, physics: Physics, group: Family, *, elements: int = 8, seed: int = 0
) -> Tensor:
    """Return ``|f(A T_g x) - T_g f(A x)| / |f(A x)|`` of every image, ``(batch,)`` float64; A and f as they are.

    What the equivariance loss of "Equivariant Imaging" (Chen, Tachella, Davies, ICCV 2021) makes small: 0 for a perfect
    reconstructor of an invariant set, large where the null space of A stays empty. Measurements are without noise.
    Elements, norm and disk as in :func:`reconstructor_equivariance`.

    Args:
        f: a reconstructor, or anything that takes measurements and their operator; modules run in evaluation mode.
        x: images, ``(batch, *physics.image_shape)``.
        physics: A.
        group: transformations of images.
        elements: how many, >= 1.
        seed: of the random ones.

    Raises:
        InputError: fewer than 1 element.

    Example:
        >>> from nullsight.groups import Shifts
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.reconstructors import LinearInverse
        >>> physics = Inpainting((1, 4), torch.tensor([1, 1, 0, 1]))
        >>> bool(system_equivariance(LinearInverse(), torch.ones(1, 1, 4), physics, Shifts((4,))) > 0.5)
        True
    """
    with _at_rest(f), torch.no_grad():
        found = f(physics.A(x), physics)
        gaps = [
            f(physics.A(group.act(g, x)), physics) - group.act(g, found) for g in _drawn(group, len(x), elements, seed)
        ]
    return _relative(gaps, found, group)


def _drawn(group: Family, batch: int, elements: int, seed: int) -> Iterator[Element]:
    """Go through elements, one an image each time."""
    if elements < 1:
        raise InputError(f"expected at least 1 element of the group, but {elements} came")
    if isinstance(group, FiniteGroup) and group.order <= elements:
        return (torch.full((batch,), k, dtype=torch.int64) for k in group.elements())
    ids = tuple(range(batch))
    return (group.sample(Draws(seed, k, ids).of("equivariance")) for k in range(elements))


def _relative(gaps: list[Image], found: Image, group: Family) -> Tensor:
    seen = inscribed_disk(found.shape[2:], group.region) if group.action_error > 0 else torch.ones(())
    size, *squares = [(one * seen.to(one)).double().flatten(1).square().sum(1) for one in (found, *gaps)]
    return (torch.stack(squares).mean(0) / size.clamp_min(1e-300)).sqrt()


def _at_rest(f: Reconstruct) -> AbstractContextManager[None]:
    return evaluating(f) if isinstance(f, nn.Module) else nullcontext()
