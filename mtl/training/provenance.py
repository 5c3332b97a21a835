"""Where a result came from: versions, device, command and source revision."""

import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torchvision


def versions() -> dict[str, str]:
    """Versions of what computes."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
    }


def device_name(device: torch.device, num_processes: int = 1) -> str:
    """The device in words: the GPU's name, or the processor's and how many threads torch uses, in each process."""
    processes = "" if num_processes == 1 else f", {num_processes} processes"
    if device.type == "cuda":
        return torch.cuda.get_device_name(device) + processes
    return f"{_processor()}, {torch.get_num_threads()} threads{processes}"


def command() -> str:
    """The command line as it was typed."""
    return " ".join(["python", *sys.argv])


@cache  # what runs is what was imported, whatever is changed or checked out while it runs; and Git takes long
def revision() -> str:
    """The commit that the code is at, with "-dirty" where it was changed since; "unknown" outside a git checkout."""
    here = Path(__file__).parent
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
