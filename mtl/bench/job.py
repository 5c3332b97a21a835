"""The job: parts in their order, each written as soon as it is measured, as JSON and as Markdown, a pair per device."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import torch

from mtl.bench import growth, loading, steps, task_gradients, time_to_accuracy
from mtl.bench.ours import Case
from mtl.bench.settings import BenchSettings
from mtl.bench.table import markdown
from mtl.progress import format_seconds
from mtl.record.files import read_json, write_bytes, write_json
from mtl.training import provenance


class Part(NamedTuple):
    """What can be chosen."""

    title: str
    run: Callable[[BenchSettings], dict[str, Any]]


PARTS = {
    "a": Part("Training steps", steps.run),
    "b": Part("Per-task gradients", task_gradients.run),
    "c": Part("Images into the step", loading.run),
    "d": Part("Time to accuracy", time_to_accuracy.run),
    "e": Part("Growth", growth.run),
}


def bench(settings: BenchSettings) -> str:
    """Measures, and writes <folder>/<device>.json and .md; parts that are there and not measured now stay.

    Returns:
      The Markdown.

    Raises:
      UserError: for what a part lacks.
    """
    if "b" in settings.parts:
        task_gradients.make_contestants(Case(), settings.device)  # TorchJD is missing now, or never
    device, revision = provenance.device_name(settings.device), provenance.revision()
    settings.folder.mkdir(parents=True, exist_ok=True)
    path = settings.folder / f"{file_name(device)}.json"
    parts: dict[str, Any] = read_json(path, {"parts": dict}, "delete it")["parts"] if path.is_file() else {}
    for name in settings.parts:
        began = time.perf_counter()
        found = PARTS[name].run(settings)
        parts[name] = found | _made_by(settings, time.perf_counter() - began, revision)
        result = {"device": device, "parts": {key: parts[key] for key in sorted(parts)}}
        write_json(path, result)
        text = document(result)
        write_bytes(path.with_suffix(".md"), text.encode())
        print(f"{name}: {PARTS[name].title}, {format_seconds(parts[name]['seconds'])}", flush=True)
    return f"{text}\nWritten to {path} and {path.with_suffix('.md').name}."


def document(result: dict[str, Any]) -> str:
    """All parts as Markdown.

    Example:
      >>> part = {"legend": "Seconds.", "tables": {"Steps": [{"K": 8}]}, "form": "short", "seconds": 65.0}
      >>> part |= {"command": "mtl", "revision": "abc", "versions": {"torch": "2.14"}}
      >>> print(document({"device": "Abacus", "parts": {"a": part}}))
      # Abacus
      <BLANKLINE>
      ## a. Training steps
      <BLANKLINE>
      Seconds. Median (first to third quartile).
      <BLANKLINE>
      ### Steps
      <BLANKLINE>
      | K |
      |---|
      | 8 |
      <BLANKLINE>
      `mtl`, short form, 1m05s, revision abc, torch 2.14.
      <BLANKLINE>
    """
    lines = [f"# {result['device']}"]
    for name, part in result["parts"].items():
        lines += [f"## {name}. {PARTS[name].title}", f"{part['legend']} Median (first to third quartile)."]
        for title, rows in part["tables"].items():
            lines += [f"### {title}", markdown(rows)]
        versions = ", ".join(f"{package} {number}" for package, number in part["versions"].items())
        took = format_seconds(part["seconds"])
        lines.append(f"`{part['command']}`, {part['form']} form, {took}, revision {part['revision']}, {versions}.")
    return "\n\n".join(lines) + "\n"


def file_name(device: str) -> str:
    """A device's name as that of a file.

    Example:
      >>> file_name("Intel(R) Xeon(R) Processor @ 2.80GHz, 2 threads")
      'intel_r_xeon_r_processor_2_80ghz_2_threads'
    """
    return re.sub(r"[^a-z0-9]+", "_", device.lower()).strip("_")


def _made_by(settings: BenchSettings, seconds: float, revision: str) -> dict[str, Any]:
    peers = {}
    with suppress(PackageNotFoundError):
        peers["torchjd"] = version("torchjd")
    return {
        "form": settings.form,
        "seconds": seconds,
        "versions": provenance.versions() | peers,
        "threads": torch.get_num_threads(),
        "command": provenance.command(),
        "revision": revision,
    }
