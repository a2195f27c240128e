"""J and F of DAVIS: counts on bits against the plain ones, on arrays and on whole sequences of PNGs.

`python -m tests.benchmarks.bench_davis` takes masks of DAVIS from the mirror (the object of 2016 six frames later, and
the five of gold-fish moved, as predictions) and draws some where it is not there. Every count is compared. Seconds are
processor time on one thread, which a busy machine does not spoil; the command itself reads with as many as there are
cores. A ratio is the median of the rounds, with the least and the greatest; one under its limit ends with 1.

The plain path: Pillow, a boolean mask an object, neighbours compared by slices, and a disk laid over the boundary row
by row. The last line tells how much slower scipy's binary_dilation by the same disk makes it.
"""

import os
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.closure import ROOT
from pipeline.evaluate.davis.counts import count, radius
from pipeline.evaluate.davis.folder import Truth, read_labels, write_sequence
from pipeline.evaluate.davis.sequence import score_sequences
from tests.evaluate.davis import plain_counts

SEQUENCES = ("blackswan", "bmx-trees", "car-shadow", "dog", "drift-chicane")
FISH = "gold-fish"
ARRAYS, FOLDERS = 15.0, 8.0
"""Times the plain path at least."""
ROUNDS, LAG = 5, 6

Maps = NDArray[np.uint8]


def unpacked(folder: Path) -> bool:
    """Put real masks into `folder`; whether there are any."""
    mirror, place = Path(os.environ.get("GLIMPSE_MIRROR", ROOT.parent / "shared" / "data")), "DAVIS/Annotations/480p/"
    for archive, names in (
        ("DAVIS-2016-480p-subset.zip", SEQUENCES),
        ("DAVIS-2017-480p-overlay-subset.zip", (FISH,)),
    ):
        if not (mirror / "davis" / archive).is_file():
            return False
        wanted = tuple(f"{place}{name}/0" for name in names)
        with zipfile.ZipFile(mirror / "davis" / archive) as packed:
            for name in packed.namelist():
                if name.startswith(wanted):
                    target = folder / name.removeprefix(place)
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(packed.read(name))
    return True


def draw(folder: Path) -> None:
    """Write wavy shapes that move and grow, in the place of real masks."""
    y, x = np.mgrid[:480, :854]
    for name, frames, objects in [*((name, 40, 1) for name in SEQUENCES), (FISH, 1, 5)]:
        maps = []
        for t in range(frames):
            labels = np.zeros((480, 854), np.uint8)
            for number in range(1, objects + 1):
                left, up = x - 140 * number - 4 * t, y - 240
                wave = 1 + 0.2 * np.sin(9 * np.arctan2(up, left))
                labels[(up / 130) ** 2 + (left / (60 + t)) ** 2 < wave] = number if objects > 1 else 255
            maps.append(labels)
        write_sequence(folder, name, maps)


def seconds(call: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def plain_volume(predictions: Maps, truths: Maps, objects: int) -> NDArray[np.int64]:
    """What `count` gives."""
    return np.stack([plain_counts.count(*pair, objects) for pair in zip(predictions, truths, strict=True)])


def plain_sequence(files: list[tuple[Path, Path]]) -> NDArray[np.int64]:
    """Counts of (prediction, truth) of a sequence of 2016, read by Pillow, as two volumes."""
    volumes = [np.stack([np.asarray(Image.open(path)) > 0 for path in each]) for each in zip(*files, strict=True)]
    return plain_volume(volumes[0].astype(np.uint8), volumes[1].astype(np.uint8), 1)


def compare(name: str, frames: int, fast: Callable[[], object], plain: Callable[[], object], limit: float) -> bool:
    """Print milliseconds a frame and their ratio; whether it is within its limit."""
    times = np.array([(seconds(fast), seconds(plain)) for _ in range(ROUNDS)]) / frames * 1e3
    ratios = (times[:, 1] / times[:, 0]).tolist()
    quick, slow = np.median(times, axis=0)
    spread = f"{statistics.median(ratios):6.1f} [{min(ratios):.1f}, {max(ratios):.1f}]"
    under = statistics.median(ratios) < limit
    print(f"{name:<24}{quick:9.3f}{slow:9.2f}  {spread}{f'  under {limit:g}' if under else ''}", flush=True)
    return not under


def arrays(name: str, predictions: Maps, truths: Maps, objects: int) -> bool:
    """Compare on label maps in memory."""
    fast, plain = count(predictions, truths, objects), plain_volume(predictions, truths, objects)
    assert np.array_equal(fast, plain), name
    return compare(
        f"arrays, {name}",
        len(truths),
        lambda: count(predictions, truths, objects),
        lambda: plain_volume(predictions, truths, objects),
        ARRAYS,
    )


def folders(truth: Path, results: Path, name: str) -> bool:
    """Compare on PNGs, from reading to counts."""
    truths = sorted((truth / name).iterdir())
    (results / name).mkdir(parents=True)
    for frame, later in zip(truths, truths[LAG:] + truths[-1:] * LAG, strict=True):
        (results / name / frame.name).write_bytes(later.read_bytes())
    files = [(results / name / frame.name, frame) for frame in truths[1:-1]]

    def fast() -> NDArray[np.int64] | None:
        return next(score_sequences(Truth(truth, (name,)), results, "2016", threads=1)).counts

    assert np.array_equal(fast(), plain_sequence(files)), name
    return compare(f"folders, {name}", len(files), fast, lambda: plain_sequence(files), FOLDERS)


def scipy_factor(prediction: Maps, truth: Maps) -> float:
    """How many times as long the plain counts take with scipy's dilation."""
    reach = radius(*truth.shape)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    plain = seconds(lambda: plain_counts.count(prediction, truth, 1))
    disk = y**2 + x**2 <= reach**2
    with mock.patch.object(plain_counts, "dilated", lambda edge, _: ndimage.binary_dilation(edge, disk)):
        return seconds(lambda: plain_counts.count(prediction, truth, 1)) / plain


def main() -> None:
    """Print the table."""
    within = []
    with tempfile.TemporaryDirectory() as folder:
        truth = Path(folder) / "truth"
        truth.mkdir()
        real = unpacked(truth)
        if not real:
            draw(truth)
        print(f"{'DAVIS' if real else 'made-up'} masks           ms/frame    plain   times [least, greatest]")
        fish = read_labels(truth / FISH / "00000.png")[None].repeat(8, 0)
        moved = np.stack([np.roll(labels, (k, 2 * k), (0, 1)) for k, labels in enumerate(fish)])
        within.append(arrays(f"{FISH} (5)", moved, fish, 5))
        for name in SEQUENCES:
            paths = sorted((truth / name).iterdir())
            maps = np.stack([np.minimum(read_labels(path), 1) for path in paths])
            within.append(arrays(name, maps[LAG:], maps[:-LAG], 1))
        factor = scipy_factor(maps[0], maps[LAG])
        for name in SEQUENCES:
            within.append(folders(truth, Path(folder) / "results", name))
    print(f"with scipy's binary_dilation the plain path on arrays takes {factor:.0f} times as long")
    sys.exit(0 if all(within) else 1)


if __name__ == "__main__":
    main()
