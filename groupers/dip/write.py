"""Write a DIP catalogue as a sealed folder, and name its rows from the code tables."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from groupers.codes import CodeTables
from groupers.dip.catalogue import dx4_of
from groupers.dip.load import CONSERVATIVE, TABLES, load_catalogue
from groupers.scheme import SchemeError, seal

Rows = Iterable[Sequence[str]]


def write_catalogue(
    target: Path,
    manifest: Mapping[str, Any],
    tables: Mapping[str, Rows],
    documents: Mapping[str, tuple[Sequence[str], Rows]] | None = None,
) -> None:
    """Write a new folder `target`: `tables` by the names of TABLES (others stay empty), sealed, proved by loading.

    `documents` are further CSV files (header, rows) that are kept beside the tables but never read.
    It appears complete or not at all. Raises SchemeError, also where `target` exists.
    """
    if target.exists():
        raise SchemeError(f"方案文件夹已存在：{target}；请换一个名称，或先移走原文件夹")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, columns in TABLES.items():
            _write_csv(draft / name, columns, tables.get(name, ()))
        for name, (header, rows) in (documents or {}).items():
            _write_csv(draft / name, header, rows)
        text = yaml.safe_dump({**manifest, "files": {}}, allow_unicode=True, sort_keys=False, width=10_000)
        (draft / "scheme.yaml").write_text(text, encoding="utf-8")
        seal(draft)
        load_catalogue(str(draft))
        draft.chmod(0o755)  # mkdtemp makes it private
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_csv(path: Path, columns: Sequence[str], rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def dx4_names(tables: CodeTables) -> dict[str, str]:
    """The name of every subcategory: that of its `…00` code, else of its first one."""
    names: dict[str, str] = {}
    whole: dict[str, str] = {}
    for code, name in tables.diagnosis_names.items():
        dx4 = dx4_of(code)
        names.setdefault(dx4, name)
        if code.split("+")[0] == f"{dx4}00":
            whole.setdefault(dx4, name)
    return names | whole


def row_name(dx_name: str, px_names: Sequence[str]) -> str:
    """`肺结核：胸腔闭式引流术`, or `肺结核：保守治疗` where nothing is done."""
    return f"{dx_name}：{'＋'.join(px_names) or CONSERVATIVE}"
