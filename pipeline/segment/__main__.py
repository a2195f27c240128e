"""`python -m pipeline.segment`: find in your own image what a reference shows, with a trained system."""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.device import share
from pipeline.errors import UserError, run
from pipeline.manifest import write_atomic
from pipeline.segment.picture import as_png, overlay, read_picture, resized, scale_for
from pipeline.segment.reference import from_box, from_mask, parse_box
from pipeline.segment.trained import load_trained
from pipeline.segmenter import Frame, Segmenter, Supports


def main() -> None:
    """Read the command line, segment, write `<image>-mask.png` and `<image>-overlay.png`."""
    parser = _parser()
    arguments = parser.parse_args()
    if not arguments.box and arguments.mask is None:
        raise UserError("no reference is given: say --box X,Y,WIDTH,HEIGHT or --mask FILE, what of the image to find")
    if not 0 < arguments.threshold < 1:
        raise UserError(f"--threshold {arguments.threshold} must lie between 0 and 1")
    image = read_picture(arguments.image)
    reference = image if arguments.reference is None else read_picture(arguments.reference)
    factor = scale_for(image, arguments.side)
    frames = [from_box(reference, parse_box(text), factor, shows=True) for text in arguments.box]
    frames += [from_box(reference, parse_box(text), factor, shows=False) for text in arguments.background]
    if arguments.mask is not None:
        frames.append(from_mask(reference, arguments.mask, factor))
    with share(arguments.device, 1, arguments.threads) as device:
        segmenter = load_trained(arguments.model).to(device).eval()
        state = _adapted(segmenter, Supports(tuple(frames), 1).to(device), factor)
        probabilities = _predict(segmenter, state, resized(image, factor).to(device))
    found = resized(probabilities, size=image.shape[-2:])[0] > arguments.threshold
    stem: Path = arguments.output / arguments.image.stem
    for name, pixels in (("mask", found.to(torch.uint8) * 255), ("overlay", overlay(image, found))):
        path = stem.with_name(f"{stem.name}-{name}.png")
        write_atomic(path, as_png(pixels))
        print(f"wrote {path}")
    print(f"{found.float().mean():.1%} of the image's pixels are found (threshold {arguments.threshold})")


@torch.no_grad()
def _adapted(segmenter: Segmenter, supports: Supports, factor: float) -> Any:
    """The segmenter's state; its complaint about a reference says that this was shrunk."""
    try:
        return segmenter.adapt(supports)
    except UserError as error:
        shrunk = f" (it was shrunk to {factor:.0%}, as the image was; --side says how far)" if factor < 1 else ""
        raise UserError(f"{error}{shrunk}") from None


@torch.no_grad()
def _predict(segmenter: Segmenter, state: Any, image: Tensor) -> Tensor:
    """Probabilities (1, H, W) of the image (3, H, W) uint8."""
    (prediction,) = segmenter.predict(state, [Frame(image[None], ids=("image",))])
    if prediction.probabilities is None:
        raise UserError("this system predicts no masks: choose one that does")
    return prediction.probabilities[0].float().cpu()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.segment", description=__doc__)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the image to segment: PNG, JPEG or anything alike")
    text = "manifest of a trained system, models/<profile>/<system>/<trained_on>/seed<k>.json"
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help=text)
    text = "a rectangle that shows what to find and nothing else, in pixels from the left and the top; may be repeated"
    parser.add_argument("--box", action="append", default=[], metavar="X,Y,WIDTH,HEIGHT", help=text)
    text = "a picture of the reference's size that is not black where it shows what to find"
    parser.add_argument("--mask", type=Path, metavar="FILE", help=text)
    text = "a rectangle that shows what not to find; may be repeated"
    parser.add_argument("--background", action="append", default=[], metavar="X,Y,WIDTH,HEIGHT", help=text)
    text = "the image that boxes and mask refer to; default: IMAGE itself"
    parser.add_argument("--reference", type=Path, metavar="FILE", help=text)
    text = "shrink IMAGE to this longer side at most, and the reference by as much; 0: not at all (default: 480)"
    parser.add_argument("--side", type=int, default=480, metavar="PIXELS", help=text)
    text = "probability above which a pixel is found (default: 0.5; the texture study uses 0.9)"
    parser.add_argument("--threshold", type=float, default=0.5, metavar="P", help=text)
    text = "where to write <image>-mask.png and <image>-overlay.png (default: here)"
    parser.add_argument("--output", type=Path, default=Path(), metavar="FOLDER", help=text)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads (default: 2)")
    return parser


if __name__ == "__main__":
    run(main)
