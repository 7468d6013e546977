"""Place what rounding left of a total weight by single steps of the last digit (余数归位).

A step moves one group by one unit of the last digit, up or down, and the total by its cases n. The rule, complete:
of all plans of at most MOST_STEPS steps, the one that leaves least; of these the one with fewest steps; then the
smaller total moved; then the smallest sum of the steps' relative changes (a step of a group that weighs W units changes
it by 1/W, in whole parts of 10^15); then the one whose steps, listed by group code, up before down, come first.
Where more than TOGETHER steps are needed, the first of them are those of the largest n that keep the number of steps
fewest, and only the last TOGETHER are judged by their relative change: the others are taken by their size anyway.
A group that could not take MOST_STEPS steps within its limits takes none.

Source: DESIGN §8 (fewest steps, then smallest relative change, then group code).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

MOST_STEPS = 64
TOGETHER = 6
PART = 10**15
_FAR = np.int64(2**61)  # two of them still fit


@dataclass(frozen=True)
class Placing:
    """A group that may take steps: its weight in units of the last digit, its cases, its limits in these units."""

    group: str
    weight: int
    cases: int
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Step:
    """So many single steps of a group; `count` is below zero where they go down."""

    group: str
    count: int


@dataclass(frozen=True)
class _Move:
    """One step that may be taken: the total moves by `size`, its relative change is `cost`."""

    group: str
    down: bool
    size: int
    cost: int


def place(groups: Sequence[Placing], residue: Fraction) -> tuple[Step, ...]:
    """The steps by group code. `residue`: in units of the last digit; what no plan reaches stays."""
    if not residue:
        return ()
    sign = 1 if residue > 0 else -1
    moves = _moves(groups, sign)
    if not moves:
        return ()
    reached, target = _reach(moves, abs(residue))
    taken: list[_Move] = []
    rest, steps = target, _fewest(reached, target)
    by_size = sorted(moves, key=lambda one: -one.size)
    while steps > TOGETHER:
        move = next(one for one in by_size if _holds(reached, rest - one.size, steps - 1))
        taken.append(move)
        rest, steps = rest - move.size, steps - 1
    taken += _cheapest(moves, rest, steps)
    counts = Counter({one.group: 0 for one in sorted(taken, key=lambda one: one.group)})
    for one in taken:
        counts[one.group] += -1 if one.down else 1
    return tuple(Step(group, count) for group, count in counts.items())


def _moves(groups: Sequence[Placing], sign: int) -> list[_Move]:
    """The best step of every size, by group code; sizes are turned so that the residue is above zero."""
    best: dict[int, _Move] = {}
    for one in groups:
        for down in (False, True):
            end = one.weight + (-MOST_STEPS if down else MOST_STEPS)
            if (
                end <= 0
                or (one.low is not None and end < one.low)
                or (one.high is not None and end > one.high)
            ):
                continue
            size = sign * (-one.cases if down else one.cases)
            move = _Move(one.group, down, size, PART // one.weight)
            rival = best.get(size)
            if size and (rival is None or (move.cost, move.group) < (rival.cost, rival.group)):
                best[size] = move
    return sorted(best.values(), key=lambda one: (one.group, one.down))


# Sets of totals as bits of one integer: bit t + _origin. An order of steps exists in which no part of a plan for a total
# T lies outside [−M, T + M] (M the largest step): below T go up, above it go down. So the sets may be cut to a window.
@dataclass(frozen=True)
class _Reached:
    """The totals within so many steps, one set for each number of steps; bit 0 is the total `lowest`."""

    sets: list[int]
    lowest: int


def _reach(moves: Sequence[_Move], residue: Fraction) -> tuple[_Reached, int]:
    """Totals by number of steps until the residue is met or nothing more comes, and the total nearest to it."""
    largest = max(abs(one.size) for one in moves)
    lowest = -2 * largest
    window = (1 << (int(residue) + 5 * largest)) - 1
    sets = [1 << -lowest]
    whole = int(residue) if residue.denominator == 1 else None
    for _ in range(MOST_STEPS):
        before = after = sets[-1]
        if whole is not None and before >> (whole - lowest) & 1:
            break
        for one in moves:
            after |= before << one.size if one.size > 0 else before >> -one.size
        after &= window
        if after == before:
            break
        sets.append(after)
    reached = _Reached(sets, lowest)
    return reached, _nearest(reached, residue)


def _nearest(reached: _Reached, residue: Fraction) -> int:
    """The total that leaves least; of two alike the one of fewer steps, then the smaller move."""
    bits = reached.sets[-1]
    place = int(residue) - reached.lowest
    below = (bits & ((1 << (place + 1)) - 1)).bit_length() - 1 + reached.lowest
    rest = bits >> (place + 1)
    found = [below]
    if rest:
        found.append(place + (rest & -rest).bit_length() + reached.lowest)
    return min(found, key=lambda total: (abs(residue - total), _fewest(reached, total), abs(total)))


def _fewest(reached: _Reached, total: int) -> int:
    return bisect_left(range(len(reached.sets)), True, key=lambda steps: _holds(reached, total, steps))


def _holds(reached: _Reached, total: int, steps: int) -> bool:
    place = total - reached.lowest
    return place >= 0 and bool(reached.sets[steps] >> place & 1)


def _cheapest(moves: Sequence[_Move], total: int, steps: int) -> list[_Move]:
    """The plan of exactly so many steps with the smallest sum of costs; of equal ones the first by group code."""
    tables = _costs(moves, max(1, (steps + 1) // 2)) if steps > 1 else []
    taken = []
    for left in range(steps, 0, -1):
        after = [_cost(tables, total - one.size, left - 1) + one.cost for one in moves]
        best = min(after)
        move = moves[after.index(best)]
        taken.append(move)
        total -= move.size
    return taken


def _costs(moves: Sequence[_Move], steps: int) -> list[np.ndarray]:
    """The least cost of every total by exactly 0, 1, 2 … steps; the middle of a table is the total 0."""
    largest = max(abs(one.size) for one in moves)
    tables = [np.zeros(1, np.int64)]
    for _ in range(steps):
        before = tables[-1]
        after = np.full(len(before) + 2 * largest, _FAR)
        for one in moves:
            part = after[one.size + largest : one.size + largest + len(before)]
            np.minimum(part, before + one.cost, out=part)
        tables.append(np.minimum(after, _FAR))
    return tables


def _cost(tables: Sequence[np.ndarray], total: int, steps: int) -> int:
    """The least cost of a total by exactly so many steps, met in the middle."""
    if steps == 0:
        return 0 if total == 0 else int(_FAR)
    left, right = tables[steps // 2], tables[steps - steps // 2]
    near, far = len(left) // 2, len(right) // 2
    first, last = max(-near, total - far), min(near, total + far)
    if first > last:
        return int(_FAR)
    ours = left[first + near : last + near + 1]
    theirs = right[total - last + far : total - first + far + 1][::-1]
    return min(int(_FAR), int((ours + theirs).min()))
