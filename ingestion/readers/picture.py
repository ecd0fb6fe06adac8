"""Pictures as pages: PNG, JPEG, and TIFF with as many pages as it has.

A page's size in points follows from its dots an inch. Cameras and screens write any number there, so that one is believed only
where a scanner may have written it; another picture counts as one of a sheet of A4.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.readers.package import DAMAGED

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg", "TIFF": "image/tiff"}
SCANNED = range(150, 1201)
"""Dots an inch that are believed."""
SHEET = 11.69
"""Inches of the longer side of a sheet of A4."""
POINTS = 72


@dataclass(frozen=True)
class Picture:
    """A page.

    Attributes:
        image: upright, grey or in colours, without transparency.
        scale: pixels for each point.
    """

    image: Image.Image
    scale: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in points."""
        return self.image.width / self.scale, self.image.height / self.scale

    def to_page(self, across: int, down: int) -> tuple[float, float]:
        """Return the point of a pixel, from the lower left corner."""
        return across / self.scale, (self.image.height - down) / self.scale

    def to_pixels(self, left: float, bottom: float) -> tuple[int, int]:
        """Return the pixel of a point."""
        return round(left * self.scale), round(self.image.height - bottom * self.scale)

    def resized(self, factor: float) -> Picture:
        """Return it with so many times the pixels across."""
        size = max(1, round(self.image.width * factor)), max(1, round(self.image.height * factor))
        return Picture(self.image.resize(size, Image.Resampling.LANCZOS), self.scale * factor)


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Open the file of a picture, and say what is wrong with it where that fails inside the block, too.

    Raises:
        UnreadableDocument: it is damaged, or larger than can be drawn.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "TIFF")) as image:
            yield image
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise UnreadableDocument(f"the picture has more than {most:.0f} million pixels: save it smaller") from error
    except UnidentifiedImageError as error:
        raise UnreadableDocument("it is a damaged picture: fetch or save it again") from error
    except DAMAGED as error:
        raise UnreadableDocument(f"it is a damaged picture ({error}): fetch or save it again") from error


def pages_of(image: Image.Image) -> Iterator[Picture]:
    """Yield the pages of an open file; of other formats than TIFF the first picture counts."""
    for frame in ImageSequence.Iterator(image):
        dots = _dots(frame)
        yield Picture(_plain(frame), dots / POINTS)
        if image.format != "TIFF":
            break


def _dots(image: Image.Image) -> float:
    stated = image.info.get("dpi", (0, 0))[0]
    return float(stated) if round(stated) in SCANNED else max(image.size) / SHEET


def _plain(image: Image.Image) -> Image.Image:
    """Return a picture upright and without transparency, behind which paper is white."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        upright = upright.point(lambda value: value / 256, "L")
    if "A" in upright.getbands() or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return upright.convert("L" if upright.mode in ("1", "L", "I", "F") else "RGB")
