"""What every operator has to keep, as checks that return the number they measured; for users' own operators, too.

Each check takes the operator in the precision ``dtype`` (a copy, on the CPU or wherever the operator is) and draws its
images from ``seed``. A broken claim is a :class:`~nullsight.contracts.findings.ContractError`.
"""

from collections.abc import Callable

import torch

from nullsight.contracts.findings import Finding, find, require
from nullsight.contracts.probes import copied, difference, distance, images, measurements, pull
from nullsight.draws import Draws
from nullsight.linalg import dense_matrix
from nullsight.physics.base import LinearPhysics, Physics, like, measured_dagger_error
from nullsight.physics.ensembles import white
from nullsight.types import InputError, Map

ADJOINT = {torch.float32: 1e-6, torch.float64: 1e-12}
"""Largest adjoint mismatch, relative to the product of the norms: a few roundings."""
EXACT = {torch.float32: 1e-4, torch.float64: 1e-8}
"""What counts as exact after many roundings, for example of an iterative solver."""

MATRIX_LIMIT = 4096
"""Up to so many pixels ``check_physics`` compares with the dense matrix."""


def assert_adjoint(physics: LinearPhysics, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> float:
    """Check ``<A x, y> = <x, A^T y>``; return the largest mismatch relative to ``|A x| |y|`` and ``|x| |A^T y|``.

    Args:
        physics: the operator; it is copied, never changed.
        dtype: precision of the check.
        seed: of the drawn images.
    """
    own = copied(physics, dtype)
    x, y = images(own, 4, dtype, seed), measurements(own, 4, dtype, seed)
    with torch.no_grad():
        ax, aty = own.A(x).flatten(1).double(), own.A_adjoint(y).flatten(1).double()
    flat_x, flat_y = x.flatten(1).double(), y.flatten(1).double()
    gap = ((ax * flat_y).sum(1) - (flat_x * aty).sum(1)).abs()
    size = torch.maximum(ax.norm(dim=1) * flat_y.norm(dim=1), flat_x.norm(dim=1) * aty.norm(dim=1))
    return require("adjoint mismatch", float((gap / size.clamp_min(1e-300)).max()), ADJOINT[dtype])


def assert_dagger(physics: Physics, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> float:
    """Check the stated ``dagger_error`` on ``dagger_ensemble``: neither more is measured nor less than half of it.

    Args:
        physics: the operator; it is copied, never changed.
        dtype: precision of the check.
        seed: of the drawn images.
    """
    own = copied(physics, dtype)
    stated, rounding = own.dagger_error, EXACT[dtype]
    least = stated / 2 if stated > 10 * rounding else 0.0
    return require(
        "dagger error", measured_dagger_error(own, seed=seed, dtype=dtype), max(stated, rounding), least=least
    )


def assert_gradient(physics: Physics, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> float:
    """Check the gradients: of a linear ``A`` against the written adjoint, of both maps against finite differences.

    Args:
        physics: the operator; it is copied, never changed.
        dtype: precision of the check.
        seed: of the drawn images.
    """
    own = copied(physics, dtype)
    x = images(own, 2, dtype, seed)
    worst = 0.0
    if isinstance(own, LinearPhysics):
        v = measurements(own, 2, dtype, seed)
        worst = distance(pull(own.A, x, v), own.A_adjoint(v))
    exact = copied(physics, torch.float64)
    x = images(exact, 2, torch.float64, seed).abs() + 0.1  # kept off zero, where nonlinear operators may have a kink
    with torch.no_grad():
        y = exact.A(x)
    worst = max(worst, difference(exact.A, x, seed), difference(exact.A_dagger, y, seed))
    return require("gradient", worst, max(1e-5, ADJOINT[dtype]))


def assert_matrix(physics: LinearPhysics, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> float:
    """Check that ``A`` is what its dense matrix says and ``A^T`` the transpose of that (small problems).

    Args:
        physics: the operator; it is copied, never changed.
        dtype: precision of the check.
        seed: of the drawn images.
    """
    own, whole = copied(physics, dtype), physics.to_matrix()
    worst = 0.0
    for i in range(own.samples or 1):
        one, matrix = (own, whole) if own.samples is None else (own.take([i]), whole[i])
        x = images(one, 3, dtype, seed)
        flat = x.flatten(1).cpu().double()
        turned = dense_matrix(_on(one.A_adjoint, x.device), one.measurement_shape, dtype=dtype)
        worst = max(worst, distance(one.A(x).flatten(1).cpu().double(), flat @ matrix.T))
        worst = max(worst, distance(turned.double(), matrix.T))
    return require("dense matrix", worst, 10 * ADJOINT[dtype])


def assert_batch(physics: Physics, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> float:
    """Check that every row of a batch of any size stands by itself, and ``take``, ``repeat`` and ``batched``.

    Args:
        physics: the operator; it is copied, never changed.
        dtype: precision of the check.
        seed: of the drawn images.
    """
    own = copied(physics, dtype)
    worst = 0.0
    for size in (1, 3) if own.samples is None else (own.samples,):
        x = white(own.image_shape, Draws(seed, 0, tuple(range(size))).of("images")).to(like(own, dtype))
        rows = list(range(size))
        with torch.no_grad():
            y = own.A(x)
            back = own.A_dagger(y)
            for i in rows:
                one = own.take([i])
                worst = max(worst, distance(one.A(x[i : i + 1]), y[i : i + 1]))
                # a tenth: solvers amplify the rounding in which a product with one vector and with many differ
                worst = max(worst, distance(one.A_dagger(y[i : i + 1]), back[i : i + 1]) / 10)
            tiled = x.repeat(2, *[1] * (x.ndim - 1))
            worst = max(worst, distance(own.repeat(2).A(tiled), y.repeat(2, *[1] * (y.ndim - 1))))
            turned = rows[::-1]
            worst = max(worst, distance(own.take(turned).A(x[turned]), y[turned]))
            if size > 1:
                parts = Physics.batched([own.take([i]) for i in rows])
                worst = max(worst, distance(parts.A(x), y))
                pairs = Physics.batched([own.take(rows[:-1]), own.take(rows[-1:])])
                if own.samples is not None:
                    worst = max(worst, distance(pairs.A(x), y))
    return require("batch", worst, EXACT[dtype])


def assert_subset(physics: Physics, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> float:
    """Check that a subset sees what it keeps as before and zeros elsewhere, says so, and leaves the whole unchanged.

    Args:
        physics: the operator; it is copied, never changed.
        dtype: precision of the check.
        seed: of the drawn images.
    """
    own = copied(physics, dtype)
    size = own.samples or 3
    stream = Draws(seed, 0, tuple(range(size))).of("subset")
    x = images(own, size, dtype, seed)
    with torch.no_grad():
        whole = own.A(x)
        worst = 0.0
        for rows in (1, size):  # one choice for all, one a sample
            keep = (stream.uniform(own.measurement_shape) < 0.7)[:rows].to(x.device)
            part = own.subset(keep)
            y = part.A(x)
            worst = max(worst, distance(y, torch.where(keep, whole, torch.zeros_like(whole))))
            seen = keep if own.measured is None else keep & own.measured
            same = part.measured is not None and torch.equal(
                part.measured.expand(size, *own.measurement_shape), seen.expand(size, *own.measurement_shape)
            )
            worst = max(worst, 0.0 if same else 1.0)
            if isinstance(part, LinearPhysics):
                worst = max(worst, assert_adjoint(part, dtype=dtype, seed=seed))
        worst = max(worst, distance(own.A(x), whole))
    return require("subset", worst, EXACT[dtype])


def assert_norm(physics: LinearPhysics, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> float:
    """Check that ``norm()`` is the largest singular value to 2 % (small problems); return the relative distance.

    Args:
        physics: the operator; it is copied, never changed.
        dtype: precision of the check.
        seed: of the drawn images.
    """
    own = copied(physics, dtype)
    exact = float(torch.linalg.matrix_norm(own.to_matrix(), 2).max())
    return require("norm", abs(own.norm() - exact) / exact, 0.02)


def assert_refuses_single_image(physics: Physics, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> float:
    """Check that an image or a measurement without batch axis is refused with a sentence; return 0.

    Args:
        physics: the operator; it is copied, never changed.
        dtype: precision of the check.
        seed: of the drawn images.
    """
    own = copied(physics, dtype)
    zero = like(own, dtype)
    refused = 0
    for function, shape in ((own.A, own.image_shape), (own.A_dagger, own.measurement_shape)):
        try:
            function(torch.zeros(shape).to(zero))
        except InputError:
            refused += 1
    return require("single image refused", float(2 - refused), 0.0)


def assert_linearized(physics: Physics, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> float:
    """Check that an image solves the linear problem that its clean measurement poses; return the relative misfit.

    And that weights are from 0 to 1 and not all but 0 everywhere.

    Args:
        physics: an operator that can be linearised; it is copied, never changed.
        dtype: precision of the check.
        seed: of the drawn images.
    """
    own = copied(physics, dtype)
    with torch.no_grad():
        x = images(own, 4, dtype, seed)
        y = own.A(x)
        found = own.linearize(y)
        within = (found.weights >= 0) & (found.weights <= 1)
        require("weights outside of 0 to 1", float((~within).sum()), 0.0)
        require("share of weight", float((found.weights > 0).sum() / found.weights.numel()), 1.0, least=0.01)
        root = found.weights.sqrt()
        worst = distance(root * found.physics.A(x), root * found.y)
    return require("linearized", worst, EXACT[dtype])


def check_physics(physics: Physics, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Finding]:
    """Run every check that fits the operator and its size; never raises.

    Args:
        physics: the operator; it is copied, never changed.
        dtype: precision of the checks.
        seed: of the drawn images.

    Example:
        >>> from nullsight.physics import Inpainting, bernoulli_mask
        >>> all(finding.passed for finding in check_physics(Inpainting((1, 8), bernoulli_mask((8,), 0.5, seed=0))))
        True
    """
    linear = isinstance(physics, LinearPhysics)
    small = torch.Size(physics.image_shape).numel() <= MATRIX_LIMIT
    checks: list[tuple[str, float, Callable[..., float]]] = []
    if linear:
        checks.append(("adjoint mismatch", ADJOINT[dtype], assert_adjoint))
    checks.append(("dagger error", _stated(physics), assert_dagger))
    checks.append(("gradient", 1e-5, assert_gradient))
    if linear and small:
        checks.append(("dense matrix", 10 * ADJOINT[dtype], assert_matrix))
    checks.append(("batch", EXACT[dtype], assert_batch))
    if linear or type(physics).subset is not Physics.subset:
        checks.append(("subset", EXACT[dtype], assert_subset))
    if type(physics).linearize is not Physics.linearize:
        checks.append(("linearized", EXACT[dtype], assert_linearized))
    checks.append(("single image refused", 0.0, assert_refuses_single_image))
    return [find(name, stated, _bind(check, physics, dtype, seed)) for name, stated, check in checks]


def _stated(physics: Physics) -> float:
    try:
        return physics.dagger_error
    except Exception:  # an operator that fails where it measures its own error; the check says so
        return float("nan")


def _bind(check: Callable[..., float], physics: Physics, dtype: torch.dtype, seed: int) -> Callable[[], float]:
    return lambda: check(physics, dtype=dtype, seed=seed)


def _on(function: Map, device: torch.device) -> Map:
    return lambda value: function(value.to(device)).cpu()
