"""Moving pictures as GIF files."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLOURS = 64
"""Of a GIF's palette: what its bytes are mostly decided by."""
MILLISECONDS = 100
"""Each picture is shown for; DAVIS has 24 frames a second."""


def gif(pictures: Sequence[NDArray[np.uint8]]) -> bytes:
    """Pictures (h, w, 3) of one size as an endless GIF."""
    reduce: dict[str, Any] = {"colors": COLOURS, "method": Image.Quantize.MEDIANCUT, "dither": Image.Dither.NONE}
    # One palette, from all frames below one another: frames with palettes of their own flicker.
    palette = Image.fromarray(np.concatenate(pictures[:: max(1, len(pictures) // 5)])).quantize(**reduce)
    frames = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0, optimize=False)
    return data.getvalue()
