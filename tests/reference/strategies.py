"""Invented rule books and discharges, small enough that rules collide, for Hypothesis.

`rulebooks()` yields valid books of every rule kind, atom and choice; `discharges(book)` cases with missing
values; `as_table` the cases as the pipeline's input table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from groupers.drg.rulebook import Drg, RuleBook, check_rulebook
from groupers.drg.rules import NUMBERS, TEXTS, Compare, Kind, Rule, parse_condition
from groupers.scheme import Choices, Manifest
from pipeline.tables import DISCHARGE_SCHEMA

DX = ("A00.000", "A00.100x001", "A01.000", "B11.001", "B11.x02", "C22.000", "C22.900", "D45.x00+M01*")
PX = ("01.0100", "01.0100x002", "37.3400", "37.8x00", "81.5100", "99.0900x001")
OUTSIDE_DX = ("A09.900", "Z99.900x001")  # in no list; the first starts as listed codes do
OUTSIDE_PX = ("01.9900", "88.0100")
DX_PREFIXES = ("A0", "A00.", "B11", "C22.9", "Z99", "Q", "A09.9")
PX_PREFIXES = ("01", "01.01", "37.", "99.0900x001", "77")
WIDE_DX, WIDE_PX = 72, 8  # more list memberships than one 64-bit word holds
TEXT_VALUES = {
    "sex": ("1", "2"),
    "discharge_way": ("1", "4", "5"),
    "care_type": ("1", "2"),
    "treatment_kind": ("1", "2.1"),
    "department": ("02", "03.01"),
}
COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
Needs = tuple[str, ...]
# Needs in code order; the last shape leaves a group that no case can reach.
NEEDS: tuple[Needs, ...] = (
    ("none",), ("mcc", "none"), ("mcc_or_cc", "none"), ("mcc", "mcc_or_cc", "none"), ("none", "mcc"),
)  # fmt: skip


@st.composite
def rulebooks(draw: st.DrawFn, wide: bool | None = None) -> RuleBook:
    """A valid book of 2 to 4 MDCs. `wide` True: over 64 spread list memberships; None: now and then."""
    is_wide = draw(st.integers(0, 9)) == 9 if wide is None else wide
    dx_lists = draw(_lists("dx", DX, WIDE_DX if is_wide else draw(st.integers(2, 6))))
    px_lists = draw(_lists("px", PX, WIDE_PX if is_wide else draw(st.integers(1, 4))))
    px_lists["px_valid"] = frozenset(draw(st.sets(st.sampled_from(PX))))
    families = {"regions": tuple(draw(st.permutations(sorted(dx_lists))))[: draw(st.integers(1, 4))]}
    letters = draw(st.permutations("AFMN"))[: draw(st.integers(2, 4))]
    conditions = _conditions(tuple(dx_lists), tuple(px_lists))
    drafts = [draft for letter in letters for draft in draw(_mdc(letter, letters, conditions))]
    if is_wide:
        drafts += _wide_drafts(letters[-1], sorted(dx_lists), draw(st.integers(0, 2**WIDE_DX - 1)))
    rules = tuple(
        Rule(seq, mdc, kind, group, "", parse_condition(text, seq), text)
        for seq, (mdc, kind, group, text) in enumerate(drafts, start=1)
    )
    adrgs = sorted({rule.group for rule in rules if rule.kind == "adrg"})
    book = RuleBook(
        manifest=_manifest(draw(_choices([f"MDC{letter}" for letter in letters]))),
        rules=rules,
        dx_lists=dx_lists,
        px_lists=px_lists,
        families=families,
        severity=draw(
            st.dictionaries(
                st.sampled_from(DX),
                st.tuples(st.sampled_from(("cc", "mcc")), st.sampled_from(("", "1", "2"))),
            )
        ),
        exclusions=draw(st.dictionaries(st.sampled_from(DX), st.sampled_from(("1", "2", "3")))),
        drgs=tuple(drg for adrg in adrgs for drg in _drgs(adrg, draw(st.sampled_from(NEEDS)))),
        adrg_names={adrg: f"{adrg}病组" for adrg in adrgs},
        mdc_names={f"MDC{letter}": f"{letter}类疾病" for letter in letters},
    )
    check_rulebook(book)
    return book


def _lists(side: str, codes: Sequence[str], count: int) -> st.SearchStrategy[dict[str, frozenset[str]]]:
    """`count` lists, any of which may be empty; one integer each, so that wide books stay cheap."""
    subsets = st.lists(st.integers(0, 2 ** len(codes) - 1), min_size=count, max_size=count)
    return subsets.map(
        lambda drawn: {
            f"{side}{number:03}": frozenset(code for place, code in enumerate(codes) if mask >> place & 1)
            for number, mask in enumerate(drawn)
        }
    )


def _atoms(dx_names: Sequence[str], px_names: Sequence[str]) -> st.SearchStrategy[str]:
    """An atom of every kind, as text."""
    dx = st.sampled_from(("principal_dx", "principal_dx", "any_dx", "other_dx"))
    px = st.sampled_from(("principal_px", "main_px", "main_px", "any_px", "other_px", "operation_px"))
    return st.one_of(
        st.builds("{} in {}".format, dx, st.sampled_from(dx_names)),
        st.builds("{} in {}".format, px, st.sampled_from(px_names)),
        st.just("operation_px in px_valid"),
        st.builds("{} startswith {}".format, dx, st.sampled_from(DX_PREFIXES)),
        st.builds("{} startswith {}".format, px, st.sampled_from(PX_PREFIXES)),
        st.builds(
            "{} {} {}".format, st.sampled_from(NUMBERS), st.sampled_from(COMPARISONS), st.integers(-1, 3)
        ),
        st.sampled_from(TEXTS).flatmap(
            lambda column: st.builds(
                f"{column} {{}} {{}}".format,
                st.sampled_from(("==", "!=")),
                st.sampled_from(TEXT_VALUES[column]),
            )
        ),
        st.builds("hits regions {} {}".format, st.sampled_from(COMPARISONS), st.integers(0, 4)),
        st.just("always"),
    )


def _conditions(dx_names: Sequence[str], px_names: Sequence[str]) -> st.SearchStrategy[str]:
    literal = st.builds(
        lambda negated, atom: f"not {atom}" if negated else atom,
        st.sampled_from((False, False, False, True)),
        _atoms(dx_names, px_names),
    )
    either = st.lists(literal, min_size=2, max_size=3).map(lambda parts: f"({' or '.join(parts)})")
    clause = st.one_of(literal, literal, literal, either)
    return st.lists(clause, min_size=1, max_size=3).map(" and ".join)


Draft = tuple[str, Kind, str, str]  # mdc, kind, group, condition


@st.composite
def _mdc(
    draw: st.DrawFn, letter: str, letters: Sequence[str], conditions: st.SearchStrategy[str]
) -> list[Draft]:
    """An entry and up to six rules; now and then a rule yields a group of another MDC (as rule 68 does)."""
    mdc = f"MDC{letter}"
    drafts: list[Draft] = [(mdc, "enter", "", draw(conditions))]
    kinds: st.SearchStrategy[Kind] = st.sampled_from(
        ("adrg", "adrg", "adrg", "ambiguous", "ambiguous_outside")
    )
    for kind in draw(st.lists(kinds, min_size=1, max_size=6)):
        of = draw(st.sampled_from((letter, letter, letter, *letters)))
        group = (
            f"{of}{draw(st.sampled_from('BJR'))}{draw(st.integers(1, 3))}" if kind == "adrg" else f"{of}QY"
        )
        drafts.append((mdc, kind, group, draw(conditions)))
    return drafts


def _wide_drafts(letter: str, names: Sequence[str], flags: int) -> list[Draft]:
    """Rules that ask for every diagnosis list among any or the other diagnoses, three lists a rule."""
    drafts: list[Draft] = []
    for number in range(0, len(names) - 2, 3):
        subjects = ["any_dx" if flags >> (number + place) & 1 else "other_dx" for place in range(3)]
        atoms = [f"{subject} in {names[number + place]}" for place, subject in enumerate(subjects)]
        text = f"{atoms[0]} and ({atoms[1]} or not {atoms[2]})" if number % 2 else " and ".join(atoms)
        drafts.append((f"MDC{letter}", "adrg", f"{letter}W{number // 3 % 9}", text))
    return drafts


def _drgs(adrg: str, needs: Needs) -> list[Drg]:
    return [
        Drg(f"{adrg}{digit}", adrg, need, f"{adrg}病组，{need}")
        for digit, need in zip((1, 3, 5, 9)[: len(needs)], needs, strict=True)
    ]


def _choices(mdcs: Sequence[str]) -> st.SearchStrategy[Choices]:
    own_codes = st.dictionaries(st.sampled_from(mdcs), st.just(""), max_size=2)
    return st.builds(
        Choices,
        ambiguous=st.sampled_from(("principal", "any", "off")),
        main_procedure=st.sampled_from(("principal", "any")),
        ungrouped=st.sampled_from(("0000", "QY00")),
        ungrouped_by_mdc=own_codes.map(lambda drawn: {mdc: f"000{mdc[-1]}" for mdc in drawn}),
    )


def _manifest(choices: Choices) -> Manifest:
    return Manifest(
        name="invented",
        kind="drg",
        title="测试用方案",
        issuer="测试",
        document="无",
        effective_from=dt.date(2025, 1, 1),
        source="Hypothesis",
        choices=choices,
        files={},
    )


def discharges(book: RuleBook) -> st.SearchStrategy[dict[str, Any]]:
    """Discharges that the book may group or not: codes repeated, unknown, null or empty, values missing."""
    scalars = {column: st.one_of(st.none(), _values(book, column)) for column in (*NUMBERS, *TEXTS)}
    return st.fixed_dictionaries(
        {
            "dx_codes": _codes(sorted(book.known_dx), OUTSIDE_DX, 7),
            "px_codes": _codes(sorted(book.known_px), OUTSIDE_PX, 4),
            **scalars,
        }
    )


def _codes(
    known: Sequence[str], outside: Sequence[str], longest: int
) -> st.SearchStrategy[list[str | None] | None]:
    code = st.sampled_from((*known, *known, *outside, "", None))
    lists = st.lists(code, max_size=longest)
    return st.one_of(lists, lists, lists, st.none())


def _values(book: RuleBook, column: str) -> st.SearchStrategy[int | str]:
    """Values at and beside those that the rules compare the column with."""
    if column in TEXTS:
        return st.sampled_from((*TEXT_VALUES[column], "9"))
    limits = {
        int(literal.atom.value)
        for rule in book.rules
        for clause in rule.condition
        for literal in clause
        if isinstance(literal.atom, Compare) and literal.atom.column == column
    }
    near = {value + step for value in limits for step in (-1, 0, 1)}
    return st.sampled_from(sorted(near | {0, 1}))


def as_table(cases: Sequence[dict[str, Any]]) -> pa.Table:
    """Cases as the engine's input: case_id, dx_codes, px_codes and every scalar column, in contract types.

    A case without a case_id gets its place, counted from 0.
    """
    types = {field.name: field.type for field in DISCHARGE_SCHEMA} | {"stay_days": pa.int32()}
    names = ("case_id", "dx_codes", "px_codes", *NUMBERS, *TEXTS)
    rows = [{"case_id": str(place), **case} for place, case in enumerate(cases)]
    return pa.table(
        {name: pa.array([row.get(name) for row in rows], types[name]) for name in names},
        schema=pa.schema([(name, types[name]) for name in names]),
    )
