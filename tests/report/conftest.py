"""Reports of made-up studies, whose intervals need no more resamples than show how wide they are."""

from collections.abc import Iterator
from functools import partial

import pytest

from mtl.statistics import Rules, results


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "Rules", partial(Rules, num_resamples=100))
        yield
