"""A primal-dual method for a convex regulariser and a fit to measurements, each sample of a batch to its own end."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nullsight.linalg import inner
from nullsight.physics.weighed_spectra import of_normal_map, of_weighting
from nullsight.reconstructors.problems import Problem, Solution, along
from nullsight.types import Image, InputError, Map

_SHARE = 0.25  # of the step along A, given up for the step of errors: (a + b)^2 <= (1 + t) a^2 + (1 + 1/t) b^2
_SPREAD = 20.0  # the largest eigenvalue is taken to be at most so many times the mean one
_FLOOR = 0.01  # of the image's size: keeps constant images, whose K x vanishes, from being compared with nothing


@dataclass(frozen=True)
class PrimalDual:
    """Over-relaxed primal-dual splitting in the metric of a preconditioner.

    Chambolle, Pock, "A first-order primal-dual algorithm for convex problems with applications to imaging", JMIV 2011;
    with the over-relaxation of Condat, "A primal-dual splitting method for convex optimization involving Lipschitzian,
    proximable and linear composite terms", JOTA 2013. The error ``e = y - A x`` is a variable of its own, held by the
    multiplier ``r``. So W speeds up the steps of r, while the fit h is of the plain error::

        x' = project(x - tau (K^T p + A^T r))        e' = settle_h(e - tau_e r, tau_e)
        p' = settle_F(p + sigma K (2 x' - x), sigma)    r' = r + rho W (A (2 x' - x) + 2 e' - e - y)

    and every variable v goes on from ``v + relaxation (v' - v)``. W enters as it is: no root of it is needed.
    ``rho = data_step`` over the mean eigenvalue of ``A^T W A`` (or over the largest one by 20, where that is more);
    ``tau = 1 / (sigma |K|^2 + rho |A^T W A|)``, at which the scheme is known to converge. Where errors are allowed,
    rho counts 1.25 times in it, which leaves ``tau_e = 1 / (5 rho |W|)``. Norms are by Lanczos, one an operator.

    A sample is done when every relative residual is at most ``tolerance`` (Goldstein, Li, Yuan, "Adaptive primal-dual
    splitting methods for statistical learning and image processing", NIPS 2015): of the optimality of x over
    ``|K^T p|``, of p over ``|K x|``, of e over ``|r|``, and ``|A x + e - y| / |y|``. It then leaves the batch. All
    works in units where a bright pixel is 1; no gradient goes through it.

    Attributes:
        iterations: at most so many, each one A, one ``A^T`` and one W.
        tolerance: of the relative residuals, >= 0.
        sigma: step of the regulariser's dual variable.
        data_step: step of the data's multiplier.
        relaxation: from 1 (none) to below 2.
        every: residuals are looked at after so many iterations.

    Raises:
        InputError: a number out of its range.
    """

    iterations: int
    tolerance: float
    sigma: float = 8.0
    data_step: float = 40.0
    relaxation: float = 1.8
    every: int = 10

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if self.iterations < 1 or self.every < 1 or not self.tolerance >= 0:
            raise InputError(
                f"expected at least 1 iteration and a tolerance of at least 0, but {self.iterations} (residuals every "
                f"{self.every}) and {self.tolerance} came: correct them"
            )
        if not (self.sigma > 0 and self.data_step > 0 and 1 <= self.relaxation < 2):
            raise InputError(
                f"expected steps above 0 and a relaxation from 1 to below 2, but {self.sigma}, {self.data_step} and "
                f"{self.relaxation} came: correct them"
            )

    @torch.no_grad()
    def solve(self, problem: Problem, start: Image) -> Solution:
        """Return the solution, iterating from the images ``start``."""
        scale = along(problem.scale, start)
        state = _begin(problem.in_units(), start / scale, self)
        ids = torch.arange(len(start), device=start.device)
        x, residual, misfit = torch.empty_like(start), *torch.zeros_like(problem.scale).expand(2, -1).clone()
        count = torch.zeros_like(ids)
        for k in range(1, self.iterations + 1):
            new = state.step(self)
            if k % self.every == 0 or k == self.iterations:
                found, wrong = state.residuals(new, self.sigma)
                done = (found <= self.tolerance) | (k == self.iterations)
                rows = ids[done]
                x[rows], residual[rows], misfit[rows], count[rows] = new.x[done], found[done], wrong[done], k
                going = (~done).nonzero().flatten()
                if not len(going):
                    break
                if len(going) < len(ids):
                    state, new, ids = state.take(going), new.take(going), ids[going]
            state.go_on(new, self.relaxation)
        return Solution(x * scale, count, residual, misfit, residual <= self.tolerance)


@dataclass(frozen=True)
class _State:
    """The variables of all samples that are still going, and what the linear maps make of them."""

    problem: Problem
    weigh: Map
    tau: Tensor
    tau_e: Tensor
    rho: Tensor
    x: Tensor
    e: Tensor
    p: Tensor
    r: Tensor
    kx: Tensor
    ax: Tensor
    back: Tensor  # K^T p + A^T r

    def step(self, method: PrimalDual) -> "_State":
        """Return the primed variables."""
        problem, regulariser, physics = self.problem, self.problem.regulariser, self.problem.physics
        scale = along(problem.scale, self.x)  # a constraint is one of images in their own unit
        x = problem.constraint.project((self.x - along(self.tau, self.x) * self.back) * scale) / scale
        kx, ax = regulariser.analyse(x), physics.A(x)
        p = regulariser.settle(torch.sub(kx, self.kx, alpha=0.5).mul_(2 * method.sigma).add_(self.p), method.sigma)
        violation, e = torch.sub(ax, self.ax, alpha=0.5).mul_(2).sub_(problem.y), self.e
        if problem.fit.allows_error:
            step = along(self.tau_e, e)
            e = problem.fit.settle(e - step * self.r, problem.y, step, along(problem.scale, e), physics.norm())
            violation += 2 * e - self.e
        r = self.r + along(self.rho, violation) * self.weigh(violation)
        back = regulariser.synthesise(p).add_(physics.A_adjoint(r))
        return replace(self, x=x, e=e, p=p, r=r, kx=kx, ax=ax, back=back)

    def go_on(self, new: "_State", relaxation: float) -> None:
        """Move all variables, in place: they are as large as a few images each, and nothing else holds them."""
        for mine, other in zip(self._variables(), new._variables(), strict=True):
            if mine is not other:
                mine.lerp_(other, relaxation)

    def residuals(self, new: "_State", sigma: float) -> tuple[Tensor, Tensor]:
        """Return the largest relative residual of the primed variables and ``|A x - y| / |y|``, ``(batch,)`` each."""
        problem, tiny = self.problem, torch.finfo(new.x.dtype).tiny
        of_x = (self.x - new.x) / along(self.tau, new.x) + new.back - self.back
        of_p = (self.p - new.p) / sigma + new.kx - self.kx
        pixels = new.x[0].numel() ** 0.5
        whole = _size(problem.y).clamp_min(tiny)
        parts = [
            _size(of_x) / (_size(problem.regulariser.synthesise(new.p)) + _FLOOR * pixels),
            _size(of_p) / (_size(new.kx) + _FLOOR * _size(new.x)).clamp_min(tiny),
            _size(new.ax + new.e - problem.y) / whole,
        ]
        if problem.fit.allows_error:
            of_e = (self.e - new.e) / along(self.tau_e, new.e) + new.r - self.r
            parts.append(_size(of_e) / _size(new.r).clamp_min(tiny))
        return torch.stack(parts).amax(0), _size(new.ax - problem.y) / whole

    def take(self, rows: Tensor) -> "_State":
        """Return the state of some samples."""
        problem = self.problem.take(rows)
        steps = [one if len(one) == 1 else one[rows] for one in (self.tau, self.tau_e, self.rho)]
        variables = [one[rows] for one in self._variables()]
        return _State(problem, problem.weighting.of(problem.physics), *steps, *variables)

    def _variables(self) -> tuple[Tensor, ...]:
        return self.x, self.e, self.p, self.r, self.kx, self.ax, self.back


def _begin(problem: Problem, start: Image, method: PrimalDual) -> _State:
    physics, free = problem.physics, problem.fit.allows_error
    weigh, norm = problem.weighting.of(physics), problem.regulariser.bound(physics.image_shape)
    normal = of_normal_map(physics, problem.weighting, start)
    rho = method.data_step / torch.maximum(normal.mean, normal.top / _SPREAD)
    tau = 1 / (method.sigma * norm + (1 + _SHARE if free else 1) * rho * normal.top)
    tau_e = torch.ones_like(rho)
    if free:
        tau_e = 1 / ((1 + 1 / _SHARE) * rho * of_weighting(physics, problem.weighting, start).top)
    scale = along(problem.scale, start)
    x = problem.constraint.project(start * scale) / scale
    kx, ax = problem.regulariser.analyse(x), physics.A(x).clone()
    nothing = torch.zeros_like
    e = problem.y - ax if free else nothing(ax)
    return _State(problem, weigh, tau, tau_e, rho, x, e, nothing(kx), nothing(ax), kx, ax, nothing(x))


def _size(value: Tensor) -> Tensor:
    return inner(value, value).flatten().sqrt()
