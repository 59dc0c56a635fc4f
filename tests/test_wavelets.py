"""Wavelets: orthogonal, those of PyWavelets, thresholded as the proximal map says."""

import sys

import numpy as np
import pytest
import pywt
import torch

from nullsight.draws import Draws
from nullsight.linalg import dense_matrix
from nullsight.reconstructors import Joint, Wavelets
from nullsight.reconstructors.wavelets import _filters
from nullsight.types import InputError

NAMES = ["haar", "db4", "sym5", "coif2"]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stream(batch):
    return Draws(0, 0, (0,) * batch).of("prior")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 16), (2, 4, 8), (1, 4, 4, 4)])
def test_analysis_is_orthogonal_and_synthesis_its_transpose(name, shape):
    wavelets = Wavelets(name, levels=2)
    matrix = dense_matrix(wavelets.analyse, shape)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)).double(), atol=1e-10, rtol=0)
    back = dense_matrix(wavelets.synthesise, (shape[0], 1, *shape[1:]))
    torch.testing.assert_close(back, matrix.T, atol=1e-10, rtol=0)
    assert wavelets.bound(shape) == 1


@pytest.mark.parametrize("name", NAMES)
def test_coefficients_are_those_of_pywavelets(name):
    x = rand(1, 1, 64, 96)
    theirs = pywt.wavedec2(x[0, 0].numpy(), name, mode="periodization", level=2)
    wanted, _ = pywt.coeffs_to_array(theirs)
    np.testing.assert_allclose(Wavelets(name, levels=2).analyse(x)[0, 0, 0].numpy(), wanted, atol=1e-10)


@DTYPES
def test_proximal_map_is_soft_thresholding_but_for_the_means(dtype):
    wavelets, x = Wavelets("db4", levels=2), rand(2, 2, 8, 12).to(dtype)
    step = torch.tensor([0.1, 0.3], dtype=dtype)[:, None, None, None]
    c = wavelets.analyse(x)
    wanted = torch.where(c.abs() > step[:, None], c - step[:, None] * c.sign(), torch.zeros_like(c))
    wanted[..., :2, :3] = c[..., :2, :3]
    torch.testing.assert_close(wavelets.analyse(wavelets.prox(x, step, stream(2))), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("coupling", [Wavelets().coupling, Joint()])
def test_proximal_map_settle_and_value_are_one_function(coupling):
    """Moreau: prox_F(p) + prox_F*(p) = p; and F(K x) is the largest <p, K x> over settled p."""
    wavelets, x = Wavelets("haar", 1, coupling), 2 * rand(2, 2, 4, 6) - 1
    p = wavelets.analyse(x)
    one = torch.ones(2, 1, 1, 1).double()
    torch.testing.assert_close(wavelets.analyse(wavelets.prox(x, one, stream(2))) + wavelets.settle(p, 1.0), p)
    best = wavelets.settle(1e9 * p, 1.0)
    torch.testing.assert_close((best * p).flatten(1).sum(1), wavelets.value(x))
    assert float(wavelets.value(torch.full((1, 2, 4, 6), 3.0).double())) == pytest.approx(0, abs=1e-12)


def test_refusals(monkeypatch):
    with pytest.raises(InputError, match="at least 1 level"):
        Wavelets(levels=0)
    with pytest.raises(InputError, match="multiples of 8"):
        Wavelets("haar", levels=3).analyse(rand(1, 1, 12, 16))
    for name in ("bior2.2", "mexh", "nothing"):
        with pytest.raises(InputError, match="orthogonal wavelet"):
            Wavelets(name, levels=1).analyse(rand(1, 1, 8))
    _filters.cache_clear()
    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(InputError, match="nullsight\\[wavelets\\]"):
        Wavelets("haar", levels=1).analyse(rand(1, 1, 8))
