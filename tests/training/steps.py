"""The steps of a run, with something done around each."""

from collections.abc import Callable
from typing import Any

import pytest

from mtl.training import loop as training
from mtl.training.run import prepare as prepare_run
from tests.tiny import SIZE


def wrap_steps(monkeypatch: pytest.MonkeyPatch, around: Callable[..., Any]) -> None:
    """Lets `around(step, number, *arguments)` stand for each step; its number counts from 1 in this life."""
    calls = 0

    def wrapping_prepare(*args: Any) -> Any:
        run, state = prepare_run(*args)

        def step(*step_args: Any) -> Any:
            nonlocal calls
            calls += 1
            return around(run.steps.train[SIZE], calls, *step_args)

        return run._replace(steps=run.steps._replace(train={SIZE: step})), state

    monkeypatch.setattr(training, "prepare", wrapping_prepare)
