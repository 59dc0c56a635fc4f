"""Splitting losses against closed forms: what is hidden, what is compared, in which frame."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nullsight import physics as p
from nullsight.draws import Draws
from nullsight.groups import Dihedral, Shifts, Trivial
from nullsight.losses import (
    L1,
    AsPublished,
    Entrywise,
    EquivariantSplitting,
    Evidence,
    Loss,
    OneMinusSSIM,
    Splitting,
    ThroughDagger,
    WeighedSquare,
)
from nullsight.physics.base import Physics
from nullsight.physics.windows import random_corners, windows
from nullsight.types import InputError
from tests.cases.losses import LinearF, evidence, randn, toy_matrix
from tests.cases.physics import Saturation

BATCH = 4
ENTRIES = p.RandomEntries(0.6)
VIEWS = p.RandomLines(0.6)


class Given(nn.Module):
    """f that is a linear function of ``A_dagger y`` and remembers what it was shown."""

    def __init__(self, gain: float = 0.7) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain, dtype=torch.float64))
        self.shown: list[tuple[Tensor, Physics]] = []

    def forward(self, y: Tensor, physics: Physics, *, start: Tensor | None = None, draws: Draws | None = None):
        assert start is None  # A_dagger of the whole measurement would show what is hidden
        self.shown.append((y, physics))
        return self.gain * physics.A_dagger(y)


def inpainting(samples: int = 1) -> p.Inpainting:
    return p.Inpainting((2, 6, 6), torch.stack([p.bernoulli_mask((1, 6, 6), 0.6, s) for s in range(samples)]))


def ct() -> p.ParallelBeamCT:
    return p.ParallelBeamCT((1, 12, 12), 9).double()


def of(physics: Physics, f: nn.Module | None = None, *, seed: int = 0, scale: float = 2.0) -> Evidence:
    x = torch.rand(BATCH, *physics.image_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    draws = Draws(seed, 0, tuple(range(BATCH)))
    return Evidence(physics.A(x), physics, torch.arange(BATCH), draws, 0.5, f or Given(), scale=scale)


def keep_of(split: p.Split, given: Evidence) -> Tensor:
    return split.sample(given.physics, given.draws.of("splitting"))


@pytest.mark.parametrize("kept", [0.0, 0.3, 1.0])
def test_closed_form_of_a_linear_reconstructor(kept: float) -> None:
    f = LinearF(randn(6, 4, seed=3))
    given = evidence(f=f)
    keep = keep_of(ENTRIES, given)
    matrix, total = toy_matrix(), 0.0
    for y, seen in zip(given.y, keep, strict=True):
        r = matrix @ f.weight.detach() @ (y * seen) - y
        w = torch.where(seen, kept * torch.ones_like(y), torch.ones_like(y))
        total += float((w * r.square()).sum() / w.sum()) / BATCH
    unit = (given.scale * given.physics.norm()) ** 2
    assert Splitting(ENTRIES, kept=kept)(given).item() == pytest.approx(total / unit, rel=1e-12)
    published = Splitting(ENTRIES, kept=kept, scaling=AsPublished())(given)
    assert published.item() == pytest.approx(total, rel=1e-12)


def test_absolute_errors_are_means_too() -> None:
    given = evidence()
    keep = keep_of(ENTRIES, given)
    r = (given.physics.A(given.reconstruct(given.y * keep, given.physics)) - given.y).abs()
    hidden = ~keep
    wanted = ((r * hidden).sum(1) / hidden.sum(1)).mean() / (given.scale * given.physics.norm())
    assert torch.allclose(Splitting(ENTRIES, Entrywise(L1()))(given), wanted)


def test_errors_of_whole_images_see_zeros_where_nothing_counts() -> None:
    physics = p.Inpainting((1, 12, 12), p.bernoulli_mask((12, 12), 0.7, 0))
    given = of(physics)
    value = Splitting(ENTRIES, Entrywise(OneMinusSSIM()))(given)
    assert value.shape == () and 0 < value.item() < 2
    perfect = replace(given, reconstruct=lambda y, physics, start=None, draws=None: given.y)
    assert Splitting(ENTRIES, Entrywise(OneMinusSSIM()))(perfect).item() == pytest.approx(0, abs=1e-12)


LOSSES = {
    "splitting": lambda split, residual: Splitting(split, residual),
    "equivariant": lambda split, residual: EquivariantSplitting(Dihedral(4), split, residual),
}


@pytest.mark.parametrize("residual", [Entrywise(), ThroughDagger(), WeighedSquare()], ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
def test_hidden_entries_change_the_target_alone(make, residual) -> None:
    f, physics = Given(), ct()
    given = of(physics, f)
    hidden = ~keep_of(VIEWS, given)
    loss: Loss = make(VIEWS, residual)
    before = loss(given)
    other = replace(given, y=given.y + hidden * torch.rand(given.y.shape, dtype=torch.float64))
    after = loss(other)
    (shown, by), (again, by_again) = f.shown
    assert torch.equal(shown, again) and torch.equal(by.measured, by_again.measured)
    assert not bool((by.measured & hidden).any()) and bool((shown[hidden] == 0).all())
    assert after.item() != before.item()


def test_kept_entries_count_for_nothing_by_default() -> None:
    given = of(inpainting())
    keep = keep_of(ENTRIES, given)
    blind = replace(given, reconstruct=lambda y, physics, start=None, draws=None: torch.zeros_like(y))
    changed = replace(blind, y=given.y + keep * 5.0)
    assert torch.equal(Splitting(ENTRIES)(blind), Splitting(ENTRIES)(changed))
    assert not torch.equal(Splitting(ENTRIES, kept=0.1)(blind), Splitting(ENTRIES, kept=0.1)(changed))


def test_equal_totals() -> None:
    given = of(p.Inpainting((1, 40, 40), torch.ones(40, 40)))
    share = 0.8
    split = p.RandomEntries(share)
    keep = keep_of(split, given)
    r = (Given()(given.y * keep, given.physics.subset(keep)) - given.y).square() / given.scale**2
    parts = [((r * on).flatten(1).sum(1) / on.flatten(1).sum(1)).mean() for on in (keep, ~keep)]
    both = Splitting(split, kept=(1 - share) / share)(given)
    assert both.item() == pytest.approx(sum(parts).item() / 2, rel=0.02)


@pytest.mark.parametrize("case", ["inpainting", "per sample", "ct"])
@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_splitting_in_the_only_frame_is_splitting(case: str, kept: float) -> None:
    physics = {"inpainting": inpainting(), "per sample": inpainting(BATCH), "ct": ct()}[case]
    split = VIEWS if case == "ct" else ENTRIES
    plain, turned = Splitting(split, kept=kept), EquivariantSplitting(Trivial(), split, kept=kept)
    assert torch.equal(plain(of(physics)), turned(of(physics)))


@pytest.mark.parametrize("residual", [Entrywise(), ThroughDagger()], ids=lambda r: type(r).__name__)
def test_the_group_drops_out_for_an_equivariant_reconstructor(residual) -> None:
    physics = inpainting()
    plain = Splitting(ENTRIES, residual, kept=1.0)(of(physics))
    for group in (Dihedral(4), Shifts((6, 6))):  # A_dagger of A T_g is T_g^-1 A_dagger, exactly
        turned = EquivariantSplitting(group, ENTRIES, residual)(of(physics))
        assert torch.allclose(turned, plain, rtol=1e-12)


def test_the_frame_matters_to_others_and_each_image_has_its_own() -> None:
    class Shaded(Given):
        def forward(self, y, physics, *, start=None, draws=None):
            x = super().forward(y, physics)
            return x * torch.linspace(0, 1, 6, dtype=torch.float64)

    f = Shaded()
    turned = EquivariantSplitting(Dihedral(4), ENTRIES)(of(inpainting(), f))
    assert not torch.allclose(turned, Splitting(ENTRIES, kept=1.0)(of(inpainting(), f)))
    frame = f.shown[0][1]
    assert isinstance(frame, p.Transformed) and len(set(frame.g.tolist())) > 1


def test_equivariant_splitting_by_hand() -> None:
    given = of(inpainting())
    loss = EquivariantSplitting(Dihedral(4), ENTRIES)
    keep = keep_of(ENTRIES, given)
    g = loss.group.sample(given.draws.of("splitting frame Dihedral"))
    total = torch.zeros((), dtype=torch.float64)
    for i in range(BATCH):
        one = g[i : i + 1]
        x = 0.7 * loss.group.act(loss.group.inverse(one), given.y[i : i + 1] * keep[i])
        r = (given.physics.A(loss.group.act(one, x)) - given.y[i : i + 1]) / given.scale
        total += r.square().sum() / given.physics.measured.sum() / BATCH
    assert torch.allclose(loss(given), total)


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
def test_a_crop_is_the_loss_of_the_cropped_data(make) -> None:
    given = of(inpainting(BATCH))
    loss = make(ENTRIES, Entrywise())
    loss.crop = 4
    corner = random_corners((6, 6), (4, 4), given.draws.of("splitting window"))
    small = replace(given, y=windows(given.y, corner, (4, 4)), physics=given.physics.crop(corner, (4, 4)))
    f = given.reconstruct
    value = loss(given)
    assert f.shown[0][0].shape == (BATCH, 2, 4, 4)
    loss.crop = None
    assert torch.equal(value, loss(small))
    loss.crop = 99  # the whole image is a window
    assert torch.equal(loss(given), make(ENTRIES, Entrywise())(given))


def test_weighed_square_is_about_the_error_of_images_and_of_hidden_views_alone() -> None:
    physics = p.ParallelBeamCT((1, 24, 24), 48).double()
    x = physics.dagger_ensemble((1, 24, 24), Draws(3, 0, tuple(range(BATCH))).of("x")).double()
    error = 0.1 * physics.dagger_ensemble((1, 24, 24), Draws(4, 0, tuple(range(BATCH))).of("e")).double()
    given = replace(of(physics), y=physics.A(x), reconstruct=lambda y, physics, start=None, draws=None: x + error)
    wanted = float(error.square().mean()) / given.scale**2
    for residual, kept, share in (
        (WeighedSquare(), 0.0, 1.0),
        (WeighedSquare(), 1.0, 1.0),
        (ThroughDagger(), 1.0, 1.0),
        (ThroughDagger(), 0.0, 0.5),  # smooth errors are in all views alike, of which half are looked at
    ):
        found = float(Splitting(p.RandomLines(0.5), residual, kept=kept)(given))
        assert found == pytest.approx(share * wanted, rel=0.2), (residual, kept)
    keep = keep_of(VIEWS, given)
    loss = Splitting(VIEWS, WeighedSquare())
    changed = replace(given, y=given.y + keep * torch.rand(given.y.shape, dtype=torch.float64))
    assert torch.allclose(loss(changed), loss(given), rtol=1e-12)


def test_weighing_is_refused_where_there_is_none() -> None:
    with pytest.raises(InputError, match="can weigh its measurements, but Inpainting cannot"):
        Splitting(ENTRIES, WeighedSquare())(of(inpainting()))


def test_refusals() -> None:
    with pytest.raises(InputError, match="count 0 or more"):
        Splitting(ENTRIES, kept=-1.0)
    with pytest.raises(InputError, match="at least 1 pixel"):
        EquivariantSplitting(Dihedral(4), ENTRIES, crop=0)
    with pytest.raises(InputError, match="that is local"):
        Splitting(VIEWS, crop=4)(of(ct()))
    nonlinear = p.Foreign(Saturation(), (1, 6, 6), (1, 6, 6), dagger_error=None)
    nonlinear_given = Evidence(
        torch.zeros(1, 1, 6, 6), nonlinear, torch.arange(1), Draws(0, 0, (0,)), 0.0, lambda y, a, start, draws: y
    )
    with pytest.raises(InputError, match=r"an operator that can be turned, but Foreign .* write it"):
        EquivariantSplitting(Dihedral(4), ENTRIES)(nonlinear_given)


class Blurring(nn.Module):
    """f is c times the mean of each pixel and its neighbours, of those that are seen."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.full((), 0.8, dtype=torch.float64))

    def forward(self, y: Tensor, physics: Physics, *, start: Tensor | None = None, draws: Draws | None = None):
        near = [torch.nn.functional.avg_pool2d(v, 3, 1, 1) for v in (y, physics.measured.to(y))]
        return self.c * near[0] / near[1].clamp_min(0.01)


@pytest.mark.parametrize(("kept", "learned"), [(0.0, False), (1.0, True)])
def test_noise_of_hidden_entries_is_not_learned_and_that_of_kept_ones_is(kept: float, learned: bool) -> None:
    x = torch.ones(BATCH, 1, 24, 24, dtype=torch.float64)
    physics, f, loss = p.Inpainting((1, 24, 24), torch.ones(24, 24)), Blurring(), Splitting(ENTRIES, kept=kept)
    slopes = []
    for seed in range(20):
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        draws = Draws(seed, 0, tuple(range(BATCH)))
        noisy = Evidence(x + noise, physics, torch.arange(BATCH), draws, 0.0, f)
        keep = keep_of(ENTRIES, noisy)

        def told(y: Tensor, by: Physics, start=None, draws=None, noisy=noisy, keep=keep) -> Tensor:
            return f(noisy.y * keep, by)

        clean = replace(noisy, y=x, reconstruct=told)  # the same input, compared with the truth
        slopes.append([float(torch.autograd.grad(loss(one), f.c)[0]) for one in (noisy, clean)])
    difference = abs(float(torch.tensor(slopes).diff(dim=1).mean()))
    assert difference > 0.15 if learned else difference < 0.06  # noise of variance 1, of which some ninth is copied


def test_training_mode_changes_no_draw() -> None:
    loss, given = EquivariantSplitting(Dihedral(4), ENTRIES, crop=5), of(inpainting())
    assert torch.equal(loss.train()(given), loss.eval()(given))
    assert not torch.equal(loss(given), loss(of(inpainting(), seed=1)))
