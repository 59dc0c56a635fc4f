"""Symmetrized reconstructors and the two numbers of equivariance: closed forms, exact cases, and the report."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nullsight import physics as p
from nullsight.contracts import reconstructor_equivariance, system_equivariance
from nullsight.draws import Draws
from nullsight.groups import ColourInversion, Dihedral, Family, Rotations, Scales, Shifts
from nullsight.networks import GroupResidual, UNet
from nullsight.reconstructors import (
    ArtifactRemoval,
    Direct,
    GroupAverage,
    LinearInverse,
    Reconstructor,
    Symmetrized,
    Unrolled,
)
from nullsight.types import InputError
from tests.cases.physics import Saturation
from tests.toy_recipes import CT, Shell, simulated

GROUP = Dihedral(4)
VIEWS = [
    7.5 + 15 * k for k in range(12)
]  # of all directions: the eight symmetries of the square map them to themselves


def images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def masked() -> p.Inpainting:
    return p.Inpainting((1, 8, 8), p.bernoulli_mask((8, 8), 0.6, seed=0))


def network() -> Reconstructor:
    return ArtifactRemoval(UNet(1, 4, 2, seed=0)).double()


class Shared(LinearInverse):
    """The image of pixel 0 alone, wherever it is: it never turns along."""

    def _reconstruct(self, y, physics, start, draws):
        keep = torch.zeros(physics.image_shape, dtype=y.dtype)
        keep[0, 0, 0] = 1
        return physics.A_dagger(y) * keep


def test_in_training_each_sample_takes_its_own_term_of_the_mean() -> None:
    f, physics, draws = network(), masked(), Draws(3, 1, (0, 4, 5, 9))
    y = physics.A(images(4, 1, 8, 8))
    design = Symmetrized(f, GROUP).train()
    g = GROUP.sample(draws.of("symmetrized"))
    assert len(set(g.tolist())) > 1
    by_hand = GROUP.act(g, f(y, p.Transformed(physics, GROUP, g)))
    assert torch.allclose(design(y, physics, draws=draws), by_hand, rtol=1e-10)
    assert not torch.allclose(design(y, physics, draws=draws.later()), by_hand, rtol=1e-3)
    assert torch.equal(design.eval()(y, physics, draws=draws), design(y, physics))


def test_the_whole_group_is_the_mean_of_all_terms_and_equivariant() -> None:
    f, physics = network(), masked()
    y = physics.A(images(2, 1, 8, 8))
    design = Symmetrized(f, GROUP)
    assert torch.equal(design(y, physics), GroupAverage(f, GROUP)(y, physics))
    assert float(reconstructor_equivariance(design, y, physics, GROUP).max()) < 1e-12
    assert float(reconstructor_equivariance(f, y, physics, GROUP).min()) > 1e-3
    assert float(design.set_scale(y) or design.f.scale) == float(design.scale) != 1.0


def test_a_step_of_training_reaches_the_weights_through_one_term() -> None:
    f, physics = Symmetrized(Unrolled(UNet(1, 4, 2, seed=0), 2), GROUP), masked()
    x = images(2, 1, 8, 8).float()
    f.train()(physics.A(x), physics, draws=Draws(0, 0, (0, 1))).square().mean().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in f.parameters())


def test_an_operator_that_cannot_be_turned_is_refused() -> None:
    nonlinear = p.Foreign(Saturation(), (1, 6, 6), (1, 6, 6), dagger_error=None)
    f = Symmetrized(LinearInverse(), GROUP)
    for mode in (f.train(), f.eval()):
        with pytest.raises(InputError, match="linear operator, which can be turned"):
            mode(torch.rand(2, 1, 6, 6), nonlinear, draws=Draws(0, 0, (0, 1)))


def test_the_two_numbers_are_not_the_same() -> None:
    """A mask that is not invariant: A_dagger follows the turned operator exactly, the system does not at all."""
    physics, x = masked(), images(3, 1, 8, 8)
    assert float(reconstructor_equivariance(LinearInverse(), physics.A(x), physics, GROUP).max()) == 0
    assert float(system_equivariance(LinearInverse(), x, physics, GROUP).min()) > 0.3
    # what does not look at its operator follows turned images where A does, and not the operator it is told
    whole = p.Inpainting((1, 8, 8), torch.ones(8, 8))
    blind = Direct(GroupResidual(1, 2, 1, seed=0)).double()
    assert float(system_equivariance(blind, x, whole, GROUP).max()) < 1e-12
    assert float(reconstructor_equivariance(blind, whole.A(x), whole, GROUP).min()) > 0.1


def test_numbers_in_closed_form() -> None:
    """One pixel of four is kept: under a shift by k the images agree for k = 0 alone, else both are at fault."""
    physics = p.Inpainting((1, 1, 4), torch.ones(1, 4))
    x = torch.tensor([[[[2.0, 1.0, 0.0, 2.0]]]])
    found = system_equivariance(Shared(), x, physics, Shifts((1, 4)))
    # |f(T_k x) - T_k f(x)|^2 is x[-k]^2 + x[0]^2 for k = 1, 2, 3: values 2, 0, 1 come to pixel 0
    wanted = ((4 + 4) + (0 + 4) + (1 + 4)) / 4 / 4
    assert float(found) == pytest.approx(wanted**0.5)


def test_design_makes_both_small_where_views_turn_along() -> None:
    physics = p.ParallelBeamCT((1, 12, 12), VIEWS).double()
    x = images(2, 1, 12, 12)
    built_in = Unrolled(GroupResidual(1, 2, 1, seed=0), 2).double()
    ordinary = Unrolled(UNet(1, 4, 2, seed=0), 2).double()
    for f, bound in ((built_in, 1e-6), (Symmetrized(ordinary, GROUP), 1e-6)):
        assert float(reconstructor_equivariance(f, physics.A(x), physics, GROUP).max()) < bound
        assert float(system_equivariance(f, x, physics, GROUP).max()) < bound
    assert float(system_equivariance(ordinary, x, physics, GROUP).min()) > 1e-4


@pytest.mark.parametrize("group", [Rotations(360), Scales(), ColourInversion()], ids=lambda one: type(one).__name__)
def test_families_of_every_kind_have_a_system_number(group: Family) -> None:
    physics, x = p.Inpainting((1, 16, 16), torch.ones(16, 16)), images(2, 1, 16, 16)
    found = system_equivariance(LinearInverse(), x, physics, group, elements=3)
    assert found.shape == (2,) and float(found.max()) < 1e-12
    again = system_equivariance(ArtifactRemoval(UNet(1, 4, 2, seed=0)).double(), x, physics, group, elements=3)
    assert bool((again > found).all())


def test_modes_come_back_and_elements_are_counted() -> None:
    f, physics, x = network().train(), masked(), images(1, 1, 8, 8)
    system_equivariance(f, x, physics, GROUP)
    assert f.training and f.network.training
    for count in (lambda: system_equivariance(f, x, physics, GROUP, elements=0),
                  lambda: reconstructor_equivariance(f, x, physics, GROUP, elements=0)):  # fmt: skip
        with pytest.raises(InputError, match="at least 1 element"):
            count()


def test_a_symmetrized_network_is_trained_by_a_recipe_and_its_report_has_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe, shell = simulated(tmp_path, CT.replace("angles = 6", f"angles = {VIEWS}")), Shell(capsys)
    chosen = 'reconstructor = { name = "symmetrized", f = { name = "artifact_removal" }, group = { name = "dihedral", '
    chosen += "n = 4 } }\n"
    recipe.write_text(chosen + recipe.read_text().replace("n = 360", "n = 4"))
    assert shell("fit", recipe, "-o", "run") == 0, shell.err
    assert shell("report", "run") == 0, shell.err
    page = Path("run/report.html").read_text()
    assert page.count("How far from equivariant to Rotations(n=4") == 1
    row = page[page.index("reconstructor, %") :].split("<tr")[1]
    assert row.count("<td>0.00<small>0.00 .. 0.00</small></td>") == 2
