"""What is negotiated: the groups whose weight prices a case, their present weights, panels and limits."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from pipeline.entries import MOST_SCORE, MOST_WEIGHT
from pipeline.errors import ConfigurationError, UsageMistake
from pipeline.invariance import Limits, half_away, plain
from pipeline.negotiate_history import History
from pipeline.pack_negotiation import NegotiationEntry
from pipeline.pack_pricing import CATALOGUE
from pipeline.price_rules import amount_of_treatment
from pipeline.price_tables import treatment_of
from pipeline.region import Region
from pipeline.schemes import Scheme, schemes_of
from pipeline.terms import Terms, in_force, resolve
from pipeline.words import worded
from pipeline.yardstick import period_days

OTHERS = "其他"  # the panel of groups that belong to no MDC and no chapter


@dataclass(frozen=True)
class Group:
    """A group that is negotiated. `panel`: its MDC, or the chapter letter of its diagnosis; also its sheet's name."""

    code: str
    name: str
    panel: str
    present: Decimal


@dataclass(frozen=True)
class Present:
    """The weights in force on a day. `others`: weights that price no case by themselves; they are not negotiated.

    `panels`: the sheets in order with their titles. `sha256` tells one version of the weights from another.
    """

    region: str
    title: str
    kind: str  # of the scheme: drg | dip
    day: dt.date
    since: dt.date
    file: str
    digits: int
    groups: dict[str, Group] = field(repr=False)
    others: dict[str, Decimal] = field(repr=False)
    panels: dict[str, str] = field(repr=False)
    limits: Limits
    reason_over: Decimal
    months: int | None  # of history that the pack asks for
    sha256: str

    @property
    def version(self) -> str:
        """Which weights these are, as a sheet's banner says it."""
        where = "病种目录自带" if self.file == CATALOGUE else self.file
        return worded(f"现行权重：{where}，{self.since} 起", self.kind)


def day_of(history: History, at: str | None) -> dt.date:
    """The day whose weights are negotiated: the window's last, unless said otherwise. Raises UsageMistake."""
    if at is None:
        return period_days(history.periods[-1])[1]
    return parsed_day(at)


def parsed_day(text: str, option: str = "--at") -> dt.date:
    """A day as the command line has it. Raises UsageMistake."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageMistake(f"{option} 写法不对：`{text[:20]}`；应写作 2025-10-31") from error


def present_of(region: Region, day: dt.date, schemes: Mapping[str, Scheme] | None = None) -> Present:
    """The weights of a region on a day, by panel; `schemes` where they are loaded already.

    Raises ConfigurationError where there are none to negotiate.
    """
    pack = region.pack
    if pack.method == "published":
        raise ConfigurationError(
            f"没有可谈判的权重：{region.folder / 'region.yaml'} 的 method 为 `published`，支付标准逐组公布；请核对地区"
        )
    found = resolve(region, day, day)
    entry = in_force(pack.standing_weights, day)
    if not found or entry is None:
        raise ConfigurationError(
            f"没有当日的参数：{region.folder / 'region.yaml'} 不含 {day}；请补参数，或用 --at 另选日期"
        )
    scheme = (schemes or schemes_of(region))[found[0].scheme.key]
    table = dict(scheme.scores if found[0].weights is None else found[0].weights)
    panels = _panels(scheme)
    groups = {
        code: Group(code, scheme.names[code], panels.get(code, OTHERS), weight)
        for code, weight in sorted(table.items())
        if code in scheme.kinds and priced_by_weight(found[0], scheme, code)
    }
    limits, reason_over, months = _limits(in_force(pack.negotiation, day), pack.kind)
    return Present(
        pack.name, pack.title, pack.kind, day, entry.from_, entry.file, pack.digits.weight, groups,
        {code: weight for code, weight in sorted(table.items()) if code not in groups},
        _titles(scheme, {group.panel for group in groups.values()}), limits, reason_over, months,
        _sha([[code, plain(weight.normalize())] for code, weight in sorted(table.items())]),
    )  # fmt: skip


def fingerprint(
    region: str, weights_sha: str, day: str, runs: Sequence[str], rows: Mapping[str, tuple[str, int, Decimal]]
) -> str:
    """What ties a sheet to its region, weights and history. `rows`: group → panel, cases, present weight."""
    listed = [
        [code, panel, cases, plain(weight.normalize())]
        for code, (panel, cases, weight) in sorted(rows.items())
    ]
    return _sha([region, weights_sha, day, list(runs), listed])


def ground(present: Present, history: History) -> dict[str, tuple[str, int, Decimal]]:
    """The rows of a fingerprint: group → panel, cases of the window, present weight."""
    return {
        code: (group.panel, history.of(code).cases, group.present) for code, group in present.groups.items()
    }


def implied_weights(present: Present, history: History) -> dict[str, Decimal]:
    """The weight that a group's cost comes to, m_g ÷ M, scaled so that Σ w·n stays; groups without cost have none.

    m_g·Σ w0·n ÷ Σ cost, over the negotiated groups, exact, to the published digits.
    """
    cost = sum(history.of(code).fee_fen for code in present.groups)
    total = sum(Fraction(group.present) * history.of(code).cases for code, group in present.groups.items())
    means = {code: history.of(code).mean_fen for code in present.groups}
    return {
        code: half_away(mean * total / cost, present.digits)
        for code, mean in means.items()
        if mean and cost > 0
    }


def priced_by_weight(terms: Terms, scheme: Scheme, code: str) -> bool:
    """Whether the table's weight prices the group's cases: not where they have a fixed weight, an amount, their fee."""
    _, treatment = treatment_of(terms, code, scheme.kinds[code])
    if treatment is None:
        return scheme.kinds[code] == "grouped"
    if treatment.treatment == "fixed_weight":
        return False
    return treatment.classes or amount_of_treatment(treatment, terms.ratio.reference).needs_weight


def _sha(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def _panels(scheme: Scheme) -> dict[str, str]:
    if scheme.catalogue is not None:
        return {row.row: row.dx4[0] for row in scheme.catalogue.core} | {
            row.row: row.dx3[0] for row in scheme.catalogue.pooled
        }
    book = scheme.book
    assert book is not None  # a scheme is one or the other
    return {code: mdc for code in scheme.kinds if (mdc := book.mdc_of_group(code)) is not None}


def _titles(scheme: Scheme, used: set[str]) -> dict[str, str]:
    names = scheme.book.mdc_names if scheme.book is not None else {}
    return {panel: names.get(panel, "") for panel in sorted(used, key=lambda panel: (panel == OTHERS, panel))}


def _limits(entry: NegotiationEntry | None, kind: str) -> tuple[Limits, Decimal, int | None]:
    """Without an entry: what can be priced exactly, and a reason for every change."""
    if entry is None:
        return Limits(most=MOST_SCORE if kind == "dip" else MOST_WEIGHT), Decimal(0), None
    return (
        Limits(entry.weight_min, entry.weight_max, entry.change_max),
        entry.reason_over,
        entry.history.months,
    )
