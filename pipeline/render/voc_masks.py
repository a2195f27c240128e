"""Masks of VOC 2012 and of SBD, checked: values are classes 0 to 20 and, in VOC's alone, void 255."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.errors import UserError
from pipeline.render.folds import CLASSES
from pipeline.segmenter import VOID


def read_palette(path: Path) -> tuple[bytes, NDArray[np.uint8]]:
    """A PNG as it is found, and its indices (H, W), not its colours; `UserError` for a picture without indices."""
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.mode not in ("P", "L"):
                wrong = f"the mask {path} is a picture of mode {opened.mode}, not a palette of class ids"
                raise UserError(f"{wrong}: unpack VOC's own SegmentationClass again, and convert nothing")
            mask = np.array(opened, np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"the mask {path} cannot be read ({error}): unpack VOC again") from None
    return data, _checked(mask, path)


def read_matlab(path: Path) -> tuple[bytes, NDArray[np.uint8]]:
    """SBD's `GTcls.Segmentation` as a grey PNG of ours, and as (H, W); SBD marks no void."""
    from scipy.io import loadmat

    try:
        mask = np.asarray(loadmat(path)["GTcls"][0, 0]["Segmentation"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, NotImplementedError) as error:
        raise UserError(f"{path} is no mask of SBD ({type(error).__name__}: {error}): unpack SBD again") from None
    if mask.ndim != 2 or not np.issubdtype(mask.dtype, np.integer) or not 0 <= mask.min() <= mask.max() <= VOID:
        raise UserError(f"{path} holds {mask.dtype} {mask.shape}, not a mask of class ids: unpack SBD again")
    held = _checked(np.ascontiguousarray(mask, np.uint8), path)
    file = io.BytesIO()
    # Stored without compression: zlib and its fast relatives differ in what they compress to; the gallery compresses.
    Image.fromarray(held).save(file, format="PNG", compress_level=0)
    return file.getvalue(), held


def _checked(mask: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    strange = mask[(mask > len(CLASSES)) & (mask != VOID)]
    if strange.size:
        known = f"VOC has 0 (background), 1 to {len(CLASSES)} and {VOID} (void)"
        raise UserError(
            f"the mask {path} holds the class id {strange.min()}: {known}; mend it or take it off the lists"
        )
    return mask
