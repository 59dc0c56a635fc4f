"""What every operator inherits: batches of operators, projections, subsets, copies."""

import copy

import pytest
import torch

from nullsight import physics as p
from nullsight.physics.base import Physics, like, measured_dagger_error
from nullsight.types import InputError


def masks(count: int, seed: int = 0) -> torch.Tensor:
    return torch.stack([p.bernoulli_mask((1, 4, 5), 0.5, seed=seed + k) for k in range(count)])


class Shift:
    linear = True

    def act(self, g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([one.roll(int(k), -1) for k, one in zip(g, x, strict=True)])

    def act_adjoint(self, g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.act(-g, x)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 1, 4, 5, generator=torch.Generator().manual_seed(0))


def test_shared_and_own_operators_mix_in_a_batch() -> None:
    shared, own = p.Inpainting((1, 4, 5), masks(1)), p.Inpainting((1, 4, 5), masks(3, seed=5))
    both = Physics.batched([shared, own, shared])
    assert both.samples == 5
    x = images(5)
    expected = torch.cat([shared.A(x[:1]), own.A(x[1:4]), shared.A(x[4:])])
    assert torch.equal(both.A(x), expected)


def test_take_and_repeat_reach_the_operator_within() -> None:
    own = p.Masked(p.Inpainting((1, 4, 5), masks(3)), p.bernoulli_mask((1, 4, 5), 0.6, seed=8))
    assert own.samples == 3
    x = images(3)
    assert torch.equal(own.take([2]).A(x[2:]), own.A(x)[2:])
    assert torch.equal(own.repeat(2).A(x.repeat(2, 1, 1, 1)), own.A(x).repeat(2, 1, 1, 1))
    assert torch.equal(Physics.batched([own.take([2]), own.take([0])]).A(x[[2, 0]]), own.A(x)[[2, 0]])


def test_a_shared_operator_stays_shared() -> None:
    one = p.Inpainting((1, 4, 5), masks(1))
    assert one.samples is None
    assert one.take([3, 3]) is one
    assert one.repeat(4) is one
    assert Physics.batched([one, one]) is one
    assert Physics.batched([one, copy.copy(one)]).samples is None


def test_operators_that_differ_in_what_a_batch_shares_are_refused() -> None:
    near, far = (p.MatrixOperator((1, 4), p.gaussian_matrix(3, 4, seed=s)) for s in (0, 1))
    with pytest.raises(InputError, match="share matrix in a batch of MatrixOperator"):
        Physics.batched([near, far])
    with pytest.raises(InputError, match="one class and one grid"):
        Physics.batched([near, p.Hadamard((1, 4), 3)])
    with pytest.raises(InputError, match="at least one operator"):
        Physics.batched([])


def test_the_wrong_number_of_images_is_refused() -> None:
    own = p.Inpainting((1, 4, 5), masks(3))
    for count in (1, 2, 4):
        with pytest.raises(InputError, match=f"expected a batch of 3 images, one for each operator, but {count} came"):
            own.A(images(count))


def test_parts_with_different_numbers_of_operators_are_refused() -> None:
    odd = p.Masked(p.Inpainting((1, 4, 5), masks(3)), masks(2))
    with pytest.raises(InputError, match=r"but \[2, 3\] came"):
        odd.A(images(3))


def test_bad_shapes_are_told() -> None:
    physics = p.Inpainting((1, 4, 5), masks(1))
    with pytest.raises(InputError, match="add a batch axis"):
        physics.A(images(1)[0])
    with pytest.raises(InputError, match=r"shape \(2, 1, 5, 4\) came"):
        physics.A(images(2).transpose(2, 3))
    with pytest.raises(InputError, match="floating-point"):
        physics.A(images(2).long())
    with pytest.raises(InputError, match="expected keep of shape"):
        physics.subset(torch.ones(4, 5, dtype=torch.bool))
    with pytest.raises(InputError, match="expected an image shape like"):
        p.Inpainting((5,), torch.ones(5))


def test_projections_split_an_image_into_seen_and_unseen() -> None:
    physics = p.MatrixOperator((1, 4, 5), p.gaussian_matrix(7, 20, seed=0)).double()
    x = images(3).double().requires_grad_()
    seen, unseen = physics.project_range(x), physics.project_null(x)
    assert torch.allclose(seen + unseen, x)
    assert float(physics.A(unseen.detach()).abs().max()) < 1e-9
    matrix = physics.to_matrix()
    projection = torch.linalg.pinv(matrix) @ matrix
    assert torch.allclose(seen.flatten(1), x.flatten(1) @ projection, atol=1e-9)
    v = images(3).double() + 1
    (pulled,) = torch.autograd.grad((seen * v).sum(), x)
    assert torch.allclose(pulled.flatten(1), v.flatten(1) @ projection, atol=1e-9)


def test_norm_known_of_a_set_is_that_of_its_parts() -> None:
    weights = torch.stack([torch.full((1, 1, 1), s) for s in (1.0, 3.0)])
    both = p.Blur((1, 4, 4), weights)
    stacked = p.Stacked([both, p.Hadamard((1, 4, 4), 2)])
    behind = p.Transformed(stacked, Shift(), torch.tensor([1, 2]))
    for physics, one, all_of_it in ((both, 1, 3), (stacked, 2**0.5, 10**0.5), (behind, 2**0.5, 10**0.5)):
        assert physics.take([0]).norm() == pytest.approx(one, rel=0.01)  # nothing is known of the set yet
        whole = physics.norm()
        assert whole == pytest.approx(all_of_it, rel=0.01)
        for part in (physics.take([0]), physics.repeat(3), physics.take([1, 0]).repeat(2).take([1])):
            assert part.norm() == whole
        few = physics.subset(torch.ones(physics.measurement_shape, dtype=torch.bool)).take([0])
        assert few.norm() == whole


def test_norm_is_not_carried_over_to_another_operator() -> None:
    weak, strong = (p.Blur((1, 4, 4), torch.full((1, 1, 1), s)) for s in (1.0, 3.0))
    assert (weak.norm(), strong.norm()) == (pytest.approx(1), pytest.approx(3))
    assert Physics.batched([weak, strong]).norm() == pytest.approx(3)


def test_a_copy_in_another_precision_leaves_the_first_alone() -> None:
    physics = p.MatrixOperator((1, 4), p.gaussian_matrix(3, 4, seed=0))
    exact = copy.deepcopy(physics).double()
    y = torch.ones(1, 3, dtype=torch.float64)
    assert torch.allclose(exact.A(exact.A_dagger(y)), y, atol=1e-12)
    assert physics.matrix.dtype == torch.float32
    assert physics.A(torch.ones(1, 1, 4)).dtype == torch.float32


def test_dense_matrix_of_one_operator_a_sample() -> None:
    own = p.Inpainting((1, 4, 5), masks(3))
    expected = torch.stack([torch.diag(mask.flatten().double()) for mask in masks(3)])
    assert torch.equal(own.to_matrix(), expected)


def test_a_nonlinear_operator_has_no_subset() -> None:
    class Square:
        def A(self, x: torch.Tensor) -> torch.Tensor:
            return x**2

        def A_dagger(self, y: torch.Tensor) -> torch.Tensor:
            return y.clamp_min(0).sqrt()

    physics = p.Foreign(Square(), (1, 4), (1, 4))
    assert physics.norm() == 1.0
    assert physics.dagger_error == 0.0
    with pytest.raises(InputError, match="can leave out measurements, but Foreign cannot"):
        physics.subset(torch.ones(1, 4))


def test_what_an_operator_draws_for_itself_is_where_its_masks_are() -> None:
    physics = p.Stacked([p.Inpainting((1, 4, 5), masks(1)), p.Inpainting((1, 4, 5), masks(1, seed=3))])
    assert (like(physics).device.type, like(physics).dtype) == ("cpu", torch.float32)
    assert like(physics.to("meta")).device.type == "meta", "it has no floating-point buffers, and still a place"
    matrix = p.MatrixOperator((1, 8), p.gaussian_matrix(3, 8, seed=0)).double()
    assert (like(matrix).dtype, like(matrix, torch.float32).dtype) == (torch.float64, torch.float32)


def test_the_error_an_iterative_inverse_states_is_what_it_makes() -> None:
    few = p.BlurValid((1, 9, 8), p.box_kernel(4), iterations=3)
    many = p.BlurValid((1, 9, 8), p.box_kernel(4), iterations=200).double()
    assert 0.01 < few.dagger_error < 1
    assert few.dagger_error / 2 < measured_dagger_error(few, seed=3) < few.dagger_error
    assert many.dagger_error == 0


def test_blobs_stay_in_the_disk_and_white_noise_is_white() -> None:
    from nullsight.draws import Draws

    stream = Draws(0, 0, tuple(range(6))).of("images")
    drawn = p.blobs((2, 48, 64), stream)
    assert drawn.shape == (6, 2, 48, 64)
    assert bool((drawn >= 0).all())
    rows, columns = torch.meshgrid(torch.arange(48) - 23.5, torch.arange(64) - 31.5, indexing="ij")
    outside = (rows**2 + columns**2).sqrt() > 24
    assert float((drawn * outside).norm() / drawn.norm()) < 1e-2
    assert float(p.white((1, 100, 100), stream).var()) == pytest.approx(1, abs=0.05)
