"""Case templates for invented discharges: codes from the scheme's own lists, each proved by the grouper.

A template is a principal diagnosis with the codes its group needs; a line of `data/synth/mix.csv` says how often
its ADRG occurs and in whom. What the grouper does not put where the line wants it is thrown away.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from groupers.codes import CodeTables, load_code_tables
from groupers.drg.engine import Grouper
from groupers.drg.rulebook import SEVERITIES, RuleBook, load_rulebook
from groupers.drg.rules import Compare, Hits, Member, Rule
from groupers.scheme import data_root

SCHEME = "chs-drg-2.0"
PROFILES = ("elder", "adult", "young", "child", "cancer", "obstetric", "newborn", "infant")
SEASONS = ("", "winter", "summer")
EXTRA_DX, MOST_PX = 2, 4
GROUPED, AMBIGUOUS, UNGROUPED = 0.934, 0.020, 0.046  # the rest of the ungrouped comes from planted flaws
EVERYDAY = 0.91  # share of the grouped cases that the lines of mix.csv make; the other ADRGs share the rest
OTHER_WEIGHT = {"ambiguous": 1.1, "ungrouped": 0.6}
POOL_SEED = 20_250_101  # the templates do not depend on the user's seed, only what is drawn from them does

# (age in years, age in days) at which a template must reach its group, for every profile.
AGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "elder": ((40, None), (70, None), (98, None)),
    "adult": ((18, None), (90, None)),
    "young": ((15, None), (70, None)),
    "child": ((0, 29), (0, 364), (1, None), (13, None)),
    "cancer": ((25, None), (90, None)),
    "obstetric": ((18, None), (46, None)),
    "newborn": ((0, 0), (0, 28)),
    "infant": ((0, 29), (0, 364)),
}


@dataclass(frozen=True)
class Line:
    """A row of mix.csv, or what stands in for it for a group that has none."""

    group: str
    share: float
    profile: str
    season: str
    stay_days: float
    department: str
    dx: tuple[str, ...]
    px: tuple[str, ...]
    most: int


@dataclass(frozen=True)
class Candidate:
    """A case that might reach the group of its line; the lowest and the highest birth weight."""

    line: Line
    dx: tuple[str, ...]
    px: tuple[str, ...]
    birth: tuple[int, int] = (2_500, 4_200)


@dataclass(frozen=True)
class Templates:
    """Proved templates, one array element each; codes are positions in the two vocabularies, -1 for none."""

    dx: np.ndarray  # int32 (n, 1 + EXTRA_DX)
    px: np.ndarray  # int32 (n, MOST_PX)
    share: np.ndarray  # float64, sums to 1
    season: np.ndarray
    profile: np.ndarray
    department: np.ndarray
    stay_days: np.ndarray
    sex: np.ndarray  # 0 either, else the only sex
    birth: np.ndarray  # int32 (n, 2)
    principal_table: np.ndarray  # exclusion table of the principal diagnosis, -1 for none
    extra_rank: np.ndarray  # severity the template's own other diagnoses reach
    weight: np.ndarray  # float64 (n, 3): reference weight of the group at each severity
    operated: np.ndarray
    departments: tuple[str, ...]
    tables: dict[str, int]  # exclusion table → number


class Vocabulary:
    """Texts and their positions, in the order they were first asked for."""

    def __init__(self) -> None:
        self.position: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.position.setdefault(text, len(self.position))

    @property
    def texts(self) -> list[str]:
        return list(self.position)


def synth_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table of data/synth."""
    with (data_root() / "synth" / name).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


class Foundry:
    """Makes candidates and proves them with the grouper."""

    def __init__(self, dx_words: Vocabulary, px_words: Vocabulary) -> None:
        self.book: RuleBook = load_rulebook(SCHEME)
        self.codes: CodeTables = load_code_tables()
        self.grouper = Grouper(self.book)
        self.rng = np.random.default_rng(POOL_SEED)
        self.dx_words, self.px_words = dx_words, px_words
        self.weights = {row["drg"]: float(row["weight"]) for row in synth_rows("groups.csv")}
        self._fit: dict[frozenset[str], list[str]] = {}
        self.enter = {rule.mdc: rule for rule in self.book.rules if rule.kind == "enter"}

    def natural_dx(self, codes: frozenset[str], prefixes: Sequence[str]) -> list[str]:
        """Codes fit to be principal, those of every prefix in turn; all of them where no prefix is met."""
        if codes not in self._fit:
            known, grey = self.codes.diagnosis_names.keys(), self.codes.restricted_dx
            self._fit[codes] = sorted((codes & known) - grey - self.book.dx_not_for_grouping.keys())
        return _by_prefix(self._fit[codes], prefixes)

    def natural_px(self, codes: frozenset[str], prefixes: Sequence[str]) -> list[str]:
        """As natural_dx, for procedures."""
        if codes not in self._fit:
            known, grey = self.codes.procedure_names.keys(), self.codes.restricted_px
            self._fit[codes] = sorted((codes & known) - grey - self.book.px_not_for_grouping.keys())
        return _by_prefix(self._fit[codes], prefixes)

    def candidates(self, line: Line) -> Iterator[Candidate]:
        """Cases built from the conditions of the line's rules."""
        rules = [rule for rule in self.book.rules if rule.group == line.group and rule.kind == "adrg"]
        for rule in rules:
            yield from self._of_rule(line, rule, 2 * line.most // len(rules) + 4)

    def _of_rule(self, line: Line, rule: Rule, tries: int) -> Iterator[Candidate]:
        atoms = [
            lit.atom
            for clause in (*self.enter[rule.mdc].condition, *rule.condition)
            for lit in clause[:1]
            if not lit.negated
        ]
        members = [atom for atom in atoms if isinstance(atom, Member)]
        principal = [self.book.codes_of(atom) for atom in members if atom.subject == "principal_dx"]
        others = [self.book.codes_of(atom) for atom in members if atom.subject in ("other_dx", "any_dx")]
        main = [self.book.codes_of(atom) for atom in members if atom.subject in ("main_px", "operation_px")]
        further = [self.book.codes_of(atom) for atom in members if atom.subject in ("any_px", "other_px")]
        allowed = frozenset.intersection(*principal) if principal else self.book.known_dx
        pool = self.natural_dx(allowed, line.dx)[: max(line.most, 12)]
        lists = [self.natural_px(codes, line.px if main else ()) for codes in (*main, *further)]
        if not pool or not all(lists):
            return
        regions = [self.book.families[atom.family] for atom in atoms if isinstance(atom, Hits)]
        birth = _birth(atoms)
        for number in range(tries):
            first = pool[number % len(pool)]
            extra = [self._pick(sorted(codes)) for codes in others]
            for family in regions:
                extra += self._other_regions(family, first)
            px = tuple(dict.fromkeys(self._pick(codes) for codes in lists))
            dx = tuple(dict.fromkeys((first, *extra)))
            if len(dx) <= 1 + EXTRA_DX and len(px) <= MOST_PX:
                yield Candidate(line, dx, px, birth)

    def _other_regions(self, family: tuple[str, ...], first: str) -> list[str]:
        away = [name for name in family if first not in self.book.dx_lists[name]]
        chosen = self.rng.choice(len(away), size=2, replace=False)
        return [
            self._pick(self.natural_dx(self.book.dx_lists[away[place]], ("S22", "S32", "S82", "S36", "S")))
            for place in chosen
        ]

    def _pick(self, codes: Sequence[str]) -> str:
        return codes[min(int(len(codes) * self.rng.random() ** 1.5), len(codes) - 1)]

    def proved(self, candidates: list[Candidate], wanted: str) -> list[tuple[Candidate, int]]:
        """Candidates that reach their group at every age of their profile, with the sex that does (0: both)."""
        cases = [
            (number, sex, age, weight)
            for number, candidate in enumerate(candidates)
            for sex in ("1", "2")
            for age in AGES[candidate.line.profile]
            for weight in (candidate.birth if candidate.line.profile == "newborn" else (None,))
        ]
        whole = pa.int32()
        table = pa.table(
            {
                "dx_codes": pa.array([list(candidates[case[0]].dx) for case in cases], pa.list_(pa.string())),
                "px_codes": pa.array([list(candidates[case[0]].px) for case in cases], pa.list_(pa.string())),
                "sex": pa.array([case[1] for case in cases], pa.string()),
                "age_years": pa.array([case[2][0] for case in cases], whole),
                "age_days": pa.array([case[2][1] for case in cases], whole),
                "birth_weight_g": pa.array([case[3] for case in cases], whole),
            }
        )
        result = self.grouper.group(table)
        hits: dict[tuple[int, str], bool] = {}
        for case, adrg, status in zip(
            cases, result["adrg"].to_pylist(), result["status"].to_pylist(), strict=True
        ):
            good = adrg == candidates[case[0]].line.group if wanted == "grouped" else status == wanted
            hits[case[0], case[1]] = hits.get((case[0], case[1]), True) and good
        kept = []
        for number, candidate in enumerate(candidates):
            limits = {self.codes.sex_limit(code) for code in candidate.dx} - {None}
            sexes = [sex for sex in ("1", "2") if hits[number, sex] and limits <= {sex}]
            if sexes:
                kept.append((candidate, 0 if len(sexes) == 2 else int(sexes[0])))
        return kept

    def severity_of(self, dx: tuple[str, ...]) -> int:
        """The rank that a template's own other diagnoses reach after exclusion."""
        table = self.book.exclusions.get(dx[0])
        ranks = [
            SEVERITIES.index(self.book.severity[code][0])
            for code in dx[1:]
            if code in self.book.severity and self.book.severity[code][1] != table
        ]
        return max(ranks, default=0)

    def weights_of(self, candidate: Candidate, wanted: str) -> tuple[float, ...]:
        if wanted != "grouped":
            return (OTHER_WEIGHT[wanted],) * len(SEVERITIES)
        return tuple(
            self.weights[self.book.drg_at(candidate.line.group, severity).drg] for severity in SEVERITIES
        )


def _by_prefix(codes: list[str], prefixes: Sequence[str]) -> list[str]:
    """Codes in turn from every prefix, so that none is crowded out; all of them where no prefix is met."""
    near = [code for code in codes if code.startswith(tuple(prefixes))] if prefixes else []
    hands = [[code for code in near if code.startswith(prefix)] for prefix in prefixes]
    dealt = [
        hand[turn] for turn in range(max(map(len, hands), default=0)) for hand in hands if turn < len(hand)
    ]
    return list(dict.fromkeys(dealt)) or codes


def _birth(atoms: Sequence[object]) -> tuple[int, int]:
    low, high = 700, 4_200
    asked = [atom for atom in atoms if isinstance(atom, Compare) and atom.column == "birth_weight_g"]
    for atom in asked:
        if atom.comparison == ">=":
            low = max(low, int(atom.value))
        elif atom.comparison == "<":
            high = min(high, int(atom.value) - 1)
    return (low, high) if asked else (2_500, 4_200)
