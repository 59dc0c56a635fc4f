"""All tables of names: what a recipe may call things. One line a table; a new part only adds to its own package's."""

from collections.abc import Mapping

from torch import nn

from nullsight import constraints, groups, losses, networks, noise, physics, reconstructors, training, trust
from nullsight.groups import boundaries, interpolation
from nullsight.networks import borders, features, norms
from nullsight.physics import filters, weightings
from nullsight.reconstructors import data_steps, fits, unrolled, variation

MAKERS = physics.MAKERS
NETWORKS: Mapping[str, type[nn.Module]] = networks.TABLE
TABLES: tuple[Mapping[str, type], ...] = (
    physics.TABLE,
    filters.TABLE,
    physics.SPLITS,
    noise.TABLE,
    noise.RECORRUPTIONS,
    noise.ESTIMATES,
    groups.TABLE,
    interpolation.TABLE,
    boundaries.TABLE,
    networks.TABLE,
    norms.TABLE,
    borders.TABLE,
    features.TABLE,
    reconstructors.TABLE,
    reconstructors.PRIORS,
    reconstructors.REGULARISERS,
    data_steps.TABLE,
    weightings.TABLE,
    constraints.TABLE,
    unrolled.FORMS,
    fits.FITS,
    variation.COUPLINGS,
    losses.TABLE,
    losses.ERRORS,
    losses.SCALINGS,
    losses.RESIDUALS,
    losses.DIVERGENCES,
    losses.FRAMES,
    losses.REFRESHES,
    losses.AUGMENTATIONS,
    training.OPTIMISERS,
    training.SCHEDULES,
    training.CHOOSERS,
    trust.CHOOSERS,
)
