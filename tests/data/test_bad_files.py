"""A sample of benchmarks/bad_files.py: damaged data sets, photos and uploads end in success, skips or a sentence."""

import mmap
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # its programs import each other by their names
import damage
import trials

LIGHT = [kind for kind in trials.KINDS if not any(word in kind for word in damage.HEAVY)]
SEED = 1000  # the drill has those from 0 up


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> trials.Pack:
    trials.be_alone()
    return trials.open_whole(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("kind", LIGHT)
def test_a_damaged_file_ends_in_success_skips_or_a_sentence(kind: str, whole: trials.Pack, tmp_path: Path) -> None:
    ending = trials.try_case(kind, SEED, tmp_path / "case", whole)
    assert ending.how in ("success", "skip", "sentence"), ending.said


def test_faults_are_found(whole: trials.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the drill is for: a traceback, a death, memory, and rows that belong to others."""

    def memory() -> tuple[str, str]:
        with mmap.mmap(-1, 2**26) as fresh:  # a process that did much before may have as much on its heap, unused
            return "success", str(fresh.write(b"x" * 2**26))

    def waiting() -> tuple[str, str]:
        trials.time.sleep(60)
        return "success", ""

    def death() -> tuple[str, str]:
        trials.os._exit(1)

    def no_sentence() -> tuple[str, str]:
        raise trials.UserError("two\nlines of it")

    monkeypatch.setattr(trials, "MOST_MEMORY", 2**25)
    monkeypatch.setattr(trials, "MOST_SECONDS", 2)
    for attempt in (memory, waiting, death, no_sentence, lambda: 1 / 0):
        assert trials.in_child("any", 0, attempt).how == "fault"
    other = whole._replace(table=whole.table._replace(labels=~whole.table.labels))
    untouched = damage.Touched(False, damage.NONE)
    trials.check_pack(whole, untouched, whole)
    with pytest.raises(trials.Fault, match="labels of another row"):
        trials.check_pack(whole, untouched, other)
    with pytest.raises(trials.Fault, match="pixels of another row"):
        trials.check_pack(whole, untouched, whole._replace(images_NCHW=whole.images_NCHW[::-1]))
    (tmp_path / "0123.partial").mkdir()
    with pytest.raises(trials.Fault, match="left in the cache"):
        trials.check_cache(tmp_path)
