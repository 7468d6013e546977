"""What is odd in a DIP catalogue: reported, never repaired. What would leave a case undecided does not load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal

from groupers.codes import CodeTables
from groupers.dip.catalogue import Catalogue, CoreRow, PooledRow, dx3_of, dx4_of
from groupers.drg.lint import CODES_SHOWN, Lint

BASE = "基层病种"
TO_FILL = "待补"  # stands in a list of which nothing is known yet; no code starts with it


def lint_catalogue(catalogue: Catalogue, tables: CodeTables) -> list[Lint]:
    """All oddities of a catalogue, each kind in the order of its table.

    Codes: unknown_code, class_differs, procedure_without_class, related_repeats_principal, row_unnamed,
    row_excluded, score_missing, coefficient_missing, base_coefficients_differ, list_to_fill.
    """
    return [
        *_unknown_codes(catalogue, tables),
        *_classes(catalogue, tables),
        *_rows(catalogue),
        *_missing(catalogue),
        *_coefficients(catalogue),
        *_lists(catalogue),
    ]


def _unknown_codes(catalogue: Catalogue, tables: CodeTables) -> Iterator[Lint]:
    """One finding per code that no case can carry, with the rows that ask for it."""
    dx4s = {dx4_of(code) for code in tables.diagnosis_names}
    dx3s = {dx3_of(code) for code in tables.diagnosis_names}
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in catalogue.core:
        if row.dx4 not in dx4s:
            places["亚目", row.dx4].append(row.row)
        asked = {row.principal_px, *(code for one_of in row.related for code in one_of)} - {""}
        for code in asked - tables.procedure_names.keys():
            places["手术操作", code].append(row.row)
    for pooled in catalogue.pooled:
        if pooled.dx3 not in dx3s:
            places["类目", pooled.dx3].append(pooled.row)
    for (kind, code), rows in sorted(places.items()):
        yield Lint(
            "unknown_code",
            "warning",
            code,
            f"{kind}编码 `{code}` 不在编码表内（见于病种 {_some(rows)}），没有病案会用到；请核对是否后增或笔误",
        )


def _classes(catalogue: Catalogue, tables: CodeTables) -> Iterator[Lint]:
    for row in catalogue.core:
        if row.principal_px not in tables.procedure_classes:
            continue
        of_table = tables.procedure_classes[row.principal_px]
        if not of_table:
            yield Lint(
                "procedure_without_class",
                "note",
                row.row,
                f"病种 `{row.row}` 的主要手术 `{row.principal_px}` 在编码表里没有类别；"
                "未入核心病种时这样的病例按内科诊疗进综合病种",
            )
        elif of_table != row.treatment_class:
            yield Lint(
                "class_differs",
                "warning",
                row.row,
                f"病种 `{row.row}` 写 {row.treatment_class}，其主要手术 `{row.principal_px}` "
                f"在编码表里是 {of_table}；照目录执行，请核对",
            )


def _rows(catalogue: Catalogue) -> Iterator[Lint]:
    every: tuple[CoreRow | PooledRow, ...] = (*catalogue.core, *catalogue.pooled)
    for row in every:
        if not row.name.strip():
            yield Lint("row_unnamed", "warning", row.row, f"病种 `{row.row}` 没有名称；请补上")
    for core in catalogue.core:
        if any(core.principal_px in one_of for one_of in core.related):
            yield Lint(
                "related_repeats_principal",
                "warning",
                core.row,
                f"病种 `{core.row}` 的相关手术含主要手术 `{core.principal_px}`，病案须写两次才会命中；请核对",
            )
    for exclusion in catalogue.exclusions:
        hidden = [
            *(row.row for row in catalogue.core if row.dx4.startswith(exclusion.prefix)),
            *(row.row for row in catalogue.pooled if row.dx3.startswith(exclusion.prefix)),
        ]
        if hidden:
            yield Lint(
                "row_excluded",
                "warning",
                exclusion.prefix,
                f"排除前缀 `{exclusion.prefix}`（{exclusion.reason}）盖住 {len(hidden)} 个病种，永远不会入组：{_some(hidden)}",
            )


def _missing(catalogue: Catalogue) -> Iterator[Lint]:
    every: tuple[CoreRow | PooledRow, ...] = (*catalogue.core, *catalogue.pooled)
    without = [row.row for row in every if row.score is None]
    if without:
        yield Lint(
            "score_missing",
            "warning" if len(without) < len(every) else "note",
            catalogue.manifest.name,
            f"{len(without)} 个病种没有分值，入组的病例无法定价：{_some(without)}",
        )
    levels = sorted({level for _, level in catalogue.coefficients})
    for level in levels:
        unknown = [row.row for row in every if (row.row, level) not in catalogue.coefficients]
        if unknown:
            yield Lint(
                "coefficient_missing",
                "note",
                level,
                f"{level} 有 {len(unknown)} 个病种的系数未知，这一级的病例将退回：{_some(unknown)}",
            )


def _coefficients(catalogue: Catalogue) -> Iterator[Lint]:
    of_row: dict[str, set[Decimal]] = defaultdict(set)
    for (code, _), coefficient in catalogue.coefficients.items():
        of_row[code].add(coefficient)
    every: tuple[CoreRow | PooledRow, ...] = (*catalogue.core, *catalogue.pooled)
    for row in every:
        if BASE in row.flags and len(of_row[row.row]) > 1:
            told = "、".join(str(value) for value in sorted(of_row[row.row]))
            yield Lint(
                "base_coefficients_differ",
                "warning",
                row.row,
                f"病种 `{row.row}` 是{BASE}（同城同病同价），各级系数却不同：{told}；请核对",
            )


def _lists(catalogue: Catalogue) -> Iterator[Lint]:
    for name, prefixes in sorted(catalogue.auxiliary.lists.items()):
        if TO_FILL in prefixes:
            users = [one.subtype for one in catalogue.auxiliary.subtypes if f" in {name}" in f" {one.text} "]
            yield Lint(
                "list_to_fill",
                "warning",
                name,
                f"名单 `{name}` {TO_FILL}，辅助分型 {_some(users)} 在补上之前不会命中；请在 auxiliary_lists.csv 填本地公布的编码",
            )


def _some(rows: Iterable[str]) -> str:
    listed = list(rows)
    more = f" 等 {len(listed)} 个" if len(listed) > CODES_SHOWN else ""
    return "、".join(listed[:CODES_SHOWN]) + more
