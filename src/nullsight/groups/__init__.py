"""Symmetries of the set of images: families of transformations, groups, and how images are read between samples."""

from nullsight.groups.affine import Scales, Shears
from nullsight.groups.base import Family, FiniteGroup, Group, NormalGroup, PointGroup, Trivial
from nullsight.groups.boundaries import Boundary, Reflected, Zeros
from nullsight.groups.elastic import Elastic
from nullsight.groups.homographies import Homographies
from nullsight.groups.interpolation import Bicubic, Bilinear, FourierShears, Interpolation, Sampled
from nullsight.groups.mixture import Mixture
from nullsight.groups.products import Product, SemidirectProduct
from nullsight.groups.projective import Projective
from nullsight.groups.reflections import Reflections
from nullsight.groups.rotations import Dihedral, QuarterTurns, Rotations
from nullsight.groups.rotations_within import RotationsWithin
from nullsight.groups.shifts import Shifts
from nullsight.groups.values import ChannelPermutations, ColourInversion, Gain
from nullsight.groups.vector_fields import VectorFields

__all__ = [
    "TABLE",
    "Bicubic",
    "Bilinear",
    "Boundary",
    "ChannelPermutations",
    "ColourInversion",
    "Dihedral",
    "Elastic",
    "Family",
    "FiniteGroup",
    "FourierShears",
    "Gain",
    "Group",
    "Homographies",
    "Interpolation",
    "Mixture",
    "NormalGroup",
    "PointGroup",
    "Product",
    "Projective",
    "QuarterTurns",
    "Reflected",
    "Reflections",
    "Rotations",
    "RotationsWithin",
    "Sampled",
    "Scales",
    "SemidirectProduct",
    "Shears",
    "Shifts",
    "Trivial",
    "VectorFields",
    "Zeros",
]

TABLE: dict[str, type[Family]] = {
    "trivial": Trivial,
    "shifts": Shifts,
    "reflections": Reflections,
    "quarter_turns": QuarterTurns,
    "rotations": Rotations,
    "rotations_within": RotationsWithin,
    "dihedral": Dihedral,
    "scales": Scales,
    "shears": Shears,
    "homographies": Homographies,
    "elastic": Elastic,
    "gain": Gain,
    "colour_inversion": ColourInversion,
    "channel_permutations": ChannelPermutations,
    "vector_fields": VectorFields,
    "product": Product,
    "semidirect_product": SemidirectProduct,
    "mixture": Mixture,
}
