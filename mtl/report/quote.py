"""Numbers in the report's text: each is quoted from a place in the files of the study, and carries that place with it.

In the Typst source a number looks like  #n("dst/seed_0/results.json", "test/overall_accuracy", "percent", "85.25"),
so whoever reads the source, a test for one, can look every number up.
"""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from mtl.record.paths import CONFIG, DST, METRICS, RESULTS, parse_run_file
from mtl.record.reading import StudyRecord
from mtl.statistics import EQUAL, ONE_SEED, UNDECIDED
from mtl.statistics.score_table import main

WIDE = ("gains", "all_gains", "accuracy", "faces", "mistakes", "saliency")  # figures as wide as the text
Format = Callable[[Any, int], str]
FORMATS: dict[str, Format] = {
    "percent": lambda value, digits: f"{100 * value:.{digits}f}",
    "points": lambda value, digits: f"{100 * value:+.{digits}f}",  # a difference of percentages
    "number": lambda value, digits: f"{value:.{digits}f}",
    "signed": lambda value, digits: f"{value:+.{digits}f}",
    "integer": lambda value, digits: f"{value:,.0f}",
    "digits": lambda value, digits: f"{value:.{digits}g}",
    "plain": lambda value, digits: f"{value:g}",
    "p": lambda value, digits: f"{value:.{digits}f}" if value >= 10.0**-digits else f"< {10.0**-digits:g}",
    "count": lambda value, digits: str(len(value)),
    "tally": lambda value, digits: f"{value:,.0f}" if value == int(value) else f"{value:,.1f}",
    "others_equal": lambda value, digits: str(len(others(value, EQUAL))),
    "others_undecided": lambda value, digits: str(len(others(value, UNDECIDED))),
    "others_one_seed": lambda value, digits: str(len(others(value, ONE_SEED))),
    "positive_rate": lambda value, digits: (
        f"{100 * value['positives'] / value['count']:.{digits}f}" if value["count"] else "--"
    ),
    "mean": lambda value, digits: f"{sum(value.values()) / len(value):.{digits}f}",
    "mean_progress": lambda value, digits: f"{sum(max(0.0, -x) for x in value.values()) / len(value):.{digits}f}",
    "minutes": lambda value, digits: f"{value / 60:.{digits}f}",
}


def others(results: dict[str, Any], verdict: str) -> list[str]:
    """The methods with this verdict against joint training in the mean score, besides DST, its control, and those with
    a baseline of their own."""
    return [
        method
        for method, references in results["comparisons"].items()
        if method not in ("dst", "random_drop", *results["references"])
        and "joint" in references
        and references["joint"][main(results)]["overall"]["verdict"] == verdict
    ]


def look_up(study: StudyRecord, file: str, path: str) -> Any:
    """The value at a place.

    Args:
      file: results.json or config.json of the study, or what `paths.run_file` gives of a run; of metrics.jsonl the
        lines are those of epochs.
      path: keys and indices with "/" between them, see `key`; "" for the whole file. What is below a None is None.
    """
    value: Any
    if "/" in file:
        method, seed, name = parse_run_file(file)
        record = study.runs[method][seed]
        value = {RESULTS: record.results, CONFIG: record.config, DST: record.dst, METRICS: record.epochs}[name]
    else:
        value = {RESULTS: study.results, CONFIG: study.config}[file]
    for part in path.split("/") if path else []:
        if value is None:
            return None
        value = value[int(part)] if isinstance(value, list) else value[part.replace("~1", "/").replace("~0", "~")]
    return value


def key(name: str) -> str:
    """A name as part of a path, whatever is in it; as JSON pointers have it (RFC 6901).

    Example:
      >>> key("beard/moustache")
      'beard~1moustache'
    """
    return name.replace("~", "~0").replace("/", "~1")


def quote(study: StudyRecord, file: str, path: str, kind: str = "percent", digits: int = 2) -> str:
    """Typst markup of a number; a dash where it is not defined.

    Args:
      file, path: see `look_up`.
      kind: a key of `FORMATS`.
      digits: after the decimal point.
    """
    value = look_up(study, file, path)
    if value is None:
        return "--"  # Typst's en dash
    text = FORMATS[kind](value, digits)
    return f"#n({_string(file)}, {_string(path)}, {_string(kind)}, {_string(text)});"


def words(text: str) -> str:
    """Typst markup of text that may hold any character.

    Example:
      >>> print(words("5 * 3 = 15"))
      #"5 * 3 = 15";
    """
    return f"#{_string(text)};"


def raw(text: str) -> str:
    """Typst markup of text in a typewriter's face.

    Example:
      >>> print(raw("make demo"))
      #raw("make demo");
    """
    return f"#raw({_string(text)});"


def table(
    rows: Sequence[Sequence[str]],
    caption: str,
    widths: Sequence[str] = (),
    num_header_rows: int = 1,
    may_break: bool = False,
) -> str:
    """A table with its caption.

    Args:
      rows: cells as markup; the first `num_header_rows` are the header. A cell that begins with "table.cell" is code.
      widths: of the columns, as Typst writes them; by default the first as wide as its text, the others equal. Columns
        of "auto" and the last one, where it is named here, stand to the left.
      may_break: whether it may go on on the next page, under its header again.

    Example:
      >>> table([["task", "accuracy"], ["Male", "92.49"]], "Scores.").partition(" table.header")[0]
      '#figure(ruled((auto, 1fr), (0,),'
    """
    num_columns = len(rows[-1])
    left = [0] if not widths else [0, num_columns - 1]
    columns = ", ".join(widths or ["auto", *["1fr"] * (num_columns - 1)])
    cells = [" ".join(cell if cell.startswith("table.cell") else f"[{cell}]," for cell in row) for row in rows]
    header, body = " ".join(cells[:num_header_rows]), " ".join(cells[num_header_rows:])
    left_columns = "".join(f"{column}," for column in left)
    breakable = "breakable: true, " if may_break else ""
    ruled = f"ruled(({columns}), ({left_columns}), table.header({header}), {breakable}{body})"
    markup = f"#figure({ruled}, kind: table, caption: [{caption}])\n"
    return f"#[#show figure: set block(breakable: true)\n{markup}]\n" if may_break else markup


def figure(figures: dict[str, str], name: str, caption: str, floating: bool = False) -> str:
    """A figure with its caption; nothing where the study has no such figure.

    Args:
      figures: name -> file.
      floating: whether it may move to the top or the foot of a page, so that text fills the gap before it.

    Example:
      >>> figure({}, "gains", "The gains.")  # the study has none
      ''
    """
    if name not in figures:
        return ""
    width = "100%" if name in WIDE else "85%"
    image = f"image({_string(figures[name])}, width: {width})"
    return f"#figure({image}, placement: {'auto' if floating else 'none'}, caption: [{caption}])\n"


def _string(text: str) -> str:
    """A string of Typst's, in which no character of the text means anything."""
    return f'"{"".join(map(_letter, text))}"'


def _letter(letter: str) -> str:
    if letter in '\\"':
        return f"\\{letter}"
    if unicodedata.category(letter) == "Cs":  # what stands for a byte that is no UTF-8
        return "\ufffd"
    return letter if letter.isprintable() else f"\\u{{{ord(letter):x}}}"
