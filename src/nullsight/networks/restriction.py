"""From a group to a subgroup inside a network: what must not be kept in fine detail may be kept in coarse."""

import torch
from torch import Tensor, nn

from nullsight.groups.base import FiniteGroup
from nullsight.networks.fields import Fields, RegularField
from nullsight.types import InputError


class Restriction(nn.Module):
    """Regular fields of a group read as regular fields of a subgroup, ``order / suborder`` times as many.

    Nothing is lost or computed: channels change places. The group falls apart into sets ``H r`` (right cosets), and
    ``T_h`` moves ``F(a r, .)`` to ``F(h a r, .)``, so every set is a regular field of H. Weiler, Cesa, "General
    E(2)-equivariant steerable CNNs", NeurIPS 2019 (group restriction).

    Args:
        fields: regular fields of the group that come in.
        group: the group, exact.
        subgroup: a group whose every transformation the group has.

    Raises:
        InputError: a transformation that the group has not.

    Example:
        >>> from nullsight.groups import Dihedral, QuarterTurns
        >>> Restriction(3, Dihedral(4), QuarterTurns()).out_fields
        6
    """

    _index: Tensor

    def __init__(self, fields: int, group: FiniteGroup, subgroup: FiniteGroup) -> None:
        super().__init__()
        self.fields, self.group, self.subgroup = fields, group, subgroup
        inside = embedding(subgroup, group)
        taken, order = torch.zeros(group.order, dtype=torch.bool), []
        for r in range(group.order):
            if not taken[r]:
                coset = group.compose(inside, torch.full_like(inside, r))
                taken[coset] = True
                order.append(coset)
        self.out_fields = fields * len(order)
        index = torch.arange(fields)[:, None] * group.order + torch.cat(order)
        self.register_buffer("_index", index.flatten(), persistent=False)

    @property
    def inputs(self) -> Fields:
        """What the incoming channels are."""
        return Fields(self.group, ((RegularField(), self.fields),))

    @property
    def outputs(self) -> Fields:
        """What the outgoing channels are."""
        return Fields(self.subgroup, ((RegularField(), self.out_fields),))

    def forward(self, x: Tensor) -> Tensor:
        """Return the same channels in another order."""
        return x.index_select(1, self._index)


def embedding(subgroup: FiniteGroup, group: FiniteGroup) -> Tensor:
    """Return which element of ``group`` acts as each element of ``subgroup``, int64 ``(suborder,)``.

    Raises:
        InputError: a transformation that the group has not.
    """
    numbers = torch.arange(9, dtype=torch.float64).reshape(1, 1, 3, 3)  # tells all symmetries of a square apart
    mine, theirs = (one.orbit(numbers).reshape(one.order, -1) for one in (subgroup, group))
    same = torch.cdist(mine, theirs) < 1e-6
    if not bool(same.any(1).all()):
        raise InputError(
            f"expected a subgroup whose every transformation the group has, but {subgroup!r} has others than {group!r}"
        )
    return same.int().argmax(1)
