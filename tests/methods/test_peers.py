"""The table of methods is what the files say, and names all of ours and all that LibMTL and TorchJD have."""

from pathlib import Path

from torchjd import aggregation, scalarization

import mtl.methods
from mtl.methods import METHODS
from mtl.methods.table import readme

TABLE = [line for line in readme().splitlines() if line.startswith("| ")][1:]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE]
# Its README's table of methods, main of 14 May 2025.
LIBMTL = """
EW GradNorm UW MGDA DWA GLS PCGrad GradDrop IMTL GradVac CAGrad MOML Nash_MTL
RLW AutoLambda MoCo Aligned_MTL FAMO SDMGrad MoDo FORUM STCH ExcessMTL FairGrad DB_MTL UPGrad
"""


def names(column: int) -> list[str]:
    return [name.strip("`") for row in ROWS for name in row[column].split(", ") if name != "-"]


def test_the_readme_is_up_to_date() -> None:
    committed = (Path(mtl.methods.__file__).parent / "README.md").read_text()
    assert committed == readme(), "run  python -m mtl.methods.table > mtl/methods/README.md"


def test_ours() -> None:
    assert sorted(names(0)) == sorted(["joint", *METHODS])


def test_libmtl() -> None:
    assert sorted(names(3)) == sorted(LIBMTL.split())
    assert [row[3] for row in ROWS if row[0] == "-"] == ["FORUM"]  # and all but this are ours


def test_torchjd() -> None:
    bases = {"", "Aggregator", "WeightedAggregator", "GramianWeightedAggregator", "Scalarizer"}
    exported = {name.removesuffix("Weighting") for name in (*aggregation.__all__, *scalarization.__all__)}
    assert set(names(4)) == exported - bases
