"""Virtual problems that a bank keeps ready, and operators that are turned in place of images."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.draws import Draws
from nullsight.losses import BankEquivariance, OperatorFrames
from nullsight.physics import LinearPhysics, Masked, Physics
from nullsight.training import Silent
from tests.cases.losses import BATCH, LinearF, M, N, Roll, evidence, filled, randn


class Costly(LinearF):
    """Begins with twice the measurements' first entries, and says what it was asked for."""

    def __init__(self) -> None:
        super().__init__(randn(N, M, seed=3))
        self.begun: list[Tensor] = []
        self.started: list[Tensor | None] = []

    def begin(self, y: Tensor, physics: Physics) -> Tensor:
        self.begun.append(y)
        return 2 * physics.A_dagger(y)

    def __call__(
        self, y: Tensor, physics: Physics, *, start: Tensor | None = None, draws: Draws | None = None
    ) -> Tensor:
        self.started.append(start)
        return super().__call__(y, physics, start=start, draws=draws)


def test_ready_problems_are_made_with_their_start_when_due_and_met_equally_often() -> None:
    f = Costly()
    given, images = evidence(f=f), randn(BATCH, 1, N, seed=9)
    loss = filled(BankEquivariance(Roll(), images, every=4, ready=2), given)
    stock = loss.problems
    assert stock is not None and stock.images.shape == (BATCH, 2, 1, N)
    assert [len(y) for y in f.begun] == [BATCH, BATCH]  # two problems a sample, in blocks of the size of the batch
    met: dict[tuple[int, int], int] = {}
    for epoch in range(1, 5):  # one whole period of all samples
        now = replace(given, draws=replace(given.draws, epoch=epoch))
        which, before = stock.turn(now.ids, epoch), stock.images.clone()
        x2, y2 = stock.images[now.ids, which], stock.measurements[now.ids, which]
        assert torch.allclose(y2, given.physics.A(x2))
        assert sorted(x2[0, 0].tolist()) in [sorted(one.tolist()) for one in images[:, 0]]  # turned, of the bank
        x3 = LinearF.__call__(f, y2, given.physics)
        assert torch.allclose(loss(now), ((x3 - x2) ** 2).mean() / given.scale**2)
        assert f.started[-1] is not None and torch.allclose(f.started[-1], 2 * given.physics.A_dagger(y2))
        loss.update(now)
        due = (now.ids + epoch) % 4 == 0
        changed = (stock.images != before).flatten(2).any(2)
        assert not changed[~due].any() and changed[due].any()  # a turn may be drawn again
        for i, k in zip(now.ids.tolist(), which.tolist(), strict=True):
            met[i, k] = met.get((i, k), 0) + 1
    assert set(met.values()) == {2} and len(met) == 2 * BATCH
    assert len(f.begun) == 2 + BATCH  # one batch a sample that was due


@pytest.mark.parametrize("ready", [0, 2])
@pytest.mark.parametrize("many", [False, True])
def test_frames_turn_the_operator_and_leave_the_image(ready: int, many: bool) -> None:
    f, images = LinearF(randn(N, M, seed=3)), randn(BATCH, 1, N, seed=9)
    given = evidence(f=f)
    if many:  # an operator a sample
        keep = torch.rand(BATCH, M, generator=torch.Generator().manual_seed(1)) < 0.7
        assert isinstance(given.physics, LinearPhysics)
        given = replace(given, physics=Masked(given.physics, keep))
    frames = OperatorFrames(Roll(), count=3)
    loss = filled(BankEquivariance(Roll(), images, every=2, ready=ready, frames=frames), given)
    operators = [frames.operators(given.physics.take([i])) for i in range(BATCH)]
    assert [len(one) for one in operators] == [4] * BATCH
    x = randn(1, 1, N, seed=5)
    elements = Roll().sample(Draws(0, 0, (0, 1, 2)).of("operator frames"))
    for k, g in enumerate(elements, start=1):
        assert torch.allclose(operators[0][k].A(x), operators[0][0].A(Roll().act(g[None], x)))
    if ready:
        assert loss.problems is not None
        assert (loss.problems.images[:, 0] == loss.problems.images[:, 1]).all(), "the image as it is"
        assert (loss.problems.frames[:, 0] != loss.problems.frames[:, 1]).any(), "so that operators make the difference"
        which = loss.problems.frames[range(BATCH), loss.problems.turn(given.ids, 0)]
    else:
        which = 1 + given.draws.of("operator frame").integers(3)
    assert which.unique().numel() > 1 and bool((which > 0).all())
    errors = [f(operators[i][k].A(images[[i]]), operators[i][k]) - images[[i]] for i, k in enumerate(which.tolist())]
    assert torch.allclose(loss(given), (torch.cat(errors) ** 2).mean() / given.scale**2)


def test_problems_of_one_sample_share_their_operator_where_images_are_turned_too() -> None:
    given, images = evidence(), randn(BATCH, 1, N, seed=9)
    frames = OperatorFrames(Roll(), Roll(), count=5)
    loss = filled(BankEquivariance(Roll(), images, every=3, ready=3, frames=frames), given)
    assert loss.problems is not None
    which = loss.problems.frames
    assert (which == which[:, :1]).all() and which.unique().numel() > 1
    assert (loss.problems.images != loss.problems.images[:, :1]).any()
    for i in range(BATCH):
        physics = frames.operator(given.physics, int(which[i, 0]))
        assert torch.allclose(loss.problems.measurements[i], physics.A(loss.problems.images[i]))


def test_frames_take_the_place_of_turned_images_from_their_moment_on() -> None:
    given, images = evidence(), randn(BATCH, 1, N, seed=9)
    frames = OperatorFrames(Roll(), Roll(), count=2, begin=0.6)
    plain, framed = (filled(BankEquivariance(Roll(), images, frames=one), given) for one in (None, frames))
    assert torch.equal(plain(given), framed(given))
    late = replace(given, progress=0.6)
    x2 = Roll().act(Roll().sample(given.draws.of("image in its frame")), images)
    physics = frames.of(given.physics, 1 + given.draws.of("operator frame").integers(2))
    x3 = given.reconstruct(physics.A(x2), physics)
    assert torch.allclose(framed(late), ((x3 - x2) ** 2).mean() / given.scale**2)


def test_a_loss_with_a_bank_serves_another_run(tmp_path: Path) -> None:
    physics = ns.physics.Inpainting((1, 12, 12), ns.physics.bernoulli_mask((12, 12), 0.7, seed=0))
    y = physics.A(torch.rand(6, 1, 12, 12, generator=torch.Generator().manual_seed(0)))
    bank = BankEquivariance(ns.groups.Shifts((12, 12)), every=2, ready=1)
    network = ns.networks.UNet(channels=1, width=4, depth=2, seed=0)
    f = ns.reconstructors.ArtifactRemoval(network)
    runs = [ns.fit(copy.deepcopy(f), y, physics, bank, steps=4, out=tmp_path / n, display=Silent()) for n in "ab"]
    weights = [run.reconstructor.state_dict() for run in runs]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
