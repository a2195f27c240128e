"""Re-synthesis: seconds a texture until the same relative Gram loss, against scipy's L-BFGS-B on plain autograd.

`python -m tests.benchmarks.bench_texturize` takes photos of the mirror's DTD, or the built-in sample where that is not
there. Both ways start from the same noise with the same filters and bounds, on one thread, and end when the loss
|G - G*|^2 / |G*|^2 is there; reading the photo and writing the bytes count on our side, never on the other. The peak of
memory is that of a process that makes one texture, less what importing torch takes.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from pipeline.closure import ROOT
from pipeline.download.samples import dtd
from pipeline.download.unpack import unpack
from pipeline.texturize.job import BankJob, Synthesis
from pipeline.texturize.photos import find_photos
from pipeline.texturize.shelf import Photo
from pipeline.texturize.synthesis import begin, synthesize
from pipeline.texturize.trunk import MEAN, Trunk, find_trunk

SIDE, PHOTOS, TOLERANCE, LIMIT = 256, 6, 1e-4, 400
MEMORY = """
import sys, torch
from pathlib import Path
from tests.benchmarks.bench_texturize import ours, resident
from pipeline.texturize.shelf import Photo
from pipeline.texturize.trunk import find_trunk
torch.set_num_threads(1)
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
ours(Photo("one.jpg", Path(sys.argv[1])), find_trunk("random", None))
print(resident("VmHWM") - before)
"""


class Reached(Exception):  # noqa: N818
    """The loss is low enough."""


def job() -> tuple[BankJob, Synthesis]:
    """What both ways have to do: one descent, from white noise."""
    wanted = Synthesis(tolerance=TOLERANCE, iterations=LIMIT, matches=0)
    return BankJob(bank="conv1_1", photos="", side=SIDE, synthesis=wanted), wanted


def ours(photo: Photo, trunk: Trunk) -> tuple[float, int, float]:
    """Seconds, evaluations, and the loss of the bytes."""
    start = time.thread_time()
    made = synthesize([begin(*job(), photo)], job()[1], trunk, torch.device("cpu"))[0]
    return time.thread_time() - start, made.iterations, float(made.loss or 0)


def theirs(photo: Photo, trunk: Trunk) -> tuple[float, int]:
    """Seconds and evaluations of the plain way."""
    begun = begin(*job(), photo)
    source, first = (torch.from_numpy(p).float() - torch.tensor(MEAN) for p in (begun.source / 255, begun.start))
    weight, bias = trunk.filters[:, :-1].reshape(64, 3, 3, 3), trunk.filters[:, -1]
    start, count = time.thread_time(), 0

    def features(image: Tensor) -> Tensor:
        return F.relu(F.conv2d(image.permute(2, 0, 1)[None], weight, bias, padding=1)).flatten(2)[0]

    means = features(source).mean(1)
    scale = means.maximum(0.05 * means.mean())[:, None]
    target = (features(source) / scale) @ (features(source) / scale).T

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal count
        count += 1
        image = torch.from_numpy(point.astype(np.float32)).view(SIDE, SIDE, 3).requires_grad_()
        found = features(image) / scale
        value = (found @ found.T - target).square().sum() / target.square().sum()
        value.backward()
        if value.item() <= TOLERANCE or count >= LIMIT:
            raise Reached
        return value.item(), image.grad.numpy().astype(np.float64).ravel()

    low, high = (np.broadcast_to(b.numpy(), source.shape).ravel() for b in source.flatten(0, 1).aminmax(dim=0))
    options = {"maxcor": 20, "maxiter": LIMIT, "maxfun": LIMIT, "ftol": 0, "gtol": 0}
    try:
        point = np.clip(first.numpy().ravel(), low, high).astype(np.float64)
        minimize(loss, point, jac=True, method="L-BFGS-B", bounds=np.stack([low, high], 1), options=options)
    except Reached:
        pass
    return time.thread_time() - start, count


def resident(line: str) -> int:
    """KiB of this process now (VmRSS) or at most since its peak was forgotten (VmHWM)."""
    found = (text.split() for text in Path("/proc/self/status").read_text().splitlines())
    return next(int(words[1]) for words in found if words[0] == f"{line}:")


def photos(folder: Path) -> list[Photo]:
    """Photos spread over the source."""
    archive = Path(os.environ.get("GLIMPSE_MIRROR", ROOT.parent / "shared" / "data")) / "dtd" / "dtd-subset.tar.gz"
    if archive.is_file():
        unpack(archive, folder, "tar")
    else:
        dtd.generate(folder, {"side": SIDE}, 0)
    found = find_photos(folder)
    return found[len(found) // (2 * PHOTOS) :: len(found) // PHOTOS][:PHOTOS]


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    trunk, ratios = find_trunk("random", None), []
    with tempfile.TemporaryDirectory() as folder:
        chosen = photos(Path(folder))
        command = [sys.executable, "-c", MEMORY, str(chosen[0].path)]
        print(f"to a relative loss of {TOLERANCE:g} at {SIDE} x {SIDE}, at most {LIMIT} evaluations, one thread")
        print(
            "photo                            ours: s, evaluations, loss of the bytes   scipy: s, evaluations    ratio"
        )
        for photo in chosen:
            (fast, few, loss), (slow, many) = ours(photo, trunk), theirs(photo, trunk)
            ratios.append(slow / fast)
            shown = f"{fast:8.2f} {few:6d} {loss:12.1e} {slow:25.2f} {many:6d} {ratios[-1]:14.1f}"
            print(f"{photo.name:32s}{shown}", flush=True)
        peak = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    print(f"median {statistics.median(ratios):.1f} times as fast [{min(ratios):.1f}, {max(ratios):.1f}]")
    print(f"memory of one texture: {int(peak.stdout) / 1024:.0f} MB")


if __name__ == "__main__":
    main()
