"""What a renderer is: a module below `pipeline.render` that turns raw sources into episodes, shard by shard.

Its function `renderer(*, split, sources, **parameters)` makes a `Renderer`. A renderer that can be streamed also has
`replay(store)`, which makes a `Replay` from the small store that `bank` filled, without the raw sources. A module with
`gallery(*, sources, **parameters)` makes a gallery of images instead, from which other renderers draw.
"""

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipeline.episodes import Arrays, Layout
from pipeline.errors import UserError, nearest
from pipeline.gallery import GalleryRenderer


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
    found: Renderer = _make("renderer", name, parameters, split=split, sources=sources)
    return found


def make_gallery(name: str, *, sources: Mapping[str, Path], parameters: Mapping[str, Any]) -> GalleryRenderer:
    """Load `pipeline.render.<name>` and make its gallery; `UserError` for unknown names and wrong parameters."""
    found: GalleryRenderer = _make("gallery", name, parameters, sources=sources)
    return found


def _make(kind: str, name: str, parameters: Mapping[str, Any], **given: Any) -> Any:
    folder = Path(__file__).parent
    known = [path.stem for path in folder.glob("*.py") if f"\ndef {kind}(" in path.read_text()]
    if name not in known:
        raise UserError(f"unknown {kind} '{name}'; {nearest(name, known)}")
    make = getattr(importlib.import_module(f"pipeline.render.{name}"), kind)
    accepted = [key for key in inspect.signature(make).parameters if key not in given]
    for key in parameters:
        if key not in accepted:
            raise UserError(f"the {kind} '{name}' has no parameter '{key}'; {nearest(key, accepted)}")
    try:
        inspect.signature(make).bind(**given, **parameters)
    except TypeError as error:
        raise UserError(f"the {kind} '{name}' lacks a parameter ({error}): add it in suite.yaml") from None
    return make(**given, **parameters)
