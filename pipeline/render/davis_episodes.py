"""DAVIS: episodes of one gallery. A whole sequence from its first mask, a clip to train on, or a first frame alone.

Of the split `val` an episode is a sequence of three frames or more: frame 0 supports, all others are queries in order.
Of `pairs` it is the first frame of any sequence, even of one that is not there as a whole, and nothing is queried. Of
`train` sample i is a clip: some frame of a sequence supports, later ones are queried (the training of STM; one that
looks at single frames takes the support).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays
from pipeline.errors import UserError, nearest
from pipeline.gallery import GalleryStore
from pipeline.seeds import generator
from pipeline.table import Table

LENGTH = 100_000_000
"""Clips to train on: as many as anyone may ask for, since they are drawn."""
SPLITS = ("val", "pairs", "train")
LEAST = 3
"""Frames of a sequence to score: the first is given, and the last not scored."""


@dataclass(frozen=True)
class _Video:
    """One sequence: positions of its frames in the gallery, and how many objects its first mask shows."""

    name: str
    frames: NDArray[np.int32]
    objects: int
    gap: int | None
    """The first frame that is not there, although a later one is; None where they are numbered without gaps from 0."""
    labelled: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    """(frames, numbers of objects): which objects each frame shows."""


def renderer(
    *,
    split: str,
    sources: Mapping[str, Path],
    sequences: str = "",
    clip: int = 3,
    skip: int = 5,
    objects: int = 3,
    seed: int = 0,
) -> Table:
    """The split's table; the one of `sources` is the gallery's store.

    Of test splits: `sequences` chooses some, by names with commas. Of clips: `clip` frames in all, each at most `skip`
    frames after the one before, with as many as `objects` of those that the first of them shows, drawn and in random
    order, the others being background; a sequence that is shorter repeats its last frame.
    `UserError` for an unknown split or sequence, and where no sequence is left.
    """
    if split not in SPLITS:
        raise UserError(f"DAVIS has no split '{split}'; {nearest(split, SPLITS)}")
    if len(sources) != 1:
        raise UserError("the renderer 'davis_episodes' needs one gallery: name it in suite.yaml")
    path = next(iter(sources.values()))
    videos = _videos(GalleryStore(path))
    if split == "train":
        return _clips(path, videos, clip, skip, objects, seed)
    chosen = _chosen(videos, sequences)
    if split == "pairs":
        return _table(path, [(video, video.frames[:0]) for video in chosen])
    whole = [(video, video.frames[1:]) for video in chosen if _scorable(video)]
    if not whole:
        raise UserError(f"{path} holds no sequence of {LEAST} frames or more without a gap: get DAVIS again")
    return _table(path, whole)


def _videos(store: GalleryStore) -> list[_Video]:
    columns, videos = store.columns, []
    for number in np.unique(columns["sequence"]):
        positions = np.flatnonzero(columns["sequence"] == number).astype(np.int32)
        frames = columns["number"][positions]
        first = positions[0]
        objects = int(columns["objects"][first]) if columns["labelled"][first] else 0
        gap = next((place for place, frame in enumerate(frames) if frame != place), None)
        labelled = columns["labelled"][positions].astype(bool)
        shown = columns["pixels"][positions, 1:] > 0
        videos.append(_Video(store.names[first].rpartition("/")[0], positions, objects, gap, labelled, shown))
    return videos


def _chosen(videos: list[_Video], sequences: str) -> list[_Video]:
    """Those named, or all; without any whose first frame shows no object."""
    there = {video.name: video for video in videos}
    names = [name.strip() for name in sequences.split(",") if name.strip()] or list(there)
    for name in names:
        if name not in there:
            raise UserError(f"no sequence '{name}' is there; {nearest(name, there)}")
    chosen = [there[name] for name in names]
    for video in chosen:
        if not video.objects:
            print(f"the first frame of '{video.name}' shows no object: it is left out", flush=True)
    return [video for video in chosen if video.objects]


def _scorable(video: _Video) -> bool:
    """Whether it is whole and long enough; if not, it is told why it is left out."""
    count = len(video.frames)
    if video.gap is not None:
        print(f"'{video.name}' lacks frame {video.gap:05}: it is left out of val; get DAVIS again", flush=True)
    elif count < LEAST:
        many = f"{count} frame{'s' * (count != 1)}, where {LEAST} are the least"
        print(f"'{video.name}' has {many}: it is left out of val; get DAVIS again", flush=True)
    return video.gap is None and count >= LEAST


def _table(path: Path, episodes: list[tuple[_Video, NDArray[np.int32]]]) -> Table:
    longest = max(1, max((len(queries) for _, queries in episodes), default=0))
    objects = max((video.objects for video, _ in episodes), default=1)
    supports = np.array([video.frames[:1] for video, _ in episodes], np.int32).reshape(-1, 1)
    queries = np.full((len(episodes), longest), -1, np.int32)
    classes = np.zeros((len(episodes), objects), np.int32)
    for row, (video, frames) in enumerate(episodes):
        queries[row, : len(frames)] = frames
        classes[row, : video.objects] = np.arange(1, video.objects + 1)
    arrays = {"supports": supports, "queries": queries, "classes": classes}

    def rows(start: int, stop: int) -> Arrays:
        return {name: array[start:stop] for name, array in arrays.items()}

    return Table(path, rows, len(episodes), 1, longest, objects, facts={"sequences": len(episodes)})


def _clips(path: Path, videos: list[_Video], clip: int, skip: int, objects: int, seed: int) -> Table:
    if clip < 2 or skip < 1:
        raise UserError(f"clip={clip}, skip={skip}: a clip has two frames or more, at least one frame apart")
    if objects < 1:
        raise UserError(f"objects={objects}: a clip shows one object or more")
    usable = [video for video in videos if video.objects and len(video.frames) > 1 and video.labelled.all()]
    if not usable:
        raise UserError(f"{path} holds no annotated sequence of two frames to train on: get DAVIS again")

    def sample(index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        random = generator(seed, "episodes", "davis", clip, skip, index)
        video = usable[int(random.random() * len(usable))]
        last = len(video.frames) - 1
        gaps = 1 + (random.random(clip - 1) * max(1, min(skip, last // (clip - 1)))).astype(int)
        starts = np.flatnonzero(video.shown[: max(1, last + 1 - gaps.sum())].any(1))
        first = starts[int(random.random() * len(starts))]
        places = np.minimum(first + np.concatenate([[0], np.cumsum(gaps)]), last)
        shown = 1 + np.flatnonzero(video.shown[first])
        drawn = shown[np.argsort(random.random(len(shown)), kind="stable")][:objects]
        return video.frames[places], np.pad(drawn, (0, objects - len(drawn))).astype(np.int32)

    def rows(start: int, stop: int) -> Arrays:
        drawn = [sample(index) for index in range(start, stop)]
        frames, classes = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
        return {"supports": frames[:, :1], "queries": frames[:, 1:], "classes": classes}

    return Table(path, rows, LENGTH, 1, clip - 1, objects, void="background", facts={"sequences": len(usable)})
