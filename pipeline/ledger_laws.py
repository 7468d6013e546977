"""The laws of the ledger, one SELECT each in `pipeline/sql/ledger`: rows (subject, expected, found) that break it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files as package_files
from typing import Any

import sqlalchemy as sa

from pipeline.errors import AuditBroken

Ask = Callable[[sa.Executable], list[dict[str, Any]]]


def prove_laws(region: str, ask: Ask) -> list[str]:
    """Prove every law of a region's ledger; returns the laws proved. Raises AuditBroken with both numbers.

    `ask`: rows of a query, of the ledger as it stands or of a transaction that is not yet final.
    """
    folder = package_files("pipeline") / "sql" / "ledger"
    proved = []
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        text = file.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("-- ").strip()
        broken = ask(sa.text(text).bindparams(region=region))
        if broken:
            # Sums of the database may come as its own kind of number.
            expected, found = int(broken[0]["expected"]), int(broken[0]["found"])
            raise AuditBroken(
                f"账本不平：{title}；{broken[0]['subject']} 应为 {expected} 分，实为 {found} 分，相差 {found - expected} 分"
                f"（共 {len(broken)} 处）；请勿继续发布，把本消息交给开发者"
            )
        proved.append(title)
    return proved
