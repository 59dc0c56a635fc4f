"""Toy groups and families: every contract runs through all of them in float32 and float64."""

from collections.abc import Callable
from dataclasses import dataclass

from nullsight import groups as s
from nullsight.groups.base import Family


@dataclass(frozen=True)
class Case:
    """One group or family, built anew at every call, and the shape of images it acts on, without batch."""

    name: str
    build: Callable[[], Family]
    shape: tuple[int, ...]


GROUPS: list[Case] = [
    Case("trivial", s.Trivial, (1, 5, 4)),
    Case("trivial signal", s.Trivial, (2, 7)),
    Case("shifts of signals", lambda: s.Shifts((9,)), (2, 9)),
    Case("shifts", lambda: s.Shifts((6, 5)), (1, 6, 5)),
    Case("shifts by steps", lambda: s.Shifts((6, 8), step=(3, 2)), (3, 6, 8)),
    Case("reflections", s.Reflections, (1, 5, 6)),
    Case("reflections of signals", lambda: s.Reflections(("horizontal",)), (1, 6)),
    Case("reflection, vertical", lambda: s.Reflections(("vertical",)), (2, 5, 6)),
    Case("quarter turns", s.QuarterTurns, (2, 6, 6)),
    Case("quarter turns, odd", s.QuarterTurns, (1, 7, 7)),
    Case("dihedral 1", lambda: s.Dihedral(1), (1, 6, 5)),
    Case("dihedral 2", lambda: s.Dihedral(2), (1, 6, 5)),
    Case("dihedral 4", lambda: s.Dihedral(4), (1, 7, 7)),
    Case("dihedral 6", lambda: s.Dihedral(6), (1, 16, 16)),
    Case("rotations 1", lambda: s.Rotations(1), (1, 6, 5)),
    Case("rotations 2", lambda: s.Rotations(2), (1, 6, 5)),
    Case("rotations 4", lambda: s.Rotations(4), (1, 6, 6)),
    Case("rotations 5, odd", lambda: s.Rotations(5), (1, 15, 15)),
    Case("rotations 8", lambda: s.Rotations(8), (2, 16, 16)),
    Case("rotations 360", lambda: s.Rotations(360), (2, 16, 16)),
    Case("rotations 360, odd", lambda: s.Rotations(360), (1, 17, 17)),
    Case("rotations, bicubic", lambda: s.Rotations(360, s.Bicubic()), (1, 16, 16)),
    Case("rotations, bilinear", lambda: s.Rotations(360, s.Bilinear()), (1, 16, 16)),
    Case("rotations, bilinear, odd", lambda: s.Rotations(360, s.Bilinear()), (1, 17, 17)),
    Case("rotations within an angle", lambda: s.RotationsWithin(20.0), (1, 16, 16)),
    Case("scales", s.Scales, (1, 16, 16)),
    Case("scales, wide range, zeros", lambda: s.Scales(0.5, 2.0, s.Bilinear(), s.Zeros()), (2, 17, 20)),
    Case("shears", s.Shears, (2, 16, 16)),
    Case("shears, zeros", lambda: s.Shears(30.0, boundary=s.Zeros()), (1, 18, 15)),
    Case("homographies", s.Homographies, (1, 16, 16)),
    Case("homographies, zeros", lambda: s.Homographies(0.15, s.Bilinear(), s.Zeros()), (1, 15, 18)),
    Case("elastic", s.Elastic, (1, 16, 16)),
    Case("elastic, two modes", lambda: s.Elastic(0.4, 2, s.Bilinear()), (2, 15, 20)),
    Case("gain", s.Gain, (2, 5, 4)),
    Case("gain of signals", lambda: s.Gain(1.0, 3.0), (1, 7)),
    Case("colour inversion", lambda: s.ColourInversion(3.0), (1, 5, 4)),
    Case("channel permutations", lambda: s.ChannelPermutations(3), (3, 5, 4)),
    Case("channel permutations of signals", lambda: s.ChannelPermutations(2), (2, 7)),
    Case("vector fields", lambda: s.VectorFields(s.Dihedral(4)), (2, 6, 6)),
    Case("vector fields, reflections", lambda: s.VectorFields(s.Reflections()), (4, 5, 6)),
    Case("vector fields, rotations", lambda: s.VectorFields(s.Rotations(360)), (2, 16, 16)),
    Case(
        "p4 of vector fields",
        lambda: s.SemidirectProduct(s.Shifts((6, 6)), s.VectorFields(s.QuarterTurns()), (2, 6, 6)),
        (2, 6, 6),
    ),
    Case(
        "product of turns and channels",
        lambda: s.Product([s.QuarterTurns(), s.ChannelPermutations(2)], (2, 5, 5)),
        (2, 5, 5),
    ),
    Case("product", lambda: s.Product([s.Reflections(("horizontal",)), s.Reflections(("vertical",))]), (1, 5, 6)),
    Case("product with shifts", lambda: s.Product([s.Shifts((4, 6)), s.Trivial()]), (1, 4, 6)),
    Case("p4", lambda: s.SemidirectProduct(s.Shifts((6, 6)), s.QuarterTurns()), (1, 6, 6)),
    Case("p4, odd", lambda: s.SemidirectProduct(s.Shifts((5, 5)), s.QuarterTurns()), (2, 5, 5)),
    Case("p4m", lambda: s.SemidirectProduct(s.Shifts((6, 6)), s.Dihedral(4)), (1, 6, 6)),
    Case("pmm", lambda: s.SemidirectProduct(s.Shifts((6, 4)), s.Reflections()), (1, 6, 4)),
    Case(
        "shifts and mirror of signals",
        lambda: s.SemidirectProduct(s.Shifts((7,)), s.Reflections(("horizontal",)), (1, 7)),
        (1, 7),
    ),
    Case(
        "dihedral 12 as a product",
        lambda: s.SemidirectProduct(s.Rotations(12), s.Reflections(("horizontal",))),
        (1, 16, 16),
    ),
    Case("mixture", lambda: s.Mixture([s.Rotations(9), s.Shifts((9, 9)), s.Reflections()], [2, 1, 1]), (1, 9, 9)),
    Case("mixture with inversion", lambda: s.Mixture([s.ColourInversion(), s.Gain()]), (1, 5, 5)),
    Case("mixture of warps", lambda: s.Mixture([s.Scales(), s.Elastic(), s.QuarterTurns()]), (1, 16, 16)),
    Case("mixture of mixtures", lambda: s.Mixture([s.Trivial(), s.Mixture([s.QuarterTurns()])]), (1, 5, 5)),
]
