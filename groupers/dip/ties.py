"""Ties that do not decide: core rows which a city's tie-breakers leave equal, so that only the row code decides.

Two rows tie where one and the same case can meet both with as many related procedures. The other procedures of a
case are free, so that is a matter of the rows alone:

- same subcategory and same principal procedure, both met in full: both ask for as many related procedures;
- a conservative row beside a surgical one, both met in full: as many related procedures, where the city says
  `conservative: any` or where nothing that the two ask for has a class;
- same subcategory and same principal procedure, both met in part, where the city says `related: best_partial`:
  each asks for two or more, and no row with that key asks for none (that one would be met in full). Counted
  whatever the numbers asked for; where one code serves several demands such a tie may never come up.

A third row that asks for more may still win of all three: not looked into, for another case meets only the two.
Rows of a disease that the exclusion list covers whole are met by no case and left out. Source: DESIGN §5.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from groupers.dip.catalogue import Catalogue, CoreRow
from groupers.dip.compile import asked, standing

MOST_PAIRS = 1_000

Rows = Sequence[CoreRow]


def undecided(catalogue: Catalogue, most: int | None = MOST_PAIRS) -> list[tuple[CoreRow, CoreRow]]:
    """The first `most` pairs (None: all) that only the row code decides, by disease; the row that wins stands first.

    `nearest_mean_cost` decides a pair only where the mean costs of both are known and differ.
    """
    found = islice((pair for rivals in _rivals(catalogue) for pair in rivals.pairs()), most)
    return list(found)


def undecided_count(catalogue: Catalogue) -> int:
    """How many pairs `undecided` finds without a limit, counted without listing them."""
    return sum(rivals.count() for rivals in _rivals(catalogue))


@dataclass(frozen=True)
class _Rivals:
    """Rows equal by every tie-breaker but the cost: all among themselves, or each with each of the other side."""

    rows: Rows
    others: Rows | None  # None: the rows among themselves
    by_cost: bool

    def pairs(self) -> Iterator[tuple[CoreRow, CoreRow]]:
        costs = _by_cost(self.others if self.others is not None else self.rows, self.by_cost)
        for row in self.rows:
            for other in _open_to(row, costs) if self.by_cost else costs.get(None, ()):
                if self.others is not None:
                    yield (row, other) if row.row < other.row else (other, row)
                elif row.row < other.row:
                    yield row, other

    def count(self) -> int:
        mine = _sizes(self.rows, self.by_cost)
        if self.others is None:
            return (sum(mine.values()) ** 2 - self._decided(mine, mine) - sum(mine.values())) // 2
        theirs = _sizes(self.others, self.by_cost)
        return sum(mine.values()) * sum(theirs.values()) - self._decided(mine, theirs)

    @staticmethod
    def _decided(mine: Counter[int | None], theirs: Counter[int | None]) -> int:
        """Ordered pairs whose mean costs are both known and differ."""
        known = [sum(number for cost, number in side.items() if cost is not None) for side in (mine, theirs)]
        same = sum(number * theirs[cost] for cost, number in mine.items() if cost is not None)
        return known[0] * known[1] - same


def _by_cost(rows: Rows, by_cost: bool) -> dict[int | None, list[CoreRow]]:
    found: dict[int | None, list[CoreRow]] = defaultdict(list)
    for row in rows:
        found[row.mean_cost_fen if by_cost else None].append(row)
    return found


def _sizes(rows: Rows, by_cost: bool) -> Counter[int | None]:
    return Counter(row.mean_cost_fen if by_cost else None for row in rows)


def _open_to(row: CoreRow, costs: dict[int | None, list[CoreRow]]) -> Iterator[CoreRow]:
    """The rows that the cost does not tell from this one."""
    for cost in costs if row.mean_cost_fen is None else dict.fromkeys((row.mean_cost_fen, None)):
        yield from costs.get(cost, ())


def _rivals(catalogue: Catalogue) -> Iterator[_Rivals]:
    """Every set of rows that tie, each pair in one of them, by disease in the order of the catalogue."""
    choices = catalogue.choices
    by_cost = "nearest_mean_cost" in choices.tie_breakers
    breakers = tuple(breaker for breaker in choices.tie_breakers if breaker != "nearest_mean_cost")
    closed = tuple(exclusion.prefix for exclusion in catalogue.exclusions)

    def equal(row: CoreRow) -> tuple[Hashable, ...]:
        return tuple(standing(breaker, row) for breaker in breakers)

    for dx4, of_disease in catalogue.core_by_dx4.items():
        if dx4.startswith(closed):
            continue
        by_principal: dict[str, list[CoreRow]] = defaultdict(list)
        for row in sorted(of_disease, key=lambda row: row.row):
            by_principal[row.principal_px].append(row)
        beside = [row for row in by_principal.get("", ()) if _goes_beside(catalogue, row)]
        quiet: dict[Any, list[CoreRow]] = _sorted_out(beside, equal)
        for principal, of_key in by_principal.items():
            rows = of_key if principal else beside
            partial = choices.related == "best_partial" and _can_be_partial(
                catalogue, principal, rows, beside
            )
            for same in _sorted_out(rows, equal, 2 if partial else None).values():
                if len(same) > 1:
                    yield _Rivals(same, None, by_cost)
            if principal and quiet:
                open_rows = [row for row in rows if _goes_beside(catalogue, row)]
                for key, same in _sorted_out(open_rows, equal).items():
                    if key in quiet:
                        yield _Rivals(same, quiet[key], by_cost)


def _sorted_out(rows: Rows, equal: Any, most_asked: int | None = None) -> dict[Any, list[CoreRow]]:
    """Rows by how many related procedures they ask for (`most_asked` and more alike) and by the tie-breakers."""
    found: dict[Any, list[CoreRow]] = defaultdict(list)
    for row in rows:
        number = len(asked(row))
        found[min(number, most_asked or number), equal(row)].append(row)
    return found


def _can_be_partial(catalogue: Catalogue, principal: str, rows: Rows, beside: Rows) -> bool:
    """Whether a case of this key may meet no row in full: none of them is met without related procedures."""
    always = catalogue.choices.conservative == "any" and any(not row.related for row in beside)
    return bool(principal) and not always and all(row.related for row in rows)


def _goes_beside(catalogue: Catalogue, row: CoreRow) -> bool:
    """Whether a case that meets the row may meet a conservative one too."""
    if catalogue.choices.conservative == "any":
        return True
    classes = catalogue.procedure_classes
    return not classes.get(row.principal_px) and all(
        any(not classes.get(code) for code in forms) for forms in row.related
    )
