"""`python -m pipeline.segment`: find in your own image or clip what a reference shows, with a trained system."""

import argparse
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.device import share
from pipeline.errors import UserError, run
from pipeline.gif import gif
from pipeline.manifest import output_folder, write_atomic
from pipeline.segment.clip import is_clip, read_clip
from pipeline.segment.picture import as_png, overlay, read_picture, resized, scale_for
from pipeline.segment.reference import from_box, from_mask, parse_box
from pipeline.segment.trained import load_trained
from pipeline.segmenter import Frame, Segmenter, Supports

Named = tuple[str, Tensor]
GIF_SIDE = 320
"""Pixels of the longer side of a clip's overlay; its masks have the frames' own size."""


def main() -> None:
    """Read the command line, segment, write mask and overlay of the image, or of every frame of a clip."""
    arguments = _parser().parse_args()
    if not arguments.box and arguments.mask is None:
        raise UserError("no reference is given: say --box X,Y,WIDTH,HEIGHT or --mask FILE, what of the image to find")
    if not 0 < arguments.threshold < 1:
        raise UserError(f"--threshold {arguments.threshold} must lie between 0 and 1")
    output = output_folder(arguments.output)
    moves = is_clip(arguments.image)
    frames = read_clip(arguments.image) if moves else iter([(arguments.image.stem, read_picture(arguments.image))])
    first = next(frames)
    factor = scale_for(first[1], arguments.side)
    supports = _supports(arguments, first[1], factor)
    with share(arguments.device, 1, arguments.threads) as device:
        segmenter = load_trained(arguments.model).to(device).eval()
        state = _adapted(segmenter, supports.to(device), factor)
        found = _predicted(segmenter, state, chain([first], frames), factor, device, arguments.threshold)
        write = _write_clip if moves else _write_image
        write(output / arguments.image.absolute().stem, found)


@torch.no_grad()
def _adapted(segmenter: Segmenter, supports: Supports, factor: float) -> Any:
    """The segmenter's state; its complaint about a reference says that this was shrunk."""
    try:
        return segmenter.adapt(supports)
    except UserError as error:
        shrunk = f" (it was shrunk to {factor:.0%}, as the image was; --side says how far)" if factor < 1 else ""
        raise UserError(f"{error}{shrunk}") from None


@torch.no_grad()
def _predicted(
    segmenter: Segmenter, state: Any, frames: Iterable[Named], factor: float, device: torch.device, threshold: float
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, picture (3, H, W) uint8 and what is found in it, (H, W) bool, of each of the named pictures in turn."""
    asked: deque[Named] = deque()

    def queries() -> Iterator[Frame]:
        for name, picture in frames:
            asked.append((name, picture))
            yield Frame(resized(picture, factor).to(device)[None], ids=(name,))

    for prediction in segmenter.predict(state, queries()):
        if prediction.probabilities is None:
            raise UserError("this system predicts no masks: choose one that does")
        name, picture = asked.popleft()
        probabilities = prediction.probabilities[0].float().cpu()
        yield name, picture, resized(probabilities, size=picture.shape[-2:])[0] > threshold


def _supports(arguments: argparse.Namespace, first: Tensor, factor: float) -> Supports:
    """What the boxes and the mask of the command line show in the reference, or else in the first picture."""
    reference = first if arguments.reference is None else read_picture(arguments.reference)
    frames = [from_box(reference, parse_box(text), factor, shows=True) for text in arguments.box]
    frames += [from_box(reference, parse_box(text), factor, shows=False) for text in arguments.background]
    if arguments.mask is not None:
        frames.append(from_mask(reference, arguments.mask, factor))
    return Supports(tuple(frames), 1)


def _write_image(stem: Path, found: Iterable[tuple[str, Tensor, Tensor]]) -> None:
    """Write `<stem>-mask.png` and `<stem>-overlay.png`."""
    for _, picture, mask in found:
        for name, pixels in (("mask", mask.to(torch.uint8) * 255), ("overlay", overlay(picture, mask))):
            path = stem.with_name(f"{stem.name}-{name}.png")
            write_atomic(path, as_png(pixels))
            print(f"wrote {path}")
        print(f"{mask.float().mean():.1%} of the image's pixels are found")


def _write_clip(stem: Path, found: Iterable[tuple[str, Tensor, Tensor]]) -> None:
    """Write the mask of every frame into the folder `<stem>-mask` as soon as it is found, then `<stem>-overlay.gif`."""
    folder, shown, shares = stem.with_name(f"{stem.name}-mask"), [], []
    for name, picture, mask in found:
        write_atomic(folder / f"{name}.png", as_png(mask.to(torch.uint8) * 255))
        small = resized(overlay(picture, mask), scale_for(picture, GIF_SIDE))
        shown.append(small.permute(1, 2, 0).numpy())
        shares.append(float(mask.float().mean()))
    path = stem.with_name(f"{stem.name}-overlay.gif")
    write_atomic(path, gif(shown))
    print(f"wrote {folder}/ ({len(shown)} masks)\nwrote {path}")
    print(f"{sum(shares) / len(shares):.1%} of the clip's pixels are found")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.segment", description=__doc__)
    text = (
        "the image to segment, PNG, JPEG or anything alike; or a clip: a folder of frames, or an animated GIF or WebP"
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help=text)
    text = "manifest of a trained system, models/<profile>/<system>/<trained_on>/seed<k>.json"
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help=text)
    text = "a rectangle that shows what to find and nothing else, in pixels from the left and the top; may be repeated"
    parser.add_argument("--box", action="append", default=[], metavar="X,Y,WIDTH,HEIGHT", help=text)
    text = "a picture of the reference's size that is not black where it shows what to find"
    parser.add_argument("--mask", type=Path, metavar="FILE", help=text)
    text = "a rectangle that shows what not to find; may be repeated"
    parser.add_argument("--background", action="append", default=[], metavar="X,Y,WIDTH,HEIGHT", help=text)
    text = "the image that boxes and mask refer to; default: IMAGE itself, of a clip its first frame"
    parser.add_argument("--reference", type=Path, metavar="FILE", help=text)
    text = "shrink IMAGE to this longer side at most, and the reference by as much; 0: not at all (default: 480)"
    parser.add_argument("--side", type=int, default=480, metavar="PIXELS", help=text)
    text = "probability above which a pixel is found (default: 0.5; the texture study uses 0.9)"
    parser.add_argument("--threshold", type=float, default=0.5, metavar="P", help=text)
    text = "where to write <image>-mask.png and <image>-overlay.png, of a clip <clip>-mask/ and <clip>-overlay.gif"
    parser.add_argument("--output", type=Path, default=Path(), metavar="FOLDER", help=f"{text} (default: here)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads (default: 2)")
    return parser


if __name__ == "__main__":
    run(main)
