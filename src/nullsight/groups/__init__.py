"""Symmetries of the set of images: families of transformations, groups, and how images are read between samples."""

from nullsight.groups.base import Family, FiniteGroup, Group, NormalGroup, PointGroup, Trivial
from nullsight.groups.interpolation import Bicubic, Bilinear, FourierShears, Interpolation
from nullsight.groups.mixture import Mixture
from nullsight.groups.products import Product, SemidirectProduct
from nullsight.groups.reflections import Reflections
from nullsight.groups.rotations import Dihedral, QuarterTurns, Rotations
from nullsight.groups.shifts import Shifts
from nullsight.groups.values import ChannelPermutations, ColourInversion, Gain

__all__ = [
    "TABLE",
    "Bicubic",
    "Bilinear",
    "ChannelPermutations",
    "ColourInversion",
    "Dihedral",
    "Family",
    "FiniteGroup",
    "FourierShears",
    "Gain",
    "Group",
    "Interpolation",
    "Mixture",
    "NormalGroup",
    "PointGroup",
    "Product",
    "QuarterTurns",
    "Reflections",
    "Rotations",
    "SemidirectProduct",
    "Shifts",
    "Trivial",
]

TABLE: dict[str, type[Family]] = {
    "trivial": Trivial,
    "shifts": Shifts,
    "reflections": Reflections,
    "quarter_turns": QuarterTurns,
    "rotations": Rotations,
    "dihedral": Dihedral,
    "gain": Gain,
    "colour_inversion": ColourInversion,
    "channel_permutations": ChannelPermutations,
    "product": Product,
    "semidirect_product": SemidirectProduct,
    "mixture": Mixture,
}
