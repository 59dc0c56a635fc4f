"""How equivariant the runs of a report are, as reconstructors and as systems."""

from collections.abc import Iterator

from torch import Tensor

from nullsight.app.inputs import measure_alike
from nullsight.app.score_runs import Scored
from nullsight.contracts import reconstructor_equivariance, system_equivariance
from nullsight.evaluation import Reconstruct, dagger, t_interval
from nullsight.groups.base import Family, Group
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.report import Table

IMAGES, ELEMENTS = 4, 8  # each of the two numbers takes IMAGES (ELEMENTS + 1) reconstructions


def equivariance_table(scored: Scored, group: Family) -> Table:
    """Return the two numbers of every run and of ``A_dagger y``, in per cent, for one family of transformations.

    The images are references, where there are any, else the first run's reconstructions.

    Args:
        scored: runs and what they were scored on.
        group: how images are transformed.
    """
    few = scored.data.take(list(range(min(IMAGES, len(scored.data)))))
    first = next(iter(scored.runs.values()))
    x = first.reconstruct(few) if scored.truth is None else scored.truth.x[: len(few)].to(few.y)
    rows = tuple(
        (name, _as_reconstructor(f, few.y, physics, group), _as_system(f, x, physics, group))
        for name, f, physics in _methods(scored, few.physics)
    )
    return Table(
        title=f"How far from equivariant to {group!r}",
        head=("method", "reconstructor, %", "system, %"),
        rows=rows,
        note=(
            f"reconstructor: |f(y, A T_g) - T_g^-1 f(y, A)| / |f(y, A)|; system: |f(A T_g x) - T_g f(A x)| / |f(A x)|; "
            f"{len(few)} images, 95 % t intervals. T_g has an error of {100 * group.action_error:.2g} % itself."
        ),
        strong=0,
    )


def _methods(scored: Scored, physics: Physics) -> Iterator[tuple[str, Reconstruct, Physics]]:
    """Go through runs and ``A_dagger y``, each with its operator: a run's own where it measures alike."""
    for name, run in scored.runs.items():
        yield name, run.reconstruct, run.physics if measure_alike(run.physics, physics) else physics
    yield "A_dagger y", dagger, physics


def _as_reconstructor(f: Reconstruct, y: Tensor, physics: Physics, group: Family) -> str:
    if not (isinstance(physics, LinearPhysics) and isinstance(group, Group) and group.linear):
        return "n/a"
    return _percent(reconstructor_equivariance(f, y, physics, group, elements=ELEMENTS))


def _as_system(f: Reconstruct, x: Tensor, physics: Physics, group: Family) -> str:
    return _percent(system_equivariance(f, x, physics, group, elements=ELEMENTS))


def _percent(errors: Tensor) -> str:
    found = t_interval([100 * float(one) for one in errors])
    return f"{found.mean:.2f} ({found.low:.2f} .. {found.high:.2f})"
