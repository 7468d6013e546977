"""Case lists as CSV for staff who open them in Excel: BOM, Chinese headers, yuan as exact text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa

from pipeline.findings import FINDINGS_SCHEMA
from pipeline.write import appearing

# What a spreadsheet would run as a formula, full-width signs included (Excel reads them so in Chinese locales).
_FORMULA = r"^[=+\-@\t\r＝＋－＠]"


def write_case_csv(path: Path, frame: pl.DataFrame, headers: Mapping[str, str]) -> None:
    """Write the columns named in `headers` (column → Chinese header), in that order and the frame's row order.

    `*_fen` columns become yuan with two decimals by integer division; text that would run as a formula gets a
    leading `'`; a list is joined by `|`; null is empty. Raises InputError where the file cannot be written,
    TypeError for a float column (no float comes near money).
    """
    shown = frame.select(_shown(name, frame.schema[name]).alias(title) for name, title in headers.items())
    with appearing(path) as part:
        shown.write_csv(part, include_bom=True, line_terminator="\r\n", date_format="%Y-%m-%d")


@contextmanager
def findings_csv(path: Path | None) -> Iterator[Callable[[pa.Table], None]]:
    """A writer of findings as CSV (UTF-8 with BOM) that appears complete; one that does nothing without a path."""
    if path is None:
        yield lambda findings: None
        return
    with appearing(path) as beside, beside.open("wb") as file:
        file.write(b"\xef\xbb\xbf" + (",".join(FINDINGS_SCHEMA.names) + "\r\n").encode())

        def write(findings: pa.Table) -> None:
            frame = pl.DataFrame(findings)
            safe = frame.select(_shown(name, kind).alias(name) for name, kind in frame.schema.items())
            safe.write_csv(file, include_header=False, line_terminator="\r\n")

        yield write


def _shown(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind.is_float():
        raise TypeError(f"float column in a case list: {name}")
    if name.endswith("_fen"):
        return _yuan(column)
    if isinstance(kind, pl.List):
        column, kind = column.list.join("|"), pl.String()
    if kind.is_decimal():  # stored with room for any pack's digits; shown with those that say something
        text = column.cast(pl.String)
        return (
            pl.when(text.str.contains(".", literal=True))
            .then(text.str.strip_chars_end("0").str.strip_chars_end("."))
            .otherwise(text)
        )
    if kind == pl.String:
        return pl.when(column.str.contains(_FORMULA)).then("'" + column).otherwise(column)
    return column


def _yuan(fen: pl.Expr) -> pl.Expr:
    size = fen.cast(pl.Int64).abs()
    sign = pl.when(fen < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    cents = (size % 100).cast(pl.String).str.zfill(2)
    return sign + (size // 100).cast(pl.String) + "." + cents
