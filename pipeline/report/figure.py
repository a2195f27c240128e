"""Figures as inline SVG whose bytes depend on their data alone, and the colours all of them share."""

import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#98a2b3",
    "axes.labelcolor": "#344054",
    "text.color": "#1d2939",
    "xtick.color": "#667085",
    "ytick.color": "#667085",
    "grid.color": "#eaecf0",
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
}
"""Text stays text, so that the page's font applies."""

PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#6f5ac8", "#b8860b", "#56a0c8", "#8c564b", "#444444", "#2ca25f",
)  # fmt: skip
"""The first four are Okabe and Ito's, which the colour-blind tell apart; the others are as dark on a white page."""


MARKERS = "osv^X"
"""What tells two lines of one colour apart, where there are more names than colours."""


def marks(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """(colour, marker) a name: the first ones differ in colour, and all figures that pass the same names agree."""
    rounds = len(PALETTE)
    return {
        name: (PALETTE[index % rounds], MARKERS[index // rounds % len(MARKERS)])
        for index, name in enumerate(dict.fromkeys(names))
    }


def paler(colour: str, share: float) -> str:
    """The colour mixed with a `share` of white."""
    red, green, blue = (part + (1 - part) * share for part in matplotlib.colors.to_rgb(colour))
    return str(matplotlib.colors.to_hex((red, green, blue)))


def grid(count: int, *, share: bool) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, smaller ones where there are many; `share` gives them the same axes."""
    wide = min(count, 2 if count <= 4 else 4)
    high = -(-count // wide)
    width, height = (4.2, 3.0) if wide <= 2 else (2.65, 2.1)
    figure = Figure(figsize=(0.9 + width * wide, 0.5 + height * high), layout="constrained")
    panels = list(figure.subplots(high, wide, sharex=share, sharey=share, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    for axes in panels[max(0, count - wide) : count]:
        axes.tick_params(labelbottom=True)  # above a blank one, too
    return figure, panels[:count]


def shades(names: Sequence[str]) -> dict[str, str]:
    """Colours from light to dark for ordered names, such as levels."""
    gradient = matplotlib.colormaps["viridis_r"]
    steps = max(len(names) - 1, 1)
    return {name: matplotlib.colors.to_hex(gradient(0.15 + 0.8 * index / steps)) for index, name in enumerate(names)}


def panel_title(name: str) -> str:
    """The name in lines that fit a small panel."""
    return textwrap.fill(name, 28)


def svg(figure: Figure, title: str) -> str:
    """The figure as an <svg> element that scales with the page; `title` is what a screen reader says.

    No date, no version, no prolog, and no identifier that nothing refers to.
    """
    text = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": title}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing, transparent=True)
    body = text.getvalue()
    body = body[body.index("<svg") :].strip()
    used = set(re.findall(r"""(?:url\(|href=")#([^)"]+)""", body))
    body = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r"""(<svg [^>]*?)width="[^"]*" |(<svg [^>]*?)height="[^"]*" """, r"\1\2", body)
    label = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    width = figure.get_figwidth() * 72
    return body.replace("<svg ", f'<svg role="img" aria-label="{label}" style="width:{width * 1.34:.0f}px" ', 1)
