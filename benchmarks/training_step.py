"""One training step of equivariant imaging beside DeepInverse's: ``python benchmarks/training_step.py``.

Both sides take whole steps: reconstruct, measure, turn, measure again, reconstruct again, gradients, Adam. Ours is the
step of the training loop itself. With ``--recipe`` another recipe's step is measured beside the same step of the peer.
"""

import time
from functools import partial
from pathlib import Path

import torch
from common.peer import PeerError, peer_or_none
from common.record import ROOT, Row, Section, arguments, record
from common.timing import alternate, one_core, repeated
from common.training import loop_of, loop_of_recipe

from nullsight.groups import Rotations
from nullsight.groups.interpolation import Bilinear
from nullsight.losses import BankEquivariance, Equivariance, MeasurementConsistency
from nullsight.networks import UNet
from nullsight.networks.norms import BatchNorm
from nullsight.reconstructors import ArtifactRemoval
from nullsight.training.loop import Loop
from nullsight.training.settings import Settings

VIEWS, BATCH = 50, 2
RECIPES = ROOT / "experiments" / "ct100"
BEST = RECIPES / "bank_equivariance.toml"
AIMS = {"float32": 1.15, "bf16": 1.6, "best": 10}
COMPARED = f"""A step on batches of {BATCH}, {VIEWS} views, noiseless. DeepInverse: its `Tomography`, its U-Net of four
scales with batch norm, on its filtered back-projection (its default inverse, conjugate gradients, takes longer), its
`MCLoss` and `EILoss` with one bilinear rotation a step, Adam. Ours: the same network (without the biases that its norm
cancels), the same losses and rotations, as `nullsight fit` takes the step, with the back-projected measurements kept
from before; enlarging by two and the convolution after it are one transposed convolution, which is the same map. Memory
order and precision are settings of our training; DeepInverse's step has its defaults, float32. The last row is the
step of the design that reconstructs best, against the same step of DeepInverse: the mean over 8 passes through the
data, in which every virtual problem is made anew and every image of the bank is judged once, and renewed where its
rule allows it; on phantoms, for which total variation may stop earlier than for real slices. Its networks work at full
resolution, and a renewal makes four first images by total variation; the twelve turned operators, which a training
makes once, are there before."""


def unet_loop(size: int, width: int, depth: int, precision: str, channels_last: bool) -> tuple[Loop, int]:
    """Return a training of the papers' U-Net and the number of its weights."""
    network = UNet(1, width=width, depth=depth, norm=BatchNorm())
    loss = MeasurementConsistency() + 100 * Equivariance(Rotations(360, Bilinear()))
    settings = Settings(steps=10**6, batch_size=BATCH, precision=precision, channels_last=channels_last)
    return loop_of(ArtifactRemoval(network), loss, settings, size, VIEWS), sum(p.numel() for p in network.parameters())


def take(loop: Loop) -> float:
    """Take one step."""
    return loop.step(0.5, 1.0)


def passes(loop: Loop, count: int) -> list[float]:
    """Return the mean seconds of a step in so many passes through the data, after one pass that is not counted.

    The turned operators of a bank, which a training makes once, are made before.
    """
    for term in loop.state.loss.modules():
        if isinstance(term, BankEquivariance) and term.frames is not None:
            term.frames.operators(loop.physics)
    for _ in range(loop.order.per_epoch):
        take(loop)
    steps = count * loop.order.per_epoch
    start = time.perf_counter()
    for _ in range(steps):
        take(loop)
    return [(time.perf_counter() - start) / steps]


def _spent(loop: Loop) -> dict[str, float]:
    with torch.autograd.profiler.profile(use_kineto=False) as profile:
        take(loop)
    return {event.key: event.self_cpu_time_total for event in profile.key_averages()}


def shares(loop: Loop) -> str:
    """Return how the time of a step is spent in which nothing is made for later ones, a sentence."""
    taken = [_spent(loop) for _ in range(4)]
    spent = min(taken, key=lambda one: sum(one.values()))
    total = sum(spent.values())
    convolutions = sum(t for name, t in spent.items() if "convolution" in name or "mkldnn" in name)
    # CSR matrices times vectors and times several columns; the optimiser's matrices are in batches
    products = sum(t for name, t in spent.items() if "_sparse" in name or name in ("aten::addmv", "aten::addmm"))
    steps = sum(t for name, t in spent.items() if name == "aten::bmm")
    parts = {"convolutions": convolutions, "the operator's matrices": products, "the optimiser's": steps}
    named = ", ".join(f"{name} {100 * part / total:.0f} %" for name, part in parts.items())
    return f"{total / 1e3:.0f} ms: {named}, the rest mostly entry by entry"


def main(words: list[str] | None = None) -> None:
    options = arguments(__doc__)
    options.add_argument("--size", type=int, default=128)
    options.add_argument("--width", type=int, default=64)
    options.add_argument("--depth", type=int, default=4)
    options.add_argument("--recipe", type=Path, default=BEST, help="of the last row")
    options.add_argument("--passes", type=int, default=8, help="through the data, of which the last row is the mean")
    options.set_defaults(seconds=4.0)
    chosen = options.parse_args(words)
    one_core()
    peer = None if chosen.alone else peer_or_none()
    notes = []
    make = partial(unet_loop, chosen.size, chosen.width, chosen.depth)
    ours, weights = make("32-true", True)
    loops = {
        "float32": ours,
        "bf16": make("bf16-mixed", True)[0],
        "best": loop_of_recipe(chosen.recipe, chosen.size, VIEWS),
    }
    works = [partial(repeated, partial(take, loops[name]), chosen.seconds) for name in ("float32", "bf16")]
    works.append(partial(passes, loops["best"], chosen.passes))
    if peer is not None:
        try:
            theirs = peer.ask(
                "step", size=chosen.size, views=VIEWS, batch=BATCH, width=chosen.width, scales=chosen.depth
            )
            works.append(partial(peer.ask, "time", what="step", seconds=chosen.seconds, least=3))
            notes.append(f"the U-Net has {weights} weights here and {theirs} there")
        except PeerError as error:
            print(error)
            peer = None
    times = alternate(works, chosen.rounds)
    other = times[len(loops)] if peer is not None else None
    recipe = chosen.recipe.stem.replace("_", " ")
    names = {
        "float32": "EI, U-Net, float32, channels last",
        "bf16": f"EI, U-Net, bf16 ({bf16()}), channels last",
        "best": f"{recipe}, its own reconstructor, batch {loops['best'].settings.batch_size}, as in its recipe",
    }
    rows = [
        Row(names[name], time, other, "" if other is None else "DeepInverse", None if other is None else AIMS[name])
        for name, time in zip(loops, times, strict=False)
    ]
    notes += [f"our step in float32, {shares(ours)}", f"our step in bf16, {shares(loops['bf16'])}"]
    notes.append(f"a step of {recipe} in which nothing is renewed, {shares(loops['best'])}")
    versions = {} if peer is None else peer.versions
    if peer is not None:
        peer.close()
    section = Section(f"A training step, {chosen.size}x{chosen.size}", COMPARED, rows, notes)
    record(chosen.results, "training_step", section, versions)


def bf16() -> str:
    """Return whether this processor multiplies bf16 itself."""
    return "in hardware" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "emulated"


if __name__ == "__main__":
    main()
