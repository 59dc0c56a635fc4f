"""Every contract of operators, for every toy operator in both precisions; and that broken operators are caught."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nullsight import physics as p
from nullsight.contracts.findings import ContractError, Finding
from nullsight.contracts.physics import (
    assert_adjoint,
    assert_batch,
    assert_dagger,
    assert_gradient,
    assert_linearized,
    assert_matrix,
    assert_norm,
    assert_refuses_single_image,
    assert_subset,
    check_physics,
)
from nullsight.parts import arguments
from nullsight.physics.base import Linearized, LinearPhysics, Physics
from nullsight.types import InputError
from tests.cases.physics import EVERY, PHYSICS, Case

DTYPES = [torch.float32, torch.float64]
ANY: list[Callable[..., float]] = [assert_dagger, assert_gradient, assert_batch, assert_refuses_single_image]
LINEAR: list[Callable[..., float]] = [assert_adjoint, assert_matrix, assert_subset]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.name)
@pytest.mark.parametrize("contract", ANY + LINEAR, ids=lambda contract: contract.__name__)
def test_contract(contract: Callable[..., float], case: Case, dtype: torch.dtype) -> None:
    physics = case.build()
    if contract in LINEAR and not isinstance(physics, LinearPhysics):
        pytest.skip("a nonlinear operator has no adjoint")
    assert contract(physics, dtype=dtype, seed=0) >= 0


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.name)
def test_contracts_of_linearized_problems(case: Case, dtype: torch.dtype) -> None:
    physics = case.build()
    if type(physics).linearize is Physics.linearize:
        with pytest.raises(InputError, match="can be linearised"):
            physics.linearize(torch.zeros(2, *physics.measurement_shape))
        return
    assert assert_linearized(physics, dtype=dtype) >= 0
    if not isinstance(physics, LinearPhysics):
        assert assert_subset(physics, dtype=dtype) >= 0
        assert {"linearized", "subset"} <= {finding.name for finding in check_physics(physics, dtype=dtype)}


@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.name)
def test_norm_is_the_largest_singular_value(case: Case) -> None:
    physics = case.build()
    if not isinstance(physics, LinearPhysics):
        return
    if hasattr(physics, "keep") or hasattr(getattr(physics, "physics", None), "keep"):
        # parts of one operator state the norm of the whole, so that losses weigh all parts alike
        assert physics.norm() >= float(torch.linalg.matrix_norm(physics.to_matrix(), 2).max()) * 0.99
    else:
        assert_norm(physics)


@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.name)
def test_rebuilt_from_its_arguments(case: Case) -> None:
    physics = case.build()
    again = type(physics)(**arguments(physics))
    x = torch.rand(physics.samples or 2, *physics.image_shape, generator=torch.Generator().manual_seed(0))
    if any(b.dtype == torch.float64 and b.is_floating_point() for b in physics.buffers()):
        physics, again = physics.float(), again.float()
    assert torch.equal(physics.A(x), again.A(x))


@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.name)
def test_use_changes_nothing(case: Case) -> None:
    physics = case.build()
    before = {name: value.clone() for name, value in physics.named_buffers()}
    check_physics(physics)
    physics.repeat(2)
    after = dict(physics.named_buffers())
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value.dtype == after[name].dtype
        dense = (value.to_dense(), after[name].to_dense()) if value.layout != torch.strided else (value, after[name])
        assert torch.equal(*dense)


@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.name)
def test_half_precision_is_measured_in_float32(case: Case) -> None:
    physics = case.build().float()
    x = torch.rand(physics.samples or 2, *physics.image_shape).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = physics.A(x)
        assert y.dtype == torch.float32
        assert torch.allclose(y, physics.A(x.float()))
    assert torch.allclose(y, physics.A(x.float()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.name)
def test_works_where_it_is_moved(case: Case) -> None:
    here = case.build().double()
    there = case.build().double().to("cuda")
    x = torch.rand(here.samples or 2, *here.image_shape, dtype=torch.float64)
    y = here.A(x)
    assert torch.allclose(there.A(x.cuda()).cpu(), y)
    assert torch.allclose(there.A_dagger(y.cuda()).cpu(), here.A_dagger(y), atol=1e-6)
    assert there.norm() == pytest.approx(here.norm(), rel=1e-6)
    assert not [finding.message for finding in check_physics(there) if not finding.passed]


def test_every_operator_of_the_table_has_a_case() -> None:
    built = {type(case.build()) for case in EVERY}
    assert {kind for kind in p.TABLE.values() if kind not in built} == set()


def test_table_names_are_snake_case_of_the_class() -> None:
    for name, kind in p.TABLE.items():
        assert name.replace("_", "") == kind.__name__.lower()


class Wrong(p.Inpainting):
    """An adjoint with a wrong factor."""

    def _adjoint(self, y: Tensor) -> Tensor:
        return 1.001 * super()._adjoint(y)


class Understated(p.Inpainting):
    """Says exact, is 10 % off."""

    def _invert(self, y: Tensor) -> Tensor:
        return 0.9 * y


class Overstated(Understated):
    """Says 50 %, is 10 % off."""

    dagger_error = 0.5


class Stated(Understated):
    """Says 10 %."""

    dagger_error = 0.1001


class Leaky(p.Inpainting):
    """Every image of a batch sees the mean of all."""

    def _measure(self, x: Tensor) -> Tensor:
        return super()._measure(x) + x.mean(0, keepdim=True)


class Detached(p.Inpainting):
    """The approximate inverse has no gradient to its measurement but a wrong one."""

    def _invert(self, y: Tensor) -> Tensor:
        return 0.5 * y + 0.5 * y.detach()


class Forgetful(p.Inpainting):
    """A subset that sees everything."""

    def subset(self, keep: Tensor) -> Physics:
        return self


class Affine(p.Inpainting):
    """Adds a constant."""

    def _measure(self, x: Tensor) -> Tensor:
        return super()._measure(x) + 1


class Careless(p.Inpainting):
    """Takes anything."""

    def A(self, x: Tensor) -> Tensor:
        return self._measure(x)


class Shifted(p.Saturation):
    """The right-hand side of its linear problem is off by 1 %."""

    def linearize(self, y: Tensor) -> Linearized:
        return replace(super().linearize(y), y=1.01 * y)


class Trusting(p.Saturation):
    """Counts saturated values as any others."""

    def linearize(self, y: Tensor) -> Linearized:
        return replace(super().linearize(y), weights=torch.ones_like(y))


class Boastful(p.Saturation):
    """Weights above 1."""

    def linearize(self, y: Tensor) -> Linearized:
        found = super().linearize(y)
        return replace(found, weights=2 * found.weights)


MASK = p.bernoulli_mask((4, 4), 0.6, seed=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("contract", "kind", "message"),
    [
        (assert_adjoint, Wrong, "adjoint mismatch: should be <= "),
        (assert_matrix, Wrong, "dense matrix: should be <= "),
        (assert_dagger, Understated, "dagger error: should be <= "),
        (assert_dagger, Overstated, r"dagger error: should be >= 2.5e-01, is 1.0e-01"),
        (assert_batch, Leaky, "batch: should be <= "),
        (assert_gradient, Detached, "gradient: should be <= 1.0e-05, is "),
        (assert_subset, Forgetful, "subset: should be <= "),
        (assert_matrix, Affine, "dense matrix: should be <= "),
        (assert_refuses_single_image, Careless, "single image refused: should be <= "),
    ],
)
def test_a_broken_operator_is_caught(
    contract: Callable[..., float], kind: type[p.Inpainting], message: str, dtype: torch.dtype
) -> None:
    with pytest.raises(ContractError, match=message):
        contract(kind((1, 4, 4), MASK), dtype=dtype, seed=0)


@pytest.mark.parametrize(
    ("kind", "message"), [(Shifted, "linearized: "), (Trusting, "linearized: "), (Boastful, "weights outside")]
)
def test_a_wrong_linear_problem_is_caught(kind: type[p.Saturation], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        assert_linearized(kind(p.Inpainting((1, 4, 4), MASK), 1.0))


def test_a_rightly_stated_error_passes() -> None:
    assert assert_dagger(Stated((1, 4, 4), MASK)) == pytest.approx(0.1)


def test_findings_tell_and_never_raise() -> None:
    findings = {finding.name: finding for finding in check_physics(Wrong((1, 4, 4), MASK))}
    assert not findings["adjoint mismatch"].passed
    assert not findings["dagger error"].passed and findings["dagger error"].measured == pytest.approx(1e-3, rel=0.01)
    assert findings["batch"].passed
    assert str(findings["adjoint mismatch"]).startswith("FAIL adjoint mismatch: should be <= 1.0e-06, is ")

    class Broken(p.Inpainting):
        def _measure(self, x: Tensor) -> Tensor:
            raise RuntimeError("no detector")

    class NoInverse:
        def A(self, x: Tensor) -> Tensor:
            return x

        def A_dagger(self, y: Tensor) -> Tensor:
            raise RuntimeError("no detector")

    for physics in (Broken((1, 4, 4), MASK), p.Foreign(NoInverse(), (1, 4, 4), (1, 4, 4))):
        broken = check_physics(physics)
        assert all(isinstance(finding, Finding) for finding in broken)
        assert any("no detector" in finding.message for finding in broken)
