"""The scores of results.json as Markdown tables."""

from typing import Any

from mtl.statistics.markdown import markdown, percent

SINGLE = ("f1", "average_precision")  # of binary tasks, which results.json has and no table
TITLES = {"macro_f1": "Macro F1"}  # where the name says it otherwise
NUMBERS = {  # scores that are no shares -> title of their table
    "mae": "Mean absolute error, test split, in the table's unit",
    "rmse": "Root mean squared error, test split, in the table's unit",
    "r2": "R^2, test split",
}
MAX_COLUMNS = 12  # of methods side by side


def main(results: dict[str, Any]) -> str:
    """The name of the score that all tasks have; of binary tasks alone it is accuracy, and results do not say so.

    Example:
      >>> main({}), main({"score": "score"})
      ('accuracy', 'score')
    """
    return results.get("score", "accuracy")


def score_name(score: str) -> str:
    """As the title of a table has it.

    Example:
      >>> score_name("balanced_accuracy"), score_name("macro_f1")
      ('Balanced accuracy', 'Macro F1')
    """
    return TITLES.get(score, score.replace("_", " ").capitalize())


def tabulated(results: dict[str, Any]) -> list[str]:
    """The scores that get a table: the main one first, then what else tasks have.

    Example:
      >>> tabulated({"methods": {}})
      ['accuracy', 'balanced_accuracy']
    """
    if "kinds" not in results:
        return ["accuracy", "balanced_accuracy"]
    first = next(iter(results["methods"].values()))
    found = dict.fromkeys(score for of_task in first["tasks"].values() for score in of_task)
    return [main(results), *(score for score in found if score not in (main(results), *SINGLE))]


def score_table(results: dict[str, Any], score: str) -> str:
    """One score of all methods in Markdown, in per cent.

    A row per task and one for their mean; with many methods, and more than tasks, a row per method.

    Example:
      >>> scores = {"accuracy": {"mean": 0.8463, "standard_deviation": 0.0048}}
      >>> results = {"tasks": ["Male"], "seeds": {"joint": [0, 1, 2]}}
      >>> results |= {"majority_accuracy": {"overall": 0.5, "tasks": {"Male": 0.5}}}
      >>> results |= {"methods": {"joint": {"overall": scores, "tasks": {"Male": scores}}}}
      >>> print(score_table(results, "accuracy"))
      | task    | majority | joint        |
      |---------|----------|--------------|
      | Male    | 50.00    | 84.63 ± 0.48 |
      | overall | 50.00    | 84.63 ± 0.48 |
      <BLANKLINE>
      Accuracy, test split, per cent; 3 seeds; mean ± standard deviation over seeds.
    """
    methods = results["methods"]
    of_first = next(iter(methods.values()))
    tasks, whole = [task for task in results["tasks"] if score in of_first["tasks"][task]], []
    if score in of_first["overall"]:
        whole = ["overall"]
    method_rows = len(methods) > max(MAX_COLUMNS, len(results["tasks"]))
    places = [*whole, *tasks] if method_rows else [*tasks, *whole]
    lines = [["method" if method_rows else "task", *places]]
    cell = _cell if score not in NUMBERS else _number_cell
    if score == main(results):
        lines.append(["majority", *(percent(_at(results["majority_accuracy"], place)) for place in places)])
    lines += [[name, *(cell(_at(of_method, place)[score]) for place in places)] for name, of_method in methods.items()]
    rows = lines if method_rows else list(zip(*lines, strict=True))
    num_seeds = sorted({len(seeds) for seeds in results["seeds"].values()})
    seeds = f"{num_seeds[0]} seed{'s' if num_seeds[0] > 1 else ''}" if len(num_seeds) == 1 else _name_seeds(results)
    spread = "; mean ± standard deviation over seeds" if num_seeds[-1] > 1 else ""
    title = NUMBERS.get(score, f"{score_name(score)}, test split, per cent")
    return markdown(rows) + f"\n\n{title}; {seeds}{spread}."


def _at(scores: dict[str, Any], place: str) -> Any:
    return scores["overall"] if place == "overall" else scores["tasks"][place]


def _name_seeds(results: dict[str, Any]) -> str:
    return "seeds: " + ", ".join(f"{method} {len(seeds)}" for method, seeds in results["seeds"].items())


def _cell(spread: dict[str, float | None]) -> str:
    deviation = spread["standard_deviation"]
    return percent(spread["mean"]) + ("" if deviation is None else f" ± {100 * deviation:.2f}")


def _number_cell(spread: dict[str, float | None]) -> str:
    mean, deviation = spread["mean"], spread["standard_deviation"]
    return "n/a" if mean is None else f"{mean:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}")
