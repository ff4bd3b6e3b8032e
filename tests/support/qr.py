"""What a telephone's camera reads in a picture: QR codes and nothing else.

A reader left to look for every kind of bar code now and then finds one in a line of text.
"""

from __future__ import annotations

import io

import zxingcpp
from PIL import Image


def codes(picture: Image.Image | bytes) -> list[zxingcpp.Barcode]:
    """All of them, from a picture or the bytes of a file of one."""
    if isinstance(picture, bytes):
        picture = Image.open(io.BytesIO(picture))
    return list(zxingcpp.read_barcodes(picture.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode))


def code(picture: Image.Image | bytes) -> str:
    """The text of the only one there is."""
    (found,) = codes(picture)
    return str(found.text)
