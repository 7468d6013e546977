"""Local rows that a history asks for: conservative, one procedure, related procedures that raise the cost.

Source: DIP 技术规范 第三章 (表 3-3): a related procedure makes a row of its own only where its cases reach the
threshold and their mean cost is higher by the stated share than with the principal procedure alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from groupers.dip.catalogue import Catalogue
from pipeline.calibrate_cost import Cost, signed_percent, weighted_mean
from pipeline.calibrate_rows import Combinations, Draft, LocalRows
from pipeline.calibrate_rules import Rules

CostsOf = Callable[[np.ndarray, np.ndarray], dict[int, Cost]]  # (combination, group) pairs → costs by group


@dataclass(frozen=True)
class Refused:
    """A candidate with enough cases that makes no row, with the reason in Chinese."""

    draft: Draft
    cases: int
    reason: str


@dataclass(frozen=True)
class Candidates:
    """Local rows to be matched beside the library's, and those refused for their cost."""

    drafts: tuple[Draft, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class _Groups:
    """Groups of combinations: `member[i]` is a combination of group `of[i]`; `key` and `n` stand by group."""

    keys: np.ndarray
    n: np.ndarray
    combination: np.ndarray
    of: np.ndarray


def raises_enough(mean: Fraction, before: Fraction, rise: Fraction) -> bool:
    """Whether a mean is higher by at least the stated share."""
    return mean >= (1 + rise) * before


class CandidateFinder:
    """Looks for local rows among the combinations. Keys of rows the library has are left to it."""

    def __init__(
        self, combinations: Combinations, library: Catalogue | None, rules: Rules, local: LocalRows
    ) -> None:
        self._all = combinations
        self._rules = rules
        self._local = local
        self._space = combinations.space
        self._known = (
            {(row.dx4, row.principal_px, frozenset(row.related)) for row in library.core}
            if library
            else set()
        )
        classed = self._space.classed
        self._width = len(self._space.procedures)
        self._leads = combinations.procedure >= 0
        self._leads &= classed[combinations.procedure]
        # Related are the others that have a class and are not the principal once more.
        owner, others = combinations.owner, combinations.others
        counts = self._leads[owner] & classed[others] & (others != combinations.procedure[owner])
        self._owner, self._other = owner[counts], others[counts]

    def find(self, costs_of: CostsOf) -> Candidates:
        """All local rows, unmatched: thin ones are dropped when cases are given their rows."""
        singles, accepted, refused = self._singles(costs_of)
        doubles, refused_doubles = self._doubles(accepted, costs_of)
        drafts = [*self._conservative(), *self._plain(), *singles, *doubles]
        return Candidates(tuple(drafts), (*refused, *refused_doubles))

    def _is_known(self, dx4: str, principal: str, related: Iterable[str]) -> bool:
        return (dx4, principal, frozenset(frozenset([code]) for code in related)) in self._known

    def _conservative(self) -> list[Draft]:
        """Diseases with enough cases in which nothing that has a class was done."""
        every, classed = self._all, self._space.classed
        treated = classed[every.procedure]
        treated[every.owner[classed[every.others]]] = True
        diagnoses, n = _tally(every.diagnosis[~treated], every.n[~treated])
        found = [self._space.dx4s[place] for place in diagnoses[n >= self._rules.threshold]]
        return [self._local.core(dx4, "", ()) for dx4 in found if not self._is_known(dx4, "", ())]

    def _plain(self) -> list[Draft]:
        """Diseases with enough cases of one principal procedure, whatever else was done."""
        keys, n = _tally(self._pair()[self._leads], self._all.n[self._leads])
        drafts = []
        for key in keys[n >= self._rules.threshold]:
            dx4, principal = self._names(int(key))
            if not self._is_known(dx4, principal, ()):
                drafts.append(self._local.core(dx4, principal, ()))
        return drafts

    def _pair(self) -> np.ndarray:
        """Disease and principal procedure of every combination as one key."""
        return self._all.diagnosis * self._width + self._all.procedure

    def _names(self, pair: int) -> tuple[str, str]:
        return self._space.dx4s[pair // self._width], self._space.procedures[pair % self._width]

    def _singles(self, costs_of: CostsOf) -> tuple[list[Draft], dict[int, Fraction], list[Refused]]:
        """Rows of one related procedure; also the mean of every (pair, procedure) that has or makes a row."""
        pair = self._pair()
        # A pair and a procedure as one key would outgrow 64 bits nowhere: 1e4 · 1.4e4 · 1.4e4 < 2^43.
        groups = _group(
            pair[self._owner] * self._width + self._other, self._owner, self._all.n, self._rules.threshold
        )
        alone = self._alone(np.unique(groups.keys // self._width))
        offset = len(groups.keys)
        costs = costs_of(
            np.concatenate([groups.combination, alone.combination]),
            np.concatenate([groups.of, alone.of + offset]),
        )
        weights = self._rules.year_weights
        before = {
            int(key): weighted_mean(costs[offset + place].by_year(), weights)
            for place, key in enumerate(alone.keys)
        }
        drafts, refused, accepted = [], [], {}
        for place, key in enumerate(groups.keys.tolist()):
            dx4, principal = self._names(key // self._width)
            other = self._space.procedures[key % self._width]
            mean = weighted_mean(costs[place].by_year(), weights)
            assert mean is not None
            if self._is_known(dx4, principal, (other,)):
                accepted[key] = mean
                continue
            draft = self._local.core(dx4, principal, (other,))
            reason = self._why_not(mean, before.get(key // self._width))
            if reason:
                refused.append(Refused(draft, int(groups.n[place]), reason))
            else:
                accepted[key] = mean
                drafts.append(draft)
        return drafts, accepted, refused

    def _alone(self, pairs: np.ndarray) -> _Groups:
        """Combinations of these pairs in which no other procedure of a class was done, where they are enough."""
        alone = self._leads.copy()
        alone[self._owner] = False
        which = np.flatnonzero(alone)
        keys = self._pair()[which]
        chosen = np.isin(keys, pairs)
        return _group(keys[chosen], which[chosen], self._all.n, self._rules.threshold)

    def _why_not(self, mean: Fraction, before: Fraction | None) -> str:
        if before is None:
            return f"单做主要手术的病例不足 {self._rules.threshold} 例，费用无从比较"
        rise = Fraction(self._rules.related_rise)
        if raises_enough(mean, before, rise):
            return ""
        return f"次均费用比不另做该相关手术时变动 {signed_percent(mean / before - 1)}，不到 {signed_percent(rise)}"

    def _doubles(self, accepted: dict[int, Fraction], costs_of: CostsOf) -> tuple[list[Draft], list[Refused]]:
        """Rows of two related procedures, each of which has a row: dearer than the dearer of the two."""
        every, width = self._all, self._width
        single = self._pair()[self._owner] * width + self._other
        chosen = np.isin(single, np.array(sorted(accepted), dtype=np.int64))
        owner, other = self._owner[chosen], self._other[chosen]
        firsts, seconds = _couples(owner)
        if not len(firsts):
            return [], []
        # Pair and two procedures outgrow 64 bits: the pair goes by its place among those that matter.
        pairs, place_of = np.unique(self._pair()[owner[firsts]], return_inverse=True)
        keys = (place_of * width + other[firsts]) * width + other[seconds]
        groups = _group(keys, owner[firsts], every.n, self._rules.threshold)
        costs = costs_of(groups.combination, groups.of)
        drafts, refused = [], []
        for place, key in enumerate(groups.keys.tolist()):
            pair = int(pairs[key // width // width])
            both = (key // width % width, key % width)
            dx4, principal = self._names(pair)
            codes = tuple(self._space.procedures[one] for one in both)
            if self._is_known(dx4, principal, codes):
                continue
            mean = weighted_mean(costs[place].by_year(), self._rules.year_weights)
            dearer = max(accepted[pair * width + one] for one in both)
            assert mean is not None
            draft = self._local.core(dx4, principal, codes)
            reason = self._why_not(mean, dearer)
            if reason:
                refused.append(Refused(draft, int(groups.n[place]), reason))
            else:
                drafts.append(draft)
        return drafts, refused


def _group(keys: np.ndarray, combination: np.ndarray, n: np.ndarray, threshold: int) -> _Groups:
    """Groups of combinations by key, those with enough cases."""
    found, of = np.unique(keys, return_inverse=True)
    cases = np.zeros(len(found), dtype=np.int64)
    np.add.at(cases, of, n[combination])
    enough = cases >= threshold
    number = np.cumsum(enough) - 1
    chosen = enough[of]
    return _Groups(found[enough], cases[enough], combination[chosen], number[of[chosen]])


def _tally(keys: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, of = np.unique(keys, return_inverse=True)
    cases = np.zeros(len(found), dtype=np.int64)
    np.add.at(cases, of, n)
    return found, cases


def _couples(owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of every two elements of the same owner; owners ascend."""
    firsts, seconds = [], []
    apart = 1
    while apart < len(owner):
        same = np.flatnonzero(owner[:-apart] == owner[apart:])
        if not len(same):
            break
        firsts.append(same)
        seconds.append(same + apart)
        apart += 1
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *firsts]), np.concatenate([none, *seconds])
