"""The report: every number in it is looked up again, in the files of the study and not by the report's own code."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from pypdf import PdfReader
from pypdf.generic import DecodedStreamObject, NameObject

from mtl.data.published import FAULTS, PUBLISHED, gain
from mtl.errors import UserError
from mtl.methods import METHODS as BALANCING
from mtl.record.reading import read_study
from mtl.report import job, style
from mtl.report.document import document
from mtl.report.names import METHOD_NAMES
from mtl.report.reasons import OF_BACKBONES
from mtl.report.sections.setting import METHODS
from mtl.report.typeset import typeset
from tests.report.synthetic import write_study

QUOTED = re.compile(r'#n\("([^"]*)", "([^"]*)", "([^"]*)", "([^"]*)"\);')
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?")
CURVES = re.compile(rb"(?:-?[\d.]+ ){2}[ml]\s|(?:-?[\d.]+ ){6}c\s")  # x y m, x y l and x1 y1 x2 y2 x3 y3 c
# What the prose itself may say: years, levels, indices in formulas, "two", "ten" as digits do not occur.
IN_PROSE = {"5", "90", "95", "1979", "2014", "2015", "2018", "2023", "0", "1", "2", "100"}
EIGHT_TASKS = ("Smiling Male Black_Hair Arched_Eyebrows Wearing_Earrings Wavy_Hair 5_o_Clock_Shadow Young").split()
ODD_TASKS = ("#panic()", "a/b=c~d", "$x$ and *y*_z_", "<b>&amp;[x]", "name" * 50)
MANY_METHODS = ("joint", *METHOD_NAMES, *BALANCING)
METHODS_SHOWN = ("joint", "single_task", "uncertainty", "dst", "random_drop", "dst_incompleteness", "dst_stagnancy")
PAGES = {"usual": range(6, 13), "one method, one epoch": range(1, 17), "many methods": range(1, 18)}


def save_blank(figure: Figure, path: Path) -> Path:
    """Of a figure's size, which is what a document sees; test_figures.py draws what is in it."""
    width, height = 72 * figure.get_size_inches()
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt"/>')
    return path


@pytest.fixture(scope="module", params=PAGES)
def workdir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp(request.param.replace(" ", "_"))
    write = partial(write_study, root, with_results=False)
    if request.param == "usual":
        write(METHODS_SHOWN, num_seeds=3, num_epochs=6, tasks=EIGHT_TASKS)
    elif request.param == "many methods":
        write(MANY_METHODS, num_seeds=1, num_epochs=2, tasks=EIGHT_TASKS, num_images=80)
    else:
        write(("joint",), num_seeds=1, num_epochs=1, tasks=ODD_TASKS)
    patch = pytest.MonkeyPatch()
    patch.setattr(job, "make_video", lambda study, path: path.touch())
    if request.param != "usual":
        patch.setattr(style, "save", save_blank)
    job.report(root)
    patch.undo()
    yield root


def load(root: Path, file: str) -> Any:
    text = (root / file).read_text()
    if file.endswith(".jsonl"):
        lines = [json.loads(line) for line in text.splitlines()]
        return [line for line in lines if line.get("kind", "epoch") == "epoch"]
    return json.loads(text)


def find(content: Any, path: str) -> Any:
    for key in path.split("/") if path else []:
        content = content[int(key)] if isinstance(content, list) else content[key.replace("~1", "/").replace("~0", "~")]
    return content


def says(kind: str, value: Any, text: str) -> bool:
    """Whether the text is the value, as far as its digits go."""
    if kind == "p" and text.startswith("<"):
        return value < float(text[1:])
    if kind == "count":
        return int(text) == len(value)
    if kind.startswith("others_"):
        against_joint = {
            m: of["joint"]["accuracy"]["overall"] for m, of in value["comparisons"].items() if "joint" in of
        }
        verdict = {"equal": "equal within the margin", "undecided": "undecided", "one_seed": "one seed"}[kind[7:]]
        alike = {m for m, overall in against_joint.items() if overall["verdict"] == verdict}
        return int(text) == len(alike - {"dst", "random_drop", *value["references"]})
    if kind == "positive_rate":
        value = 100 * value["positives"] / value["count"]
    if kind == "mean":
        value = np.mean(list(value.values()))
    if kind == "mean_progress":
        value = np.mean([max(0.0, -rate) for rate in value.values()])
    scale = {"percent": 100, "points": 100, "minutes": 1 / 60}.get(kind, 1)
    digits = len(text.partition(".")[2])
    tolerance = 1e-5 * abs(value) + 1e-9 if kind == "plain" else 0.5000001 * 10.0**-digits
    return abs(float(text.replace(",", "")) - scale * value) <= tolerance


def read_pages(pdf: Path) -> Iterator[str]:
    """Their texts, once the curves of the figures are taken out: these hold no text, and pypdf reads them for long."""
    for page in PdfReader(pdf).pages:
        contents = DecodedStreamObject()
        contents.set_data(CURVES.sub(b"", page.get_contents().get_data()))
        page[NameObject("/Contents")] = contents
        yield page.extract_text()


def test_every_quoted_number_is_in_the_files(workdir: Path) -> None:
    quotes = QUOTED.findall((workdir / "report.typ").read_text())
    assert len(quotes) > 40
    files: dict[str, Any] = {}
    for file, path, kind, text in quotes:
        if file not in files:
            files[file] = load(workdir, file)
        assert says(kind, find(files[file], path), text), (file, path, kind, text)


def test_no_other_number_is_in_the_source(workdir: Path) -> None:
    body = (workdir / "report.typ").read_text().partition("#show: report.with")[2]
    rest = QUOTED.sub("", body)
    known = "".join(path.read_text() for path in workdir.rglob("*.json*")) + json.dumps([OF_BACKBONES, METHODS, FAULTS])
    known += " ResNet-18 VGG-16 DST GO4Align" + " ".join(f"{gain(task):+.2f}" for task in PUBLISHED)
    for text in STRING.findall(rest):
        if NUMBER.search(text) and not text.endswith(".svg"):
            for word in text.replace(", ", " ").split():
                assert not NUMBER.search(word) or word.rstrip(",") in known, text
    rest = re.sub(r"colspan: \d+|width: \d+%|\d*fr\b|\([\d,]+\)|size: [\d.]+em", "", STRING.sub("", rest))
    assert {*NUMBER.findall(rest)} <= IN_PROSE


def test_the_pdf_shows_them_and_no_others(workdir: Path) -> None:
    source = (workdir / "report.typ").read_text()
    quoted = {number for *_, text in QUOTED.findall(source) for number in NUMBER.findall(text)}
    shown = {number for text in read_pages(workdir / "report.pdf") for number in NUMBER.findall(text)}
    assert len(quoted - shown) < 0.02 * len(quoted), "text extraction may glue a few together"
    strings = {number for text in STRING.findall(source) for number in NUMBER.findall(text)}
    numbering = {str(number) for number in range(41)} | {f"{a}.{b}" for a in range(1, 15) for b in range(1, 9)}
    extra = shown - quoted - strings - numbering - IN_PROSE
    assert not {number for number in extra if "." in number or len(number) > 2}, extra


def test_results_follow_from_the_predictions(workdir: Path) -> None:
    """The headline figures, recomputed from predictions.npz in two lines each."""
    results = load(workdir, "results.json")
    for method, seeds in results["seeds"].items():
        accuracies, positives = [], 0
        for seed in seeds:
            arrays = np.load(workdir / method / f"seed_{seed}" / "predictions.npz")
            right_NK = (arrays["logits"] > 0) == arrays["labels"]
            accuracies.append(right_NK.mean(axis=0))
            positives += int(((arrays["logits"] > 0) & arrays["labels"])[:, 0].sum())
        scores = results["methods"][method]
        assert scores["overall"]["accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
        for k, task in enumerate(results["tasks"]):
            assert scores["tasks"][task]["accuracy"]["mean"] == pytest.approx(np.mean(accuracies, axis=0)[k])
        assert results["confusion"][method][results["tasks"][0]]["true_positives"] == positives
        for reference, comparison in results["comparisons"][method].items():
            of_both = [results["methods"][name]["overall"]["accuracy"]["mean"] for name in (method, reference)]
            assert comparison["accuracy"]["overall"]["difference"] == pytest.approx(of_both[0] - of_both[1])


def test_has_few_pages(workdir: Path, request: pytest.FixtureRequest) -> None:
    assert len(PdfReader(workdir / "report.pdf").pages) in PAGES[request.node.callspec.params["workdir"]]


def test_every_method_is_in_the_tables(workdir: Path) -> None:
    source, results = (workdir / "report.typ").read_text(), load(workdir, "results.json")
    for method in results["methods"]:
        for score in ("accuracy", "balanced_accuracy"):
            assert source.count(f'"methods/{method}/overall/{score}/mean"') == 1


def test_no_name_is_markup(tmp_path: Path) -> None:
    """A quotation mark, a backslash and whatever cannot be printed neither."""
    tasks = (*ODD_TASKS, '"); #panic("', "\\u{41}", "`raw` @ref")
    study = read_study(write_study(tmp_path, ("joint", "dst", "random_drop"), num_seeds=1, num_epochs=2, tasks=tasks))
    study.results["provenance"]["commands"] = ['python "x" \\ \x08 \udcff #panic()']
    typeset(document(study, {}), tmp_path / "report.pdf")
    shown = " ".join("".join(read_pages(tmp_path / "report.pdf")).split())
    for name in ("#panic()", "a/b=c~d", "$x$ and *y* z", '"); #panic("', "\\u{41}", "`raw` @ref"):
        assert name in shown


def test_a_folder_without_runs_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no finished run"):
        job.report(tmp_path)
    with pytest.raises(UserError, match="holds no finished study"):
        read_study(tmp_path)
