"""What a renderer is: a module below `pipeline.render` that turns raw sources into episodes, shard by shard.

Its function `renderer(*, split, sources, **parameters)` makes a `Renderer`. A renderer that can be streamed also has
`replay(store)`, which makes a `Replay` from the small store that `bank` filled, without the raw sources.
"""

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipeline.episodes import Arrays, Layout
from pipeline.errors import UserError, nearest


class Renderer(Protocol):
    """Episodes of one split of one data set, as a pure function of the shard's index."""

    layout: Layout
    length: int
    """Episodes of the whole published split; a shorter one is its prefix."""
    facts: Mapping[str, int]
    """Counts worth a place in the manifest: characters, drawings."""

    def shard(self, index: int, count: int) -> Arrays:
        """The first `count` episodes of shard `index`; safe to call from several threads at once."""


@runtime_checkable
class Streamable(Renderer, Protocol):
    """A renderer whose jobs can be replayed from a few arrays."""

    def bank(self) -> Arrays:
        """All that replaying needs beside the split's name and the parameters."""


def make_renderer(name: str, *, split: str, sources: Mapping[str, Path], parameters: Mapping[str, Any]) -> Renderer:
    """Load `pipeline.render.<name>` and make its renderer; `UserError` for unknown names and wrong parameters."""
    folder = Path(__file__).parent
    known = [path.stem for path in folder.glob("*.py") if "\ndef renderer(" in path.read_text()]
    if name not in known:
        raise UserError(f"unknown renderer '{name}'; {nearest(name, known)}")
    make = importlib.import_module(f"pipeline.render.{name}").renderer
    accepted = [key for key in inspect.signature(make).parameters if key not in ("split", "sources")]
    for key in parameters:
        if key not in accepted:
            raise UserError(f"the renderer '{name}' has no parameter '{key}'; {nearest(key, accepted)}")
    try:
        inspect.signature(make).bind(split=split, sources=sources, **parameters)
    except TypeError as error:
        raise UserError(f"the renderer '{name}' lacks a parameter ({error}): add it in suite.yaml") from None
    found: Renderer = make(split=split, sources=sources, **parameters)
    return found
