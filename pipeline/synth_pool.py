"""The pool that discharges are drawn from: proved templates and the lists of other diagnoses that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import groupby

import numpy as np

from groupers.codes import CodeTables
from groupers.drg.rulebook import SEVERITIES, RuleBook
from pipeline.synth_mix import (
    AMBIGUOUS,
    EVERYDAY,
    EXTRA_DX,
    GROUPED,
    MOST_PX,
    PROFILES,
    SEASONS,
    UNGROUPED,
    Candidate,
    Foundry,
    Line,
    Templates,
    Vocabulary,
    synth_rows,
)

HISTORIES = 400  # lists of other diagnoses for every profile and severity
HISTORY_WIDTH = 12
MOST_EVERYDAY, MOST_RARE = 24, 6
# How many harmless other diagnoses a patient of the profile has on average (invented).
USUAL_OTHERS = {
    "elder": 6.2, "adult": 4.6, "young": 3.2, "child": 3.0,
    "cancer": 4.6, "obstetric": 4.6, "newborn": 3.2, "infant": 3.0,
}  # fmt: skip

Proved = tuple[Candidate, int, float, str]  # candidate, sex, share, what it was proved to be


@dataclass(frozen=True)
class Histories:
    """Lists of other diagnoses; those of profile p and severity s start at `first[p, s]`, HISTORIES of them."""

    codes: np.ndarray  # int32 (n, HISTORY_WIDTH), -1 for none
    rank: np.ndarray  # int8 (n, 2): severity of the weighty ones
    table: np.ndarray  # int32 (n, 2): their exclusion tables
    first: np.ndarray  # int32 (profiles, severities)


@dataclass(frozen=True)
class Pool:
    """Templates, histories, the procedures that change no group, and the two vocabularies.

    `book` gives the ranks of other diagnoses (MCC, CC), `codes` the names and limits that flaws are made of.
    """

    book: RuleBook
    codes: CodeTables
    templates: Templates
    histories: Histories
    first_px: np.ndarray
    other_px: np.ndarray
    dx_words: Vocabulary
    px_words: Vocabulary


@cache
def load_pool() -> Pool:
    """Build the pool once in a process; it takes a few seconds. Raises SchemeError for an altered scheme."""
    dx_words, px_words = Vocabulary(), Vocabulary()
    foundry = Foundry(dx_words, px_words)
    proved = [*_grouped(foundry), *_ambiguous(foundry), *_ungrouped(foundry)]
    templates = _templates(foundry, proved)
    histories = make_histories(foundry.book, foundry.rng, dx_words, templates.tables)
    procedures = synth_rows("procedures.csv")
    first, other = (
        np.array([px_words(row["code"]) for row in procedures if row["role"] == role], dtype=np.int32)
        for role in ("principal", "secondary")
    )
    return Pool(foundry.book, foundry.codes, templates, histories, first, other, dx_words, px_words)


def everyday_lines() -> list[Line]:
    """The rows of mix.csv."""
    return [
        Line(
            row["adrg"], float(row["per_mille"]), row["profile"], row["season"], float(row["stay_days"]),
            row["department"], tuple(filter(None, row["dx"].split("|"))),
            tuple(filter(None, row["px"].split("|"))), MOST_EVERYDAY,
        )
        for row in synth_rows("mix.csv")
    ]  # fmt: skip


def _rare_lines(foundry: Foundry, seen: set[str]) -> list[Line]:
    """A line for every other ADRG: the heavier, the rarer; who and where come from its MDC."""
    by_letter = {row["letter"]: row for row in synth_rows("mdc.csv")}
    rest = [adrg for adrg in foundry.book.drgs_of_adrg if adrg not in seen]
    order = foundry.rng.permutation(len(rest))
    lines = []
    for adrg, place in zip(rest, order, strict=True):
        weight = foundry.weights[foundry.book.drg_at(adrg, "none").drg]
        share = (place + 12.0) ** -1.0 * max(weight, 0.5) ** -0.9
        kind = by_letter[adrg[0]]
        stay = min(30.0, 3.5 + 4.5 * weight**0.6)
        dx = ("I50.9", "K74.6", "N18.5", "C92", "J96.0") if adrg[0] == "A" else ()
        lines.append(Line(adrg, share, kind["profile"], "", stay, kind["department"], dx, (), MOST_RARE))
    return lines


def _grouped(foundry: Foundry) -> list[Proved]:
    everyday = everyday_lines()
    rare = _rare_lines(foundry, {line.group for line in everyday})
    result: list[Proved] = []
    for lines, total in ((everyday, GROUPED * EVERYDAY), (rare, GROUPED * (1 - EVERYDAY))):
        candidates = [candidate for line in lines for candidate in foundry.candidates(line)]
        kept = list(
            {(c.line, c.dx, c.px): (c, sex) for c, sex in foundry.proved(candidates, "grouped")}.values()
        )
        chosen = [
            (line, list(group)[: line.most]) for line, group in groupby(kept, key=lambda pair: pair[0].line)
        ]
        everything = sum(line.share for line, _ in chosen)
        for line, group in chosen:
            falling = np.arange(2, len(group) + 2) ** -0.8
            shares = line.share * falling / falling.sum() * total / everything
            result += [
                (candidate, sex, float(share), "grouped")
                for (candidate, sex), share in zip(group, shares, strict=True)
            ]
    return result


def _ambiguous(foundry: Foundry) -> list[Proved]:
    """Everyday diagnoses with a procedure of another everyday group."""
    lines = [line for line in everyday_lines() if line.profile not in ("newborn", "infant")]
    cases = [candidate for line in lines for candidate in list(foundry.candidates(line))[:8]]
    procedures = [candidate.px for candidate in cases if candidate.px]
    tried = [
        Candidate(case.line, case.dx[:1], procedures[int(foundry.rng.integers(len(procedures)))][:1])
        for case in cases
    ]
    kept = foundry.proved(tried, "ambiguous")
    return [(candidate, sex, AMBIGUOUS / len(kept), "ambiguous") for candidate, sex in kept]


def _ungrouped(foundry: Foundry) -> list[Proved]:
    departments = {row["profile"]: row["department"] for row in synth_rows("mdc.csv")}
    rows = synth_rows("ungrouped.csv")
    shares = [float(row["share"]) for row in rows]
    tried = [
        Candidate(
            Line("", share, row["profile"], "", 6.0, departments.get(row["profile"], "A07"), (), (), 1),
            (row["code"],),
            (),
        )
        for row, share in zip(rows, shares, strict=True)
    ]
    kept = foundry.proved(tried, "ungrouped")
    everything = sum(candidate.line.share for candidate, _ in kept)
    return [(c, sex, UNGROUPED * c.line.share / everything, "ungrouped") for c, sex in kept]


def _templates(foundry: Foundry, proved: list[Proved]) -> Templates:
    """Lay proved candidates out as arrays."""
    tables = exclusion_tables(foundry.book)
    departments = tuple(sorted({case[0].line.department for case in proved}))
    lines = [case[0].line for case in proved]
    share = np.array([case[2] for case in proved])
    return Templates(
        dx=padded([[foundry.dx_words(code) for code in case[0].dx] for case in proved], 1 + EXTRA_DX),
        px=padded([[foundry.px_words(code) for code in case[0].px] for case in proved], MOST_PX),
        share=share / share.sum(),
        season=np.array([SEASONS.index(line.season) for line in lines], dtype=np.int8),
        profile=np.array([PROFILES.index(line.profile) for line in lines], dtype=np.int8),
        department=np.array([departments.index(line.department) for line in lines], dtype=np.int8),
        stay_days=np.array([line.stay_days for line in lines], dtype=np.float64),
        sex=np.array([case[1] for case in proved], dtype=np.int8),
        birth=np.array([case[0].birth for case in proved], dtype=np.int32),
        principal_table=np.array(
            [tables.get(foundry.book.exclusions.get(case[0].dx[0], ""), -1) for case in proved],
            dtype=np.int32,
        ),
        extra_rank=np.array([foundry.severity_of(case[0].dx) for case in proved], dtype=np.int8),
        weight=np.array([foundry.weights_of(case[0], case[3]) for case in proved]),
        operated=np.array([bool(case[0].px) for case in proved]),
        departments=departments,
        tables=tables,
    )


def exclusion_tables(book: RuleBook) -> dict[str, int]:
    """A number for every exclusion table."""
    return {table: place for place, table in enumerate(sorted(set(book.exclusions.values())))}


def make_histories(
    book: RuleBook, rng: np.random.Generator, dx_words: Vocabulary, tables: dict[str, int]
) -> Histories:
    """Lists of other diagnoses for every profile and severity, from comorbidities.csv."""
    rows = synth_rows("comorbidities.csv")
    severity = book.severity
    codes: list[list[int]] = []
    ranks: list[list[int]] = []
    own_tables: list[list[int]] = []
    first = np.zeros((len(PROFILES), len(SEVERITIES)), dtype=np.int32)
    for profile, name in enumerate(PROFILES):
        mine = [row for row in rows if name in row["profiles"].split("|")]
        by_rank = [
            [row for row in mine if severity.get(row["code"], ("none",))[0] == rank] for rank in SEVERITIES
        ]
        for rank, weighty in enumerate(by_rank):
            first[profile, rank] = len(codes)
            usual = rng.poisson(USUAL_OTHERS[name] - (rank > 0), HISTORIES)
            marked = np.where(rng.random(HISTORIES) < 0.3, 2, 1) * (rank > 0)
            harmless = _shuffled(rng, by_rank[0])
            marks = _shuffled(rng, weighty)
            for number in range(HISTORIES):
                chosen = _one_of_each(harmless[number])[: min(int(usual[number]), HISTORY_WIDTH - 2)]
                own = marks[number][: int(marked[number])]
                # The weighty ones stand anywhere among the others, as in real records.
                place = int(rng.integers(len(chosen) + 1))
                codes.append([dx_words(code) for code in (*chosen[:place], *own, *chosen[place:])])
                ranks.append([rank] * len(own) + [0] * (2 - len(own)))
                own_tables.append([tables.get(severity[code][1], -2) for code in own])
    return Histories(
        padded(codes, HISTORY_WIDTH), np.array(ranks, dtype=np.int8), padded(own_tables, 2), first
    )


def _shuffled(rng: np.random.Generator, rows: list[dict[str, str]]) -> list[list[str]]:
    """HISTORIES orders of the codes, drawn without replacement by weight (Efraimidis and Spirakis 2006)."""
    weight = np.array([float(row["weight"]) for row in rows])
    order = np.argsort(-(rng.random((HISTORIES, len(rows))) ** (1 / weight)), axis=1)[:, : 2 * HISTORY_WIDTH]
    texts = [row["code"] for row in rows]
    return [[texts[place] for place in line] for line in order.tolist()]


def _one_of_each(codes: list[str]) -> list[str]:
    """One code of a three-character category: nobody has two degrees of hypertension."""
    return list({code[:3]: code for code in reversed(codes)}.values())[::-1]


def padded(rows: list[list[int]], width: int) -> np.ndarray:
    """Rows of unlike length as one matrix, filled up with -1."""
    return np.array([row + [-1] * (width - len(row)) for row in rows], dtype=np.int32)
