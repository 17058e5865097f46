"""Charts as inline SVG: no script, no network, colours from the page's theme, text for those who cannot see them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from components.trading.calibration import Bin
from components.trading.statistics import Array

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 28, 44
_MAX_POINTS = 400
_LANE, _BAR, _LANE_LEFT = 40, 14, 122
_ROW, _LETTER = 22, 8.4  # of a name on a narrow page, in canvas units
_SHORT_TICK = 5  # characters that fit when centred at the edge


Codes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Line:
    """One series of a chart."""

    name: str
    x: Array
    y: Array
    style: str
    """CSS class: ``model``, ``peer``, ``gross`` or ``loss``."""
    band: tuple[Array, Array] | None = None
    """Between which the true line may lie, if somebody knows."""


@dataclass(frozen=True)
class Scale:
    """From a number to a place on the canvas."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of ``value``, in canvas units."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return round values inside the scale, about ``count`` of them."""
        raw = (self.high - self.low) / count
        magnitude = 10.0 ** math.floor(math.log10(raw))
        step = next(m for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * (1 - 1e-9)) * magnitude
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step + 0.0 for number in range(first, last + 1)]


def spread(*arrays: Array, margin: float = 0.06) -> tuple[float, float]:
    """Return the range of all finite numbers with a margin; never empty."""
    values = np.concatenate([np.asarray(array, dtype=np.float64) for array in arrays])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    room = margin * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room


def _kept(num: int) -> Codes:
    return np.unique(np.linspace(0, num - 1, min(num, _MAX_POINTS)).round().astype(np.intp))


def _path(x: Array, y: Array, across: Scale, up: Scale) -> str:
    """Return the path through the points; where one is not finite, it breaks."""
    parts: list[str] = []
    whole = False
    for a, b, there in zip(x, y, np.isfinite(y), strict=True):
        if there:
            parts.append(f"{'L' if whole else 'M'}{across(float(a)):.1f},{up(float(b)):.1f}")
        whole = bool(there)
    return "".join(parts)


def _stretches(finite: Flags) -> list[tuple[int, int]]:
    """Return start and end of each run of true flags."""
    edges = np.flatnonzero(np.diff(finite.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _band(line: Line, kept: Codes, across: Scale, up: Scale) -> str:
    if line.band is None:
        return ""
    x, lower, upper = line.x[kept], line.band[0][kept], line.band[1][kept]
    areas = [
        _path(np.r_[x[start:end], x[start:end][::-1]], np.r_[upper[start:end], lower[start:end][::-1]], across, up)
        + "Z"
        for start, end in _stretches(np.isfinite(lower) & np.isfinite(upper))
    ]
    return f'<path class="fill {line.style}" d="{"".join(areas)}"/>' if areas else ""


def _svg(key: str, title: str, description: str, body: str, *, height: int = HEIGHT) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{key}-t {key}-d">'
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(description)}</desc>{body}</svg>'
    )


def _axes(
    across: Scale,
    up: Scale,
    *,
    x_label: str,
    x_ticks: Sequence[tuple[float, str]],
    y_text: Callable[[float], str],
    y_label: str = "",
    num_y: int = 5,
) -> str:
    floor = up.start
    parts: list[str] = []
    for value in up.ticks(num_y):
        y = up(value)
        parts.append(f'<line class="grid" x1="{across.start:.1f}" x2="{across.end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(y_text(value))}</text>'
        )
    for number, (place, text) in enumerate(x_ticks):
        x = across(place)
        wide = len(text) > _SHORT_TICK
        anchor = "end" if wide and x > across.end - 30 else "start" if wide and not number else "middle"
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{floor:.1f}" y2="{floor + 4:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{floor + 18:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
        )
    parts.append(
        f'<line class="axis" x1="{across.start:.1f}" x2="{across.end:.1f}" y1="{floor:.1f}" y2="{floor:.1f}"/>'
    )
    middle = (across.start + across.end) / 2
    parts.append(
        f'<text class="label" x="{middle:.1f}" y="{floor + 37:.1f}" text-anchor="middle">{escape(x_label)}</text>'
    )
    parts.append(f'<text class="label" x="2" y="{TOP - 14}">{escape(y_label)}</text>' if y_label else "")
    return "".join(parts)


def number_ticks(scale: Scale, count: int = 5) -> list[tuple[float, str]]:
    """Return ticks with their numbers as text."""
    return [(value, f"{value:g}") for value in scale.ticks(count)]


def line_chart(
    key: str,
    title: str,
    description: str,
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]],
    y_text: Callable[[float], str],
    area: bool = False,
    level: float | None = None,
    height: int = HEIGHT,
) -> str:
    """Return a chart of lines over one axis; ``level`` draws a reference line, ``area`` fills below the first line."""
    edges = [edge for line in lines if line.band is not None for edge in line.band]
    low, high = spread(*(line.y for line in lines), *edges, *([np.array([level])] if level is not None else []))
    if area:
        high = 0.0
    across = Scale(*_ends(lines), LEFT, WIDTH - RIGHT)
    up = Scale(low, high, height - BOTTOM, TOP)
    num_y = 3 if area else 5
    body = [_axes(across, up, x_label=x_label, y_label=y_label, x_ticks=x_ticks, y_text=y_text, num_y=num_y)]
    if level is not None:
        y = up(level)
        body.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for line in lines:
        kept = _kept(line.x.size)
        x, y = line.x[kept], line.y[kept]
        path = _path(x, y, across, up)
        body.append(_band(line, kept, across, up))
        if area and line is lines[0]:
            closing = f"L{across(float(x[-1])):.1f},{up(0.0):.1f}L{across(float(x[0])):.1f},{up(0.0):.1f}Z"
            body.append(f'<path class="fill {line.style}" d="{path}{closing}"/>')
        body.append(f'<path class="line {line.style}" d="{path}"/>')
        if x.size == 1:
            body.append(
                f'<circle class="dot {line.style}" cx="{across(float(x[0])):.1f}" cy="{up(float(y[0])):.1f}" r="4"/>'
            )
    return _svg(key, title, description, "".join(body), height=height)


def _ends(lines: Sequence[Line]) -> tuple[float, float]:
    low = min(float(line.x[0]) for line in lines)
    high = max(float(line.x[-1]) for line in lines)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def reliability_chart(
    key: str, title: str, description: str, bins: Sequence[Bin], *, x_label: str, y_label: str
) -> str:
    """Return what was said against what came, each bin with its interval."""
    edges = np.array([[item.probability, item.lower, item.upper] for item in bins]).ravel()
    low, high = spread(edges)
    low, high = max(0.0, low), min(1.0, high)
    across, up = Scale(low, high, LEFT, WIDTH - RIGHT), Scale(low, high, HEIGHT - BOTTOM, TOP)
    ticks = number_ticks(across)
    body = [_axes(across, up, x_label=x_label, y_label=y_label, x_ticks=ticks, y_text=lambda value: f"{value:g}")]
    body.append(
        f'<line class="level" x1="{across(low):.1f}" y1="{up(low):.1f}" x2="{across(high):.1f}" y2="{up(high):.1f}"/>'
    )
    for item in bins:
        x = across(item.probability)
        body.append(
            f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{up(item.lower):.1f}" y2="{up(item.upper):.1f}"/>'
        )
        body.append(f'<circle class="dot model" cx="{x:.1f}" cy="{up(item.share):.1f}" r="4.5"/>')
    return _svg(key, title, description, "".join(body))


def lane_chart(
    key: str, title: str, description: str, lanes: Sequence[str],
    *, came: Codes, said: Codes, x_label: str, x_ticks: Sequence[tuple[float, str]],
) -> str:  # fmt: skip
    """Return one lane for each class: above, in the peer's colour, when it came; below, when it was said.

    ``came`` and ``said`` hold the code of a lane at each step.
    """
    floor = TOP + _LANE * len(lanes)
    across = Scale(0.0, float(came.size), _LANE_LEFT, WIDTH - RIGHT)
    kept = _kept(came.size)
    ends = np.append(kept[1:], came.size)
    body = [_axes(across, Scale(0.0, 1.0, floor, TOP), x_label=x_label, x_ticks=x_ticks, y_text=lambda _: "", num_y=1)]
    for code, name in enumerate(lanes):
        y = TOP + _LANE * code
        body.append(f'<text x="{_LANE_LEFT - 8}" y="{y + _LANE / 2 + 5:g}" text-anchor="end">{escape(name)}</text>')
        body.append(f'<line class="grid" x1="{_LANE_LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        for style, codes, top in (("peer", came, y + 5), ("model", said, y + 6 + _BAR)):
            spans = [(kept[first], ends[last - 1]) for first, last in _stretches(codes[kept] == code)]
            path = "".join(f"M{across(a):.1f} {top}H{across(b):.1f}v{_BAR}H{across(a):.1f}Z" for a, b in spans)
            body.append(f'<path class="dot {style}" d="{path}"/>' if path else "")
    return _svg(key, title, description, "".join(body), height=floor + BOTTOM)


def bar_chart(
    key: str, title: str, description: str, names: Sequence[str],
    *, values: Array, lower: Array, upper: Array, x_label: str,
) -> str:  # fmt: skip
    """Return one bar from zero for each name, top to bottom, with its interval as a whisker."""
    low, high = spread(values, lower, upper, np.zeros(1))
    floor, left = TOP + _ROW * len(names), 16 + _LETTER * max(map(len, names))
    across = Scale(low, high, left, WIDTH - RIGHT)
    ticks = number_ticks(across, 4)
    nothing = Scale(0.0, 1.0, floor, TOP)
    body = [_axes(across, nothing, x_label=x_label, x_ticks=ticks, y_text=lambda _: "", num_y=1)]
    zero = across(0.0)
    body.append(f'<line class="level" x1="{zero:.1f}" x2="{zero:.1f}" y1="{TOP}" y2="{floor}"/>')
    for place, name in enumerate(names):
        y, end = TOP + _ROW * (place + 0.5), across(float(values[place]))
        start, width = min(zero, end), abs(end - zero)
        body.append(f'<text x="{left - 8:g}" y="{y + 4.5:g}" text-anchor="end">{escape(name)}</text>')
        body.append(f'<rect class="bar" x="{start:.1f}" y="{y - 7:g}" width="{width:.1f}" height="14"/>')
        reach = [across(float(edge)) for edge in (lower[place], upper[place])]
        body.append(f'<path class="reach" d="M{reach[0]:.1f} {y:g}H{reach[1]:.1f}M{reach[0]:.1f} {y - 4:g}v8'
                    f'M{reach[1]:.1f} {y - 4:g}v8"/>')  # fmt: skip
    return _svg(key, title, description, "".join(body), height=floor + BOTTOM)


def interval_mark(value: float, lower: float | None, upper: float | None, bound: float, *, outcome: str) -> str:
    """Return a small picture of a value and its interval beside the bound to clear; the table says it in words."""
    left, right = lower if lower is not None else value, upper if upper is not None else value
    low, high = spread(np.array([left, right, value, bound]), margin=0.12)
    across = Scale(low, high, 4, 156)
    line = across(bound)
    return (
        f'<svg class="mark {outcome}" viewBox="0 0 160 26" aria-hidden="true">'
        f'<line class="bound" x1="{line:.1f}" x2="{line:.1f}" y1="2" y2="24"/>'
        f'<line class="reach" x1="{across(left):.1f}" x2="{across(right):.1f}" y1="13" y2="13"/>'
        f'<circle cx="{across(value):.1f}" cy="13" r="4.5"/></svg>'
    )
