"""How the drop rate came about, step by step: formulas, this very run's numbers put into them, tables and pictures."""

from typing import Any

from mtl.record.paths import CONFIG, DST, RESULTS, parse_run_file, run_file
from mtl.record.reading import StudyRecord
from mtl.report.names import method_name, task_name
from mtl.report.quote import figure, key, look_up, quote, table, words
from mtl.report.shown import dropping_methods, has_spread, main_form

MEANINGS = {  # of metrics of ours
    "agreement": "the cosine of a task's gradient at the shared features with the sum of the others'",
    "signal": "the cosine between the gradients at a task's own head on two halves of the batch",
}
SYMBOLS = ("V", "I", "P_d", "P_c", "P_u", "R", "R_global", "P_r", "P")


def section(study: StudyRecord, figures: dict[str, str]) -> str:
    dropping = dropping_methods(study)
    if not dropping:
        return ""
    example = main_form(study) or dropping[0]
    return f"""= How the drop rate came about

Algorithm 1 of the DST paper turns the losses $V_(k,t)$ of every task $t$ into an activation probability $P_(k,t)$ for epoch $k$;
the drop rate is $1 - P_(k,t)$. {_measure(study, example)} {_formulas(_of_run(study, example)["count"])} {_without(study, example)}

{_ours(study, example)}

{_worked(study, example)}

== Drop rate and activation probability of every task and epoch

{_rates(study, dropping)}

{"".join(_pictures(study, figures, method) for method in dropping)}

{figure(figures, "gates", f"Gates of every run: filled, the task was trained in that epoch; empty, it was dropped.{_shaded(study, dropping)}", True)}
"""


def _measure(study: StudyRecord, method: str) -> str:
    """What V is in that method's runs."""
    if _of_run(study, method)["measure"] == "running":
        return "$V_(k,t)$ is the mean training loss of the epoch before; for the first it is measured beforehand."
    return "$V_(k,t)$ is measured on fixed training images at the start of epoch $k$."


def _without(study: StudyRecord, method: str) -> str:
    """Which metrics do not count in that method's runs."""
    weights = next(iter(study.runs[method].values())).dst[0]["weights"]
    absent = [f"$lambda_{letter}$" for letter in "dcurb" if weights[letter] == 0]
    return f"In the runs of {words(method_name(method))}, {', '.join(absent)} = 0." if absent else ""


def _ours(study: StudyRecord, method: str) -> str:
    """The metrics that are not the paper's, where that method's runs have any; and the epochs without dropping."""
    ours = next(iter(study.runs[method].values())).dst[0]["weights"].get("ours", {})
    lines = [f"- {words(name)}: {MEANINGS.get(name, 'see mtl/dst/extensions.py')};" for name in ours]
    added = (
        "To these we add metrics of ours, which the paper does not have. Each averages an $x_t$ over the steps of the epoch before, and "
        '$P = min(1, x_t \\/ op("mean")_t x_t)$ with $x_t$ kept positive, 1 in the first epoch; it is added with a weight of its own:\n\n'
        + "\n".join(lines)
        if ours
        else ""
    )
    last = ""
    if _of_run(study, method).get("keep_last", 0):  # older runs have none
        file = run_file(method, next(iter(study.runs[method])), CONFIG)
        kept = quote(study, file, "config/dst/keep_last", "plain")
        last = f"In as many as {kept} last epochs no task is dropped (our choice); $P = 1$ there."
    return "\n\n".join(part for part in (added, last) if part)


def _of_run(study: StudyRecord, method: str) -> dict[str, Any]:
    """The options of DST in that method's first run."""
    return next(iter(study.runs[method].values())).config["config"]["dst"]


def _shaded(study: StudyRecord, dropping: list[str]) -> str:
    if all(_of_run(study, method)["period"] == "epoch" for method in dropping):
        return ""
    return " Gates that were drawn in every step are shaded by the share of the steps in which the task was trained."


def _formulas(counted: str) -> str:
    samples = (
        "training images with the attribute, a variant of ours"
        if counted == "positives"
        else "annotated training samples"
    )
    return f"""Four metrics and a constant are mixed:

- network depth $P_d = d_t \\/ max_t d_t$, with $d_t$ the layers with weights from the image to the task's output;
- sample count $P_c = c_t \\/ max_t c_t$, with $c_t$ the {samples};
- training incompleteness $P_u = min(1, I_(k,t) \\/ op("mean")_t I_(k,t))$ with $I_(k,t) = V_(k,t) \\/ V_(1,t)$;
- training stagnancy $P_r = min(1, op("mean")_t R'_(k,t) \\/ R'_(k,t))$ with $R_(k,t) = 1/P_u dot (V_(k,t) - V_(k-1,t)) / V_(k-1,t)$ and
  $R'_(k,t) = beta R_(k,t) + (1 - beta) R'_(k-1,t)$, $R'_(2,t) = R_(2,t)$;
- regularization $P_b = 1$, which guards against forgetting;

$ P_(k,t) = lambda_d P_d + lambda_c P_c + lambda_u P_u + lambda_r P_r + lambda_b P_b, quad G_(k,t) tilde "Bernoulli"(P_(k,t)). $

Where a loss stood still or rose, the quotient of stagnancy is not defined as a probability; there $P_r = 1$ (our choice: such a task is
stagnant). If all tasks were dropped, the likeliest is turned on. In the first epoch $P_u = P_r = 1$."""


def _worked(study: StudyRecord, method: str) -> str:
    """One task's numbers put into the formulas, then all tasks of that epoch."""
    seed = next(iter(study.runs[method]))
    lines = study.runs[method][seed].dst
    index = len(lines) - 1
    task = min(lines[index]["P"], key=lambda name: lines[index]["P"][name])
    file = run_file(method, seed, DST)
    name = words(task_name(task))
    epoch = quote(study, file, f"{index}/epoch", "integer")
    P = list(lines[index]["P"].values())
    lowest = (
        f"{name} had the lowest activation probability"
        if P.count(min(P)) == 1
        else f"{name} is the first of those with the lowest activation probability"
    )
    heading = f"""== One task, one epoch: {name}, epoch {epoch}

The run is {words(method_name(method))} with seed {quote(study, run_file(method, seed, RESULTS), "seed", "integer")}; {lowest} in its last epoch."""
    if index == 0:
        return f"{heading} {_first_epoch(lines[0])}\n\n{_mix(study, file, index, task)}"
    return "\n\n".join(
        [heading, _dynamic(study, file, index, task), _mix(study, file, index, task), _all_tasks(study, file, index)]
    )


def _first_epoch(line: dict[str, Any]) -> str:
    """What tells tasks apart before anything was learned."""
    if line["weights"]["d"] + line["weights"]["c"] == 0:
        return "In a first epoch $P_u = P_r = 1$, and no other metric counts: nothing tells the tasks apart."
    return "In a first epoch $P_u = P_r = 1$: only depth and sample count can tell the tasks apart."


def _dynamic(study: StudyRecord, file: str, index: int, task: str) -> str:
    def at(field: str, line: int = index, kind: str = "number") -> str:
        place = f"{line}/{field}" if kind.startswith("mean") else f"{line}/{field}/{key(task)}"
        return quote(study, file, place, kind, 4)

    line = look_up(study, file, str(index))
    beta = quote(study, file, f"{index}/beta", "plain")
    smoothing = (
        f"$ R' = R = {at('R_global')} $"
        if index == 1
        else f"$ R' = beta R + (1 - beta) R'_(k-1) = {beta} dot ({at('R')}) + (1 - {beta}) dot ({at('R_global', index - 1)}) = {at('R_global')} $"
    )
    if any(rate >= 0 for rate in line["R_global"].values()):
        stagnancy = (
            f"$ P_r = min(1, {at('R_global', kind='mean_progress')} / {{max(0, -R')}}) = {at('P_r')} $"
            "with the mean over tasks of the progress $max(0, -R')$ in the numerator, as some task's loss did not fall."
        ).replace("{max(0, -R')}", f"max(0, -({at('R_global')}))")
    else:
        stagnancy = f"$ P_r = min(1, ({at('R_global', kind='mean')}) / ({at('R_global')})) = {at('P_r')} $"
    return f"""$V$ was {at("V", 0)} for the first epoch, {at("V", index - 1)} for the epoch before this one, and is {at("V")} for this one:
$ I = V_k / V_1 = {at("V")} / {at("V", 0)} = {at("I")}, quad P_u = min(1, {at("I")} / {at("I", kind="mean")}) = {at("P_u")} $
with the mean of $I$ over tasks in the denominator. Its rate of change since the last epoch:
$ R = 1 / {at("P_u")} dot ({at("V")} - {at("V", index - 1)}) / {at("V", index - 1)} = {at("R")} $
{smoothing}
{stagnancy}"""


def _mix(study: StudyRecord, file: str, index: int, task: str) -> str:
    terms = " + ".join(
        f"{quote(study, file, f'{index}/weights/{letter}', 'plain')} dot "
        f"{quote(study, file, f'{index}/P_{letter}/{key(task)}', 'number', 4)}"
        for letter in ("d", "c", "u", "r", "b")
    )
    ours = look_up(study, file, str(index))["weights"].get("ours", {})
    terms += "".join(
        f" + {quote(study, file, f'{index}/weights/ours/{name}', 'plain')} dot "
        f"{quote(study, file, f'{index}/ours/{name}/P/{key(task)}', 'number', 4)}"
        for name in ours
    )
    more = "".join(f' + lambda_"{name}" P_"{name}"' for name in ours)
    if "kept" in look_up(study, file, str(index)):
        return "This is one of the last epochs, in which no task is dropped: $P = 1$, whatever the metrics say."
    P = quote(study, file, f"{index}/P/{key(task)}", "number", 4)
    method, _, _ = parse_run_file(file)
    if _of_run(study, method)["period"] == "epoch":
        drawn = f"The gate drawn with this probability was {quote(study, file, f'{index}/G/{key(task)}', 'plain')}"
    else:
        share = quote(study, file, f"{index}/G/{key(task)}", "percent", 1)
        drawn = f"Gates drawn with this probability in every step were open in {share} % of them"
    repeated = study.results["controls"].get(method)
    control = (
        ""
        if repeated is None
        else f" (the control replaces this $P$ by what it repeats of {words(method_name(repeated))})"
    )
    return (
        f"$ P &= lambda_d P_d + lambda_c P_c + lambda_u P_u + lambda_r P_r + lambda_b P_b{more} \\ "
        f"&= {terms} = {P} $\n"
        f"{drawn}{control}."
    )


def _all_tasks(study: StudyRecord, file: str, index: int) -> str:
    header = ["", "$V$", "$I$", "$P_d$", "$P_c$", "$P_u$", "$R$", "$R'$", "$P_r$", "$P$", "drop rate, %", "gate"]
    method, seed, _ = parse_run_file(file)
    rows = [header]
    for task in study.results["tasks"]:
        cells = [quote(study, file, f"{index}/{symbol}/{key(task)}", "number", 3) for symbol in SYMBOLS]
        rate = quote(study, RESULTS, f"drop_rates/{method}/{seed}/{index}/drop_rate/{key(task)}", "percent", 1)
        gate = quote(study, file, f"{index}/G/{key(task)}", "plain")
        rows.append([words(task_name(task)), *cells, rate, gate])
    epoch = quote(study, file, f"{index}/epoch", "integer")
    return table(rows, f"All tasks of that run in epoch {epoch}.")


def _rates(study: StudyRecord, dropping: list[str]) -> str:
    names = [words(method_name(method)) for method in dropping]
    spans = [f"table.cell(colspan: {len(dropping)})[{title}]," for title in ("drop rate, %", "gate shut, % of draws")]
    rows = [["", *spans], ["", *names, *names]]
    for task in [*study.results["tasks"], ""]:
        place = f"tasks/{key(task)}" if task else "overall"
        cells = [
            quote(study, RESULTS, f"dropping/{method}/{place}/{figure}", "percent", 1)
            for figure in ("drop_rate", "gates_shut")
            for method in dropping
        ]
        rows.append([words(task_name(task)) if task else "*mean*", *cells])
    caption = (
        "Drop rate $1 - P$, which is how likely a gate was to be shut, mean over epochs"
        f"{' and seeds' if has_spread(study) else ''}; and how many of the gates drawn were shut."
    )
    return table(rows, caption, num_header_rows=2)


def _pictures(study: StudyRecord, figures: dict[str, str], method: str) -> str:
    if method in study.results["controls"]:  # its P does not follow from its metrics
        return ""
    name, mean = words(method_name(method)), ", mean over seeds" if len(study.runs[method]) > 1 else ""
    activation = f"{name}: activation probability of each task and epoch{mean}; a cross marks a gate that was shut{' in the first seed' if mean else ''}."
    metrics = f"{name}: the metrics that count and the activation probability that follows from them{', first seed' if mean else ''}."
    return figure(figures, f"activation_{method}", activation) + figure(figures, f"metrics_{method}", metrics)
