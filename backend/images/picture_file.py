"""Pictures of a data set: the bytes of the image as they are, unless most readers would show them turned.

Masks belong to the upright image. OpenCV turns a picture upright by its EXIF orientation; PIL does not, and with it
torchvision, pycocotools' users and Hugging Face's `datasets`, so the masks would lie beside the objects. A picture with
an orientation other than 1 is therefore written as a PNG of the upright pixels, without loss and without EXIF; it is
larger than a JPEG of the same pixels. Every other picture keeps its bytes, with all of its metadata.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import Image

from backend.images.source_image import SourceImage

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
}  # the first of each is the usual one
_FAST = 1  # of zlib: phones' photographs are large, and their noise does not compress


@dataclass(frozen=True)
class PictureFile:
    """A picture as it is written.

    Attributes:
        suffix: Of its true type, such as ".jpg".
        was_turned: Whether it was written anew, upright.
    """

    data: bytes
    suffix: str
    was_turned: bool = False


def build_picture_file(image: SourceImage) -> PictureFile:
    """Build the file of a picture, and decode it to see that it is whole.

    Raises:
        BadImage: It is truncated or damaged.
    """
    pixels = image.pixels
    image_format, orientation = image.encoding
    if orientation == 1:
        return PictureFile(image.data, _SUFFIXES[image_format][0])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=_FAST)
    return PictureFile(file.getvalue(), ".png", was_turned=True)


def rename_to_type(file_name: str, suffix: str) -> str:
    """Return the file name with the suffix of the true type; another usual one of this type stays, such as ".JPEG"."""
    path = PurePosixPath(file_name)
    same_type = next((names for names in _SUFFIXES.values() if suffix in names), (suffix,))
    return file_name if path.suffix.lower() in same_type else str(path.with_suffix(suffix))
