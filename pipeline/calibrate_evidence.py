"""The tables of a built catalogue: those that group, and evidence beside them that never does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

from groupers.dip.auxiliary import default_auxiliary
from groupers.dip.catalogue import FLAGS, Catalogue, CoreRow, DipChoices, Exclusion, PooledRow
from pipeline.calibrate_cost import Cost, Sums, half_away, plain, signed_percent
from pipeline.calibrate_history import History
from pipeline.calibrate_rows import LIBRARY, POOLED, Draft, related_text
from pipeline.calibrate_rules import MOST_DIGITS, Rules
from pipeline.calibrate_score import Scale, Scored, level_mean
from pipeline.region import Region

TO_FILL = "待补"
PREVIOUS = "previous"
Key = tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """A built catalogue with all that its files tell."""

    name: str
    region: Region
    rules: Rules
    history: History
    rows: tuple[Scored, ...]  # core rows in catalogue order, then pooled rows
    ungrouped: Cost
    scale: Scale
    choices: DipChoices
    library: Catalogue | None
    previous: Catalogue | None
    exclusions: tuple[Exclusion, ...]
    effective_from: dt.date
    dropped: tuple[tuple[Draft, int, str], ...]
    pooled_dropped: tuple[tuple[PooledRow, int], ...]

    @property
    def levels(self) -> list[str]:
        return self.region.pack.levels

    @cached_property
    def before(self) -> dict[Key, CoreRow | PooledRow]:
        """Rows of the last version by what they stand for; their codes may have been others."""
        every: list[CoreRow | PooledRow] = []
        if self.previous:
            every = [*self.previous.core, *self.previous.pooled]
        return {key_of(row): row for row in every}

    @cached_property
    def gone(self) -> list[CoreRow | PooledRow]:
        """Rows of the last version that the built catalogue no longer has."""
        here = {key_of(one.row) for one in self.rows}
        return [row for key, row in self.before.items() if key not in here]

    def change(self, scored: Scored) -> tuple[str, Decimal | None, Fraction | None]:
        """(new | changed | same | unscored, score before, relative change); nothing without a last version."""
        if self.previous is None:
            return "", None, None
        row = self.before.get(key_of(scored.row))
        if row is None:
            return "new", None, None
        if row.score is None:
            return "unscored", None, None
        moved = Fraction(scored.score) / Fraction(row.score) - 1
        return ("changed" if moved else "same"), row.score, moved


def key_of(row: CoreRow | PooledRow) -> Key:
    """What a row stands for, whatever its code."""
    if isinstance(row, PooledRow):
        return (row.dx3, row.pooled_class)
    return (row.dx4, row.principal_px, *sorted("/".join(sorted(forms)) for forms in row.related))


def manifest(built: Built) -> dict[str, Any]:
    """`scheme.yaml` of the draft; it names no file and no time, so that the same history gives the same bytes."""
    months, rules = built.history.months, built.rules
    span = f"{months[0].text} 至 {months[-1].text}"
    start = f"病种库 {built.library.manifest.name}" if built.library else "不用病种库，从历史测算"
    region_score = half_away(built.scale.score(built.scale.region_mean), MOST_DIGITS).normalize()
    return {
        "name": built.name,
        "kind": "dip",
        "title": f"{built.region.pack.title}病种目录（测算草案）",
        "issuer": TO_FILL,
        "document": TO_FILL,
        "effective_from": built.effective_from,
        "effective_to": None,
        "source": f"由 {span} 的 {built.history.cases} 例出院病例测算（drgdip calibrate dip-catalogue，{start}）",
        "notes": [
            f"核心病种临界值 {rules.threshold} 例；年度权重 {'∶'.join(map(str, rules.year_weights))}；"
            f"区域次均费用 {yuan(built.scale.region_mean)} 元",
            "分值、系数、综合病种由历史测算；辅助分型为国家各族与示范系数，须换成本地公布的；依据见 evidence.csv、dropped.csv、report.md",
        ],
        "dip": {
            "conservative": built.choices.conservative,
            "related": built.choices.related,
            "score_scale": plain(region_score),
            "tie_breakers": list(built.choices.tie_breakers),
        },
    }


def catalogue_tables(built: Built) -> dict[str, list[list[str]]]:
    """The six tables of the scheme."""
    core, pooled = [], []
    for one in built.rows:
        tail = [
            plain(one.score),
            yuan(one.mean),
            ";".join(flag for flag in FLAGS if flag in one.flags),
            one.row.name,
        ]
        if isinstance(one.row, PooledRow):
            pooled.append([one.row.row, one.row.dx3, one.row.pooled_class, *tail])
        else:
            row = one.row
            key = [row.row, row.dx4, row.principal_px, related_text(row), row.treatment_class]
            core.append([*key, *tail])
    auxiliary = default_auxiliary()
    return {
        "core.csv": core,
        "pooled.csv": pooled,
        "exclusions.csv": [[one.prefix, one.reason] for one in built.exclusions],
        # A blank is unknown: the line stands there to be filled in.
        "coefficients.csv": [
            [one.row.row, level, "" if value is None else plain(value)]
            for one in built.rows
            for level, value in zip(built.levels, one.coefficients, strict=True)
        ],
        "auxiliary.csv": [
            [one.subtype, one.row, one.family, one.text, _coefficient(one.coefficients), one.name]
            for one in auxiliary.subtypes
        ],
        "auxiliary_lists.csv": [
            [name, prefix] for name in sorted(auxiliary.lists) for prefix in sorted(auxiliary.lists[name])
        ],
    }


def _coefficient(by_level: dict[str, int | None]) -> str:
    texts = {
        level: "" if value is None else plain(Decimal(value).scaleb(-4)) for level, value in by_level.items()
    }
    return texts[""] if "" in texts else ";".join(f"{level}={text}" for level, text in texts.items())


def documents(built: Built) -> dict[str, tuple[list[str], list[list[str]]]]:
    """`evidence.csv` and `dropped.csv`: kept beside the tables, read by nobody."""
    dropped = ["row", "origin", "dx", "principal_px", "related", "n", "reason", "name"]
    return {
        "evidence.csv": (_header(built), [*_evidence(built), *_gone(built)]),
        "dropped.csv": (dropped, list(_dropped(built))),
    }


def _header(built: Built) -> list[str]:
    years = len(built.rules.year_weights)
    per_year = [
        f"year{year + 1}_{what}" for year in range(years) for what in ("n", "kept", "mean_yuan", "cv")
    ]
    per_level = [f"{what}_{level}" for level in built.levels for what in ("n", "kept", "mean_yuan")]
    return [
        "row", "kind", "origin", "dx", "principal_px", "related", "class", "name", "n", "kept", "mean_yuan", "cv",
        "score", *per_year, *per_level, "change", "previous_score", "change_percent",
    ]  # fmt: skip


def _evidence(built: Built) -> Iterator[list[str]]:
    for one in built.rows:
        total, years = one.cost.total(), one.cost.by_year()
        cells = [
            *_identity(one.row, one.origin),
            str(total.cases),
            str(total.kept),
            yuan(one.mean),
            plain(total.cv),
        ]
        cells.append(plain(one.score))
        for year in range(len(built.rules.year_weights)):
            cells += _sums(years.get(year, Sums()))
        for level in range(len(built.levels)):
            of_level = one.cost.of_level(level)
            mean = level_mean(one.cost, level, built.rules)
            cells += [str(of_level.cases), str(of_level.kept), "" if mean is None else yuan(mean)]
        change, before, moved = built.change(one)
        yield [
            *cells,
            change,
            "" if before is None else plain(before),
            "" if moved is None else signed_percent(moved),
        ]


def _gone(built: Built) -> Iterator[list[str]]:
    width = len(_header(built))
    for row in built.gone:
        cells = [*_identity(row, PREVIOUS), "0"]
        score = "" if row.score is None else plain(row.score)
        yield [*cells, *[""] * (width - len(cells) - 3), "gone", score, ""]


def _identity(row: CoreRow | PooledRow, origin: str) -> list[str]:
    if isinstance(row, PooledRow):
        return [row.row, "pooled", origin, row.dx3, "", "", row.pooled_class, row.name]
    return [
        row.row,
        "core",
        origin,
        row.dx4,
        row.principal_px,
        related_text(row),
        row.treatment_class,
        row.name,
    ]


def _sums(sums: Sums) -> list[str]:
    if not sums.kept:
        return ["0", "0", "", ""]
    return [str(sums.cases), str(sums.kept), yuan(sums.mean), plain(sums.cv)]


def _dropped(built: Built) -> Iterator[list[str]]:
    for draft, cases, reason in built.dropped:
        told = reason or _thin(cases, built.rules.threshold)
        row = draft.row
        yield [
            row.row,
            draft.origin,
            row.dx4,
            row.principal_px,
            related_text(row),
            str(cases),
            told,
            row.name,
        ]
    for pooled, cases in built.pooled_dropped:
        told = _thin(cases, built.rules.pooled_threshold)
        yield [pooled.row, POOLED, pooled.dx3, "", "", str(cases), told, pooled.name]
    here = {one.row.row for one in built.rows} | {row.row for row, _ in built.pooled_dropped}
    for unused in built.library.pooled if built.library else ():
        if unused.row not in here:
            told = _thin(0, built.rules.pooled_threshold)
            yield [unused.row, LIBRARY, unused.dx3, "", "", "0", told, unused.name]


def _thin(cases: int, threshold: int) -> str:
    return f"入组 {cases} 例，不足 {threshold} 例" if cases else "历史里没有病例入组"


def yuan(fen: Fraction) -> str:
    """Yuan with two decimals, rounded half away from zero to the fen."""
    return plain(half_away(fen / 100, 2))


def latest_year(rows: Sequence[Scored], year: int) -> list[tuple[int, Fraction]]:
    """(cases, untrimmed mean) of every row that has cases in a year."""
    found = []
    for one in rows:
        sums = one.cost.by_year().get(year)
        if sums is not None:
            found.append((sums.cases, Fraction(sums.fee_fen, sums.cases)))
    return found
