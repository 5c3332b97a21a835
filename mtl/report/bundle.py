"""Everything of a study that one hands on, in one zip: report, video, results, configurations, README and the code."""

import subprocess
import zipfile
from pathlib import Path
from typing import BinaryIO

from mtl.errors import UserError
from mtl.record.atomic import write_atomically, writing
from mtl.record.paths import CONFIG, DST, METRICS, REPORT, RESULTS, VIDEO, find_files

ROOT = Path(__file__).parents[2]
OF_STUDY = (REPORT, VIDEO, RESULTS, CONFIG)
OF_RUNS = (CONFIG, RESULTS, METRICS, DST)  # predictions hold the data's labels


def bundle(workdir: Path, path: Path) -> str:
    """Writes the zip and returns a sentence that says so.

    Args:
      workdir: of a study whose report is there.
      path: of the zip, which is replaced if it is there.

    Raises:
      UserError: if the report or the video is not there, or something that is no zip stands in the place of the zip.
    """
    if path.exists() and not zipfile.is_zipfile(path):
        raise UserError(f"{path} is there and is no zip file: choose another name for the zip")
    missing = [name for name in OF_STUDY if not (workdir / name).is_file()]
    if missing:
        raise UserError(f"{workdir} has no {missing[0]}: run the jobs study and then report with this workdir first")
    files = {f"study/{name}": workdir / name for name in OF_STUDY}
    for name in OF_RUNS:
        files |= {f"study/{file.relative_to(workdir)}": file for file in find_files(workdir, name)}
    files |= {f"code/{name}": ROOT / name for name in source_files()}
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(ROOT / "README.md", "README.md")
            for name, source in files.items():
                archive.write(source, name)

    write_atomically(path, write)
    return f"Wrote {path}: {len(files) + 1} files, {path.stat().st_size / 1e6:.1f} MB."


def source_files() -> list[str]:
    """The source files under version control, relative to the root.

    Raises:
      UserError: outside a git checkout.
    """
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"{ROOT} is no git checkout, so it is not known which files are the code") from error
    return [name for name in listed.splitlines() if not name.startswith("artifacts/") and (ROOT / name).is_file()]
