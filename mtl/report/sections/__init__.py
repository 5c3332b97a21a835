"""The sections of the report, one per file: each a pure function (study, figures) -> Typst markup."""
