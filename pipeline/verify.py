"""Prove that nothing was altered since: every file against the ledger's hashes, and the ledger against its own laws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline import ledger_tables as tables
from pipeline.errors import AuditBroken, InputError
from pipeline.identity import sha256_of
from pipeline.ledger import PUBLISHED
from pipeline.ledger_commands import reading
from pipeline.ledger_entries import alliances_of, results_of
from pipeline.ledger_laws import prove_laws
from pipeline.publication_files import DIFFERENCES, PAYMENTS
from pipeline.runfolder import MANIFEST, prove_finished
from pipeline.standing import publications, results, runs
from pipeline.year_steps import prove_steps

KEYS = ("hospital_id", "insurance_type")
PUBLISHED_FILES = (
    (tables.payment, PAYMENTS, ("payee_id", "amount_fen", "due_on")),
    (tables.adjustment, DIFFERENCES, ("period", "published_fen", "recomputed_fen", "difference_fen")),
)


def verify_region(region: str, out: Path, ledger_url: str | None = None) -> dict[str, Any]:
    """Counts of runs, publications and files proved, and the laws. Raises InputError, AuditBroken at the first gap.

    A run that was computed but never published may be removed to save room; a published one may not.
    """
    with reading(region, out, ledger_url) as ledger:
        home = out / ledger.region
        published = publications(ledger)
        wanted = {row["run_id"] for row in published}
        files = 0
        proved = 0
        for row in runs(ledger):
            folder = home / row["folder"]
            if row["run_id"] in wanted or folder.exists():
                files += _prove(folder, row["manifest_sha256"], f"批次 {row['run_id']}")
                _compare(results(ledger, row["run_id"]), results_of(row["kind"], folder), folder)
                if row["run_id"] in wanted:  # one never published may be older than the table
                    mine = tables.alliance_result.c.run_id == row["run_id"]
                    kept = ledger.rows(sa.select(tables.alliance_result).where(mine))
                    _compare(kept, alliances_of(folder), folder)
                proved += 1
        for row in published:
            folder = home / row["folder"]
            files += _prove(folder, row["manifest_sha256"], f"发布 {row['publication_id']}")
            for table, name, columns in PUBLISHED_FILES:
                written = pl.read_parquet(folder / f"{name}.parquet").select(*KEYS, *columns)
                mine = table.c.publication_id == row["publication_id"]
                _compare(ledger.rows(sa.select(table).where(mine)), written, folder)
        _no_strangers(home, published)
        prove_steps(ledger)
        return {
            "runs": proved, "publications": len(published), "files": files, "laws": prove_laws(ledger.region, ledger.rows)
        }  # fmt: skip


def _prove(folder: Path, digest: str, what: str) -> int:
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{what}的成果不见了：{folder}；账本记着它，请从备份恢复")
    found = sha256_of(path)
    if found != digest:
        raise InputError(
            f"{what}的成果被改动：{path}，账本记 sha256 {digest[:12]}…，实为 {found[:12]}；请从备份恢复"
        )
    listed = prove_finished(folder)["files"]
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if file.is_file() and name not in listed and name != MANIFEST and not file.name.startswith("."):
            raise InputError(f"{what}的成果里多出一个文件：{file}；它不是本程序所写，请移走")
    return len(listed) + 1


def _compare(entered: list[dict[str, Any]], written: pl.DataFrame, folder: Path) -> None:
    """The ledger's rows against the file they were taken from, by its first two columns. Raises AuditBroken."""
    columns = written.columns[len(KEYS) :]
    kept_rows = [tuple(row[name] for name in written.columns) for row in entered]
    sides = [
        {row[: len(KEYS)]: dict(zip(columns, row[len(KEYS) :], strict=True)) for row in rows}
        for rows in (kept_rows, written.rows())
    ]
    for key in sorted(sides[0].keys() | sides[1].keys()):
        kept, found = (side.get(key, dict.fromkeys(columns)) for side in sides)
        for name in columns:
            if kept[name] != found[name]:
                raise AuditBroken(
                    f"账本与成果不符：{'、'.join(key)} 的 {name}，账本记 {_said(kept[name])}，{folder} 是 {_said(found[name])}；"
                    "成果的哈希没有变，请从备份恢复账本"
                )


def _said(value: object) -> str:
    return "没有这一行" if value is None else str(value)


def _no_strangers(home: Path, published: list[dict[str, Any]]) -> None:
    """A folder among the publications that the ledger does not know was put there by another hand, or left by a kill."""
    known = {Path(row["folder"]).name for row in published}
    place = home / PUBLISHED
    for folder in sorted(place.iterdir()) if place.is_dir() else []:
        if folder.name not in known and not folder.name.startswith("."):
            raise InputError(
                f"发布文件夹里有账本不认识的内容：{folder}；若是上次发布中断所留，重新发布该月即可，否则请移走"
            )
