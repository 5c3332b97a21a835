"""How the report's figures look: one colour, marker and line per method and per task; lengths in millimetres.

The colours are those of Okabe and Ito (Color Universal Design, 2008) with grey and brown added, so that they can be
told apart with any colour vision; markers and lines do the same in a print without colour.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath

from mtl.record.files import write_bytes

WIDTH = 160.0  # of the text column of an A4 page, mm
MAX_HEIGHT = 225.0  # what a page has room for beside a caption, mm
FONT_SIZE, SMALL = 7.0, 6.0  # points
POINT = 25.4 / 72  # mm
BOLD = 1.15  # width of bold letters, times that of others
LEGEND_ROW = 3.8  # height of a line of a legend, mm

INK, GREY, LIGHT, BAND = "#222222", "#767676", "#d9d9d9", "#f4f4f4"
BAR = "#4477a0"
MISSED, WRONG = "#0072b2", "#d55e00"
MINUS = "\N{MINUS SIGN}"

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": FONT_SIZE,
    "mathtext.fontset": "dejavusans",
    "text.parse_math": False,  # a task may have $ in its name
    "axes.titlesize": FONT_SIZE,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.labelsize": FONT_SIZE,
    "axes.labelpad": 2.5,
    "axes.linewidth": 0.5,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.2,
    "lines.markeredgewidth": 0.8,
    "grid.color": LIGHT,
    "grid.linewidth": 0.4,
    "legend.frameon": False,
    "legend.fontsize": FONT_SIZE,
    "svg.fonttype": "path",  # looks the same without the font
    "svg.hashsalt": "mtl",  # the same figure is the same file
}


class Style(NamedTuple):
    """What one line of a figure looks like."""

    colour: str
    marker: str
    line: Any  # a matplotlib line style


METHOD_STYLES = {
    "joint": Style("#000000", "o", "-"),
    "dst": Style("#d55e00", "D", "-"),
    "random_drop": Style("#0072b2", "s", (0, (4, 1.5))),
    "single_task": Style("#009e73", "^", (0, (1, 1))),
    "uncertainty": Style("#cc79a7", "v", (0, (4, 1, 1, 1))),
    "dst_depth": Style("#e69f00", "<", (0, (6, 2))),
    "dst_count": Style("#56b4e9", ">", (0, (2, 1))),
    "dst_incompleteness": Style("#8c564b", "P", (0, (6, 1, 1, 1, 1, 1))),
    "dst_stagnancy": Style("#7f7f7f", "X", (0, (3, 1, 1, 1))),
}
TASK_COLOURS = ("#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
TASK_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
TASK_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (6, 2)))


def method_styles(methods: Iterable[str]) -> dict[str, Style]:
    """A method's style is the same in every study; one that is not known here gets a style that is left."""
    methods = list(methods)
    left = [style for method, style in METHOD_STYLES.items() if method not in methods] or list(METHOD_STYLES.values())
    unknown = [method for method in methods if method not in METHOD_STYLES]
    return {
        method: METHOD_STYLES[method] if method in METHOD_STYLES else left[unknown.index(method) % len(left)]
        for method in methods
    }


def task_styles(tasks: Sequence[str]) -> dict[str, Style]:
    """By position: colours and markers alone differ for 8 tasks, all three together for 64."""
    return {
        task: Style(TASK_COLOURS[k % 8], TASK_MARKERS[(k + k // 8) % 8], TASK_LINES[(k + k // 8) % len(TASK_LINES)])
        for k, task in enumerate(tasks)
    }


def most_important(methods: Iterable[str], number: int) -> list[str]:
    """As many methods as there is room for, in their order: DST, joint training and the control stay longest."""
    methods = list(methods)
    ranked = sorted(methods, key=lambda method: ["dst", "joint", "random_drop", method].index(method))
    return [method for method in methods if method in ranked[:number]]


def room_for(shown: Collection[str], methods: Collection[str]) -> str:
    """A sentence that says for how many of the methods there was room; empty where there was for all."""
    return f" Room for {len(shown)} of {len(methods)} methods." if len(shown) < len(methods) else ""


def new_figure(height: float) -> Figure:
    """An empty figure as wide as the text, of this height in mm."""
    return Figure(figsize=(WIDTH / 25.4, height / 25.4))


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place given in mm from the figure's upper left corner."""
    page = figure.get_figheight() * 25.4
    return figure.add_axes((left / WIDTH, 1 - (top + height) / page, width / WIDTH, height / page))


def text_width(texts: Iterable[str], size: float = FONT_SIZE) -> float:
    """Width of the longest text in mm."""
    return max(_width(text) for text in texts) * size * POINT


@cache
def _width(text: str) -> float:
    """In units of the font size."""
    return float(TextPath((0, 0), text, size=1, prop=FontProperties(family=RC["font.family"])).get_extents().width)


def legend_layout(labels: Sequence[str]) -> tuple[int, float]:
    """Number of columns and height in mm of a legend as wide as the text."""
    num_columns = max(1, min(len(labels), int(WIDTH / (text_width(labels) + 12))))
    return num_columns, LEGEND_ROW * ceil(len(labels) / num_columns) + 1.5


def legend(figure: Figure, styles: dict[str, Style], top: float = 0.0) -> None:
    """Draws the legend of `label -> style`, `top` mm below the figure's upper edge."""
    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, linestyle=style.line, label=label)
        for label, style in styles.items()
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 1 - top / (figure.get_figheight() * 25.4)),
        ncols=legend_layout(list(styles))[0],
        borderaxespad=0,
        borderpad=0.2,
        handlelength=3,
        columnspacing=1.5,
        labelspacing=0.35,
    )


def write(figure: Figure, left: float, top: float, text: str, **properties: Any) -> None:
    """Writes a line of text whose baseline begins at a place given in mm from the figure's upper left corner."""
    figure.text(left / WIDTH, 1 - top / (figure.get_figheight() * 25.4), text, **properties)


def note(figure: Figure, text: str) -> None:
    """A small grey remark at the figure's lower left corner."""
    figure.text(0.003, 0.6 / (figure.get_figheight() * 25.4), text.strip(), size=SMALL, color=GREY, va="bottom")


def save(figure: Figure, path: Path) -> Path:
    """Writes an SVG that does not depend on the time of day."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    write_bytes(path, buffer.getvalue())
    return path


def png(figure: Figure) -> bytes:
    """The figure for a screen, about 1,260 pixels wide."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=200)
    return buffer.getvalue()
