"""Tell in Chinese why a discharge falls into its disease (病种) and not into the next best one.

One case at a time and apart from the vectorised engine; the result is the same (a test holds them together).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from groupers.dip.catalogue import (
    POOLED_OF_CLASS,
    UNGROUPED,
    Catalogue,
    CoreRow,
    Exclusion,
    PooledRow,
    TieBreaker,
    dx3_of,
    dx4_of,
)
from groupers.dip.compile import asked, standing

SHOWN_ROWS = 10
MEDICAL = "内科诊疗"
_TIE_NAMES: dict[TieBreaker, str] = {
    "catalogue_order": "目录顺序在前者优先", "core_before_base": "非基层病种优先",
    "more_procedures": "匹配手术操作多者优先", "higher_score": "分值高者优先",
    "nearest_mean_cost": "次均费用与本例总费用最接近者优先", "class_priority": "治疗方式优先级高者优先",
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """A core row of the case's disease and principal procedure (or none), held against the case."""

    row: CoreRow
    related: tuple[str, ...]  # other procedures that the row asks for, in the case's order
    missing: tuple[frozenset[str], ...]

    @property
    def met(self) -> int:
        return len(asked(self.row)) - len(self.missing)

    @property
    def procedures(self) -> tuple[str, ...]:
        return ((self.row.principal_px,) if self.row.principal_px else ()) + self.related


@dataclass(frozen=True)
class Judged:
    """Everything that decided a case. `ranked`: the core rows that count, best first."""

    dx: str | None
    px: tuple[str, ...]
    fee: int | None
    exclusion: Exclusion | None
    of_disease: tuple[CoreRow, ...]
    blocking: tuple[str, ...]  # procedures with a class, which keep the case from conservative rows
    trials: tuple[Trial, ...]
    ranked: tuple[Trial, ...]
    partial: bool  # no row was met in full, and the catalogue takes those met in part
    pooled_class: str
    pooled: PooledRow | None

    @property
    def dip_code(self) -> str | None:
        if self.exclusion:
            return None
        return self.ranked[0].row.row if self.ranked else self.pooled.row if self.pooled else UNGROUPED

    @property
    def runner_up(self) -> str | None:
        return self.ranked[1].row.row if len(self.ranked) > 1 else None


def judge(catalogue: Catalogue, case: Mapping[str, Any]) -> Judged:
    """Match one case and keep the reasons.

    `case` has the contract's column names; dx_codes and px_codes hold codes in normal form, or are None; null and
    empty elements are passed over. Source: DESIGN §5.
    """
    dx, px = _filled(case.get("dx_codes")), _filled(case.get("px_codes"))
    first, fee = (dx[0] if dx else None), case.get("total_fee_fen")
    exclusion = next((e for e in catalogue.exclusions if first and first.startswith(e.prefix)), None)
    of_disease = catalogue.core_by_dx4.get(dx4_of(first), ()) if first and not exclusion else ()
    blocking = tuple(dict.fromkeys(code for code in px if catalogue.procedure_classes.get(code)))
    if catalogue.choices.conservative == "any":
        blocking = ()
    trials = tuple(
        _try(row, px)
        for row in of_disease
        if (row.principal_px == px[0] if row.principal_px and px else not row.principal_px and not blocking)
    )
    counted = [trial for trial in trials if not trial.missing]
    partial = not counted and catalogue.choices.related == "best_partial"
    if partial:
        counted = [trial for trial in trials if trial.row.principal_px and trial.met]
    breakers = catalogue.choices.tie_breakers
    ranked = sorted(counted, key=lambda t: (-t.met, *(_place(b, t.row, fee) for b in breakers), t.row.row))
    own_class = catalogue.procedure_classes.get(px[0], "") if px else ""
    pooled_class = POOLED_OF_CLASS.get(own_class, MEDICAL)
    pooled = catalogue.pooled_by_key.get((dx3_of(first), pooled_class)) if first and not exclusion else None
    return Judged(
        first, px, fee, exclusion, of_disease, blocking, trials, tuple(ranked), partial, pooled_class, pooled
    )  # fmt: skip


def _filled(codes: Any) -> tuple[str, ...]:
    listed: Iterable[str | None] = () if codes is None else codes
    return tuple(code for code in listed if code)


def _try(row: CoreRow, px: tuple[str, ...]) -> Trial:
    wanted = frozenset().union(*row.related)
    related = tuple(dict.fromkeys(code for code in px[1:] if code in wanted))
    return Trial(row, related, tuple(forms for forms in asked(row) if forms.isdisjoint(px[1:])))


def _place(breaker: TieBreaker, row: CoreRow, fee: int | None) -> Any:
    if breaker != "nearest_mean_cost":
        return standing(breaker, row)
    if fee is None:
        return (False, 0)
    return (row.mean_cost_fen is None, abs((row.mean_cost_fen or 0) - fee))


def tell(
    catalogue: Catalogue, case: Mapping[str, Any], dx_names: Mapping[str, str], px_names: Mapping[str, str]
) -> list[str]:
    """The matching of one case in Chinese, one sentence per step. A code without a name is shown alone."""
    judged = judge(catalogue, case)
    return _Speech(catalogue, judged, dx_names, px_names).lines()


@dataclass(frozen=True)
class _Speech:
    catalogue: Catalogue
    judged: Judged
    dx_names: Mapping[str, str]
    px_names: Mapping[str, str]

    def lines(self) -> list[str]:
        judged = self.judged
        if judged.dx is None:
            return ["读入：没有诊断编码", f"没有主要诊断，无法入组，记为 {UNGROUPED}"]
        lines = [self.codes_read(judged.dx)]
        if judged.exclusion:
            why = f"主要诊断以 {judged.exclusion.prefix} 开头，在排除名单中（{judged.exclusion.reason}）"
            return [*lines, f"{why}，不按病种分值付费"]
        lines.append("主要诊断不在排除名单中")
        lines += self.core_rows(dx4_of(judged.dx))
        if judged.ranked:
            return lines + self.core_decision()
        return lines + self.pooled_decision(dx3_of(judged.dx))

    def codes_read(self, dx: str) -> str:
        parts = [f"主要诊断 {f'{dx} {self.dx_names.get(dx, str())}'.rstrip()}（亚目 {dx4_of(dx)}）"]
        px = self.judged.px
        parts.append(f"主要手术操作 {self.classed(px[0])}" if px else "没有手术操作编码")
        if px[1:]:
            parts.append(f"其他手术操作 {len(px) - 1} 个：{'、'.join(self.classed(code) for code in px[1:])}")
        return "读入：" + "；".join(parts)

    def core_rows(self, dx4: str) -> list[str]:
        """What the catalogue has for the disease, and how each row of the case's procedure stands."""
        judged = self.judged
        if not judged.of_disease:
            return [f"目录中没有亚目 {dx4} 的核心病种"]
        same = [trial for trial in judged.trials if trial.row.principal_px]
        head = f"亚目 {dx4} 的核心病种有 {len(judged.of_disease)} 个"
        lines = [f"{head}，其中主要手术操作与本例相同的 {len(same)} 个"]
        conservative = [row for row in judged.of_disease if not row.principal_px]
        if conservative and judged.blocking:
            named = "、".join(self.row(row) for row in conservative[:SHOWN_ROWS])
            because = "、".join(self.classed(code) for code in judged.blocking)
            lines.append(f"保守治疗病种 {named} 不适用：本例有手术操作 {because}")
        shown = [*judged.ranked, *(trial for trial in judged.trials if trial not in judged.ranked)]
        lines += [self.trial(trial) for trial in shown[:SHOWN_ROWS]]
        if len(shown) > SHOWN_ROWS:
            lines.append(f"其余 {len(shown) - SHOWN_ROWS} 个病种从略")
        return lines

    def trial(self, trial: Trial) -> str:
        head = f"病种 {self.row(trial.row)}："
        if trial.missing:
            return f"{head}不完全满足，{self.missing(trial)}"
        if not trial.procedures:
            return f"{head}满足，保守治疗，不要求手术操作"
        return f"{head}满足，依据手术操作 {'、'.join(self.px(code) for code in trial.procedures)}"

    def core_decision(self) -> list[str]:
        best, *others = self.judged.ranked
        how = ""
        if self.judged.partial:
            how = f"没有病种完全满足，本地允许部分相符，取相关手术操作匹配最多者（{best.met} 项），"
        lines = [f"{how}归入核心病种 {self.row(best.row)}（{best.row.treatment_class}）"]
        if others:
            lines.append(f"未归入次选病种 {self.row(others[0].row)}：{self.why_not(best, others[0])}")
        return lines

    def why_not(self, best: Trial, other: Trial) -> str:
        if best.met != other.met:
            return f"其相关手术操作匹配 {other.met} 项，少于 {best.row.row} 的 {best.met} 项"
        same = f"两者相关手术操作匹配都是 {best.met} 项，"
        fee, breakers = self.judged.fee, self.catalogue.choices.tie_breakers
        for number, breaker in enumerate(breakers):
            if _place(breaker, best.row, fee) != _place(breaker, other.row, fee):
                before = f"{self.named(breakers[:number])}也相同，" if number else ""
                left, right = (self.said(breaker, trial.row) for trial in (best, other))
                return (
                    f"{same}{before}按“{_TIE_NAMES[breaker]}”，{best.row.row} {left}，{other.row.row} {right}"
                )
        if not breakers:
            return f"{same}没有规定优先次序，按病种编码 {best.row.row} 在前"
        unseen = (
            "（本例没有总费用，次均费用无从比较）" if fee is None and "nearest_mean_cost" in breakers else ""
        )
        return f"{same}{self.named(breakers)}也都相同{unseen}，按病种编码 {best.row.row} 在前"

    @staticmethod
    def named(breakers: Iterable[TieBreaker]) -> str:
        return "、".join(f"“{_TIE_NAMES[breaker]}”" for breaker in dict.fromkeys(breakers))

    def said(self, breaker: TieBreaker, row: CoreRow) -> str:
        """What a row brings to a tie-breaker."""
        match breaker:
            case "catalogue_order":
                return f"在第 {row.order + 1} 位"
            case "core_before_base":
                return "是基层病种" if standing(breaker, row) else "不是基层病种"
            case "more_procedures":
                return "另匹配主要手术操作" if row.principal_px else "不要求主要手术操作"
            case "higher_score":
                return "没有分值" if row.score is None else f"分值 {row.score}"
            case "class_priority":
                return f"为{row.treatment_class}"
            case "nearest_mean_cost":
                if row.mean_cost_fen is None or self.judged.fee is None:
                    return "没有次均费用"
                away = Decimal(abs(row.mean_cost_fen - self.judged.fee)).scaleb(-2)
                return f"次均费用 {Decimal(row.mean_cost_fen).scaleb(-2)} 元，相差 {away} 元"

    def pooled_decision(self, dx3: str) -> list[str]:
        judged = self.judged
        if judged.pooled_class != MEDICAL:
            why = f"主要手术操作 {self.classed(judged.px[0])}，对应{judged.pooled_class}组"
        else:
            why = f"{'主要手术操作没有类别' if judged.px else '没有手术操作'}，对应{MEDICAL}组"
        lines = [f"没有核心病种满足；综合病种按类目 {dx3}：{why}"]
        if judged.pooled:
            return [*lines, f"归入综合病种 {f'{judged.pooled.row} {judged.pooled.name}'.rstrip()}"]
        lines.append(f"目录中没有类目 {dx3} 的{judged.pooled_class}组，无法入组，记为 {UNGROUPED}")
        return [*lines, self.closest(dx3)]

    def closest(self, dx3: str) -> str:
        """What the case would have needed."""
        judged = self.judged
        if judged.trials:
            near = min(judged.trials, key=lambda trial: (len(trial.missing), trial.row.order, trial.row.row))
            return f"最接近的是病种 {self.row(near.row)}：{self.missing(near)}"
        if judged.of_disease:
            some = judged.of_disease[:3]
            named = "；".join(f"{self.row(row)} 要求{self.wants(row)}" for row in some)
            more = f" 等 {len(judged.of_disease)} 个" if len(some) < len(judged.of_disease) else ""
            return f"最接近的是同亚目的病种：{named}{more}"
        others = [row.pooled_class for row in self.catalogue.pooled if row.dx3 == dx3]
        if others:
            return f"最接近的是类目 {dx3} 的其他综合病种：{'、'.join(others)}"
        near_dx4 = sorted(dx4 for dx4 in self.catalogue.core_by_dx4 if dx3_of(dx4) == dx3)
        if near_dx4:
            return f"目录中同类目只有亚目 {'、'.join(near_dx4[:SHOWN_ROWS])} 的病种"
        return f"目录中没有类目 {dx3} 的任何病种"

    def wants(self, row: CoreRow) -> str:
        return f"主要手术操作 {self.px(row.principal_px)}" if row.principal_px else "没有任何有类别的手术操作"

    def missing(self, trial: Trial) -> str:
        missing = "；".join(" 或 ".join(self.px(code) for code in sorted(forms)) for forms in trial.missing)
        return f"缺相关手术操作 {missing}" + (f"（已匹配 {trial.met} 项）" if trial.met else "")

    def row(self, row: CoreRow) -> str:
        return f"{row.row} {row.name}".rstrip()

    def px(self, code: str) -> str:
        return f"{code} {self.px_names.get(code, '')}".rstrip()

    def classed(self, code: str) -> str:
        return f"{self.px(code)}（{self.catalogue.procedure_classes.get(code) or '无类别'}）"
