"""Prove that nothing was altered since: every file against the ledger's hashes, and the ledger against its own laws."""

from __future__ import annotations

from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.errors import AuditBroken, InputError
from pipeline.identity import sha256_of
from pipeline.ledger import PUBLISHED, Ledger
from pipeline.ledger_commands import reading
from pipeline.runfolder import MANIFEST, prove_finished
from pipeline.standing import publications, runs


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
                proved += 1
        for row in published:
            files += _prove(home / row["folder"], row["manifest_sha256"], f"发布 {row['publication_id']}")
        _no_strangers(home, published)
        return {
            "runs": proved, "publications": len(published), "files": files, "laws": prove_laws(ledger)
        }  # fmt: skip


def prove_laws(ledger: Ledger) -> list[str]:
    """Every law of `pipeline/sql/ledger`. Raises AuditBroken with both numbers; returns the laws proved."""
    folder = package_files("pipeline") / "sql" / "ledger"
    proved = []
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        text = file.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("-- ").strip()
        broken = ledger.rows(sa.text(text).bindparams(region=ledger.region))
        if broken:
            subject, expected, found = (broken[0][name] for name in ("subject", "expected", "found"))
            raise AuditBroken(
                f"账本不平：{title}；{subject} 应为 {expected} 分，实为 {found} 分，相差 {found - expected} 分"
                f"（共 {len(broken)} 处）；请勿继续发布，把本消息交给开发者"
            )
        proved.append(title)
    return proved


def _prove(folder: Path, digest: str, what: str) -> int:
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{what}的成果不见了：{folder}；账本记着它，请从备份恢复")
    found = sha256_of(path)
    if found != digest:
        raise InputError(
            f"{what}的成果被改动：{path}，账本记 sha256 {digest[:12]}…，实为 {found[:12]}；请从备份恢复"
        )
    return len(prove_finished(folder)["files"]) + 1


def _no_strangers(home: Path, published: list[dict[str, Any]]) -> None:
    """A folder among the publications that the ledger does not know was put there by another hand, or left by a kill."""
    known = {Path(row["folder"]).name for row in published}
    place = home / PUBLISHED
    for folder in sorted(place.iterdir()) if place.is_dir() else []:
        if folder.name not in known and not folder.name.startswith("."):
            raise InputError(
                f"发布文件夹里有账本不认识的内容：{folder}；若是上次发布中断所留，重新发布该月即可，否则请移走"
            )
