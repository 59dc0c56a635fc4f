"""Steerable convolutions: the constraint itself, dimensions, exact turns, the curve over angles, nonlinearities."""

import math

import pytest
import torch

from nullsight.contracts import equivariance_curve
from nullsight.groups import Dihedral, QuarterTurns, Reflections, Rotations, Trivial
from nullsight.networks import (
    BiasFree,
    Fields,
    Frozen,
    GatedFeatures,
    IrreducibleField,
    LayerNorm,
    NormFeatures,
    RegularFeatures,
    RegularField,
    RootMeanSquare,
    SteerableConvolution,
    SteerableResidual,
    TrivialField,
    VectorField,
)
from nullsight.networks.fields import FieldNorm
from nullsight.networks.harmonics import Ring, harmonic_action, rings, sample, solve
from nullsight.networks.steerable import _OutOfRegular, _Solved
from nullsight.types import InputError

GROUPS = [Rotations(n) for n in (1, 2, 3, 4, 8)] + [
    QuarterTurns(),
    Reflections(),
    Dihedral(1),
    Dihedral(3),
    Dihedral(4),
]
KINDS = [TrivialField(), RegularField(), VectorField()]


def kinds(group):
    """Return every kind of field of a group."""
    matrix = group.matrix(torch.arange(group.order))
    turns = int((torch.linalg.det(matrix) > 0).sum())
    signs = (1, -1) if turns < group.order else (1,)
    return KINDS + [IrreducibleField(k, s) for k in range(turns // 2 + 1) for s in signs]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blobs(side: int, count: int = 2) -> torch.Tensor:
    """Return smooth images well inside the border, which turn without visible interpolation, ``(count, 1, n, n)``."""
    axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    down, right = axis[:, None], axis[None]
    made = torch.zeros(count, 1, side, side, dtype=torch.float64)
    for image, places in zip(made, normal(count, 5, 3), strict=True):
        for a, b, height in places * torch.tensor([side / 12, side / 12, 1.0]):
            image[0] += height * torch.exp(-((down - a) ** 2 + (right - b) ** 2) / 8)
    return made


@pytest.mark.parametrize("group", [*GROUPS, Rotations(16), Dihedral(8)], ids=repr)
def test_fields_are_orthogonal_representations(group):
    g, h = torch.arange(group.order).repeat(group.order), torch.arange(group.order).repeat_interleave(group.order)
    for field in kinds(group):
        matrices = field.matrices(group)
        torch.testing.assert_close(matrices[group.compose(g, h)], matrices[g] @ matrices[h], rtol=0, atol=1e-12)
        one = torch.eye(field.size(group), dtype=torch.float64).expand_as(matrices)
        torch.testing.assert_close(matrices @ matrices.mT, one, rtol=0, atol=1e-12)


def test_irreducible_fields_cannot_be_taken_apart():
    """Schur: the mean over the group of the squared trace is 1, for turns alone 2 where there are two components."""
    for group in (Rotations(8), Dihedral(4), Dihedral(5)):
        for field in kinds(group)[3:]:
            matrices = field.matrices(group)
            found = float(matrices.diagonal(dim1=1, dim2=2).sum(1).square().mean())
            complex_pair = isinstance(group, Rotations) and field.size(group) == 2
            assert found == pytest.approx(2 if complex_pair else 1)


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_solutions_keep_the_constraint_and_are_all_there_are(group):
    for out in kinds(group):
        for into in kinds(group):
            if out.size(group) * into.size(group) > 20:
                continue
            for frequency in (0, 1, 3):
                basis = solve(group, out, into, frequency)
                left, right = out.matrices(group), into.matrices(group)
                turn = harmonic_action(group, frequency)
                moved = torch.einsum("gaA,gbB,gcC,nABC->gnabc", left, right, turn, basis)
                torch.testing.assert_close(moved, basis.expand_as(moved), rtol=0, atol=1e-10)
                flat = basis.flatten(1)
                torch.testing.assert_close(flat @ flat.T, torch.eye(len(flat), dtype=torch.float64))
                traces = [m.diagonal(dim1=1, dim2=2).sum(1) for m in (left, right, turn)]
                assert len(basis) == round(float((traces[0] * traces[1] * traces[2]).mean()))


def test_the_basis_does_not_depend_on_the_singular_vectors():
    group = Rotations(8)
    basis = solve(group, VectorField(), VectorField(), 0)
    torch.testing.assert_close(basis[0, ..., 0].abs(), torch.eye(2, dtype=torch.float64) / math.sqrt(2))


@pytest.mark.parametrize("group", [Rotations(4), Dihedral(3), Rotations(8)], ids=repr)
def test_closed_form_spans_the_null_space(group):
    side = 3
    for other in (TrivialField(), VectorField()):
        for swap in (False, True):
            out, into = (other, RegularField()) if swap else (RegularField(), other)
            layer = SteerableConvolution(
                Fields(group, ((into, 1),)), Fields(group, ((out, 1),)), kernel=side, bias=False
            ).double()
            weight = layer.blocks[0].weight
            closed = torch.stack(
                [_kernel(layer, row) for row in torch.eye(weight.numel(), dtype=torch.float64)]
            ).flatten(1)
            solved = _Solved(group, out, 1, into, 1, side).basis.flatten(1)
            assert torch.linalg.matrix_rank(closed) == torch.linalg.matrix_rank(solved) == len(closed)
            both = torch.cat([closed, solved])
            assert torch.linalg.matrix_rank(both, rtol=1e-9) == len(closed)


def _kernel(layer, row):
    with torch.no_grad():
        layer.blocks[0].weight.copy_(row.reshape(layer.blocks[0].weight.shape))
        return layer.filters()


@pytest.mark.parametrize("side", [1, 3, 5, 7])
def test_rings_are_told_apart_by_the_pixels(side):
    sampled = torch.cat([sample(ring, side) for ring in rings(side)]).flatten(1)
    values = torch.linalg.svdvals(sampled)
    assert float(values[-1]) > 1e-2 * float(values[0])


@pytest.mark.parametrize("side", [1, 3, 5, 7])
@pytest.mark.parametrize("group", [Rotations(16), Rotations(5), Dihedral(8)], ids=repr)
def test_polynomials_below_the_side_are_followed_at_every_element(side, group):
    """The constraint for sampled kernels: ``sum_x k(x) p(H^-1 x) = D(H) sum_x k(x) p(x)``, also off the grid."""
    outputs = Fields(group, ((TrivialField(), 1), (RegularField(), 1), (VectorField(), 1)))
    layer = SteerableConvolution(Fields(group, ((TrivialField(), 1),)), outputs, kernel=side, bias=False).double()
    axis = torch.arange(side, dtype=torch.float64) - side // 2
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="ij"))
    powers = [(a, b) for a in range(side) for b in range(side - a)]
    coefficients = normal(len(powers))

    def patch(places):
        terms = [c * places[0] ** a * places[1] ** b for c, (a, b) in zip(coefficients, powers, strict=True)]
        return torch.stack(terms).sum(0)[None, None]

    answer = torch.nn.functional.conv2d(patch(pixels), layer.filters())
    for g in group.elements():
        one = torch.tensor([g])
        back = torch.einsum("ij,jyx->iyx", group.matrix(group.inverse(one))[0], pixels)
        turned = torch.nn.functional.conv2d(patch(back), layer.filters())
        expected = [
            field.matrices(group)[g] @ part.flatten()
            for (field, _), part in zip(outputs.parts, answer.split(outputs.sizes, 1), strict=True)
        ]
        torch.testing.assert_close(
            turned.flatten(), torch.cat(expected), rtol=1e-9, atol=1e-9 * float(answer.detach().norm())
        )


def test_without_the_change_of_the_samples_polynomials_are_not_followed():
    side, frequency = 5, 4
    axis = torch.arange(side, dtype=torch.float64) - side // 2
    distance, angle = torch.hypot(axis[:, None], axis), torch.atan2(axis.expand(5, 5), axis[:, None].expand(5, 5))
    naive = torch.exp(-((distance - 2) ** 2) / 0.72) * torch.cos(frequency * angle)
    assert abs(float(naive.sum())) > 0.1 and abs(float(sample(Ring(2, 4), side)[0].sum())) < 1e-12


def mixed(group):
    return Fields(group, ((TrivialField(), 2), (VectorField(), 1), (RegularField(), 1)))


@pytest.mark.parametrize("group", [QuarterTurns(), Dihedral(4), Reflections(), Dihedral(1), Rotations(2)], ids=repr)
@pytest.mark.parametrize("kernel", [3, 5])
def test_layers_follow_exact_elements_exactly(group, kernel):
    layer = SteerableConvolution(mixed(group), mixed(group), kernel=kernel).double()
    with torch.no_grad():
        layer.bias.copy_(normal(len(layer.bias)))
    x = normal(1, layer.inputs.channels, 6, 6)
    for g in group.elements():
        one = torch.tensor([g])
        torch.testing.assert_close(layer(layer.inputs.act(one, x)), layer.outputs.act(one, layer(x)))


@pytest.mark.parametrize("build", [lambda: mixed(Dihedral(8)), lambda: mixed(Rotations(16))], ids=["D_8", "C_16"])
def test_quarter_turns_inside_finer_groups_are_exact(build):
    fields = build()
    layer = SteerableConvolution(fields, fields, kernel=5).double()
    x = normal(1, fields.channels, 7, 7)
    g = torch.tensor([fields.group.n // 4])
    torch.testing.assert_close(layer(fields.act(g, x)), fields.act(g, layer(x)))


def test_precision_comes_back_after_single_precision():
    group = Rotations(8)
    layer = SteerableConvolution(mixed(group), mixed(group)).float().double()
    exact = SteerableConvolution(mixed(group), mixed(group)).double()
    exact.load_state_dict(layer.state_dict())
    assert torch.equal(layer.filters(), exact.filters())


def test_variance_is_kept_by_every_kind():
    group = Rotations(8)
    fields = Fields(group, ((TrivialField(), 8), (VectorField(), 8), (RegularField(), 4)))
    layer = SteerableConvolution(fields, fields, bias=False).double()
    powers = layer.filters().detach().square().sum((1, 2, 3))
    for part in powers.split(fields.sizes):
        assert 0.7 < float(part.mean()) / 2 < 1.4


def test_curve_is_small_at_all_angles_of_the_group_and_large_for_another_network():
    x = blobs(33)
    network = SteerableResidual(1, 2, 1, group=Rotations(8), norm=LayerNorm(), seed=0).double()
    degrees = [0.0, 22.5, 45.0, 90.0, 135.0, 270.0]
    curve = equivariance_curve(lambda z: network(z) - z, x, degrees)
    assert float(curve[[0, 3, 5]].max()) < 1e-12
    assert 1e-6 < float(curve[[2, 4]].max()) < 0.1
    plain = SteerableResidual(1, 2, 1, group=Rotations(1), norm=LayerNorm(), seed=0).double()
    assert float(equivariance_curve(lambda z: plain(z) - z, x, [45.0, 90.0]).min()) > 0.3


@pytest.mark.parametrize("features", [RegularFeatures(), NormFeatures(1), GatedFeatures(2)], ids=repr)
def test_activations_and_norms_keep_fields(features):
    group = Dihedral(4)
    before, after = features.before(group, 3), features.fields(group, 3)
    norm, activation = FieldNorm(RootMeanSquare(), before).double(), features.activation(group, 3).double()
    x = normal(2, before.channels, 5, 5)
    for g in group.elements():
        one = torch.tensor([g, g])
        found = activation(norm(before.act(one, x)))
        torch.testing.assert_close(found, after.act(one, activation(norm(x))))


def test_norm_features_have_finite_gradients_at_zero():
    group = Rotations(8)
    activation = NormFeatures(1).activation(group, 2)
    x = torch.zeros(1, 6, 3, 3, requires_grad=True)
    activation(x).sum().backward()
    assert bool(torch.isfinite(x.grad).all())


def test_closed_form_is_used_for_regular_fields_of_large_groups():
    group = Dihedral(16)
    layer = SteerableConvolution(*(Fields(group, ((RegularField(), 1),)),) * 2)
    (block,) = layer.blocks
    assert isinstance(block, _OutOfRegular)
    assert sum(buffer.numel() for buffer in block.buffers()) < 50_000  # 400 times less than the basis written out


def test_plain_is_the_same_map():
    network = SteerableResidual(1, 2, 1, features=GatedFeatures(), seed=0).double()
    x = normal(2, 1, 9, 9)
    frozen = network.frozen()
    assert isinstance(frozen, Frozen)
    assert not any(isinstance(layer, SteerableConvolution) for layer in frozen.modules())
    torch.testing.assert_close(frozen(x), network(x), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: IrreducibleField(1, 2), "sign of 1 or -1"),
        (lambda: IrreducibleField(3).matrices(Rotations(4)), "at most 2"),
        (lambda: IrreducibleField(0, -1).matrices(Rotations(4)), "reflections alone"),
        (lambda: VectorField().matrices(Trivial()), r"Rotations\(1\)"),
        (lambda: SteerableResidual(1, 2, 1, features=NormFeatures(), norm=LayerNorm()), "RootMeanSquare"),
        (lambda: SteerableResidual(1, 2, 1, kernel=4), "odd side"),
        (lambda: NormFeatures(0), "at least 1"),
        (lambda: SteerableResidual(1, 2, 1, features=GatedFeatures(), norm=BiasFree()), "follow the gain"),
        (lambda: SteerableConvolution(mixed(Rotations(4)), mixed(Rotations(8))), "one group"),
    ],
)
def test_bad_input_is_one_clear_sentence(build, words):
    with pytest.raises(InputError, match=words):
        build()
