"""How far the group moves what A sees, how many different operators it makes of A, and what stays invisible."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nullsight.diagnosis.average import Average, alone, operators
from nullsight.draws import Draws
from nullsight.groups.base import Family, FiniteGroup
from nullsight.groups.mixture import Mixture
from nullsight.linalg import conjugate_gradient, inner
from nullsight.physics.base import LinearPhysics, like
from nullsight.physics.ensembles import blobs, white
from nullsight.types import Map

_MOST = 256  # elements of a large group that are tried at most
_WORK = 2**22  # numbers of all images that are transformed to count operators
_NEAR = 1e-3  # relative: two operators whose answers to a smooth image differ less are one; float32 and sums of rays
_ITERATIONS = 60  # of conjugate gradients


def distinct(physics: LinearPhysics, group: Family) -> tuple[int, str]:
    """Return how many different operators ``T_g^T A^T A T_g`` there are, by trying, and a note.

    White noise is measured and back-projected (a smooth image where transformations interpolate), by every operator as
    every element transforms it. Where that is too much work, the elements that leave ``A^T A`` as it is are counted:
    they form a subgroup, the stabiliser, so each operator makes order / stabiliser of them. Of large groups a random
    few elements are tried, and then the answer is the most likely one.
    """
    parts = operators(physics)
    draw = white if group.action_error == 0 else blobs
    x = draw(physics.image_shape, Draws(0, 0, (0,)).of("image of a diagnosis")).to(like(physics))
    more = max(1, round((physics.samples or 1) / len(parts)))
    if len(parts) > 1 and isinstance(group, FiniteGroup) and group.order * len(parts) <= _tried(x):
        every = torch.arange(group.order)
        wide = x.expand(len(every), *x.shape[1:])
        found = [group.act_adjoint(every, alone(one).apply(group.act(every, wide))) for one in parts]
        return _unlike(list(torch.cat(found)[:, None])) * more, ""
    answers = [alone(one).apply(x) for one in parts]
    count, note = _turned(alone(parts[0]), group, x, answers[0])
    return count * _unlike(answers) * more, note


def _turned(first: Average, group: Family, x: Tensor, before: Tensor) -> tuple[int, str]:
    """Return how many different operators a group makes of one."""
    if isinstance(group, Mixture):
        found = [_turned(first, one, x, before) for one in group.families]
        return 1 + sum(count - 1 for count, _ in found), "; ".join(note for _, note in found if note)
    tried = _tried(x)
    order = group.order if isinstance(group, FiniteGroup) else x.numel()  # no more are of use than there are pixels
    whole = isinstance(group, FiniteGroup) and order <= tried
    stream = Draws(0, 0, tuple(range(min(tried, _MOST)))).of("elements of a diagnosis")
    if whole:
        elements = torch.arange(1, order)
    elif isinstance(group, FiniteGroup):
        elements = 1 + stream.integers(order - 1)
    else:
        elements = group.sample(stream)
    still = 0
    for few in torch.split(elements, 16) if len(elements) else ():
        wide = x.expand(len(few), *x.shape[1:])
        apart = group.act_adjoint(few, first.apply(group.act(few, wide))) - before
        still += int((apart.flatten(1).norm(dim=1) <= _NEAR * before.norm()).sum())
    if whole:
        return order // (1 + still), ""  # the identity leaves everything as it is
    fixed = 1 + (order - 1) * still / len(elements)
    return max(1, round(order / fixed)), f"operators counted on {len(elements)} of {order} transformations"


def moved(physics: LinearPhysics, group: Family, *, threshold: float, probes: int = 4) -> float:
    """Return the share (0 .. 1) of what A sees that a random transformation moves out of its sight.

    ``|P' - P|_F^2 / (2 |P|_F^2)`` with ``P = M (M + t)^-1`` and P' the same for ``T_g^T M T_g``, ``M = A^T A``, t the
    threshold times its largest eigenvalue; for projections that is ``1 - tr(P P') / tr P``. Estimated from white noise.

    Args:
        physics: the operator.
        group: what moves it.
        threshold: directions below it, relative to the most visible one, count as not seen.
        probes: random images.
    """
    draws = Draws(0, 0, tuple(range(probes)))
    base = alone(physics)
    u = draws.of("white noise of a diagnosis").normal(base.image_shape).to(base.like)
    seen = visible_part(base.apply, u, threshold)
    g = group.sample(draws.of("moves of a diagnosis"))
    if isinstance(group, FiniteGroup) and group.order > 1:
        g = 1 + draws.of("moves of a diagnosis").integers(group.order - 1)  # the identity moves nothing
    there = group.act_adjoint(g, visible_part(base.apply, group.act(g, u), threshold))
    return min(1.0, float((there - seen).square().sum() / (2 * seen.square().sum()).clamp_min(1e-30)))


def visible_part(apply: Map, u: Tensor, threshold: float) -> Tensor:
    """Return ``M (M + t)^-1 u``, t the threshold times the largest eigenvalue: what of u is visible."""
    scale = largest(apply, u)
    damped: Map = lambda x: apply(x) / scale + threshold * x  # noqa: E731
    return conjugate_gradient(damped, apply(u) / scale, iterations=_ITERATIONS, tolerance=1e-4)


def invisible(of: Average, count: int, threshold: float) -> tuple[Tensor, tuple[float, ...]]:
    """Return random directions v of N's invisible part, orthonormal, and ``|N v|`` of each relative to the largest.

    White noise less its visible part, ``t (N + t)^-1 u`` by conjugate gradients: a direction with the eigenvalue s is
    left in it by ``t / (s + t)``, t the threshold times the largest; and once more where that leaves ``|N v|`` above t,
    as it does where eigenvalues fall slowly. Fewer where less than 2 % of white noise is invisible. The residual
    ``|N v|`` says how little is really seen of each, whatever the iterations have left.

    Args:
        of: N.
        count: how many are asked for.
        threshold: directions below it, relative to the most visible one, count as not seen.

    Returns:
        The directions, float64 ``(count or fewer, *image_shape)``, and their residuals.
    """
    u = Draws(0, 0, tuple(range(count))).of("invisible directions").normal(of.image_shape).to(of.like)
    top = of.scale * largest(of.apply, u)
    left = u - visible_part(of.apply, u, of.scale * threshold)
    left = left[left.flatten(1).norm(dim=1) > 0.02 * u.flatten(1).norm(dim=1)]
    if len(left) and max(_residuals(of, left, top)) > threshold:
        left = left - visible_part(of.apply, left, of.scale * threshold)
    if not len(left):
        return torch.zeros(0, *of.image_shape, dtype=torch.float64), ()
    basis = torch.linalg.qr(left.flatten(1).double().cpu().T)[0].T.reshape(-1, *of.image_shape)
    return basis, _residuals(of, basis.to(of.like), top)


def _residuals(of: Average, v: Tensor, top: float) -> tuple[float, ...]:
    """Return ``|N v| / |v|`` relative to the largest eigenvalue."""
    return tuple((of.apply(v).flatten(1).norm(dim=1) / v.flatten(1).norm(dim=1) / top).tolist())


def largest(apply: Map, start: Tensor) -> float:
    """Return the largest eigenvalue, from 20 power steps on the first image (a little below it)."""
    x = start[:1]
    value = torch.ones(())
    for _ in range(20):
        x = apply(x)
        value = inner(x, x).sqrt().flatten()[0]
        x = x / value.clamp_min(1e-30)
    return max(float(value), 1e-30)


def _tried(x: Tensor) -> int:
    return max(8, _WORK // x.numel() // 8)


def _unlike(answers: Sequence[Tensor]) -> int:
    kept: list[Tensor] = []
    for one in answers:
        if all(float((one - other).norm()) > _NEAR * float(other.norm()) for other in kept):
            kept.append(one)
    return len(kept)
