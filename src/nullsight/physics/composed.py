"""Operators made of others: behind a transformation, and side by side."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.linalg import power_iteration
from nullsight.physics.base import Iterative, LinearPhysics, Masked, Physics, like, stated_error
from nullsight.physics.ensembles import blobs, white
from nullsight.physics.least_squares import Weighs
from nullsight.types import Acts, Element, Image, InputError, Measurement

_ORTHOGONAL = 0.2  # of |x|: interpolated rotations stay below, changes of scale by a tenth or more do not

__all__ = ["Masked", "Stacked", "Transformed", "behind", "in_frame", "transformed"]


@runtime_checkable
class _Turnable(Protocol):
    def turned(self, degrees: float) -> LinearPhysics: ...


@runtime_checkable
class _Turns(Protocol):
    def degrees(self, g: Element) -> Tensor: ...


@runtime_checkable
class _Transformable(Protocol):
    def transformed(self, group: Acts, g: Element) -> Physics: ...


class Transformed(LinearPhysics):
    """A linear operator that sees the transformed image: ``x -> A T_g x``.

    ``A_dagger`` is ``T_g^-1 A_dagger`` where the group has inverses and ``T_g^T A_dagger`` elsewhere, which is near it
    only where ``T_g`` is near orthogonal (``dagger_error`` says how near). The adjoint is ``T_g^T A^T`` always.

    Args:
        physics: the operator ``A``.
        group: how ``T_g`` acts; linear.
        g: one element for all, ``(1, ...)``, or one a sample, ``(batch, ...)``.

    Raises:
        InputError: a group whose action is not linear.

    Example:
        >>> from nullsight.physics.inpainting import Inpainting
        >>> class Flip:
        ...     def act(self, g, x):
        ...         return x.flip(-1)
        ...     def act_adjoint(self, g, x):
        ...         return x.flip(-1)
        >>> physics = Transformed(Inpainting((1, 2), torch.tensor([1, 0])), Flip(), torch.tensor([0]))
        >>> physics.A(torch.tensor([[[3.0, 4.0]]]))
        tensor([[[4., 0.]]])
    """

    per_sample = ("g",)
    g: Tensor

    def __init__(self, physics: LinearPhysics, group: Acts, g: Element) -> None:
        super().__init__(physics.image_shape, physics.measurement_shape)
        if not getattr(group, "linear", True):
            raise InputError(
                f"expected transformations that are linear, but those of {type(group).__name__} are not: "
                f"transform the images instead"
            )
        self.physics = physics
        self.group = group
        self.dagger_ensemble = physics.dagger_ensemble
        self.register_buffer("g", g)

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``, that of ``A``."""
        return self.physics.measured

    @property
    def dagger_error(self) -> float:  # type: ignore[override]
        """That of ``A`` where ``T_g^-1`` is exact; else measured once on the ensemble of ``A``, with 20 % to spare."""
        if getattr(self.group, "inverse", None) and getattr(self.group, "action_error", 0.0) == 0:
            return self.physics.dagger_error
        return stated_error(self)

    def norm(self) -> float:
        """Return that of ``A`` where ``T_g`` is orthogonal up to interpolation; else from Lanczos steps.

        Which of the two is tried with every element on smooth blobs: the norm of a batch is one number, and all of its
        elements have a say where the group is not orthogonal. What interpolation adds to it, mostly at the highest
        frequencies, is left out.
        """
        inverse, known = getattr(self.group, "inverse", None), self._cached("norm")
        if inverse is None or "value" in known:
            return super().norm()
        g = torch.unique(self.g.cpu(), dim=0)
        x = blobs(self.image_shape, Draws(0, 0, (0,)).of("norm")).to(like(self.physics))
        x = x.expand(len(g), *self.image_shape)
        back, transposed = self.group.act(inverse(g), x), self.group.act_adjoint(g, x)
        gap, size = ((one.flatten(1)).norm(dim=1) for one in (back - transposed, x))
        if bool((gap <= _ORTHOGONAL * size).all()):
            known["value"] = self.physics.norm()
        return super().norm()

    def dagger_gain(self) -> float:
        """Return that of ``A`` where there is ``T_g^-1``: ``T_g^-1 A_dagger A T_g`` has its eigenvalues.

        ``T_g^T A_dagger A T_g`` has not: there the largest one, from 30 power iterations, of all samples.
        """
        if getattr(self.group, "inverse", None):
            return self.physics.dagger_gain()
        known = self._cached("gain")
        if "value" not in known:
            x = white(self.image_shape, Draws(0, 0, tuple(range(self.samples or 1))).of("dagger gain")).to(like(self))
            with torch.no_grad():
                top = power_iteration(lambda v: self.A_dagger(self.A(v)), x)
            known["value"] = float(top.max())
        return known["value"]

    def subset(self, keep: Tensor) -> Physics:
        """Return what ``keep`` leaves of ``A``, behind the same transformation; a norm that is known stays."""
        part = self.physics.subset(keep)
        assert isinstance(part, LinearPhysics)
        new = transformed(part, self.group, self.g)
        new._cached("norm").update(self._cached("norm"))
        return new

    def _elements(self, batch: int) -> Element:
        # groups take elements on the CPU, wherever the images are
        return self.g.cpu().expand(batch, *self.g.shape[1:])

    def _measure(self, x: Image) -> Measurement:
        return self.physics.A(self.group.act(self._elements(len(x)), x))

    def _adjoint(self, y: Measurement) -> Image:
        return self.group.act_adjoint(self._elements(len(y)), self.physics.A_adjoint(y))

    def _invert(self, y: Measurement) -> Image:
        x = self.physics.A_dagger(y)
        inverse = getattr(self.group, "inverse", None)
        if inverse is None:
            return self.group.act_adjoint(self._elements(len(x)), x)
        return self.group.act(inverse(self._elements(len(x))), x)


class TransformedWeighed(Transformed):
    """As :class:`Transformed`, for an operator that can weigh its measurements."""

    def weigh(self, y: Measurement) -> Measurement:
        """Return ``W y`` with the weighting of ``A``.

        ``T_g^T A^T W A T_g`` is as near the identity where ``T_g`` is orthogonal, near ``T_g^T T_g`` elsewhere: the
        solutions stay, conjugate gradients need more steps.
        """
        assert isinstance(self.physics, Weighs)
        return self.physics.weigh(y)


def transformed(physics: LinearPhysics, group: Acts, g: Element) -> Transformed:
    """Return ``A T_g``, which can weigh its measurements where ``A`` can; InputError where T_g is not linear."""
    kind = TransformedWeighed if isinstance(physics, Weighs) else Transformed
    return kind(physics, group, g)


def in_frame(physics: Physics, group: Acts, g: Element) -> Physics:
    """Return ``A T_g`` of any operator that has it: a linear one, or another with a method ``transformed(group, g)``.

    Raises:
        InputError: another operator, or transformations that are not linear.
    """
    if isinstance(physics, LinearPhysics):
        return transformed(physics, group, g)
    if isinstance(physics, _Transformable):
        return physics.transformed(group, g)
    raise InputError(
        f"expected an operator that can be turned, but {type(physics).__name__} is not linear and has no "
        f"transformed(group, g): write it, or turn images instead"
    )


def behind(physics: LinearPhysics, group: Acts, g: Element) -> LinearPhysics:
    """Return ``A T_g`` for one element ``(1, ...)``: in closed form where both know it, else ``transformed``.

    An operator knows it by a method ``turned(degrees)``, a group by ``degrees(g)``.
    """
    if isinstance(physics, _Turnable) and isinstance(group, _Turns):
        turned: LinearPhysics = physics.turned(float(group.degrees(g)))
        return turned
    return transformed(physics, group, g)


class Stacked(Iterative):
    """Several linear operators on one image; their measurements are flattened and follow each other.

    ``A_dagger`` is the joint least squares by conjugate gradients.

    Args:
        operators: at least one, all for one image shape.

    Raises:
        InputError: no operator, or several image shapes.

    Example:
        >>> from nullsight.physics.inpainting import Inpainting
        >>> left, right = (Inpainting((1, 2), torch.tensor(m)) for m in ([1, 0], [0, 1]))
        >>> Stacked([left, right]).A(torch.tensor([[[3.0, 4.0]]]))
        tensor([[3., 0., 0., 4.]])
    """

    def __init__(self, operators: Sequence[LinearPhysics]) -> None:
        shapes = {one.image_shape for one in operators}
        if len(shapes) != 1:
            raise InputError(f"expected operators for one image shape, but {sorted(shapes)} came: choose one grid")
        sizes = [torch.Size(one.measurement_shape).numel() for one in operators]
        super().__init__(operators[0].image_shape, (sum(sizes),))
        self._sizes = sizes
        for number, one in enumerate(operators):
            self.add_module(f"operator{number}", one)

    @property
    def operators(self) -> list[LinearPhysics]:
        """The operators, in order."""
        return [part for part in self._modules.values() if isinstance(part, LinearPhysics)]

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, measurements)``; None where all operators measure everything."""
        masks = [one.measured for one in self.operators]
        if all(mask is None for mask in masks):
            return None
        device = next(mask.device for mask in masks if mask is not None)
        whole = [
            torch.ones(1, size, dtype=torch.bool, device=device) if mask is None else mask.flatten(1)
            for mask, size in zip(masks, self._sizes, strict=True)
        ]
        batch = max(mask.shape[0] for mask in whole)
        return torch.cat([mask.expand(batch, -1) for mask in whole], 1)

    def _measure(self, x: Image) -> Measurement:
        return torch.cat([one.A(x).flatten(1) for one in self.operators], 1)

    def _adjoint(self, y: Measurement) -> Image:
        parts = zip(self.operators, torch.split(y, self._sizes, 1), strict=True)
        return torch.stack([one.A_adjoint(part.reshape(-1, *one.measurement_shape)) for one, part in parts]).sum(0)
