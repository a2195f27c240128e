"""Real masks of DAVIS."""

import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def davis_masks(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with masks of some sequences of DAVIS 2016, 0 and 255, and of gold-fish, an index an object."""
    folder, found = tmp_path_factory.mktemp("davis"), "DAVIS/Annotations/480p/"
    for archive, names in (
        ("DAVIS-2016-480p-subset.zip", ("blackswan", "bmx-trees", "dog")),
        ("DAVIS-2017-480p-overlay-subset.zip", ("gold-fish",)),
    ):
        with zipfile.ZipFile(mirror / "davis" / archive) as packed:
            for file in packed.namelist():
                if file.startswith(tuple(f"{found}{name}/" for name in names)) and file.endswith(".png"):
                    packed.extract(file, folder)
    return folder / found
