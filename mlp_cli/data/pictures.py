"""Single PNG, JPEG, BMP and GIF files to arrays, by Pillow, within limits."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from mlp_cli.data.dataset import Array

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
# Pillow knows further formats, some of which start other programs.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF")
_GREY = ("1", "L", "LA")


class Unreadable(Exception):
    """A picture that is damaged, or is none; the text says why."""


class Refused(Exception):
    """A picture that asks for more than is given to one, or that cannot be used as it is; the text says why."""


def open_picture(content: bytes, most_pixels: int) -> Image:
    """The picture in a file's content, decoded; the first one where there are several.

    Errors: `Refused` for more pixels than `most_pixels`, or than Pillow's own limit; `Unreadable` for whatever else is wrong.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            width, height = picture.size
            if width * height > most_pixels:
                raise Refused(f"is {width:,} x {height:,} pixels, more than the limit of {most_pixels:,} in all")
            picture.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Refused("has more pixels than Pillow's limit: looks like a decompression bomb") from error
    except Refused:
        raise
    # Whatever a decoder stumbles over: Pillow lets many kinds of exception through.
    except Exception as error:
        raise Unreadable("not a picture" if isinstance(error, Image.UnidentifiedImageError) else "damaged") from error
    return picture


def pixels_of(picture: Image) -> Array:
    """A picture's values as uint8: (height, width) if it is greyscale, else (3, height, width), the red plane first.

    Greyscale are pictures without colour channels, and those with a palette of greys alone. Transparency is dropped, as by
    torchvision. Errors: `Refused` for more than 8 bits a channel.
    """
    if picture.mode.startswith(("I", "F")):
        raise Refused("has more than 8 bits a channel; pictures of 8 bits are read")
    if picture.mode in _GREY or (picture.mode in ("P", "PA") and _grey_palette(picture)):
        return np.asarray(picture.convert("L"))
    return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


def _grey_palette(picture: Image) -> bool:
    palette = np.array(picture.getpalette("RGB") or [0, 0, 0], dtype=np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())
