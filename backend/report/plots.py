"""Plots as SVG elements to stand inside a page: text stays text, and every colour is a variable of the page's style.

matplotlib draws with colours that stand for variables; they are replaced in its output, so one drawing serves the light
and the dark page. It is imported when the first plot is drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

from backend.errors import ExportError
from backend.report.scores import Calibration, ReviewCurve

VARIABLES = {"#010203": "--text", "#020304": "--line", "#030405": "--mark", "#040506": "--soft", "#050607": "--good"}
TEXT, LINE, MARK, SOFT, GOOD = VARIABLES
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "plot",
    "text.color": TEXT,
    "axes.edgecolor": LINE,
    "axes.labelcolor": TEXT,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "font.size": 11.0,
    "legend.frameon": False,
    "legend.fontsize": 10.0,
}
SIZE_INCHES = (4.7, 3.4)
INSTALL = "pip install -r requirements-report.txt -c constraints.txt"
Draw = Callable[[Any], None]


def check_matplotlib() -> None:
    """Raise `ExportError` if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        message = "The report's plots need matplotlib, which is not installed."
        raise ExportError(message, remedy=f"Install it with `{INSTALL}`.") from error


def plot_calibration(calibration: Calibration) -> str:
    """Plot the share of right proposals over their score, with the diagonal of perfectly calibrated scores."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linestyle="--", linewidth=1.2, label="perfect")
        for one in calibration.bins:
            axes.bar(one.lower, one.right, one.upper - one.lower, align="edge", color=MARK, alpha=0.35, edgecolor=MARK)
        scores = [one.mean_score for one in calibration.bins]
        axes.plot(scores, [one.right for one in calibration.bins], color=MARK, marker="o", label="measured")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="score", ylabel="share of right masks")
        axes.legend(loc="upper left")

    return _draw(draw, "calibration")


def plot_curve(curve: ReviewCurve, of: str) -> str:
    """Plot the errors found over what was looked at, beside random and best order.

    Args:
        of: What is looked at one after the other, "masks" or "tasks".
    """

    def draw(axes: Any) -> None:
        axes.plot(curve.looked_at, curve.best, color=GOOD, linestyle=":", linewidth=1.8, label="best order")
        axes.plot(curve.looked_at, curve.by_score, color=MARK, linewidth=2.0, label="lowest score first")
        axes.plot([0, 1], [0, 1], color=SOFT, linestyle="--", linewidth=1.2, label="random order")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=f"share of {of} looked at", ylabel="share of errors found")
        axes.legend(loc="lower right")

    return _draw(draw, f"order of {of}")


def plot_ious(ious: Sequence[float]) -> str:
    """Plot how much of each edited mask was left, as a histogram of the IoU before and after."""

    def draw(axes: Any) -> None:
        axes.hist(ious, bins=[place / 20 for place in range(21)], color=MARK, alpha=0.6, edgecolor=MARK)
        axes.set(xlim=(0, 1), xlabel="IoU of the mask before and after", ylabel="edited masks")
        axes.yaxis.get_major_locator().set_params(integer=True)

    return _draw(draw, "ious")


def _draw(draw: Draw, name: str) -> str:
    """Draw on one pair of axes; return an SVG element. The same input gives the same bytes."""
    check_matplotlib()
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        figure.patch.set_alpha(0)
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        axes.set_axisbelow(True)
        draw(axes)
        file = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    return _adapt(file.getvalue())


def _adapt(svg: str) -> str:
    """Make a file an element: no prolog and metadata, no ids that repeat in the page, variables instead of colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[a-z]+[a-z0-9.]*_\d+"', "", svg)
    svg = re.sub(r"<!--.*?-->\n? *", "", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return re.sub(
        r'(<svg [^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1
    )
