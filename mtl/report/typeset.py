"""Typst source to PDF."""

import json
from pathlib import Path

from mtl.errors import not_installed
from mtl.record.files import write_bytes

TEMPLATE = Path(__file__).with_name("template.typ")


def with_template(title: str, subtitle: str, body: str) -> str:
    """The whole source: layout, title and body; `subtitle` and `body` are markup."""
    show = f"#show: report.with(title: {json.dumps(title, ensure_ascii=False)}, subtitle: [{subtitle}])"
    return f"{TEMPLATE.read_text()}\n{show}\n\n{body}\n"


def typeset(source: str, path: Path) -> None:
    """Writes `path`, a PDF; files that the source names are looked up in the folder of `path`.

    Raises:
      UserError: if Typst is not installed.
    """
    try:
        import typst
    except ImportError:
        raise not_installed("the report is typeset", "Typst") from None
    # The compiler resolves images against the folder of its input file.
    main = path.with_suffix(".typ")
    write_bytes(main, source.encode())
    pdf = typst.compile(str(main), format="pdf")
    write_bytes(path, pdf)
