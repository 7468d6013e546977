"""What a pack asks of its DIP catalogue and the catalogue does not say: scores, coefficients, flags, severity lists."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.pack_pricing import CATALOGUE
from pipeline.price_rules import amount_of_treatment
from pipeline.problem import Problem, some
from pipeline.schemes import Scheme
from pipeline.terms import Terms


def check_catalogue(terms: Terms, scheme: Scheme) -> Iterator[Problem]:
    """Every such gap of one interval. Rows without a number are warnings: their cases are refused one by one."""
    yield from _blank_scores(terms, scheme)
    yield from _coefficients(terms, scheme)
    flag = terms.base_groups.flag
    if flag is not None and not any(flag in flags for flags in scheme.flags.values()):
        yield Problem(
            "warning", f"{terms.valid_from} 起的基础病组",
            f"方案 {terms.scheme.name} 没有带 flag `{flag}` 的病种，同价不会用到；请核对标识",
        )  # fmt: skip
    if scheme.asks_severity and scheme.severity_book is None:
        yield Problem(
            "error", f"{terms.valid_from} 起的 scheme",
            f"`{terms.scheme.name}` 有按合并症（severity）的辅助分型，但没有写 severity_scheme；"
            "请写明用哪个 DRG 方案的 MCC、CC 名单，如 chs-drg-2.0",
        )  # fmt: skip


def rows_without_score(terms: Terms, scheme: Scheme) -> list[str]:
    """Rows of the catalogue that take its own score and have none."""
    if terms.weights is not None:
        return []
    return [
        row for row, kind in scheme.kinds.items()
        if kind == "grouped" and row not in scheme.scores and row not in terms.off_path.groups
    ]  # fmt: skip


def _blank_scores(terms: Terms, scheme: Scheme) -> Iterator[Problem]:
    if blank := rows_without_score(terms, scheme):
        yield Problem(
            "warning", f"{terms.valid_from} 起的分值",
            f"目录有 {len(blank)} 个病种没有分值，其病例将退回：{some(blank)}；请补目录或在 off_path 中另定",
        )  # fmt: skip


def _coefficients(terms: Terms, scheme: Scheme) -> Iterator[Problem]:
    if terms.coefficients is None or terms.coefficients.by_group_level != CATALOGUE:
        return
    base, where = terms.base_groups, f"{terms.valid_from} 起的系数"
    reference = terms.ratio.reference
    for kind in ("ungrouped", "excluded"):
        treatment = getattr(terms.off_path, kind)
        if treatment is not None and amount_of_treatment(treatment, reference).needs_coefficient:
            yield Problem(
                "error", f"{terms.off_path.from_} 起的 off_path.{kind}",
                f"`{treatment.treatment}` 要乘系数，而系数只在目录的病种里；请换一种办法",
                refuses_cases=True,
            )  # fmt: skip
    alike = base.strategy == "fixed_coefficient"
    priced = [
        row for row in scheme.scores
        if not (alike and (row in base.groups or base.flag in scheme.flags.get(row, ())))
        and (row not in terms.off_path.groups or amount_of_treatment(terms.off_path.groups[row], reference).needs_coefficient)
    ]  # fmt: skip
    for level in sorted({hospital.level for hospital in terms.hospitals.values()}):
        if blank := [row for row in priced if (row, level) not in scheme.coefficients]:
            yield Problem(
                "warning", where,
                f"目录有 {len(blank)} 个病种在{level}没有系数，其病例将退回：{some(blank)}；请补目录系数",
            )  # fmt: skip
