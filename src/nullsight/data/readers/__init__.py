"""Reading numbers from files of many formats, one file a family of formats, and writing images back."""

from nullsight.data.readers.base import ArrayFile
from nullsight.data.readers.reading import READERS, read_array, read_images
from nullsight.data.readers.writing import write_images

__all__ = ["READERS", "ArrayFile", "read_array", "read_images", "write_images"]
