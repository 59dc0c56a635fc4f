"""The contracts of losses: every loss keeps them, and each finds what is wrong."""

import pytest
import torch

from nullsight.contracts.losses import (
    assert_changes_nothing,
    assert_gradient_exact,
    assert_gradient_reaches,
    assert_loss,
    assert_mean_over_samples,
    assert_players_apart,
    assert_repeatable,
    assert_scalar,
    assert_split_independent,
    assert_zero,
)
from nullsight.losses import TABLE, AdversarialEquivariance, BankEquivariance, Evidence, Loss
from nullsight.parts import arguments
from tests.cases.losses import (
    BATCH,
    LOSSES,
    Case,
    LinearF,
    M,
    N,
    Roll,
    ToyMatrix,
    ToyScore,
    evidence,
    filled,
    labelled_evidence,
    perfect,
    randn,
    toy_matrix,
)

DTYPES = [torch.float32, torch.float64]
each_case = pytest.mark.parametrize("case", LOSSES, ids=lambda c: c.name)


def test_every_loss_has_a_case() -> None:
    kinds = {type(loss) for case in LOSSES for _, loss in case.build().terms()}
    assert kinds == set(TABLE.values())


@each_case
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_contract(case: Case, dtype: torch.dtype) -> None:
    loss = case.build().to(dtype)
    f = LinearF(randn(N, M, seed=3, dtype=dtype))
    given = labelled_evidence(dtype, f=f) if loss.needs_truth else evidence(dtype, f=f)
    assert_loss(loss, given, f, tolerance=1e-12 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("case", [c for c in LOSSES if not c.build().needs_truth], ids=lambda c: c.name)
def test_contract_with_an_operator_of_its_own_for_each_sample(case: Case) -> None:
    physics = ToyMatrix(randn(BATCH, M, N, seed=8))
    physics.norm()  # known before the batch is cut: parts are divided by the norm of the whole
    f = LinearF(randn(N, M, seed=3))
    given, loss = evidence(f=f, physics=physics), case.build().double()
    assert_loss(filled(loss, given) if isinstance(loss, BankEquivariance) else loss, given, f, tolerance=1e-12)
    rows = [loss(given.take([row])) for row in range(BATCH)]
    alone = torch.stack([value.detach() for value in rows]).mean()
    assert torch.allclose(loss(given).detach(), alone, rtol=1e-10)


# counts have no slope: their straight-through gradient has tests of its own
@pytest.mark.parametrize("case", [c for c in LOSSES if "poisson" not in c.name], ids=lambda c: c.name)
def test_gradient_is_the_slope(case: Case) -> None:
    loss, f = case.build().double(), LinearF(randn(N, M, seed=3))
    assert_gradient_exact(loss, labelled_evidence(f=f), f.weight)


@pytest.mark.parametrize("case", [c for c in LOSSES if c.zero], ids=lambda c: c.name)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_zero_for_the_perfect_reconstructor_of_an_invariant_set(case: Case, dtype: torch.dtype) -> None:
    tolerance = 1e-13 if dtype == torch.float64 else 1e-5
    assert_zero(case.build(), labelled_evidence(dtype, f=perfect(toy_matrix(dtype))), tolerance=tolerance)


@each_case
def test_arguments_are_kept(case: Case) -> None:
    for _, loss in case.build().terms():
        again = type(loss)(**arguments(loss))
        assert arguments(again) == arguments(loss)


class Formula(Loss):
    """A user's loss made of one line."""

    def __init__(self, formula) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, evidence: Evidence) -> torch.Tensor:
        return self.formula(evidence)


@pytest.mark.parametrize(
    ("check", "formula"),
    [
        (assert_scalar, lambda e: e.x1.square().flatten(1).mean(1)),
        (assert_scalar, lambda e: e.x1.mean() * torch.inf),
        (assert_mean_over_samples, lambda e: e.x1.square().sum()),
        (assert_split_independent, lambda e: e.x1.square().mean().sqrt()),
        (assert_repeatable, lambda e: (e.x1 * torch.rand(e.x1.shape)).mean()),
        (assert_zero, lambda e: e.x1.square().mean()),
    ],
)
def test_the_contract_finds_what_is_wrong(check, formula) -> None:
    with pytest.raises(AssertionError, match="should"):
        check(Formula(formula), evidence())


def test_the_contract_finds_wrong_and_missing_gradients() -> None:
    given = evidence()
    weight = given.reconstruct.weight
    with pytest.raises(AssertionError, match="none"):
        other = torch.ones((), dtype=torch.float64, requires_grad=True)
        assert_gradient_reaches(Formula(lambda e: e.x1.detach().mean() * other), given, [weight])
    with pytest.raises(AssertionError, match="slope"):
        assert_gradient_exact(Formula(lambda e: (e.x1 * e.x1.detach()).mean()), given, weight)


def test_the_contract_finds_an_opponent_moved_by_the_loss_of_f() -> None:
    class Leaks(AdversarialEquivariance):
        def forward(self, evidence: Evidence) -> torch.Tensor:
            return (1 - self.discriminator(evidence.turned(self.group).x2)).square().mean()

    given = evidence()
    with pytest.raises(AssertionError, match="opponent"):
        assert_players_apart(Leaks(Roll(), ToyScore().double()), given, given.reconstruct)


def test_a_loss_that_counts_in_forward_is_found() -> None:
    class Counting(Loss):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, evidence: Evidence) -> torch.Tensor:
            self.count += 1
            return evidence.x1.mean() ** 2

    with pytest.raises(AssertionError, match="forward should not change count"):
        assert_changes_nothing(Counting(), evidence())
