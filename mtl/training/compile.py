"""The one place that calls torch.compile."""

import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from mtl.errors import check_choice

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
MODES = ("auto", "on", "off")
# The steps of a study have one code object, and torch stops after 8 compilations of one unless they are isolated.
ISOLATED = {"isolate_recompiles": True} if "isolate_recompiles" in inspect.signature(torch.compile).parameters else {}


def maybe_compile(
    function: Callable[Arguments, Result], mode: str, device: torch.device, backend: str = "inductor"
) -> Callable[Arguments, Result]:
    """Compiles a pure function whole, or leaves it eager.

    Before torch 2.14, which brought `isolate_recompiles`, torch counts the steps of one kind that a process compiles
    (a run has one, or two where it looks at the parameters only now and then) and stops the ninth with its
    FailOnRecompileLimitHit. A study goes on with the same command then.

    Args:
      function: outermost pure function; vmap and vjp go inside.
      mode: "on", "off" or "auto": CUDA only, since on a CPU the first compile of a ResNet-18 takes minutes and its step
        gets no faster.
      device: where it will run.
      backend: of torch.compile.

    Example:
      >>> maybe_compile(abs, "auto", torch.device("cpu")) is abs
      True
    """
    check_choice("mode", mode, MODES)
    if mode == "off" or (mode == "auto" and device.type != "cuda"):
        return function
    return torch.compile(function, fullgraph=True, dynamic=False, backend=backend, **ISOLATED)  # type: ignore[call-overload]
