"""Blur and downsampling against convolutions written out."""

import numpy as np
import pytest
import scipy.signal
import torch

from nullsight.diagnosis import Verdict, diagnose
from nullsight.groups import Shifts
from nullsight.physics import (
    Blur,
    BlurValid,
    Downsampling,
    DownsamplingValid,
    box_kernel,
    gaussian_kernel,
    low_pass_kernel,
)
from nullsight.types import InputError


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(3, 3), (1, 4), (5, 2), (7, 8)])
def test_circular_and_valid_are_convolutions(size: tuple[int, int]) -> None:
    x, kernel = random(2, 3, 7, 8), random(*size)
    around = Blur((3, 7, 8), kernel).A(x)
    inside = BlurValid((3, 7, 8), kernel).A(x)
    for b in range(2):
        for c in range(3):
            picture, k = x[b, c].numpy(), kernel.numpy()
            valid = scipy.signal.convolve2d(picture, k, mode="valid")
            assert np.allclose(inside[b, c].numpy(), valid)
            circular = np.zeros_like(picture)
            for i in range(size[0]):
                for j in range(size[1]):
                    circular += k[i, j] * np.roll(picture, (i - size[0] // 2, j - size[1] // 2), (0, 1))
            assert np.allclose(around[b, c].numpy(), circular)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_downsampling_keeps_every_so_manyth_of_the_blurred(factor: int) -> None:
    x, kernel = random(2, 1, 12, 6), random(3, 3)
    assert torch.allclose(
        Downsampling((1, 12, 6), factor, kernel).A(x), Blur((1, 12, 6), kernel).A(x)[..., ::factor, ::factor]
    )
    assert torch.allclose(
        DownsamplingValid((1, 12, 6), factor, kernel).A(x), BlurValid((1, 12, 6), kernel).A(x)[..., ::factor, ::factor]
    )
    assert torch.allclose(Downsampling((1, 12, 6), factor).A(x), x[..., ::factor, ::factor])


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_the_dagger_is_the_pseudo_inverse(factor: int) -> None:
    physics = Downsampling((1, 8, 8), factor, gaussian_kernel(0.6), threshold=0.0).double()
    inverse = torch.linalg.pinv(physics.to_matrix())
    y = random(2, *physics.measurement_shape)
    assert torch.allclose(physics.A_dagger(y).flatten(1), y.flatten(1) @ inverse.T, atol=1e-8)


def test_a_threshold_leaves_out_weak_frequencies_and_says_what_that_costs() -> None:
    kernel = gaussian_kernel(1.2)
    errors = [Blur((1, 32, 32), kernel, threshold).dagger_error for threshold in (0.0, 0.01, 0.1, 0.5)]
    assert errors[0] == 0
    assert errors == sorted(errors)
    physics = Blur((1, 32, 32), kernel, threshold=0.1)
    y = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert float(physics.A_dagger(y).norm()) <= 10.001 * float(y.norm())


def test_kernels() -> None:
    for kernel in (gaussian_kernel(1.3), gaussian_kernel(0.7, axes=1), box_kernel(4)):
        assert float(kernel.sum()) == pytest.approx(1, abs=1e-6)
    kernel = gaussian_kernel(2.0, reach=4, axes=1).double()
    place = torch.arange(len(kernel)) - len(kernel) // 2
    assert float((kernel * place**2).sum()) == pytest.approx(4.0, rel=0.01)
    with pytest.raises(InputError, match="above 0"):
        gaussian_kernel(0.0)
    with pytest.raises(InputError, match="at least 1"):
        box_kernel(0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Blur((1, 4, 4), torch.ones(5, 3)), "no larger than"),
        (lambda: Blur((2, 4, 4), torch.ones(3, 2, 2)), "expected a kernel with 2 axes"),
        (lambda: Blur((1, 4, 4), torch.ones(3)), "expected a kernel with 2 axes"),
        (lambda: Blur((1, 4, 4), torch.zeros(3, 3)), "not all zero"),
        (lambda: Blur((1, 4, 4), torch.ones(3, 3, dtype=torch.int64)), "floating-point kernel"),
        (lambda: Blur((1, 4, 4), torch.ones(3, 3), threshold=1.0), "threshold"),
        (lambda: Downsampling((1, 9, 8), 2), "divisible"),
        (lambda: DownsamplingValid((1, 9, 8), 0, torch.ones(1, 1)), "at least 1"),
    ],
)
def test_senseless_arguments_are_refused(build: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build()  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(12, 9), (8,)])
def test_an_ideal_low_pass_keeps_low_frequencies_and_no_others(shape: tuple[int, ...]) -> None:
    physics = Blur((1, *shape), low_pass_kernel(shape, 2)).double()
    x = random(2, 1, *shape)
    axes = tuple(range(2, 2 + len(shape)))
    passed = torch.ones(shape)
    for axis, n in enumerate(shape):
        low = (torch.fft.fftfreq(n).abs() < 0.25).float()  # periods of more than four pixels
        passed = passed * low.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    wanted = torch.fft.ifftn(torch.fft.fftn(x, dim=axes) * passed, dim=axes).real
    assert torch.allclose(physics.A(x), wanted, atol=1e-6)
    assert torch.allclose(physics.A_dagger(physics.A(x)), wanted, atol=1e-6)
    assert physics.dagger_error == 0 and physics.norm() == pytest.approx(1, rel=1e-6)


def test_behind_an_ideal_low_pass_nothing_is_aliased_and_shifts_show_nothing_new() -> None:
    factor, x = 2, random(2, 1, 12, 8)
    kernel, group = low_pass_kernel((12, 8), factor), Shifts((12, 8))
    low, mean = (Downsampling((1, 12, 8), factor, k).double() for k in (kernel, box_kernel(factor)))
    blurred = Blur((1, 12, 8), kernel).double().A(x)
    assert torch.allclose(low.A_dagger(low.A(x)), blurred, atol=1e-6)
    g = group.element(torch.tensor([[3, 5], [1, 2]]))
    for physics, same in ((low, True), (mean, False)):
        seen = physics.A_dagger(physics.A(x))
        turned = group.act(group.inverse(g), physics.A_dagger(physics.A(group.act(g, x))))
        assert torch.allclose(turned, seen, atol=1e-6) == same
    assert diagnose(low, group).verdict is Verdict.NOTHING
    found = diagnose(mean, group)
    assert found.verdict is Verdict.PARTLY and found.sight.visible > 3 * found.sight.alone


def test_a_low_pass_that_is_none_is_refused() -> None:
    for shape, factor in (((8, 8), 0.5), ((), 2.0), ((0, 4), 2.0)):
        with pytest.raises(InputError, match="a factor of at least 1 and sides"):
            low_pass_kernel(shape, factor)
