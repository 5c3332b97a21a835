"""The sentences of the video, written from a study's numbers."""

from collections.abc import Sequence
from typing import Any

from mtl.metrics import overall
from mtl.report.names import name_in_sentence, task_name
from mtl.statistics import ONE_SEED


def percent(fraction: float, digits: int = 0) -> str:
    """A fraction in per cent.

    Example:
      >>> percent(0.853), percent(0.853, digits=1)
      ('85 %', '85.3 %')
    """
    return f"{100 * fraction:.{digits}f} %"


def join(words: Sequence[str]) -> str:
    """A list as it is said: `a, b and c`.

    Example:
      >>> join(["Male", "Young", "Smiling"])
      'Male, Young and Smiling'
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def count(number: int, noun: str, nouns: str = "") -> str:
    """`1 face`, `2 faces`; `nouns` where the plural is another.

    Example:
      >>> count(1, "face"), count(2000, "face"), count(2, "loss", "losses")
      ('1 face', '2,000 faces', '2 losses')
    """
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def share_of(shown: int, total: int, nouns: str) -> str:
    """`Each task`, or `12 of 40 tasks`: how many of them are shown.

    Example:
      >>> share_of(8, 8, "tasks"), share_of(12, 40, "tasks")
      ('Each task', '12 of 40 tasks')
    """
    return f"Each {nouns.removesuffix('s')}" if shown == total else f"{shown} of {total} {nouns}"


def caption(lines: Sequence[dict[str, Any]]) -> str:
    """What happened to the tasks in one epoch or in several in a row.

    Args:
      lines: of dst.jsonl, at least one.

    Example:
      >>> line = {"epoch": 2, "P": {"Male": 0.5, "Young": 1.0}, "G": {"Male": 1.0, "Young": 1.0}}
      >>> caption([line])
      'Epoch 2: every task is trained; highest drop rate: Male, 50 %'
    """
    return _caption_of_epoch(lines[0]) if len(lines) == 1 else _caption_of_epochs(lines)


def _caption_of_epoch(line: dict[str, Any]) -> str:
    P, G, epoch = line["P"], line["G"], f"Epoch {line['epoch']}:"
    rates = {task: percent(1 - P[task]) for task in P}
    likeliest, least = min(P, key=P.__getitem__), min(G, key=G.__getitem__)
    dropped = [task for task in G if G[task] == 0]
    names = join([task_name(task) for task in dropped]) if dropped else ""
    if 1 - min(P.values()) < 1e-9:
        return f"{epoch} every task is trained; all drop rates are 0 %"
    if any(0 < gate < 1 for gate in G.values()):
        share = percent(G[least])
        return f"{epoch} {task_name(least)} is trained least often, in {share} of the steps; {_reason(line, least)}"
    if max(P.values()) - min(P.values()) < 1e-9:
        happened = f"{names} {'is' if len(dropped) == 1 else 'are'} dropped" if dropped else "every task is trained"
        return f"{epoch} {happened}; the drop rate of each was {rates[likeliest]}"
    if not dropped:
        return f"{epoch} every task is trained; highest drop rate: {task_name(likeliest)}, {rates[likeliest]}"
    if len(dropped) == 1:
        return f"{epoch} {names} is dropped; {_reason(line, dropped[0])}"
    if len(dropped) <= 3:
        return f"{epoch} {names} are dropped; drop rates {join([rates[task] for task in dropped])}"
    highest = f"highest drop rate: {task_name(likeliest)}, {rates[likeliest]}"
    return f"{epoch} {len(dropped)} of {len(P)} tasks are dropped; {highest}"


def _reason(line: dict[str, Any], task: str) -> str:
    """The task's drop rate, and that it learns fastest where the drop rate depends on that and it is so."""
    fastest = line["I"][task] < min([line["I"][other] for other in line["I"] if other != task], default=0)
    depends = line["weights"]["u"] + line["weights"]["r"] > 0 and line["P"][task] < max(line["P"].values())
    return f"{'it learns fastest, ' if fastest and depends else ''}drop rate {percent(1 - line['P'][task])}"


def _caption_of_epochs(lines: Sequence[dict[str, Any]]) -> str:
    epochs = f"Epochs {lines[0]['epoch']} to {lines[-1]['epoch']}:"
    tasks = list(lines[0]["G"])
    times_off = {task: sum(1 - line["G"][task] for line in lines) for task in tasks}
    rate, likeliest = max((1 - line["P"][task], task) for line in lines for task in tasks)
    highest = f"highest drop rate: {task_name(likeliest)}, {percent(rate)}"
    most = max(tasks, key=times_off.__getitem__)
    if times_off[most] == 0:
        return f"{epochs} every task is trained in all of them; {highest}"
    if any(0 < line["G"][task] < 1 for line in lines for task in tasks):
        share = 1 - times_off[most] / len(lines)
        return f"{epochs} {task_name(most)} is trained least often, in {percent(share)} of the steps; {highest}"
    return f"{epochs} {task_name(most)} is dropped most often, in {times_off[most]} of {len(lines)}; {highest}"


def caption_without_gates(epoch: dict[str, Any], image: str = "face") -> str:
    """What one epoch of a method that drops nothing reached; `epoch` is an epoch line of metrics.jsonl.

    Example:
      >>> caption_without_gates({"epoch": 2, "losses": {"Male": 0.25}, "valid": {"overall_accuracy": 0.85}})
      'Epoch 2: mean training loss 0.25; 85.0 % right on validation faces'
    """
    losses = [loss for loss in epoch["losses"].values() if loss is not None]
    valid = epoch["valid"]
    reached = f"{percent(overall(valid), 1)} {'score' if 'overall_score' in valid else 'right'} on validation {image}s"
    return f"Epoch {epoch['epoch']}: mean training loss {sum(losses) / len(losses):.2f}; {reached}"


def outcome(method: str, reference: str, comparisons: dict[str, dict[str, Any]], score: str = "accuracy") -> str:
    """What a method's comparisons show: the mean over tasks, its interval, the verdict; the verdicts task by task.

    Args:
      method: of the study.
      reference: its baseline.
      comparisons: reference -> what results.json says; with the baseline among them.
      score: that all tasks have.

    Example:
      >>> gain = {"difference": 0.01, "interval": [0.005, 0.015], "verdict": ONE_SEED}
      >>> outcome("mgda", "joint", {"joint": {"accuracy": {"overall": gain, "tasks": {"Male": gain}}}})
      'MGDA against joint training: +1.00 points (+0.50 to +1.50), one seed, so no verdict.'
    """
    verdicts = [gain["verdict"] for gain in comparisons[reference][score]["tasks"].values()]
    sentence = (
        f"{name_in_sentence(method)} against {name_in_sentence(reference)}: {_gain(comparisons[reference][score])}."
    )
    if ONE_SEED not in verdicts:
        sentence += (
            f" By task: {count(verdicts.count('gain'), 'gain')}, {count(verdicts.count('loss'), 'loss', 'losses')}, "
            f"{verdicts.count('cannot be told apart')} cannot be told apart."
        )
    sentence = sentence[0].upper() + sentence[1:]
    if "random_drop" in comparisons and method == "dst":  # it copies the mean P of dst, and is no other's control
        sentence += f" Against random dropping: {_gain(comparisons['random_drop'][score])}."
    return sentence


def _gain(of_score: dict[str, Any]) -> str:
    gain = of_score["overall"]
    between = " to ".join(f"{100 * end:+.2f}" for end in gain["interval"] or ())
    verdict = {"gain": "a gain", "loss": "a loss", ONE_SEED: "one seed, so no verdict"}.get(
        gain["verdict"], gain["verdict"]
    )
    return f"{100 * gain['difference']:+.2f} points ({between or 'no interval'}), {verdict}"


def answer(probability: float, digits: int = 0) -> str:
    """What the network says of an attribute and how sure it is: `yes, 97 %`.

    Example:
      >>> answer(0.97), answer(0.25)
      ('yes, 97 %', 'no, 75 %')
    """
    return f"{yes_or_no(probability > 0.5)}, {percent(max(probability, 1 - probability), digits)}"


def yes_or_no(present: bool) -> str:
    """Whether an attribute is present, in a word.

    Example:
      >>> yes_or_no(True)
      'yes'
    """
    return "yes" if present else "no"
