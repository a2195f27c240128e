"""Template matching: seconds a scene of both searches on one CPU thread, how often they agree, and what they reach.

`python -m tests.benchmarks.bench_template_matching [scenes]` takes the mirror's Omniglot, or scribbles where there is
none. Seconds are the process's own (a busy machine counts less), medians over scenes. The plain path is timed on a few
pairs of a version and a candidate, and set against the full search's time a pair.
"""

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

from pipeline.closure import ROOT
from pipeline.render.cluttered_omniglot import read_pool
from plugins.template_matching.candidates import separate
from plugins.template_matching.model import TemplateMatching, build
from tests.plugins.template_matching import plain
from tests.plugins.template_matching.scenes import SPLIT, Scenes, scenes, scribbles

LEVELS = (4, 32, 256)
SCENES = 20


def search(segmenter: TemplateMatching, drawn: Scenes) -> tuple[float, list[bool], torch.Tensor]:
    """Median seconds a scene; whether each is right; the masks."""
    seconds, right, masks = [], [], []
    for row in range(len(drawn.truth)):
        one = drawn.part(slice(row, row + 1))
        start = time.process_time()
        (prediction,) = segmenter.predict(segmenter.adapt(one.supports), [one.query])
        seconds.append(time.process_time() - start)
        masks.append(prediction.probabilities[0, 0] > 0.5)
        right.append(torch.equal(masks[-1], one.truth[0]))
    return statistics.median(seconds), right, torch.stack(masks)


def plain_seconds(drawn: Scenes) -> float:
    """Median seconds of one pair on the plain path, its version made already."""
    version = np.pad(drawn.supports.frames[0].masks[0].numpy(), 32)
    seconds = []
    for crop in separate(drawn.query.oracle["instances"][0], 96).crops[:4].numpy():
        start = time.process_time()
        plain.best_correlation(version, crop, 4)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def main() -> None:
    """Print one line a level."""
    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SCENES
    mirror = Path(os.environ.get("GLIMPSE_MIRROR", ROOT.parent / "shared" / "data")) / "omniglot"
    real = mirror.is_dir()
    drawings = read_pool(mirror, SPLIT) if real else scribbles(3520)
    print(f"{'Omniglot' if real else 'scribbles'}, {count} scenes a level, one thread")
    for level in LEVELS:
        drawn = scenes(drawings, level, count)
        fine, fine_right, fine_masks = search(build(), drawn)
        full, full_right, full_masks = search(build(search="full"), drawn)
        agreed = statistics.mean((fine_masks == full_masks).all(2).all(1).tolist())
        pairs = 9317 * len(drawn.query.oracle["instances"][0].unique().tolist()[1:])
        print(
            f"n = {level:3}: coarse to fine {fine:.3f} s a scene, full {full:.3f} s "
            f"({plain_seconds(drawn) * pairs / full:.0f} times plain); they agree on {agreed:.0%}; "
            f"right: {statistics.mean(fine_right):.0%} and {statistics.mean(full_right):.0%}"
        )


if __name__ == "__main__":
    main()
