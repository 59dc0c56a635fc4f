"""What the hidden layers of a steerable network are made of, with the nonlinearity that keeps them fields: values."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from nullsight.groups.base import FiniteGroup
from nullsight.networks.fields import Field, Fields, IrreducibleField, RegularField, TrivialField
from nullsight.types import InputError

_FIRST_THRESHOLD = 0.1  # of a field's norm: small beside the norms of about 1 that weights are drawn for


class Features(ABC):
    """The kinds of hidden fields and what stands for the ReLU.

    Attributes:
        homogeneous: whether ``activation(gain v) = gain activation(v)`` for gain >= 0.
    """

    homogeneous: ClassVar[bool] = False

    @abstractmethod
    def fields(self, group: FiniteGroup, width: int) -> Fields:
        """Return the hidden fields."""

    def before(self, group: FiniteGroup, width: int) -> Fields:
        """Return what the activation takes: the hidden fields, and what opens and shuts them where something does."""
        return self.fields(group, width)

    @abstractmethod
    def activation(self, group: FiniteGroup, width: int) -> nn.Module:
        """Return the nonlinearity, from :meth:`before` to :meth:`fields`."""


@dataclass(frozen=True)
class RegularFeatures(Features):
    """``width`` regular fields, ``order`` channels each, with ReLU."""

    homogeneous = True

    def fields(self, group: FiniteGroup, width: int) -> Fields:
        """Return ``width`` regular fields."""
        return Fields(group, ((RegularField(), width),))

    def activation(self, group: FiniteGroup, width: int) -> nn.Module:
        """Return the ReLU of every component."""
        return nn.ReLU()


@dataclass(frozen=True)
class TurningFeatures(Features):
    """``width`` trivial fields and ``width`` of each frequency up to a highest one; a subclass has the nonlinearity."""

    frequency: int = 2

    def __post_init__(self) -> None:
        if self.frequency < 1:
            raise InputError(
                f"expected a highest frequency of at least 1, but {self.frequency} came: RegularFeatures has none"
            )

    def fields(self, group: FiniteGroup, width: int) -> Fields:
        """Return the fields of frequency 0, 1, ..."""
        return Fields(group, ((TrivialField(), width), *self._turning(width)))

    def _turning(self, width: int) -> tuple[tuple[Field, int], ...]:
        return tuple((IrreducibleField(k), width) for k in range(1, self.frequency + 1))


@dataclass(frozen=True)
class NormFeatures(TurningFeatures):
    """``width`` trivial fields with ReLU, and ``width`` of each frequency from 1 on, whose norm passes a ReLU.

    ``v relu(|v| - b) / |v|`` with a learned ``b`` a field: the C-ReLU of Worrall et al., "Harmonic networks", CVPR
    2017.

    Args:
        frequency: the highest, >= 1 and at most half the turns of the group.

    Raises:
        InputError: a frequency below 1.
    """

    def activation(self, group: FiniteGroup, width: int) -> nn.Module:
        """Return the ReLU of components that stay and of norms of others."""
        return NormReLU(self.fields(group, width))


@dataclass(frozen=True)
class GatedFeatures(TurningFeatures):
    """``width`` trivial fields with ReLU, and ``width`` of each frequency from 1 on, each with a gate.

    ``v sigmoid(s)``, where s is a trivial field of its own that is computed for nothing else: Weiler et al., "3D
    steerable CNNs", NeurIPS 2018 (gated nonlinearity).

    Args:
        frequency: the highest, >= 1 and at most half the turns of the group.

    Raises:
        InputError: a frequency below 1.
    """

    def before(self, group: FiniteGroup, width: int) -> Fields:
        """Return the same, with the gates after the trivial fields."""
        gates = (TrivialField(), width * self.frequency)
        return Fields(group, ((TrivialField(), width), gates, *self._turning(width)))

    def activation(self, group: FiniteGroup, width: int) -> nn.Module:
        """Return the gates' nonlinearity."""
        return Gates(self.fields(group, width))


class NormReLU(nn.Module):
    """ReLU for fields that stay; ``v relu(|v| - b) / |v|`` for fields that turn, b learned.

    Args:
        fields: trivial ones first, then any.

    Example:
        >>> from nullsight.groups import Rotations
        >>> from nullsight.networks.fields import VectorField
        >>> layer = NormReLU(Fields(Rotations(8), ((TrivialField(), 2), (VectorField(), 3))))
        >>> layer(torch.rand(1, 8, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, fields: Fields) -> None:
        super().__init__()
        self.fields = fields
        self.threshold = nn.Parameter(torch.empty(sum(count for _, count in fields.parts[1:])))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Forget what was learned."""
        nn.init.constant_(self.threshold, _FIRST_THRESHOLD)

    def forward(self, x: Tensor) -> Tensor:
        """Return the fields, shortened or zero."""
        first, *others = torch.split(x, self.fields.sizes, 1)
        passed, counts = [torch.relu(first)], [count for _, count in self.fields.parts[1:]]
        for part, count, threshold in zip(others, counts, torch.split(self.threshold, counts), strict=True):
            v = torch.unflatten(part, 1, (count, -1))
            norm = (v.square().sum(2, keepdim=True) + 1e-12).sqrt()  # so that the gradient is finite at v = 0
            passed.append((v * torch.relu(norm - threshold[:, None, None, None]) / norm).flatten(1, 2))
        return torch.cat(passed, 1)


class Gates(nn.Module):
    """ReLU for fields that stay; ``v sigmoid(s)`` for fields that turn; the gates s come after the fields that stay.

    Args:
        fields: what comes out: trivial ones first, then any.

    Example:
        >>> from nullsight.groups import Rotations
        >>> from nullsight.networks.fields import VectorField
        >>> layer = Gates(Fields(Rotations(8), ((TrivialField(), 2), (VectorField(), 3))))
        >>> layer(torch.rand(1, 2 + 3 + 6, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, fields: Fields) -> None:
        super().__init__()
        self.fields = fields

    def forward(self, x: Tensor) -> Tensor:
        """Return the fields, each as open as its gate."""
        counts = [count for _, count in self.fields.parts[1:]]
        first, gates, *others = torch.split(x, [self.fields.sizes[0], sum(counts), *self.fields.sizes[1:]], 1)
        passed = [torch.relu(first)]
        for part, count, gate in zip(others, counts, torch.split(torch.sigmoid(gates), counts, 1), strict=True):
            passed.append((torch.unflatten(part, 1, (count, -1)) * gate.unsqueeze(2)).flatten(1, 2))
        return torch.cat(passed, 1)


REGULAR_FEATURES = RegularFeatures()

TABLE: dict[str, type[Features]] = {
    "regular_features": RegularFeatures,
    "norm_features": NormFeatures,
    "gated_features": GatedFeatures,
}
