"""Work folders: where a job keeps what must survive its death, under a lock held for the life of the process."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UserError
from pipeline.manifest import Manifest, read_manifest


@contextmanager
def work_folder(product: Path) -> Iterator[Path]:
    """Yield `work/<product>/`, locked: a job restarted after `kill -9` waits here for the orphan of the first.

    `product` is the path of what the job makes, relative to the project's folder.
    """
    if product.is_absolute() or ".." in product.parts:
        raise UserError(f"the product '{product}' must be a path inside the project's folder")
    folder = Path("work") / product
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    print(f"another process is making {product}; waiting for it to end", flush=True)
                waiting = True
                time.sleep(0.2)
        yield folder


def already_published(manifest: Path, recipe: dict[str, object], code: str, inputs: dict[str, str | None]) -> bool:
    """Whether `manifest` is there and was made by this very recipe, code and inputs (by an orphan, say)."""
    if not manifest.exists():
        return False
    found: Manifest = read_manifest(manifest)
    return found.recipe == recipe and found.code == code and found.inputs == inputs
