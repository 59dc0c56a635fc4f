"""What every group has to keep, as checks that return the number they measured; for users' own groups, too.

``image_shape`` is without batch. Images are drawn from ``seed``. A broken claim is a
:class:`~nullsight.contracts.findings.ContractError`.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from nullsight.contracts.findings import Finding, find, require
from nullsight.groups.base import Family, FiniteGroup, Group
from nullsight.groups.ensembles import STATED_SHAPE, draws_of, mean_square, norms, pair
from nullsight.groups.ensembles import inscribed_disk as inscribed_disk
from nullsight.groups.ensembles import measured_action_error as measured_action_error
from nullsight.groups.ensembles import natural_images as natural_images
from nullsight.types import Element, Image

ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-12}
"""What counts as exact, relative to the norm of the image."""
ADJOINT = {torch.float32: 1e-6, torch.float64: 1e-12}
"""Largest adjoint mismatch, relative to the product of the norms."""


def assert_group(
    group: Group, image_shape: Sequence[int], *, dtype: torch.dtype = torch.float64, seed: int = 0
) -> float:
    """Check identity, inverse and associativity of elements, and ``T_g T_h = T_gh`` on images; return the law's gap.

    Groups that only move samples keep the law to rounding on random images. For the others the law is
    :func:`assert_action_error`, and here the identity must act as such.

    Args:
        group: the group.
        image_shape: of the images, without batch.
        dtype: the images' precision.
        seed: of elements and images.
    """
    g, h = pair(group, 16, seed)
    k = group.sample(draws_of(16, seed).of("third"))
    e = group.identity(16)
    if isinstance(group, FiniteGroup):
        few = torch.tensor([0, *group.generators()[:64], group.order - 1])
        g, h = torch.cat([g, few]), torch.cat([h, few.flip(0)])
        k, e = torch.cat([k, few]), group.identity(16 + len(few))
    x = _images(len(g), image_shape, dtype, seed)
    require("action of the identity", _gap(group.act(e, x), x), ROUNDING[dtype])
    same = partial(_same, group, x, dtype)
    same("g g^-1 = e", group.compose(g, group.inverse(g)), e)
    same("g^-1 g = e", group.compose(group.inverse(g), g), e)
    same("e g = g", group.compose(e, g), g)
    same("g e = g", group.compose(g, e), g)
    same("(g h) k = g (h k)", group.compose(group.compose(g, h), k), group.compose(g, group.compose(h, k)))
    if group.action_error > 0:
        return 0.0
    gap = _gap(group.act(g, group.act(h, x)), group.act(group.compose(g, h), x))
    return require("law T_g T_h = T_gh", gap, ROUNDING[dtype])


def assert_action_error(group: Group, image_shape: Sequence[int] = STATED_SHAPE, *, seed: int = 0) -> float:
    """Check the stated ``action_error``: neither more is measured nor, at its own image size, less than half of it.

    On smaller images the border and the finest details weigh more: there the square root of 64 / size is allowed.

    Args:
        group: the group.
        image_shape: of the images, without batch.
        seed: of elements and images.
    """
    side = min(image_shape[1:])
    stated = group.action_error * max(1.0, STATED_SHAPE[1] / side) ** 0.5
    least = stated / 2 if tuple(image_shape[1:]) == STATED_SHAPE[1:] else 0.0
    measured = measured_action_error(group, image_shape, seed=seed)
    return require("action error", measured, max(stated, ROUNDING[torch.float64]), least=least)


def assert_group_adjoint(
    group: Family, image_shape: Sequence[int], *, dtype: torch.dtype = torch.float64, seed: int = 0
) -> float:
    """Check ``<T_g x, y> = <x, T_g^T y>``; return the largest mismatch relative to ``|x| |y|``.

    Where ``T_g`` says that it is not linear it is taken for affine, and ``T_g x`` for ``T_g x - T_g 0``.

    Args:
        group: a group or a family.
        image_shape: of the images, without batch.
        dtype: the images' precision.
        seed: of elements and images.
    """
    g = group.sample(draws_of(12, seed).of("elements"))
    x, y = _images(12, image_shape, dtype, seed), _images(12, image_shape, dtype, seed + 1)
    there, back = _linear_part(group, g, x), group.act_adjoint(g, y)
    gap = ((there.double() * y).flatten(1).sum(1) - (x.double() * back).flatten(1).sum(1)).abs()
    return require("adjoint mismatch", float((gap / (norms(x) * norms(y))).max()), ADJOINT[dtype])


def assert_action_gradient(
    group: Family, image_shape: Sequence[int], *, dtype: torch.dtype = torch.float64, seed: int = 0
) -> float:
    """Check that the gradient of ``act`` is ``act_adjoint`` and that of ``act_adjoint`` the linear part of ``act``.

    Args:
        group: a linear or affine group or family.
        image_shape: of the images, without batch.
        dtype: the images' precision.
        seed: of elements and images.
    """
    g = group.sample(draws_of(6, seed).of("elements"))
    x, y = _images(6, image_shape, dtype, seed), _images(6, image_shape, dtype, seed + 1)
    worst = 0.0
    there: Callable[[Element, Image], Image] = partial(_linear_part, group)
    for act, back in ((group.act, group.act_adjoint), (group.act_adjoint, there)):
        leaf = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(act(g, leaf), leaf, y)
        worst = max(worst, _gap(gradient, back(g, y)))
    return require("gradient of the action", worst, ROUNDING[dtype])


def assert_one_element_per_image(
    group: Family, image_shape: Sequence[int], *, dtype: torch.dtype = torch.float64, seed: int = 0
) -> float:
    """Check that every image has its own element, drawn from its own stream whatever the batch, and acts by itself.

    Args:
        group: a group or a family.
        image_shape: of the images, without batch.
        dtype: the images' precision.
        seed: of elements and images.
    """
    draws = draws_of(8, seed)
    g = group.sample(draws.of("elements"))
    alone = [group.sample(draws.take([i]).of("elements")) for i in range(8)]
    require("elements drawn alone and in a batch differ", float((torch.cat(alone) != g).sum()), 0.0)
    x = _images(8, image_shape, dtype, seed)
    one_by_one = torch.cat([group.act(one, image[None]) for one, image in zip(alone, x, strict=True)])
    back = torch.cat([group.act_adjoint(one, image[None]) for one, image in zip(alone, x, strict=True)])
    worst = max(_gap(one_by_one, group.act(g, x)), _gap(back, group.act_adjoint(g, x)))
    return require("images transformed alone and in a batch differ", worst, ROUNDING[dtype])


def orthogonality_defect(group: Family, image_shape: Sequence[int], *, seed: int = 0) -> float:
    """Return an estimate of ``|T_g^T T_g - I|``: the root mean square of ``|T_g^T T_g x - x| / |x|`` on the disk.

    Over 16 elements and images of :func:`natural_images`; 0 where ``T_g^T`` is the inverse.

    Args:
        group: the group.
        image_shape: of the images, without batch.
        seed: of elements and images.
    """
    g = group.sample(draws_of(16, seed).of("elements"))
    x = natural_images(16, image_shape, seed=seed)
    disk = inscribed_disk(image_shape[1:])
    with torch.no_grad():
        gap = (group.act_adjoint(g, group.act(g, x)) - x) * disk
    return mean_square(gap, x * disk)


def round_trip_error(group: Group, image_shape: Sequence[int] = STATED_SHAPE, *, seed: int = 0) -> float:
    """Return the root mean square of ``|T_g^-1 T_g x - x| / |x|`` on the disk for which ``action_error`` is stated.

    Over 24 elements and images of :func:`natural_images`.

    Args:
        group: the group.
        image_shape: of the images, without batch.
        seed: of elements and images.
    """
    g, _ = pair(group, 24, seed)
    x = natural_images(24, image_shape, seed=seed)
    disk = inscribed_disk(image_shape[1:], group.region)
    with torch.no_grad():
        gap = group.act(group.inverse(g), group.act(g, x)) - x
    return mean_square(gap * disk, x * disk)


def check_group(group: Family, image_shape: Sequence[int], *, seed: int = 0) -> list[Finding]:
    """Check all claims of a group or family on images of a shape, in float32; never raises.

    Args:
        group: the group or family.
        image_shape: of the images, without batch.
        seed: of elements and images.
    """
    single = torch.float32
    rounding, stated = ROUNDING[single], max(group.action_error, ROUNDING[torch.float64])
    alone = partial(assert_one_element_per_image, group, image_shape, dtype=single, seed=seed)
    checks: list[tuple[str, float, Callable[[], float]]] = [("one element per image", rounding, alone)]
    if group.linear:
        adjoint = partial(assert_group_adjoint, group, image_shape, dtype=single, seed=seed)
        gradient = partial(assert_action_gradient, group, image_shape, dtype=single, seed=seed)
        checks += [("adjoint of T_g", ADJOINT[single], adjoint), ("gradient of T_g", rounding, gradient)]
    if isinstance(group, Group):
        axioms = partial(assert_group, group, image_shape, dtype=single, seed=seed)
        error = partial(measured_action_error, group, image_shape, seed=seed)
        bound = stated * max(1.0, STATED_SHAPE[1] / min(image_shape[1:])) ** 0.5
        checks += [("group axioms", rounding, axioms)]
        checks += [("action error", bound, lambda: require("action error", error(), bound))]
    found = [find(*check) for check in checks]
    if group.linear:
        found.append(
            find("defect |T^T T - I|", float("inf"), partial(orthogonality_defect, group, image_shape, seed=seed))
        )
    return found


def _images(count: int, image_shape: Sequence[int], dtype: torch.dtype, seed: int) -> Image:
    return draws_of(count, seed).of("white images").normal(tuple(image_shape)).to(dtype)


def _linear_part(group: Family, g: Element, x: Image) -> Image:
    """Return ``T_g x``, less ``T_g 0`` where that is something."""
    return group.act(g, x) if group.linear else group.act(g, x) - group.act(g, torch.zeros_like(x))


def _gap(a: Tensor, b: Tensor) -> float:
    """Return the largest difference of two batches relative to the norm of the larger image."""
    size = torch.maximum(norms(a), norms(b)).clamp_min(1e-300)
    return float((norms(a - b) / size).max())


def _same(group: Group, x: Image, dtype: torch.dtype, name: str, a: Tensor, b: Tensor) -> None:
    """Raise unless two elements are equal, or at least act alike (parameters may name a transformation twice)."""
    if not torch.equal(a, b):
        require(name, _gap(group.act(a, x), group.act(b, x)), ROUNDING[dtype])
