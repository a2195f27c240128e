"""A list: the names of the images of every episode, where a split is a table of positions in a gallery."""

from pathlib import Path
from typing import Any

from pipeline.export.split import ExportedSplit
from pipeline.gallery import GalleryStore
from pipeline.manifest import write_json

_COLUMNS = {"classes": "class", "queries": "query", "supports": "support"}


def write_list(folder: Path, split: ExportedSplit, gallery: Path, about: dict[str, Any]) -> None:
    """Make `folder` with `episodes.tsv`: a row an episode, its classes by number and its images by their names.

    Columns are `episode`, `class`, `query` and `support1`, ...; places that an episode leaves empty are empty.
    """
    folder.mkdir()
    names = ["", *GalleryStore(gallery).names]  # position -1 is an empty place
    with (folder / "episodes.tsv").open("w") as file:
        header = ["episode"]
        for array, column in _COLUMNS.items():
            count = split.fields[array].shape[0]
            header += [column] if count == 1 and array != "supports" else [f"{column}{n + 1}" for n in range(count)]
        file.write("\t".join(header) + "\n")
        for start, block in split.blocks():
            together = zip(*(block[array].tolist() for array in _COLUMNS), strict=True)
            for episode, (classes, queries, supports) in enumerate(together, start):
                images = [names[position + 1] for position in [*queries, *supports]]
                file.write("\t".join([str(episode), *(str(c or "") for c in classes), *images]) + "\n")
    write_json(folder / "export.json", about)
