"""What equivariance costs beside ordinary networks: ``python benchmarks/equivariant_networks.py``.

The U-Net that follows every shift beside the plain one of the same width; networks of group and of steerable
convolutions, frozen, beside ordinary ones of the same channels.
"""

from collections.abc import Callable
from functools import partial

import torch
from common.record import Row, Section, arguments, record
from common.timing import alternate, one_core, repeated
from torch import Tensor, nn

from nullsight.groups import Dihedral, Rotations, Trivial
from nullsight.networks import GroupResidual, PolyphaseUNet, SteerableResidual, UNet

AIMS = {"polyphase": 1 / 1.3, "frozen": 0.9}
BATCH = 2
COMPARED = """The time of a batch of two images. `PolyphaseUNet` has no group but the shifts here; its U-Net has the
same widths and scales. A step is the image, the gradient of its mean square and nothing else. The frozen networks are
beside ordinary convolutions, border and all, of as many channels and layers."""


def use(network: nn.Module, x: Tensor) -> Tensor:
    """Return the image without a gradient."""
    with torch.no_grad():
        return network(x)


def step(network: nn.Module, x: Tensor) -> None:
    """Compute the gradient of all weights."""
    network.zero_grad()
    network(x).square().mean().backward()


def pairs(size: int, width: int, depth: int) -> dict[str, tuple[Callable[[], object], Callable[[], object], str]]:
    """Return the cases: our work, the ordinary network's, and which aim there is."""
    x = torch.rand(BATCH, 1, size, size, generator=torch.Generator().manual_seed(0))
    polyphase, plain = PolyphaseUNet(1, width, depth), UNet(1, width, depth)
    few = max(width // 8, 1)
    turned = GroupResidual(1, few, 2, group=Dihedral(4)).frozen()
    fine = SteerableResidual(1, few, 2, group=Rotations(8)).frozen()
    ordinary = [GroupResidual(1, 8 * few, 2, group=Trivial(), kernel=side).frozen() for side in (3, 5)]
    shape = f"{size}x{size}, width {width}"
    return {
        f"shift-equivariant U-Net, {shape}": (partial(use, polyphase, x), partial(use, plain, x), "polyphase"),
        f"its step, {shape}": (partial(step, polyphase, x), partial(step, plain, x), "polyphase"),
        f"group convolutions, D_4, {8 * few} channels": (
            partial(use, turned, x),
            partial(use, ordinary[0], x),
            "frozen",
        ),
        f"steerable, C_8, 5x5, {8 * few} channels": (partial(use, fine, x), partial(use, ordinary[1], x), "frozen"),
    }


def main(words: list[str] | None = None) -> None:
    options = arguments(__doc__)
    options.add_argument("--size", type=int, default=128)
    options.add_argument("--width", type=int, default=64)
    options.add_argument("--depth", type=int, default=4)
    chosen = options.parse_args(words)
    one_core()
    rows = []
    for case, (ours, theirs, aim) in pairs(chosen.size, chosen.width, chosen.depth).items():
        works = [partial(repeated, work, chosen.seconds) for work in (ours, theirs)]
        mine, other = alternate(works, chosen.rounds)
        rows.append(Row(case, mine, other, "ordinary network", AIMS[aim]))
    section = Section(f"Equivariant networks, {chosen.size}x{chosen.size}", COMPARED, rows)
    record(chosen.results, "equivariant_networks", section, {})


if __name__ == "__main__":
    main()
