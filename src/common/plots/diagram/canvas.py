"""Drawing cells by code: a few kinds of nodes, arrows forward and backward, labels, in the colours of the book.

A `Diagram` is a list of parts in its own units, origin at the lower left. Nothing is drawn before `draw()`, so parts
can be added in any order: frames lie lowest, then the marker pen, arrows, nodes and labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from common import checks
from common.plots.look import COLOURS, FONT, WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    Point = tuple[float, float]

SYMBOL = FONT + 6  # points of the symbols in nodes
LABEL = FONT + 4  # points of the formulas at arrows

# kind -> (fill, line, text, width, height, shape)
_KINDS = {
    "input": (COLOURS["x"], COLOURS["x"], "white", 1.0, 0.62, "round"),
    "state": (COLOURS["h"], COLOURS["h"], "white", 1.0, 0.62, "round"),
    "memory": (COLOURS["c"], COLOURS["c"], "white", 1.0, 0.62, "round"),
    "output": (COLOURS["y"], COLOURS["y"], "white", 1.0, 0.62, "round"),
    "loss": (COLOURS["loss"], COLOURS["loss"], "white", 0.84, 0.62, "round"),
    "parameter": ("#FFFFFF", "#8A909C", COLOURS["ink"], 0.7, 0.56, "box"),
    "product": ("#E9EDF5", "#5B6B8C", COLOURS["ink"], 1.16, 0.72, "box"),
    "operation": ("#FFFFFF", COLOURS["ink"], COLOURS["ink"], 0.6, 0.6, "round"),
    "copy": (COLOURS["ink"], COLOURS["ink"], "white", 0.15, 0.15, "round"),
    "point": ("none", "none", COLOURS["ink"], 0.0, 0.0, "box"),
}

_BEHIND = {"frame": 0, "marker": 1, "arrow": 2, "backward": 2.5, "bridge": 2.7, "node": 3, "label": 4}


@dataclass(frozen=True)
class _Node:
    at: np.ndarray
    width: float
    height: float
    shape: str
    kind: str
    text: str
    size: float
    new: bool
    faint: bool
    colour: str | None


@dataclass(frozen=True)
class _Arrow:
    points: np.ndarray
    backward: bool
    colour: str
    head: bool
    new: bool
    faint: bool
    bridge: bool


@dataclass(frozen=True)
class _Label:
    at: np.ndarray
    text: str
    colour: str
    size: float
    align: tuple[str, str]
    new: bool


class Diagram:
    """A drawing of `width` by `height` units; `draw()` returns it as a matplotlib Figure of the book's width.

    Every method returns the diagram, so calls can be chained. `new=True` marks a part with the yellow marker pen: it
    is what this stage of a staged figure adds. `faint=True` greys a part that only gives the place.
    """

    def __init__(self, width: float = 10.0, height: float = 5.0) -> None:
        for name, value in (("width", width), ("height", height)):
            if not 0 < value <= 40:
                raise ValueError(f"{name}: expected units between 0 and 40, got {value!r}")
        self.width, self.height = float(width), float(height)
        self._nodes: dict[str, _Node] = {}
        self._arrows: list[_Arrow] = []
        self._labels: list[_Label] = []
        self._frames: list[tuple[float, float, float, float, str]] = []

    def node(
        self,
        name: str,
        at: Point,
        text: str = "",
        *,
        kind: str = "operation",
        width: float | None = None,
        height: float | None = None,
        size: float = SYMBOL,
        colour: str | None = None,
        new: bool = False,
        faint: bool = False,
    ) -> Diagram:
        """Add a node that arrows can name.

        kind    input, state, memory (a cell state), output, loss: values, filled pills. parameter: what is learned.
                product: a matrix product. operation: element by element. copy: the dot where a value forks. point:
                nothing to see, a place for an arrow's end
        colour  a role of `plots.COLOURS` or a matplotlib colour, for the fill of a value or the line of an operation
        size    points of the text
        """
        checks.one_of("kind", kind, _KINDS)
        if name in self._nodes:
            raise ValueError(f"name: expected a name not used yet, got {name!r} a second time")
        _, _, _, default_width, default_height, shape = _KINDS[kind]
        self._nodes[name] = _Node(
            at=np.asarray(at, dtype=float),
            width=default_width if width is None else width,
            height=default_height if height is None else height,
            shape=shape,
            kind=kind,
            text=text,
            size=size,
            new=new,
            faint=faint,
            colour=COLOURS.get(colour, colour),
        )
        return self

    def arrow(
        self,
        start: str | Point,
        end: str | Point,
        *,
        via: Sequence[Point] = (),
        kind: str = "forward",
        colour: str | None = None,
        shift: float = 0.0,
        head: bool = True,
        new: bool = False,
        faint: bool = False,
        bridge: bool = False,
    ) -> Diagram:
        """Add an arrow between two nodes (or points), from edge to edge, over the points of `via` if any.

        kind    forward (dark, solid) or backward (the colour of gradients, dashed)
        shift   move the whole arrow this far to its right, so that a gradient runs beside the arrow it answers
        bridge  interrupt the arrows it crosses, as a bridge does a road: nothing is joined there
        """
        checks.one_of("kind", kind, ("forward", "backward"))
        points = np.array([self._centre("start", start), *map(tuple, via), self._centre("end", end)], dtype=float)
        points = _shifted(points, shift)
        points[0] = self._edge(start, points[0], points[1])
        points[-1] = self._edge(end, points[-1], points[-2])
        backward = kind == "backward"
        ink = COLOURS["gradient"] if backward else COLOURS["ink"]
        self._arrows.append(_Arrow(points, backward, COLOURS.get(colour, colour) or ink, head, new, faint, bridge))
        return self

    def label(
        self,
        at: Point,
        text: str,
        *,
        colour: str = "ink",
        size: float = LABEL,
        align: str = "centre",
        new: bool = False,
    ) -> Diagram:
        """Add text. `align` says which part of the text stands at `at`: centre, left, right, top or bottom."""
        places = {
            "centre": ("center", "center"),
            "left": ("left", "center"),
            "right": ("right", "center"),
            "top": ("center", "top"),
            "bottom": ("center", "bottom"),
        }
        checks.one_of("align", align, places)
        colour = COLOURS.get(colour, colour)
        self._labels.append(_Label(np.asarray(at, dtype=float), text, colour, size, places[align], new))
        return self

    def frame(self, low: Point, high: Point, text: str = "") -> Diagram:
        """Add the outline of a cell between two corners, its name at the upper left inside."""
        self._frames.append((*low, *high, text))
        return self

    def draw(self) -> Figure:
        """Return the drawing as a Figure of the book's width."""
        import matplotlib.pyplot as plt

        fig = plt.figure(figsize=(WIDTH, WIDTH * self.height / self.width), layout="none", facecolor="white")
        ax = fig.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, self.width), ylim=(0, self.height))
        ax.axis("off")
        for frame in self._frames:
            _draw_frame(ax, *frame)
        for arrow in self._arrows:
            _draw_arrow(ax, arrow)
        for node in self._nodes.values():
            _draw_node(ax, node)
        for label in self._labels:
            _draw_label(ax, label)
        return fig

    def faults(self) -> list[str]:
        """Return what a reader would trip over: text cut off, text over text, an arrow through text or a node.

        An empty list is a sound drawing. The tests ask this of every figure of the book.
        """
        fig = self.draw()
        try:
            return _faults(self, fig)
        finally:
            import matplotlib.pyplot as plt

            plt.close(fig)

    def _centre(self, argument: str, place: str | Point) -> Point:
        if not isinstance(place, str):
            return tuple(place)
        if place not in self._nodes:
            known = ", ".join(self._nodes) or "none yet"
            raise ValueError(f"{argument}: expected the name of a node ({known}), got {place!r}")
        return tuple(self._nodes[place].at)

    def _edge(self, place: str | Point, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
        """Return where the line from `inside` a node to `outside` crosses its edge."""
        if not isinstance(place, str):
            return inside
        node = self._nodes[place]
        low, high = 0.0, 1.0
        for _ in range(40):  # bisection: the same code for every shape
            middle = (low + high) / 2
            low, high = (middle, high) if _inside(node, inside + middle * (outside - inside)) else (low, middle)
        return inside + high * (outside - inside)


def _inside(node: _Node, point: np.ndarray) -> bool:
    across, up = np.abs(point - node.at)
    radius = _radius(node)
    across, up = across - (node.width / 2 - radius), up - (node.height / 2 - radius)
    return float(np.hypot(max(across, 0.0), max(up, 0.0))) + min(max(across, up), 0.0) <= radius


def _radius(node: _Node) -> float:
    """Radius of a node's corners: a value is a pill, a box has slightly rounded corners."""
    smaller = min(node.width, node.height)
    return smaller / 2 if node.shape == "round" else min(0.1, smaller / 2)


def _shifted(points: np.ndarray, shift: float) -> np.ndarray:
    """Move a line of straight pieces `shift` to its right, its corners with it."""
    if not shift:
        return points.copy()
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    if (lengths == 0).any():
        raise ValueError(f"via: two points of an arrow are the same, near {points[int(lengths.argmin())]}")
    normals = np.stack([steps[:, 1], -steps[:, 0]], axis=1) / lengths[:, None]
    moved = np.empty_like(points)
    moved[0], moved[-1] = points[0] + shift * normals[0], points[-1] + shift * normals[-1]
    for corner in range(1, len(points) - 1):
        before, after = normals[corner - 1], normals[corner]
        moved[corner] = points[corner] + shift * (before + after) / (1 + before @ after)
    return moved


def _draw_frame(ax: Axes, left: float, low: float, right: float, high: float, text: str) -> None:
    from matplotlib.patches import PathPatch

    middle, size = np.array([(left + right) / 2, (low + high) / 2]), (right - left, high - low)
    look = {"facecolor": _INSIDE, "edgecolor": COLOURS["faint"], "linewidth": 1.2, "zorder": _BEHIND["frame"]}
    ax.add_patch(PathPatch(_box(middle, *size, 0.22), **look))
    if text:
        ax.text(left + 0.18, high - 0.16, text, ha="left", va="top", fontsize=FONT, color="#5B616E", zorder=0.5)


def _draw_node(ax: Axes, node: _Node) -> None:
    from matplotlib.patches import PathPatch

    if node.kind == "point":
        return
    fill, line, ink = _paint(node)

    def outline(grown: float, **look):
        size = (node.width + 2 * grown, node.height + 2 * grown)
        ax.add_patch(PathPatch(_box(node.at, *size, _radius(node) + grown), **look))

    if node.new:
        outline(_MARKER, facecolor=COLOURS["marker"], edgecolor="none", zorder=_BEHIND["marker"])
    outline(0.0, facecolor=fill, edgecolor=line, linewidth=1.5, zorder=_BEHIND["node"])
    if node.text:
        look = {"ha": "center", "va": "center", "math_fontfamily": "cm", "zorder": _BEHIND["node"] + 0.5}
        ax.text(*node.at, node.text, color=ink, fontsize=node.size, **look)


def _paint(node: _Node) -> tuple[str, str, str]:
    """Return (fill, line, text) colours."""
    fill, line, ink, *_ = _KINDS[node.kind]
    if node.faint:
        return "#FFFFFF", COLOURS["faint"], "#6B7280"
    if node.colour is None:
        return fill, line, ink
    if node.kind in ("operation", "product", "parameter"):
        return fill, node.colour, ink
    return node.colour, node.colour, _readable_on(node.colour)


def _box(middle: np.ndarray, width: float, height: float, radius: float):
    """Return the path of a box with round corners; a radius of half its height makes a pill, or a circle."""
    from matplotlib.path import Path

    bend = 0.5523 * radius  # where the control points of a cubic curve stand that follows a quarter of a circle
    across, up = width / 2, height / 2
    vertices, codes = [], []
    for right, top in ((1, 1), (-1, 1), (-1, -1), (1, -1)):  # the corners, counter-clockwise
        corner = np.array([right * across, top * up])
        into, out = np.array([0, -top]), np.array([-right, 0])
        if right * top < 0:
            into, out = out, into
        points = [corner + radius * into, corner + (radius - bend) * into, corner + (radius - bend) * out]
        vertices += [*points, corner + radius * out]
        codes += [Path.LINETO if codes else Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    return Path(np.array([*vertices, vertices[0]]) + middle, [*codes, Path.CLOSEPOLY])


def _readable_on(colour: str) -> str:
    """Return the colour of text that stands out on this one: white where its contrast is 4.5 to 1 (WCAG 2.2)."""
    from matplotlib.colors import to_rgb

    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return "white" if 1.05 / (luminance + 0.05) >= 4.5 else "black"


_HEAD_LENGTH, _HEAD_WIDTH, _CORNER = 0.24, 0.2, 0.16
_INSIDE = "#F7F8FA"  # the ground within the outline of a cell
_MARKER = 0.12  # how far the marker pen shows around a node


def _draw_arrow(ax: Axes, arrow: _Arrow) -> None:
    from matplotlib.patches import PathPatch, Polygon

    colour = "#A9AFBB" if arrow.faint else arrow.colour
    width = 1.6 if arrow.faint else 2.2
    layer = _BEHIND["bridge" if arrow.bridge else "backward" if arrow.backward else "arrow"]
    points = arrow.points.copy()
    direction = points[-1] - points[-2]
    direction /= np.linalg.norm(direction)
    if arrow.new:
        marker = {"edgecolor": COLOURS["marker"], "linewidth": 11, "capstyle": "round", "joinstyle": "round"}
        ax.add_patch(PathPatch(_rounded(points), facecolor="none", zorder=_BEHIND["marker"], **marker))
    if arrow.bridge:
        gap = {"edgecolor": COLOURS["marker"] if arrow.new else _INSIDE, "linewidth": 9, "capstyle": "butt"}
        ax.add_patch(PathPatch(_rounded(points), facecolor="none", zorder=layer - 0.1, **gap))
    if arrow.head:
        tip, across = points[-1], np.array([-direction[1], direction[0]])
        base = tip - _HEAD_LENGTH * direction
        corners = [tip, base + _HEAD_WIDTH / 2 * across, base - _HEAD_WIDTH / 2 * across]
        ax.add_patch(Polygon(corners, closed=True, facecolor=colour, edgecolor="none", zorder=layer + 0.1))
        points[-1] = base + 0.04 * direction
    dashes = (0, (2.2, 1.1)) if arrow.backward else "solid"
    line = {"edgecolor": colour, "linewidth": width, "linestyle": dashes, "capstyle": "butt", "joinstyle": "round"}
    ax.add_patch(PathPatch(_rounded(points), facecolor="none", zorder=layer, **line))


def _rounded(points: np.ndarray):
    """Return the path over the points with rounded corners."""
    from matplotlib.path import Path

    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points[:-2], points[1:-1], points[2:], strict=True):
        into, out = corner - before, after - corner
        radius = min(_CORNER, np.linalg.norm(into) / 2, np.linalg.norm(out) / 2)
        vertices += [corner - radius * into / np.linalg.norm(into), corner]
        vertices.append(corner + radius * out / np.linalg.norm(out))
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _draw_label(ax: Axes, label: _Label) -> Text:
    across, up = label.align
    box = {"facecolor": COLOURS["marker"], "edgecolor": "none", "boxstyle": "round,pad=0.18"} if label.new else None
    return ax.text(
        *label.at,
        label.text,
        color=label.colour,
        fontsize=label.size,
        ha=across,
        va=up,
        bbox=box,
        zorder=_BEHIND["label"],
        math_fontfamily="cm",
    )


def _faults(diagram: Diagram, fig: Figure) -> list[str]:
    fig.draw_without_rendering()  # only then does the marker pen behind a label know its place
    renderer = fig.canvas.get_renderer()
    to_units = fig.axes[0].transData.inverted()
    texts = []
    for text in fig.axes[0].texts:
        ink = text.get_bbox_patch() or text  # the marker pen behind a label counts as part of it
        box = to_units.transform_bbox(ink.get_window_extent(renderer))
        texts.append((text.get_text(), box.x0, box.y0, box.x1, box.y1))
    return [
        *_cut_off(diagram, texts),
        *_text_over_text(texts),
        *_spilling(diagram, texts),
        *_crossed(diagram, texts),
    ]


def _cut_off(diagram: Diagram, texts: list[tuple]) -> list[str]:
    things = [(f"'{text}'", *box) for text, *box in texts]
    for name, node in diagram._nodes.items():
        if node.kind != "point":
            grown = np.array([node.width, node.height]) / 2 + (_MARKER if node.new else 0.02)
            things.append((f"the node {name!r}", *(node.at - grown), *(node.at + grown)))
    return [
        f"{thing} is cut off at the edge of the figure"
        for thing, left, low, right, high in things
        if left < 0 or low < 0 or right > diagram.width or high > diagram.height
    ]


def _text_over_text(texts: list[tuple]) -> list[str]:
    found = []
    for number, (text, left, low, right, high) in enumerate(texts):
        for other, left2, low2, right2, high2 in texts[number + 1 :]:
            if min(right, right2) - max(left, left2) > 0 and min(high, high2) - max(low, low2) > 0:
                found.append(f"'{text}' lies over '{other}'")
    return found


def _spilling(diagram: Diagram, texts: list[tuple]) -> list[str]:
    """Name the text of nodes that is wider than its node, and labels that lie over a node."""
    found = []
    for text, left, low, right, high in texts:
        for name, node in diagram._nodes.items():
            if node.kind == "point":
                continue
            half = np.array([node.width, node.height]) / 2
            (left2, low2), (right2, high2) = node.at - half, node.at + half
            if node.text == text and abs((left + right) / 2 - node.at[0]) < 0.2 and low2 < (low + high) / 2 < high2:
                if left < left2 or right > right2 or low < low2 or high > high2:
                    found.append(f"'{text}' spills over its node {name!r}")
            elif min(right, right2) - max(left, left2) > 0 and min(high, high2) - max(low, low2) > 0:
                found.append(f"'{text}' lies over the node {name!r}")
    return found


def _crossed(diagram: Diagram, texts: list[tuple]) -> list[str]:
    """Name the arrows that run through a text or through a node they do not belong to."""
    found = []
    for arrow in diagram._arrows:
        # Points every 0.02 units along the arrow, without its very ends.
        for start, end in zip(arrow.points[:-1], arrow.points[1:], strict=True):
            count = max(int(np.linalg.norm(end - start) / 0.02), 3)
            along = start + np.linspace(0, 1, count)[1:-1, None] * (end - start)
            across, up = along.T
            for text, left, low, right, high in texts:
                if ((across > left) & (across < right) & (up > low) & (up < high)).any():
                    found.append(f"an arrow runs through '{text}'")
            for name, node in diagram._nodes.items():
                if node.kind not in ("point", "copy") and any(_inside(node, point) for point in along[2:-2]):
                    found.append(f"an arrow runs through the node {name!r}")
    return found
