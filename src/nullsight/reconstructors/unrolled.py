"""Unrolled proximal gradient descent: data steps with learned lengths, each followed by a network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nullsight.constraints import AnyValue, Constraint
from nullsight.draws import Draws
from nullsight.networks.layers import check_recomputable
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.data_steps import LEAST_SQUARES, DataStep
from nullsight.types import Image, InputError, Measurement


class Form(ABC):
    """What the network sees of the data step."""

    @abstractmethod
    def see(self, u: Image, move: Image, physics: Physics, unit: Tensor) -> Tensor:
        """Return the network's input for the iterate ``u`` and the data step ``move = tau grad E(u)``.

        ``unit`` is the intensity scale of the data, which what is returned is divided by.
        """


@dataclass(frozen=True)
class Proximal(Form):
    """The network sees ``u - tau grad E(u)`` and stands for a proximal operator: ``channels`` in and out."""

    def see(self, u: Image, move: Image, physics: Physics, unit: Tensor) -> Tensor:
        """Return ``u - move``."""
        return u - move


@dataclass(frozen=True)
class WithCoverage(Form):
    """The network sees ``u - tau grad E(u)`` and ``A_dagger A 1``: ``2 channels`` in, ``channels`` out.

    The second part is an image of ones as the operator passes it on: for a mask the mask itself, so that the network
    knows which pixels are missing, also under another mask than it was trained with.
    """

    def see(self, u: Image, move: Image, physics: Physics, unit: Tensor) -> Tensor:
        """Return both along the channels, ``(batch, 2 channels, *space)``."""
        return torch.cat([u - move, physics.A_dagger(physics.A(unit * torch.ones_like(u)))], 1)


@dataclass(frozen=True)
class TwoInputs(Form):
    """The network sees ``u`` and ``tau grad E(u)`` one after the other: ``2 channels`` in, ``channels`` out.

    ``UNet(2, out_channels=1)`` is such a network for images of one channel; its residual connection adds ``u``. Adler,
    Oktem, "Learned primal-dual reconstruction", IEEE TMI 2018, and "Solving ill-posed inverse problems using iterative
    deep neural networks", Inverse Problems 2017.
    """

    def see(self, u: Image, move: Image, physics: Physics, unit: Tensor) -> Tensor:
        """Return both along the channels, ``(batch, 2 channels, *space)``."""
        return torch.cat([u, move], 1)


_T = TypeVar("_T")
PROXIMAL = Proximal()
ANY_VALUE = AnyValue()


class _Iteration(Reconstructor):
    """``u_0 = A_dagger y``, ``u_{k+1} = P s G_k(see(u_k, tau_k move(u_k)) / s)``, then data steps alone, then P."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        steps: int,
        form: Form,
        data: DataStep,
        closing: int,
        closing_data: DataStep | None,
        constraint: Constraint,
        first: Reconstructor | None,
        recompute: bool,
    ) -> None:
        super().__init__()
        if steps < 1 or closing < 0:
            raise InputError(f"expected at least 1 step and no fewer than 0 closing ones, but {steps}, {closing} came")
        if recompute:
            check_recomputable(networks)
        self.form, self.data, self.closing, self.closing_data = form, data, closing, closing_data
        self.constraint, self.first, self.recompute = constraint, first, recompute
        self.log_tau = nn.Parameter(torch.zeros(steps + closing))

    @property
    def tau(self) -> Tensor:
        """The learned lengths of all data steps, > 0, ``(steps + closing,)``, in natural units; 1 at the start."""
        return self.log_tau.exp()

    @property
    def _learns_first(self) -> bool:
        return self.first is not None and any(True for _ in self.first.parameters())

    def begin(self, y: Measurement, physics: Physics) -> Image:
        """Return the first image where nothing in it is learned, else what the first image is made from."""
        if self.first is None:
            return physics.A_dagger(y)
        return self.first.begin(y, physics) if self._learns_first else self.first(y, physics)

    def set_scale(self, images: Image) -> None:
        """Set the intensity scale, also of what makes the first image."""
        super().set_scale(images)
        if self.first is not None:
            self.first.set_scale(images)

    @abstractmethod
    def _stages(self) -> Sequence[nn.Module]: ...

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        u = self.begin(y, physics) if start is None else start
        if self._learns_first:
            assert self.first is not None
            u = self.first(y, physics, start=u, draws=draws)
        stages, lengths = self._stages(), self.tau

        def stage(u: Image, tau: Tensor, network: nn.Module) -> Image:
            move = tau * self.data.direction(u, y, physics)
            return self.constraint.project(self._apply_network(network, self.form.see(u, move, physics, self.scale)))

        for tau, network in zip(lengths[: len(stages)], stages, strict=True):
            u = staged(stage, u, tau, network, recompute=self.recompute)
        for tau in lengths[len(stages) :]:
            u = u - tau * (self.closing_data or self.data).direction(u, y, physics)
        return self.constraint.project(u) if self.closing else u


class Unrolled(_Iteration):
    """``steps`` iterations of proximal gradient descent from ``A_dagger y``, one network for all of them (tied).

    ``u_{k+1} = G(u_k - tau_k grad E(u_k))`` with ``E(u) = |A u - y|^2 / 2`` and learned ``tau_k > 0``, at the start
    ``1 / |A|^2``; relative to ``|A|``, so a trained f keeps its steps on another operator. The network sees images
    divided by the data's scale. Its weights are stored once. Gregor, LeCun, "Learning fast approximations of sparse
    coding", ICML 2010; Monga, Li, Eldar, "Algorithm unrolling", IEEE Signal Processing Magazine 2021.

    Args:
        network: any image network with the channels that ``form`` asks for.
        steps: number of iterations, >= 1.
        form: what the network sees.
        data: the direction of the data step.
        closing: data steps without a network at the end, which pull the result back to the measurements; noiseless
            data want some.
        closing_data: their direction where it is another; ``ConjugateGradients(3)`` is a strong one.
        constraint: what images may be; projected upon after every network and at the end.
        first: makes the first image, ``u_0``; None: it is ``A_dagger y``. Through one without weights, such as total
            variation, no gradient goes back to ``y``: the equivariance term then sees the networks' part alone.
        recompute: keep one image a step for the gradient instead of all that a step computes, and compute the rest
            again: memory that hardly grows with the steps, for one more pass through the networks.

    Raises:
        InputError: steps below 1, closing ones below 0, or ``recompute`` with a network that has batch statistics,
            which would be updated twice a step.

    Example:
        >>> from nullsight.networks import DnCNN, UNet
        >>> f = Unrolled(DnCNN(1, width=8, depth=4, seed=0), steps=3)
        >>> both = Unrolled(UNet(2, width=8, depth=2, out_channels=1, seed=0), steps=3, form=TwoInputs())
    """

    def __init__(
        self,
        network: nn.Module,
        steps: int = 5,
        *,
        form: Form = PROXIMAL,
        data: DataStep = LEAST_SQUARES,
        closing: int = 0,
        closing_data: DataStep | None = None,
        constraint: Constraint = ANY_VALUE,
        first: Reconstructor | None = None,
        recompute: bool = False,
    ) -> None:
        super().__init__([network], steps, form, data, closing, closing_data, constraint, first, recompute)
        self.steps, self.network = steps, network

    def _stages(self) -> Sequence[nn.Module]:
        return [self.network] * self.steps


class UnrolledUntied(_Iteration):
    """As :class:`Unrolled`, with a network of its own for every iteration; as many iterations as networks.

    Args:
        networks: one a step, first to last; :func:`nullsight.networks.copies` makes them from one.
        form: what the networks see.
        data: the direction of the data step.
        closing: data steps without a network at the end.
        closing_data: their direction where it is another.
        constraint: what images may be; projected upon after every network and at the end.
        first: makes the first image; None: it is ``A_dagger y``.
        recompute: as in :class:`Unrolled`.

    Raises:
        InputError: no network, one object given twice (that would be stored twice: tie all of them in Unrolled), or
            what :class:`Unrolled` refuses.

    Example:
        >>> from nullsight.networks import DnCNN, copies
        >>> f = UnrolledUntied(copies(DnCNN(1, width=8, depth=4, seed=0), 3))
        >>> len(f.networks)
        3
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        *,
        form: Form = PROXIMAL,
        data: DataStep = LEAST_SQUARES,
        closing: int = 0,
        closing_data: DataStep | None = None,
        constraint: Constraint = ANY_VALUE,
        first: Reconstructor | None = None,
        recompute: bool = False,
    ) -> None:
        super().__init__(networks, len(networks), form, data, closing, closing_data, constraint, first, recompute)
        check_stages(networks, recompute=recompute)
        self.stages = nn.ModuleList(networks)

    @property
    def networks(self) -> list[nn.Module]:
        """The networks, first to last."""
        return list(self.stages)

    def _stages(self) -> Sequence[nn.Module]:
        return self.networks


def staged(stage: Callable[..., _T], *values: object, recompute: bool) -> _T:
    """Return ``stage(*values)``, keeping its arguments alone for the gradient where it is to be computed again."""
    if recompute and torch.is_grad_enabled():
        again: _T = checkpoint(stage, *values, use_reentrant=False)
        return again
    return stage(*values)


def check_stages(networks: Sequence[nn.Module], *, recompute: bool) -> None:
    """Raise an :class:`InputError` where one network comes twice, or cannot be recomputed and is to be."""
    if len({id(network) for network in networks}) < len(networks):
        raise InputError(
            "expected a network of its own for every step, but one came twice: make copies of it "
            "(nullsight.networks.copies), or tie all steps in Unrolled"
        )
    if recompute:
        check_recomputable(networks)


FORMS: dict[str, type[Form]] = {"proximal": Proximal, "two_inputs": TwoInputs, "with_coverage": WithCoverage}
