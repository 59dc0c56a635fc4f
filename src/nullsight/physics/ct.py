"""What scanners have in common: sparse line integrals, filtered back-projection, views that may be left out."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Self

import torch
from torch import Tensor, nn

from nullsight.draws import Draws
from nullsight.linalg import linear_map
from nullsight.physics.base import LinearPhysics, measured_dagger_error
from nullsight.physics.ensembles import blobs, white
from nullsight.physics.filters import Ramp, Window, filter_views, ramp_response, view_weights
from nullsight.physics.geometry import Geometry
from nullsight.physics.on_the_fly import OnTheFlyProjector, working_bytes
from nullsight.physics.projector import SparseProjector
from nullsight.types import Image, InputError, Measurement

RAMP = Ramp()
MEMORY = 2 * 2**30
"""Bytes that an operator may take for its weights if nothing else is said."""


def equispaced(views: int, span: float = 180.0) -> list[float]:
    """Return ``views`` angles in degrees from 0 in equal steps over ``span``, without its end point.

    Raises:
        InputError: fewer than 1 view.

    Example:
        >>> equispaced(4)
        [0.0, 45.0, 90.0, 135.0]
    """
    if views < 1:
        raise InputError(f"expected at least 1 view, but {views} came: say how many angles to make")
    return [span * k / views for k in range(views)]


class ComputedTomography(LinearPhysics):
    """Line integrals of every channel by itself, with filtered back-projection as approximate inverse.

    A subclass checks its arguments, makes the geometry of its rays, and says what it is with other angles.

    Args:
        channels: of images, each projected by itself.
        geometry: of rays and pixels.
        window: multiplies the ramp filter.
        keep: which measurements there are, bool ``measurement_shape`` or ``(1 or batch, *measurement_shape)``; None:
            all. The others are zero in ``y`` and the views kept are weighted by the gaps between them.
        memory_limit: bytes that the operator may take for its weights.

    Raises:
        InputError: an operator that exceeds ``memory_limit`` either way, or a ``keep`` of another shape.

    The stated ``dagger_error`` is measured when first asked for, on the images of
    :func:`~nullsight.physics.ensembles.blobs`, with 30 % to spare.
    """

    per_sample = ("keep", "weights")
    dagger_ensemble = staticmethod(blobs)
    keep: Tensor
    weights: Tensor
    slant: Tensor
    ramp: Tensor
    response: Tensor

    def __init__(
        self, channels: int, geometry: Geometry, window: Window, keep: Tensor | None, memory_limit: int
    ) -> None:
        views, bins = len(geometry.angles), geometry.detectors
        super().__init__((channels, geometry.height, geometry.width), (channels, views, bins))
        self.angles, self.detectors, self.spacing = geometry.angles, bins, geometry.spacing
        self.offset, self.pixel_size = geometry.offset, geometry.pixel_size
        self.window = window
        self.memory_limit = memory_limit
        self.projector = _projector(geometry, memory_limit)
        kind = torch.get_default_dtype()
        for name, shape in (("ramp", RAMP), ("response", window)):
            self.register_buffer(name, ramp_response(bins, geometry.bin_width, shape).to(kind), persistent=False)
        whole = torch.ones(1, *self.measurement_shape, dtype=torch.bool) if keep is None else self._keep(keep)
        self.register_buffer("keep", whole, persistent=False)
        self.register_buffer("slant", geometry.slant(whole.device).to(kind), persistent=False)
        self.register_buffer("weights", self._weights_of(whole).to(kind), persistent=False)
        self._turned: dict[tuple[float, torch.dtype, torch.device], ComputedTomography] = {}  # shared by all subsets
        self._of_all_views: dict[str, float] = {}  # shared by all subsets: numbers that depend on the geometry alone

    @abstractmethod
    def _with(self, angles: Sequence[float], memory_limit: int) -> Self:
        """Return the scanner with these views, all measured, within another limit of memory."""

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``: which entries of ``y`` are measured; None: all of them."""
        return None if self._whole else self.keep

    @property
    def storage(self) -> str:
        """How the weights are kept, in a sentence."""
        if isinstance(self.projector, OnTheFlyProjector):
            most = _sparse_bytes(self.projector.geometry) / 2**30
            return f"weights computed at every use, view by view ({most:.3g} GiB as matrices exceed the limit)"
        size = _stored_bytes(self.projector)
        return f"weights kept as two sparse matrices and their transposes, {size / 2**20:.3g} MiB"

    @property
    def dagger_error(self) -> float:  # type: ignore[override]
        """Stated ``|A A_dagger A x - A x| / |A x|`` on smooth blobs."""
        known = self._cached("dagger_error")
        if "value" not in known:
            known["value"] = 1.3 * measured_dagger_error(self, seed=1)
        return known["value"]

    def norm(self) -> float:
        """Return the norm with all views, an upper bound: losses weigh all subsets of one operator alike."""
        known = self._of_all_views
        if "norm" not in known:
            known["norm"] = LinearPhysics.norm(self._all_views())
        return known["norm"]

    def dagger_gain(self) -> float:
        """Return the spectral radius of ``A_dagger A`` with all views, by 30 power iterations (within 2 %).

        Above 2 for few views, mostly by the corners of the image, so a full step along ``A_dagger (A u - y)`` diverges.
        Where measurements are left out, an upper bound: as many times that as the weight of any other one has grown.
        """
        known = self._of_all_views
        if "gain" not in known:
            whole = self._all_views()
            x = white(self.image_shape, Draws(0, 0, (0,)).of("dagger gain")).to(whole.weights)
            with torch.no_grad():
                for _ in range(30):
                    x = whole.A_dagger(whole.A(x / x.norm()))
            known["gain"] = float(x.norm())
        return known["gain"] * self._growth()

    def _growth(self) -> float:
        """Return how many times as much as with all views any measurement counts in ``A_dagger``."""
        if self._whole:
            return 1.0
        known = self._cached("growth")
        if "value" not in known:
            every = self._weights_of(torch.ones_like(self.keep[:1])).to(self.weights)
            known["value"] = float((self.weights / every).amax())
        return known["value"]

    def _all_views(self) -> Self:
        if self._whole:
            return self
        every = torch.ones_like(self.keep[:1])
        weights = self._weights_of(every).to(self.weights)
        return self._replace({"keep": every, "weights": weights}, {})

    def subset(self, keep: Tensor) -> Self:
        """Return the operator that sees what this one sees and ``keep`` keeps; its views are weighted anew."""
        both = self.keep & self._keep(keep).to(self.keep.device)
        return self._replace({"keep": both, "weights": self._weights_of(both).to(self.weights.dtype)}, {})

    def _weights_of(self, keep: Tensor) -> Tensor:
        """Return what each measurement counts before it is filtered: the angle it stands for, slanted rays less."""
        geometry = self.projector.geometry
        return view_weights(self.angles, keep, geometry.turn) * geometry.slant(keep.device)

    def turned(self, degrees: float) -> "ComputedTomography":
        """Return ``A T``, T turning images counter-clockwise as displayed: the same views, each ``degrees`` less.

        Nothing is interpolated but the rays. The operator is kept, with weights of its own where all that are kept fit
        into ``memory_limit`` together, else with weights computed at every use: ask for few angles.
        """
        kind, device = self.weights.dtype, self.weights.device
        key = (float(degrees), kind, device)
        if key not in self._turned:
            angles = [angle - degrees for angle in self.angles]
            new = self._with(angles, self._left())
            self._turned[key] = new.to(device, kind)
        found = self._turned[key]
        return found if self._whole else found.subset(self.keep)

    def _left(self) -> int:
        """Return how many bytes the weights of one more turned operator may take."""
        every = [self, *self._turned.values()]
        stored = sum(_stored_bytes(one.projector) for one in every)
        return max(self.memory_limit - stored, working_bytes(self.projector.geometry))

    def weigh(self, y: Measurement) -> Measurement:
        """Return ``W y`` with the symmetric ramp weighting for which ``A^T W A`` is near the identity.

        ``W = c w^(1/2) F w^(1/2)``: F the ramp filter (without window), w the angle each measurement stands for (times
        the squared cosine of its slant in a fan), c the inverse of the rays per length. In a least-squares term it
        makes gradient steps converge many times faster.
        """
        root = (self.weights * self.slant).sqrt()
        scale = self.projector.geometry.bin_width / self.pixel_size**2
        return linear_map(y, *[lambda v: scale * root * filter_views(v * root, self.ramp)] * 2)

    @property
    def _whole(self) -> bool:
        known = self._cached("whole")
        if "value" not in known:
            known["value"] = float(self.keep.all())
        return bool(known["value"])

    def _measure(self, x: Image) -> Measurement:
        y = self.projector.project(self._rows(x, self.image_shape)).reshape(-1, *self.measurement_shape)
        return y if self._whole else y * self.keep

    def _adjoint(self, y: Measurement) -> Image:
        kept = y if self._whole else y * self.keep
        rows = self._rows(kept, self.measurement_shape)
        return self.projector.project_adjoint(rows).reshape(-1, *self.image_shape)

    def _invert(self, y: Measurement) -> Image:
        return linear_map(y, self._back_project, self._back_project_adjoint)

    def _back_project(self, y: Measurement) -> Image:
        filtered = filter_views(y * self.weights, self.response)
        rows = self._rows(filtered, self.measurement_shape)
        return self.projector.smear(rows).reshape(-1, *self.image_shape)

    def _back_project_adjoint(self, x: Image) -> Measurement:
        y = self.projector.smear_adjoint(self._rows(x, self.image_shape)).reshape(-1, *self.measurement_shape)
        return filter_views(y, self.response) * self.weights

    def _rows(self, value: Tensor, shape: tuple[int, ...]) -> Tensor:
        if value.dtype != self.weights.dtype:
            raise InputError(
                f"expected {self.weights.dtype} as this operator has it, but {value.dtype} came: convert the data, or "
                f"the operator with physics.to(dtype)"
            )
        return value.reshape(-1, shape[1] * shape[2])


def _stored_bytes(projector: nn.Module) -> int:
    return sum(buffer.numel() * buffer.element_size() for buffer in projector.buffers())


def _sparse_bytes(geometry: Geometry) -> int:
    # a weight and its int32 column, twice (matrix and transpose)
    return geometry.most_weights() * 2 * (4 + torch.empty(0).element_size())


def _projector(geometry: Geometry, limit: int) -> SparseProjector | OnTheFlyProjector:
    stored, working = _sparse_bytes(geometry), working_bytes(geometry)
    if stored <= limit and geometry.most_weights() < 2**31:
        return SparseProjector(geometry)
    if working <= limit:
        return OnTheFlyProjector(geometry)
    raise InputError(
        f"expected an operator within memory_limit = {limit} bytes, but its matrices would take about {stored} and "
        f"computing weights at every use about {working}: raise the limit or make the image or the detector smaller"
    )


def check_grid(image_shape: Sequence[int], lengths: Mapping[str, float | None]) -> tuple[int, int, int]:
    """Return channels, height and width; InputError for another shape, or lengths and counts that are not above 0."""
    if len(image_shape) != 3:
        raise InputError(f"expected an image shape (channels, height, width), but {tuple(image_shape)} came")
    for name, value in lengths.items():
        if value is not None and not (isfinite(value) and value > 0):
            raise InputError(f"expected {name} above 0, but {value} came: give it in the unit of the docstring")
    channels, height, width = (int(n) for n in image_shape)
    return channels, height, width


def check_angles(angles: int | Sequence[float] | Tensor, span: float, offset: float) -> tuple[float, ...]:
    """Return the angles, a number of them over ``span``; InputError where there is none or anything is not finite."""
    listed = tuple(float(a) for a in (equispaced(angles, span) if isinstance(angles, int) else angles))
    if not listed or not all(isfinite(a) for a in (*listed, offset)):
        raise InputError(
            f"expected at least one angle, and finite angles and offset, but {len(listed)} angles and offset "
            f"{offset} came: give them in degrees and pixels"
        )
    return listed
