"""From an operator and a group to N: a closed form, small blocks, or the mean over elements one by one."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from nullsight.diagnosis.average import Average, Budget, Closed, alone, over
from nullsight.diagnosis.blocks import LARGEST, block_side, by_frequencies
from nullsight.diagnosis.closed_forms import CLOSED
from nullsight.diagnosis.quadrature import quadrature
from nullsight.diagnosis.spectrum import Spectrum, of_matrix
from nullsight.groups.base import Family, Trivial
from nullsight.groups.mixture import Mixture
from nullsight.groups.products import Product, SemidirectProduct
from nullsight.groups.shifts import Shifts
from nullsight.linalg import dense_matrix
from nullsight.physics.base import LinearPhysics
from nullsight.physics.least_squares import without_least_squares

Build = Callable[[LinearPhysics, Family, Budget], Average]
_FEW_SHIFTS = 16  # so few are averaged over one by one, exactly and with less work than the rows of A


def average(physics: LinearPhysics, group: Family, budget: Budget) -> Average:
    """Return N of an operator and a family of transformations, by the best way that is known for the two."""
    inner = bare(physics)
    form = forms(budget).get((type(inner), type(group)))
    found = None if form is None else form(inner, group)
    return _WAYS.get(type(group), _by_elements)(inner, group, budget) if found is None else found


def forms(budget: Budget) -> Mapping[tuple[type, type], Closed]:
    """Return the closed forms that may be used."""
    return CLOSED if budget.closed_forms is None else budget.closed_forms


def spectrum(of: Average, budget: Budget) -> Spectrum:
    """Return the eigenvalues of N: known ones, those of its matrix where it is small, or an estimate."""
    if of.spectrum is not None:
        return of.spectrum
    pixels = math.prod(of.image_shape)
    if pixels <= budget.dense_limit:
        return of_matrix(matrix(of)).below(of.scale)
    steps = min(budget.steps, pixels)
    return quadrature(of.apply, of.like, of.image_shape, steps=steps, deviation=budget.deviation).below(of.scale)


def matrix(of: Average) -> Tensor:
    """Return N as a dense float64 matrix ``(n, n)``; the operator has to be in double precision."""
    return dense_matrix(of.apply, of.image_shape)


def bare(physics: LinearPhysics) -> LinearPhysics:
    """Return the operator inside classes that change its approximate inverse alone."""
    inner = without_least_squares(physics)
    assert isinstance(inner, LinearPhysics)
    return inner


def _by_elements(physics: LinearPhysics, group: Family, budget: Budget) -> Average:
    return over(alone(physics), group, budget.elements)


def _alone(physics: LinearPhysics, group: Family, budget: Budget) -> Average:
    return replace(alone(physics), distinct=None)


def _by_shifts(physics: LinearPhysics, group: Family, budget: Budget) -> Average:
    assert isinstance(group, Shifts)
    if group.order <= _FEW_SHIFTS or block_side(physics, group) > LARGEST:
        return _by_elements(physics, group, budget)
    return by_frequencies(physics, group, rows=budget.rows)


def _by_factors(physics: LinearPhysics, group: Family, budget: Budget) -> Average:
    """``T_g = T_g1 T_g2 ...``: the first factor is averaged over next to A."""
    assert isinstance(group, Product)
    found = average(physics, group.factors[0], budget)
    for factor in group.factors[1:]:
        found = over(found, factor, budget.elements)
    return found


def _by_parts(physics: LinearPhysics, group: Family, budget: Budget) -> Average:
    """``T_g = T_h T_H``: the normal group is averaged over next to A."""
    assert isinstance(group, SemidirectProduct)
    return over(average(physics, group.normal, budget), group.acting, budget.elements)


def _by_families(physics: LinearPhysics, group: Family, budget: Budget) -> Average:
    assert isinstance(group, Mixture)
    weights = group.weights or (1.0,) * len(group.families)
    found = [average(physics, family, budget) for family in group.families]

    def apply(x: Tensor) -> Tensor:
        return torch.stack([w / sum(weights) * one.apply(x) for w, one in zip(weights, found, strict=True)]).sum(0)

    how = "; ".join(dict.fromkeys(one.how for one in found))
    whole = all(one.whole for one in found)
    return replace(found[0], apply=apply, how=how, spectrum=None, distinct=None, notes=(), whole=whole)


_WAYS: dict[type[Family], Build] = {
    Trivial: _alone,
    Shifts: _by_shifts,
    Product: _by_factors,
    SemidirectProduct: _by_parts,
    Mixture: _by_families,
}
