"""Cluttered Omniglot (Michaelis, Bethge, Ecker 2018): find one character in a pile, given another rendering.

The rendered data are the published data, byte for byte: a split is cut into jobs of 2,000 samples, each replays its own
legacy random stream, and one job is one shard. Support: the target alone, 32x32. Query: the scene, 96x96.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.episodes import Arrays, ArraySpec, Layout
from pipeline.errors import UserError, nearest
from pipeline.render.glyphs import ink_boxes, pack
from pipeline.render.omniglot import PARTS, Glyphs, Part, read_omniglot
from pipeline.render.scene import Bank, Clutter, Pictures, Traces, render_job
from pipeline.render.stream import Replay, read_stream
from pipeline.render.transform import CANVAS, UNIT

JOB = 2000
"""Samples of a job."""


@dataclass(frozen=True)
class Split:
    """One published split: whose drawings it shows and where its random numbers start."""

    part: Part
    half: int | None
    """First (0) or second (1) half of the part's sorted alphabets; None for all of them."""
    drawers: range
    seed: int
    length: int


SPLITS = {
    "train": Split("background", None, range(10), 2209944264, 2_000_000),
    "val_train": Split("background", None, range(10, 20), 4020197800, 10_000),
    "test_train": Split("background", None, range(10, 20), 1665765955, 10_000),
    "val_one_shot": Split("evaluation", 0, range(10, 20), 3755213170, 10_000),
    "test_one_shot": Split("evaluation", 1, range(10, 20), 2301871561, 10_000),
    # The paper's own one-shot set, all 659 characters; it was never released, so that this seed is ours.
    "one_shot_all": Split("evaluation", None, range(10, 20), 20180904, 10_000),
}
_HALVES = (307, 352)
_ORACLE = "-instances"


class ClutteredOmniglot:
    """Renderer of one split at one clutter level; with `instances`, of its oracle data instead of its pictures."""

    def __init__(self, bits: np.ndarray, *, split: Split, clutter: Clutter, instances: bool) -> None:
        """Draw with the packed drawings `bits` (C, D, 128, 16) of `split`."""
        self.length = split.length
        self.facts: Mapping[str, int] = {"characters": bits.shape[0], "drawings": bits.shape[0] * bits.shape[1]}
        self.layout = _oracle_layout(clutter) if instances else _LAYOUT
        self._clutter, self._instances = clutter, instances
        self._bank = Bank(bits, ink_boxes(bits), split.drawers.start)
        self._seeds = job_seeds(split.seed, split.length // JOB)

    def shard(self, index: int, count: int) -> Arrays:
        """The first `count` samples of job `index`: pictures and packed masks, or the traces of `scene.Traces`."""
        arrays = {name: np.zeros((count, *spec.shape), spec.dtype) for name, spec in self.layout.arrays.items()}
        pictures, traces = None, None
        if self._instances:
            traces = Traces(arrays["instances"][:, 0], *(arrays[name] for name in Traces._fields[1:]))
        else:
            pictures = Pictures(*(arrays[name][:, 0] for name in _LAYOUT.arrays))
        if not render_job(int(self._seeds[index]), count, self._bank, self._clutter, pictures, traces):
            raise UserError("Omniglot holds a drawing so small that it vanishes when drawn: get it again")
        return arrays

    def bank(self) -> Arrays:
        """The packed drawings."""
        return {"drawings": self._bank.bits}


def renderer(
    *,
    split: str,
    sources: Mapping[str, Path],
    characters: int,
    occluders: int = 0,
    empty: float = 0.0,
    instances: bool = False,
) -> ClutteredOmniglot:
    """Renderer of `split` (or `<split>-instances`) with `characters` characters a scene, the target among them.

    `sources["omniglot"]` holds the official archives or folders. `occluders` characters cover the target, and with
    probability `empty` another character stands in its place. `UserError` for values out of range.
    """
    found, clutter = _find_split(split), _check(characters, occluders, empty)
    if "omniglot" not in sources:
        raise UserError("the renderer 'cluttered_omniglot' needs the source 'omniglot': add it in suite.yaml")
    bits = pack(read_pool(sources["omniglot"], found))
    return ClutteredOmniglot(bits, split=found, clutter=clutter, instances=instances or split.endswith(_ORACLE))


def replay(store: Path) -> Replay:
    """The stream whose packed drawings lie at `store`, without Omniglot itself."""
    arrays, attributes = read_stream(store)
    values = attributes["parameters"]
    clutter = _check(values["characters"], values.get("occluders", 0), values.get("empty", 0.0))
    split, instances = _find_split(attributes["split"]), attributes["split"].endswith(_ORACLE)
    drawn = ClutteredOmniglot(arrays["drawings"], split=split, clutter=clutter, instances=instances)
    return Replay(drawn, attributes["episodes"])


def job_seeds(seed: int, jobs: int) -> np.ndarray:
    """Seeds of a split's jobs, (jobs,): the least of twice as many draws, as the released generator picks them."""
    return np.unique(np.random.RandomState(seed).randint(0, 2**32, size=2 * jobs, dtype=np.int64))[:jobs]


_LAYOUT = Layout(
    arrays={
        "support_images": ArraySpec((1, UNIT, UNIT, 3)),
        "support_masks": ArraySpec((1, UNIT * UNIT // 8)),
        "query_images": ArraySpec((1, CANVAS, CANVAS, 3)),
        "query_masks": ArraySpec((1, CANVAS * CANVAS // 8)),
    },
    attributes={"objects": 1},
    shard=JOB,
)


def _oracle_layout(clutter: Clutter) -> Layout:
    drawn = clutter.characters + clutter.occluders
    arrays = {
        "instances": ArraySpec((1, CANVAS, CANVAS), "uint16"),
        "classes": ArraySpec((drawn,), "uint16"),
        "drawers": ArraySpec((drawn,)),
        "boxes": ArraySpec((drawn, 4)),
        "colours": ArraySpec((drawn, 3)),
        "visible": ArraySpec((drawn,), "uint16"),
        "target": ArraySpec((), "uint16"),
    }
    return Layout(arrays=arrays, attributes={"objects": 1}, shard=JOB)


def read_pool(source: Path, split: Split) -> Glyphs:
    """The drawings of a split (C, 10, 105, 105); `UserError` where Omniglot is not whole."""
    part = read_omniglot(source, split.part)
    middle = len(part.alphabets) // 2
    alphabets = {None: slice(None), 0: slice(0, middle), 1: slice(middle, None)}[split.half]
    chosen = sum(len(alphabet) for alphabet in part.alphabets[alphabets])
    if chosen == 0:
        raise UserError(f"{source}: one evaluation alphabet cannot be cut in halves; a source needs two or more")
    if split.half is not None and part.size == PARTS[split.part] and chosen != _HALVES[split.half]:
        wrong = f"half {split.half + 1} of the evaluation alphabets has {chosen} characters, not {_HALVES[split.half]}"
        raise UserError(f"{source}: {wrong}; its folders do not have Omniglot's names: get it again")
    return part.read(alphabets, split.drawers)


def _find_split(name: str) -> Split:
    base = name.removesuffix(_ORACLE)
    if base not in SPLITS:
        raise UserError(f"cluttered Omniglot has no split '{base}'; {nearest(base, SPLITS)}")
    return SPLITS[base]


def _check(characters: int, occluders: int, empty: float) -> Clutter:
    if not isinstance(characters, int) or not 1 <= characters <= 4096:
        raise UserError(f"characters={characters}: a scene holds 1 to 4096 characters (published: 4 to 256)")
    if not 0 <= occluders <= 4096:
        raise UserError(f"occluders={occluders}: a target is covered by 0 to 4096 characters")
    if not 0 <= empty <= 1:
        raise UserError(f"empty={empty}: it is a probability, 0 to 1")
    return Clutter(characters, occluders, float(empty))
