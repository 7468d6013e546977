"""Invented DIP catalogues and discharges, small enough that rows collide, for Hypothesis.

`catalogues()` yields catalogues of every row shape, choice and tie-breaker; `stays(catalogue)` cases with missing
values; `as_table` the cases as the pipeline's input table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, get_args

import pyarrow as pa
from hypothesis import strategies as st

from groupers.dip.catalogue import (
    CLASSES,
    FLAGS,
    POOLED_CLASSES,
    Catalogue,
    CoreRow,
    DipChoices,
    Exclusion,
    PooledRow,
    Requirement,
    TieBreaker,
)
from groupers.scheme import Manifest

DX4 = ("I63.9", "I63.8", "A38.x", "C50", "D45.x")
# Codes of these subcategories and beside them; the last two are shorter than a subcategory.
DX = (
    "I63.902",
    "I63.900",
    "I63.801",
    "A38.x00",
    "A38.000",
    "C50",
    "C50.900",
    "D45.x00+M01*",
    "Z99.900",
    "I63",
    "I6",
)
PREFIXES = ("I63.90", "A38", "C50.9", "Z", "I6")
PX = ("01.0100", "01.0100x002", "37.3400", "37.8x00", "81.5100", "99.0900x001")
OUTSIDE_PX = ("01.9900", "88.0100")
FEES = (-100, 0, 99, 100, 101, 200, 2**62)
WIDE_FORMS = tuple(
    f"77.{number:04}" for number in range(70)
)  # more demands in a group than one word has bits


def manifest() -> Manifest:
    return Manifest(
        name="invented", kind="dip", title="测试用病种目录", issuer="测试", document="无",
        effective_from=dt.date(2025, 1, 1), source="Hypothesis", files={},
    )  # fmt: skip


def core_row(row: str, dx4: str, principal_px: str = "", related: Requirement = (), **more: Any) -> CoreRow:
    """A core row with what a test does not care about filled in."""
    given: dict[str, Any] = {
        "order": 0, "treatment_class": "手术" if principal_px else "保守治疗", "score": None, "mean_cost_fen": None,
        "flags": frozenset(), "name": f"病种{row}",
    } | more  # fmt: skip
    return CoreRow(row=row, dx4=dx4, principal_px=principal_px, related=related, **given)


def catalogue_of(*core: CoreRow, pooled: Sequence[PooledRow] = (), **more: Any) -> Catalogue:
    """A catalogue of these rows; `choices`, `exclusions` and `procedure_classes` where a test sets them."""
    given: dict[str, Any] = {"choices": DipChoices(), "exclusions": ()} | more
    return Catalogue(manifest=manifest(), core=core, pooled=tuple(pooled), **given)


@st.composite
def catalogues(draw: st.DrawFn, wide: bool = False) -> Catalogue:
    """A catalogue of up to 16 core rows on a few keys. `wide`: one key asks for over 64 different procedures."""
    rows = draw(st.lists(_core_rows(), max_size=16))
    if wide:
        rows += [core_row("", "I63.9", PX[0], (frozenset({form}), frozenset(PX[:2]))) for form in WIDE_FORMS]
    names = draw(st.permutations([f"R{number:02}" for number in range(len(rows))]))
    core = tuple(_renamed(row, name) for row, name in zip(rows, names, strict=True))
    keys = draw(
        st.sets(
            st.tuples(st.sampled_from(("I63", "A38", "C50", "Z99", "I6")), st.sampled_from(POOLED_CLASSES))
        )
    )
    pooled = [
        PooledRow(f"P{number:02}", dx3, kind, None, None, frozenset(), "综合病种")
        for number, (dx3, kind) in enumerate(sorted(keys))
    ]
    prefixes = draw(st.lists(st.sampled_from(PREFIXES), max_size=2, unique=True))
    classes = st.sampled_from(("手术", "介入治疗", "治疗性操作", "诊断性操作", ""))
    return catalogue_of(
        *core,
        pooled=pooled,
        exclusions=tuple(Exclusion(prefix, "另行支付") for prefix in draw(st.sampled_from(((), prefixes)))),
        choices=draw(_choices()),
        procedure_classes=draw(st.dictionaries(st.sampled_from((*PX, OUTSIDE_PX[0])), classes)),
    )


def _core_rows() -> st.SearchStrategy[CoreRow]:
    """Rows of few keys and few values, so that several are met and every tie-breaker meets equals."""
    forms = st.frozensets(st.sampled_from((*PX[:4], "88.0100")), min_size=1, max_size=2)
    return st.builds(
        core_row,
        st.just(""),
        st.sampled_from((*DX4[:1] * 4, *DX4)),
        st.sampled_from((*PX[:1] * 3, *PX[:3], "", "")),
        st.lists(forms, max_size=3).map(tuple),
        order=st.integers(0, 3),
        treatment_class=st.sampled_from((*CLASSES, "其他")),
        score=st.sampled_from((None, Decimal("1.50"), Decimal("1.5"), Decimal("20"), Decimal("100.25"))),
        mean_cost_fen=st.sampled_from((None, 0, 100, 200, 2**62)),
        flags=st.frozensets(st.sampled_from(FLAGS), max_size=2),
    )


def _renamed(row: CoreRow, name: str) -> CoreRow:
    return CoreRow(**{**row.__dict__, "row": name})


def _choices() -> st.SearchStrategy[DipChoices]:
    breakers = get_args(TieBreaker)
    return st.builds(
        DipChoices,
        conservative=st.sampled_from(("no_classed_procedure", "any")),
        related=st.sampled_from(("all", "best_partial")),
        tie_breakers=st.lists(st.sampled_from(breakers), max_size=len(breakers)).map(tuple),
    )


def stays(catalogue: Catalogue) -> st.SearchStrategy[dict[str, Any]]:
    """Discharges that the catalogue may match or not: codes repeated, unknown, null or empty, no fee."""
    wide = WIDE_FORMS[::7] if len(catalogue.core) >= len(WIDE_FORMS) else ()
    dx = st.sampled_from((*DX[:2] * 3, *DX, "", None))
    px = st.sampled_from((*PX[:1] * 3, *PX, *OUTSIDE_PX, *wide, "", None))
    return st.fixed_dictionaries(
        {
            "dx_codes": st.one_of(st.lists(dx, max_size=3), st.lists(dx, min_size=1, max_size=3), st.none()),
            "px_codes": st.one_of(st.lists(px, max_size=6), st.lists(px, min_size=1, max_size=6), st.none()),
            "total_fee_fen": st.one_of(st.none(), st.sampled_from(FEES)),
        }
    )


def as_table(cases: Sequence[dict[str, Any]]) -> pa.Table:
    """Cases as the engine's input: dx_codes, px_codes and total_fee_fen in contract types."""
    texts = pa.list_(pa.string())
    types = {"dx_codes": texts, "px_codes": texts, "total_fee_fen": pa.int64()}
    return pa.table(
        {name: pa.array([case.get(name) for case in cases], kind) for name, kind in types.items()},
        schema=pa.schema(list(types.items())),
    )
