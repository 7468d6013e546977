"""The pool of the DIP mix: diseases of the national library with their procedures, and cases of no core row.

A template is a disease of four characters (dx4) with a principal procedure and some, all or none of the related
ones; the full diagnosis is drawn among the codes of the disease. All shares and costs are invented; the head of
the mix are the everyday diagnoses of data/synth/mix.csv as far as the library has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import numpy as np

from groupers.codes import CodeTables, load_code_tables
from groupers.dip.catalogue import Catalogue, dx4_of
from groupers.dip.load import load_catalogue
from groupers.drg.rulebook import RuleBook, load_rulebook
from pipeline.synth_dip_costs import Costs
from pipeline.synth_mix import PROFILES, SCHEME, SEASONS, Line, Templates, Vocabulary, synth_rows
from pipeline.synth_pool import Pool, everyday_lines, exclusion_tables, make_histories, padded

LIBRARY = "dip-2.0"
DIP_POOL_SEED = 20_250_201  # as POOL_SEED: what the user's seed changes is only what is drawn from the pool
MOST_OF_LINE = 8  # library rows that make up one everyday line
MOST_RELATED = 3
# Shares of all cases (invented): everyday and rare core rows, procedures and diseases in no core row, excluded ones.
HEAD, TAIL, OTHER_PROCEDURE, OTHER_DISEASE, EXCLUDED = 0.67, 0.20, 0.070, 0.056, 0.004
# How the cases of a procedure with related ones split: none of them, some of them, all of them (invented).
ABSENT, PARTIAL, WHOLE = 0.52, 0.13, 0.35
TAIL_SPREAD, TAIL_MOST = 2.2, 2.3  # of the logarithm of a rare row's share, and its highest value in spreads
ODD_PAIRS = 4_000
MEN_PX, WOMEN_PX = (
    ("60", "61", "62", "63", "64"),
    ("65", "66", "67", "68", "69", "70", "71", "72", "73", "74", "75"),
)
LIGHT_BIRTH = ("P07", (900, 2_450))
# Microscopy of specimens has no class, so it changes no row; that of the female genital tract is left out.
UNCLASSED = ("90.", "91.")
OF_WOMEN = "91.4"


@dataclass(frozen=True)
class Draft:
    """A template in words; `related` are procedures that go with the principal one."""

    dx4: str
    px: str
    line: Line
    share: float
    related: tuple[str, ...] = ()


@dataclass(frozen=True)
class DipTemplates(Templates):
    """As Templates; `dx` is one code of the disease, the case's own is drawn from the pool's `variants`."""

    first_variant: np.ndarray  # int32: place of the disease's first code in `variants`
    variant_count: np.ndarray
    level_flat: np.ndarray  # costs hardly differ by hospital level (future 基层病种)


@dataclass(frozen=True)
class DipPool(Pool):
    """As Pool; `first_px` (unclassed) are for conservative cases, `other_px` for all others."""

    templates: DipTemplates
    variants: np.ndarray  # int32: full codes, disease after disease
    variant_tables: np.ndarray  # int32: their exclusion tables, -1 for none


@cache
def load_dip_pool() -> DipPool:
    """Build the pool once in a process; about two seconds. Raises SchemeError for an altered scheme."""
    dx_words, px_words = Vocabulary(), Vocabulary()
    rng = np.random.default_rng(DIP_POOL_SEED)
    book, codes, library = load_rulebook(SCHEME), load_code_tables(), load_catalogue(LIBRARY)
    maker = Maker(book, codes, library, rng)
    drafts = [draft for draft in maker.drafts() if maker.variants(draft)]
    tables = exclusion_tables(book)
    costs = Costs(drafts, codes.procedure_classes, rng)
    return _laid_out(maker, drafts, costs, tables, dx_words, px_words)


class Maker:
    """Makes drafts from the library and the code tables."""

    def __init__(
        self, book: RuleBook, codes: CodeTables, library: Catalogue, rng: np.random.Generator
    ) -> None:
        self.book, self.codes, self.library, self.rng = book, codes, library, rng
        self.chapters = sorted(synth_rows("chapters.csv"), key=lambda row: -len(row["prefix"]))
        self.full: dict[str, list[str]] = defaultdict(list)  # dx4 → codes fit to be principal
        for code in sorted(codes.diagnosis_names.keys() - codes.restricted_dx):
            self.full[dx4_of(code)].append(code)
        self.related: dict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
        for row in library.core:
            key = (row.dx4, row.principal_px)
            needed = tuple(sorted(min(forms) for forms in row.related))
            self.related[key] += [needed] if needed else []
        self.keys = list(dict.fromkeys((row.dx4, row.principal_px) for row in library.core))
        self.px_of_dx4: dict[str, list[str]] = defaultdict(list)
        for dx4, px in self.keys:
            self.px_of_dx4[dx4].append(px)
        self.excluded = tuple(exclusion.prefix for exclusion in library.exclusions)

    def drafts(self) -> Iterator[Draft]:
        head = self._head()
        seen = {(draft.dx4, draft.px) for draft in head}
        tail = [
            Draft(dx4, px, self.line_of(dx4), self._rare() * (1.6 if not px else 1.0))
            for dx4, px in self.keys
            if (dx4, px) not in seen
        ]
        for drafts, share in (
            (head, HEAD), (tail, TAIL), (self._odd_procedures(head), OTHER_PROCEDURE),
            (self._odd_diseases(), OTHER_DISEASE), (self._excluded(), EXCLUDED),
        ):  # fmt: skip
            everything = sum(draft.share for draft in drafts)
            for draft in drafts:
                yield from self._with_related(replace(draft, share=draft.share * share / everything))

    def line_of(self, dx4: str) -> Line:
        """Who has a disease and for how long, by its chapter."""
        row = next(row for row in self.chapters if dx4.startswith(row["prefix"]))
        profiles = row["profiles"].split("|")
        # The first of the profiles is the usual one.
        chosen = profiles[int(len(profiles) * self.rng.random() ** 1.5)]
        return Line("", 0.0, chosen, "", float(row["stay_days"]), row["department"], (), (), 1)

    def chapter_weight(self, dx4: str) -> float:
        return float(next(row["weight"] for row in self.chapters if dx4.startswith(row["prefix"])))

    def sex(self, draft: Draft) -> int:
        """The only sex of a template, 0 for either: of the disease, else of the procedure."""
        if draft.line.profile == "obstetric":
            return 2
        for code in self.full[draft.dx4]:
            limit = self.codes.sex_limit(code)
            if limit is not None:
                return int(limit)
        return 1 if draft.px.startswith(MEN_PX) else 2 if draft.px.startswith(WOMEN_PX) else 0

    def variants(self, draft: Draft) -> list[str]:
        """Full codes of the disease that its sex may have; those that an everyday line names go first."""
        sex = self.sex(draft)
        fit = [
            code
            for code in self.full[draft.dx4]
            if self.codes.sex_limit(code) in (None, str(sex) if sex else None)
        ]
        named = [code for prefix in draft.line.dx for code in fit if code.startswith(prefix)]
        return list(dict.fromkeys([*named, *fit]))

    def _rare(self) -> float:
        """A share drawn so that few rows have many cases and thousands a few."""
        return float(np.exp(TAIL_SPREAD * min(self.rng.standard_normal(), TAIL_MOST)))

    def _head(self) -> list[Draft]:
        found = []
        for line in everyday_lines():
            named = [dx4_of(code) for prefix in line.dx for code in self._codes_of(prefix)]
            hands = [
                [(dx4, px) for px in self.px_of_dx4[dx4] if (px.startswith(line.px) if line.px else not px)]
                for dx4 in dict.fromkeys(named)
            ]
            rows = dealt(hands)[:MOST_OF_LINE]
            falling = np.arange(2, len(rows) + 2) ** -1.2
            found += [
                Draft(dx4, px, line, line.share * float(part))
                for (dx4, px), part in zip(rows, falling / falling.sum(), strict=True)
            ]
        return found

    def _codes_of(self, prefix: str) -> list[str]:
        return [
            code
            for dx4 in sorted(self.px_of_dx4)
            if dx4.startswith(prefix[:5]) or prefix.startswith(dx4)
            for code in self.full[dx4]
            if code.startswith(prefix)
        ]

    def _odd_procedures(self, head: list[Draft]) -> list[Draft]:
        """A disease of the library with a procedure of its category or chapter that makes no core row."""
        known = set(self.keys)
        near: dict[str, list[str]] = defaultdict(list)
        for dx4, px in self.keys:
            for place in (dx4[:3], dx4[:1]):
                near[place] += [px] if px else []
        often = list(dict.fromkeys(draft.dx4 for draft in head))
        every = list(self.px_of_dx4)
        drafts: dict[tuple[str, str], Draft] = {}
        for _ in range(ODD_PAIRS):
            dx4 = self._pick(often if self.rng.random() < 0.4 else every)
            px = self._pick(near[dx4[:3]] or near[dx4[:1]])
            if px in self.px_of_dx4[dx4]:
                px = self._pick(near[dx4[:1]])
            draft = Draft(dx4, px, self.line_of(dx4), self._rare())
            if (dx4, px) not in known and self._fits(draft):
                drafts.setdefault((dx4, px), draft)
        return list(drafts.values())

    def _odd_diseases(self) -> list[Draft]:
        """Diseases without any row in the library, a quarter of them with a procedure of their chapter."""
        by_letter: dict[str, list[str]] = defaultdict(list)
        for dx4, px in self.keys:
            by_letter[dx4[0]] += [px] if px else []
        drafts = []
        for dx4 in self.full:
            if dx4 in self.px_of_dx4 or dx4[0] in "VWXY" or dx4.startswith(self.excluded):
                continue
            if not any(dx4.startswith(row["prefix"]) for row in self.chapters):
                continue
            operated = bool(by_letter[dx4[0]]) and self.rng.random() < 0.25
            draft = Draft(
                dx4, self._pick(by_letter[dx4[0]]) if operated else "", self.line_of(dx4), self._rare()
            )
            drafts.append(draft if self._fits(draft) else replace(draft, px=""))
        return drafts

    def _excluded(self) -> list[Draft]:
        return [
            Draft(dx4, "", self.line_of(dx4), self._rare())
            for dx4 in self.full
            if dx4.startswith(self.excluded)
        ]

    def _fits(self, draft: Draft) -> bool:
        """The procedure is not one of the other sex."""
        other = {1: WOMEN_PX, 2: MEN_PX}.get(self.sex(draft))
        return other is None or not draft.px.startswith(other)

    def _pick(self, texts: Sequence[str]) -> str:
        return texts[int(self.rng.integers(len(texts)))]

    def _with_related(self, draft: Draft) -> Iterator[Draft]:
        """The draft without its related procedures, with some and with all of them, in the proper shares."""
        whole = [needed for needed in self.related[draft.dx4, draft.px] if len(needed) <= MOST_RELATED]
        some = [
            part for needed in whole for size in range(1, len(needed)) for part in combinations(needed, size)
        ]
        some = [part for part in dict.fromkeys(some) if part not in whole]
        left = draft.share
        for parts, share in ((whole, WHOLE), (some, PARTIAL)):
            falling = np.arange(1, len(parts) + 1) ** -0.7
            for part, own in zip(parts, falling / falling.sum(), strict=True):
                yield replace(draft, related=part, share=draft.share * share * float(own))
            left -= draft.share * share if parts else 0.0
        yield replace(draft, share=left)


def dealt(hands: Sequence[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """One of every hand in turn, so that no disease crowds out the others."""
    return [
        hand[turn] for turn in range(max(map(len, hands), default=0)) for hand in hands if turn < len(hand)
    ]


def _laid_out(
    maker: Maker,
    drafts: list[Draft],
    costs: Costs,
    tables: dict[str, int],
    dx_words: Vocabulary,
    px_words: Vocabulary,
) -> DipPool:
    """Drafts as arrays."""
    departments = tuple(sorted({draft.line.department for draft in drafts}))
    variants: list[str] = []
    first: dict[tuple[str, ...], int] = {}
    spans = []
    for draft in drafts:
        own = tuple(maker.variants(draft))
        if own not in first:
            first[own] = len(variants)
            variants += own
        spans.append((first[own], len(own)))
    table_of = [tables.get(maker.book.exclusions.get(code, ""), -1) for code in variants]
    span = np.array(spans, dtype=np.int32)
    lines = [draft.line for draft in drafts]
    share = np.array([draft.share for draft in drafts])
    base = np.array([costs.weight(draft, maker.chapter_weight(draft.dx4)) for draft in drafts])
    numbers = np.array([dx_words(code) for code in variants], dtype=np.int32)
    light = [draft.dx4.startswith(LIGHT_BIRTH[0]) for draft in drafts]
    templates = DipTemplates(
        dx=numbers[span[:, :1]],
        px=padded([[px_words(px) for px in (d.px, *d.related) if px] for d in drafts], 1 + MOST_RELATED),
        share=share / share.sum(),
        season=np.array([SEASONS.index(line.season) for line in lines], dtype=np.int8),
        profile=np.array([PROFILES.index(line.profile) for line in lines], dtype=np.int8),
        department=np.array([departments.index(line.department) for line in lines], dtype=np.int8),
        stay_days=np.array([costs.stay_days(draft) for draft in drafts], dtype=np.float64),
        sex=np.array([maker.sex(draft) for draft in drafts], dtype=np.int8),
        birth=np.array([LIGHT_BIRTH[1] if small else (2_500, 4_200) for small in light], dtype=np.int32),
        principal_table=np.array(table_of, dtype=np.int32)[span[:, 0]],
        extra_rank=np.zeros(len(drafts), dtype=np.int8),
        weight=costs.by_severity(base),
        operated=np.array([costs.operated(draft) for draft in drafts]),
        departments=departments,
        tables=tables,
        first_variant=span[:, 0],
        variant_count=span[:, 1],
        level_flat=np.array([costs.is_flat(draft) for draft in drafts]),
    )
    unclassed, further = _extras(maker, px_words)
    histories = make_histories(maker.book, maker.rng, dx_words, tables)
    return DipPool(
        maker.book, maker.codes, templates, histories, unclassed, further, dx_words, px_words,
        numbers, np.array(table_of, dtype=np.int32),
    )  # fmt: skip


def _extras(maker: Maker, px_words: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Procedures of no class, and those that go with classed ones; none is a related procedure of any row."""
    asked = {code for needs in maker.related.values() for needed in needs for code in needed}
    unclassed = [
        code
        for code, of_class in sorted(maker.codes.procedure_classes.items())
        if not of_class and code.startswith(UNCLASSED) and not code.startswith(OF_WOMEN)
    ]
    examinations = [row["code"] for row in synth_rows("procedures.csv") if row["role"] == "secondary"]
    further = [code for code in (*examinations, *unclassed[::4]) if code not in asked]
    first, other = (
        np.array([px_words(code) for code in chosen], dtype=np.int32) for chosen in (unclassed, further)
    )
    return first, other
