"""Rescaling one weight table, read aloud from DESIGN §8: exact fractions, one group after another, no clever search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement


@dataclass(frozen=True)
class Group:
    present: Fraction
    proposed: Fraction | None
    cases: int
    mdc: str
    locked: bool


def rounded_half_away(value: Fraction, digits: int) -> Fraction:
    whole, rest = divmod(value * 10**digits, 1)
    return Fraction(int(whole) + (1 if 2 * rest >= 1 else 0), 10**digits)


def rescaled(groups: Mapping[str, Group], digits: int, by_mdc: bool) -> dict[str, Fraction] | None:
    """The weights, or None where a total cannot be kept."""
    found: dict[str, Fraction] = {}
    for mdc in {one.mdc if by_mdc else "" for one in groups.values()}:
        within = {name: one for name, one in groups.items() if not by_mdc or one.mdc == mdc}
        to_keep = to_share = Fraction(0)
        for one in within.values():
            wanted = one.present if one.proposed is None else one.proposed
            to_keep += one.present * one.cases
            if one.locked:
                to_keep -= wanted * one.cases
            else:
                to_share += wanted * one.cases
        if to_share == 0 and to_keep != 0:
            return None
        if to_share != 0 and to_keep <= 0:
            return None
        factor = to_keep / to_share if to_share else Fraction(1)
        for name, one in within.items():
            wanted = one.present if one.proposed is None else one.proposed
            found[name] = wanted if one.locked else rounded_half_away(wanted * factor, digits)
    return found


def plans(groups: Mapping[str, tuple[int, int]], most: int) -> Iterator[tuple[tuple[str, int], ...]]:
    """Every multiset of at most so many single steps, as (group, +1 | −1) sorted; no group goes up and down."""
    single = [(name, turn) for name in sorted(groups) for turn in (1, -1)]
    for steps in range(most + 1):
        for plan in combinations_with_replacement(single, steps):
            if not any((name, -turn) in plan for name, turn in plan):
                yield plan


def best_plan(groups: Mapping[str, tuple[int, int]], residue: int, most: int) -> dict[str, int]:
    """Steps by group by the rule of `residue.py`: by brute force. `groups`: name → (weight in last digits, cases)."""

    def judged(plan: tuple[tuple[str, int], ...]) -> tuple[object, ...]:
        moved = sum(turn * groups[name][1] for name, turn in plan)
        change = sum(10**15 // groups[name][0] for name, _ in plan)
        return abs(residue - moved), len(plan), abs(moved), change, [(name, -turn) for name, turn in plan]

    counts: dict[str, int] = {}
    for name, turn in min(plans(groups, most), key=judged):
        counts[name] = counts.get(name, 0) + turn
    return counts
