"""Measurements and truth, in memory and in files; readers of other formats; phantoms and simulation."""

from nullsight.data.datasets import MeasurementSet, TruthSet
from nullsight.data.files import (
    MeasurementFile,
    TruthFile,
    checksum,
    read_measurements,
    read_truth,
    write_measurements,
    write_truth,
)
from nullsight.data.images import montage, to_png, visible
from nullsight.data.phantoms import anatomy_phantoms
from nullsight.data.phase import with_smooth_phase
from nullsight.data.readers import ArrayFile, read_array, read_images, write_images
from nullsight.data.shapes import dead_leaves, disks, shepp_logan, triangles
from nullsight.data.simulate import block_means, simulate
from nullsight.data.strokes import stroke_images

__all__ = [
    "ArrayFile",
    "MeasurementFile",
    "MeasurementSet",
    "TruthFile",
    "TruthSet",
    "anatomy_phantoms",
    "block_means",
    "checksum",
    "dead_leaves",
    "disks",
    "montage",
    "read_array",
    "read_images",
    "read_measurements",
    "read_truth",
    "shepp_logan",
    "simulate",
    "stroke_images",
    "to_png",
    "triangles",
    "visible",
    "with_smooth_phase",
    "write_images",
    "write_measurements",
    "write_truth",
]
