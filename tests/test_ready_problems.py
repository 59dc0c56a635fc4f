"""Virtual problems that a bank keeps ready, and operators that are turned in place of images."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.losses import BankEquivariance, OperatorFrames, WhileBetter
from nullsight.physics import LinearPhysics, Masked, Physics, RandomEntries
from tests.cases.losses import BATCH, LinearF, M, N, Roll, evidence, filled, perfect, randn, toy_matrix

RULE = WhileBetter(RandomEntries(0.6), samples=2)


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
    assert len(f.begun) == 1 and len(f.begun[0]) == 2 * BATCH
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
    assert len(f.begun) == 1 + BATCH  # one batch a sample that was due


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
        which = loss.problems.frames[range(BATCH), loss.problems.turn(given.ids, 0)]
    else:
        which = 1 + given.draws.of("operator frame").integers(3)
    assert which.unique().numel() > 1 and bool((which > 0).all())
    errors = [f(operators[i][k].A(images[[i]]), operators[i][k]) - images[[i]] for i, k in enumerate(which.tolist())]
    assert torch.allclose(loss(given), (torch.cat(errors) ** 2).mean() / given.scale**2)


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


def test_with_ready_problems_f_is_judged_on_one_it_has_not_met() -> None:
    exact, f = perfect(toy_matrix()), Costly()
    given = replace(evidence(f=f), smoothed=LinearF(0.9 * exact.weight.detach()))
    loss = filled(BankEquivariance(Roll(), exact, RULE, every=1, ready=1), given)
    loss.errors.fill_(1e9)
    loss.update(given)
    assert int(loss.version) == BATCH
    assert loss.problems is not None
    size = (0.1 * loss.problems.images[:, 0]).square().mean((1, 2)) / given.scale**2  # of the error on the new ones
    for factor, renewed in ((1.0, BATCH), (0.5, 0)):
        loss.errors.copy_(factor * size / RULE.margin * 1.01)
        loss.version.zero_()
        same = {name: value.clone() for name, value in loss.problems.state_dict().items()}
        loss.problems.load_state_dict(same)
        with torch.no_grad():
            judged = [float(loss._judged(given.smoothed or f, given.take([k]))) for k in range(BATCH)]
        assert torch.allclose(torch.tensor(judged, dtype=size.dtype), size)
        rule = loss.refresh
        assert rule is not None
        allowed = [rule.allows(0.5, now, float(first)) for now, first in zip(judged, loss.errors, strict=True)]
        assert sum(allowed) == renewed
