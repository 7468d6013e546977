"""Plant what validation must find: every kind of finding in known rows, spread evenly over the chunks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.synth_draw import NULL, SPARE, Chunk, Rows, month_span
from pipeline.synth_pool import Pool

# Planted events in 10,000 rows; `reversal`, `duplicate_case_id` and `repeated_row` use a clean row as their twin.
FLAWS: dict[str, float] = {
    "missing_principal": 4, "unknown_principal": 4, "unknown_sex": 3, "dates_reversed": 3, "negative_money": 3,
    "newborn_without_days": 3, "unknown_hospital": 3, "duplicate_case_id": 3, "repeated_row": 3,
    "other_period": 4, "absurd_amount": 0.3, "missing_value": 3, "reversal_without_original": 2,
    "restricted_principal": 7, "not_for_grouping_principal": 5, "not_for_grouping_procedure": 6,
    "unknown_code": 6, "sex_conflict": 4, "identity_broken": 4, "secondary_duplicate": 8,
    "zero_day_stay": 7, "empty_code": 6, "code_form": 8, "reversal": 20,
}  # fmt: skip
# The lists of codes that are not for grouping are part of a DRG scheme; DIP has none.
DRG_ONLY = ("not_for_grouping_principal", "not_for_grouping_procedure")
FLAWS_OF_MIX = {"drg": FLAWS, "dip": {kind: rate for kind, rate in FLAWS.items() if kind not in DRG_ONLY}}
ALL_FROM = 5_000  # from this many cases on every kind occurs
UNKNOWN_DX, UNKNOWN_SECOND = "K99.900x999", "Z99.999x999"
ODD_FORMS = ("i10.X00X007", "Ｅ７８．２００", "e78.200", " I10.x00x008")
REPEATED = "E78.200"
FIRST_RESERVE = 8_000_000_000_000  # case numbers from here on name no case

Planted = list[tuple[int, str]]  # (case number, finding)


def flaw_counts(cases: int, rates: dict[str, float]) -> dict[str, int]:
    """How many events of each kind an order of `cases` rows holds, at `rates` in 10,000."""
    least = 1 if cases >= ALL_FROM else 0
    return {kind: max(least, round(cases * rate / 10_000)) for kind, rate in rates.items()}


def _share_of(chunk: Chunk, counts: dict[str, int]) -> Iterator[tuple[str, int, int]]:
    """(kind, ordinal of its first event, events) of a chunk; over all chunks each kind comes out exactly."""
    for number, (kind, count) in enumerate(counts.items()):
        # A phase of its own keeps the single events of a small order from meeting in the last chunk.
        phase = (number * 7 % len(counts)) * chunk.cases // len(counts)
        before = (chunk.start * count + phase) // chunk.cases
        after = ((chunk.start + chunk.rows) * count + phase) // chunk.cases
        yield kind, before, after - before


class Flaws:
    """The codes that flaws are made of, and how each kind changes a row."""

    def __init__(self, pool: Pool) -> None:
        words, book, codes = pool.dx_words, pool.book, pool.codes
        self.unknown, self.unknown_second = words(UNKNOWN_DX), words(UNKNOWN_SECOND)
        self.empty, self.missing = words(""), -2  # -2 becomes a null inside the list
        self.repeated = words(REPEATED)
        self.odd = np.array([words(text) for text in ODD_FORMS])
        neutral = [code for code in sorted(codes.restricted_dx) if not codes.sex_limit(code)]
        self.restricted = np.array([words(code) for code in neutral if code[0] in "EGIJK"][:200])
        aside = [
            code
            for code in sorted(book.dx_not_for_grouping)
            if code in codes.diagnosis_names and code not in codes.restricted_dx and not codes.sex_limit(code)
        ]
        self.aside = np.array([words(code) for code in aside[:200]])
        self.aside_px = pool.other_px
        self.of_man, self.of_woman = words("N40.x00"), words("D25.900")
        self.newborn = words("P59.901")

    def plant(self, rows: Rows, chunk: Chunk, counts: dict[str, int], rng: np.random.Generator) -> Planted:
        """Change rows of a chunk in place; returns what was planted, case by case."""
        orders = [order for order in _share_of(chunk, counts) if order[2]]
        wanted = sum(events for _, _, events in orders)
        free = rng.permutation(chunk.rows)
        places, twins = free[:wanted], free[wanted : 2 * wanted]
        planted: Planted = []
        used = 0
        for kind, ordinal, events in orders:
            at, twin = places[used : used + events], twins[used : used + events]
            at = at[: len(twin)] if kind in ("reversal", "duplicate_case_id", "repeated_row") else at
            used += events
            self._change(kind, rows, at, twin[: len(at)], ordinal + np.arange(len(at)), chunk)
            planted += [(int(number), kind) for number in rows["case_no"][at]]
            if kind == "duplicate_case_id":
                planted += [(int(number), kind) for number in rows["case_no"][twin[: len(at)]]]
        return planted

    def _change(
        self, kind: str, rows: Rows, at: np.ndarray, twin: np.ndarray, ordinal: np.ndarray, chunk: Chunk
    ) -> None:
        if kind in ("reversal", "duplicate_case_id", "repeated_row"):
            _twin(kind, rows, at, twin)
        elif kind.endswith(("_money", "_amount", "_broken", "_without_original")):
            _money(kind, rows, at, ordinal, chunk)
        elif not self._codes(kind, rows, at, ordinal):
            self._columns(kind, rows, at, ordinal, chunk)

    def _codes(self, kind: str, rows: Rows, at: np.ndarray, ordinal: np.ndarray) -> bool:
        """Flaws of the code lists; False where the kind is none of them."""
        dx, spare = rows["dx"], rows["dx"].shape[1] - SPARE
        match kind:
            case "missing_principal":
                dx[at] = -1
                rows["dx_void"][at] = ordinal % 2 == 1
            case "unknown_principal":
                dx[at, 0] = self.unknown
            case "restricted_principal":
                dx[at, 0] = self.restricted[ordinal % len(self.restricted)]
            case "not_for_grouping_principal":
                dx[at, 0] = self.aside[ordinal % len(self.aside)]
            case "not_for_grouping_procedure":
                rows["px"][at, 0] = self.aside_px[ordinal % len(self.aside_px)]
            case "unknown_code":
                dx[at, spare] = self.unknown_second
            case "secondary_duplicate":
                dx[at, spare:] = self.repeated
            case "empty_code":
                dx[at, spare] = np.where(ordinal % 2 == 0, self.missing, self.empty)
            case "code_form":
                dx[at, spare] = self.odd[ordinal % len(self.odd)]
            case _:
                return False
        return True

    def _columns(self, kind: str, rows: Rows, at: np.ndarray, ordinal: np.ndarray, chunk: Chunk) -> None:
        """Flaws of single columns."""
        match kind:
            case "unknown_sex":
                rows["sex"][at] = 2
            case "sex_conflict":
                rows["dx"][at, 0] = np.where(rows["sex"][at] == 1, self.of_man, self.of_woman)
            case "newborn_without_days":
                rows["dx"][at, 0] = self.newborn
                rows["age_years"][at] = 0
                rows["age_days"][at] = NULL
            case "dates_reversed":
                rows["admission_date"][at] = rows["discharge_date"][at] + 1 + ordinal % 5
            case "zero_day_stay":
                rows["admission_date"][at] = rows["discharge_date"][at]
            case "other_period":
                first, days = month_span(chunk.month)
                rows["settlement_date"][at] = first + days + ordinal % 3
            case "unknown_hospital":
                rows["hospital"][at] = -2
            case "missing_value":
                for turn, column in enumerate(("insurance_type", "place", "total_fee_fen")):
                    rows[column][at[ordinal % 3 == turn]] = -1 if turn < 2 else NULL
            case _:
                raise ValueError(kind)


def _twin(kind: str, rows: Rows, at: np.ndarray, twin: np.ndarray) -> None:
    """Rows that repeat, contradict or cancel a clean row."""
    own = rows["case_no"][at]
    for column in rows.values():
        column[at] = column[twin]
    if kind == "duplicate_case_id":
        rows["total_fee_fen"][at] += 100
        rows["personal_paid_fen"][at] += 100
    elif kind == "reversal":
        rows["case_no"][at] = own
        rows["reverses_no"][at] = rows["case_no"][twin]
        _negate(rows, at)


def _money(kind: str, rows: Rows, at: np.ndarray, ordinal: np.ndarray, chunk: Chunk) -> None:
    """Flaws of the amounts."""
    if kind == "absurd_amount":
        more = 10_000_000_000 + 12_345 * (1 + ordinal)
        rows["total_fee_fen"][at] += more
        rows["personal_paid_fen"][at] += more
    elif kind == "identity_broken":
        rows["pool_fund_fen"][at] += 10_000 + ordinal
    else:
        _negate(rows, at)
        if kind == "reversal_without_original":
            rows["reverses_no"][at] = FIRST_RESERVE + chunk.start + np.arange(len(at))


def _negate(rows: Rows, at: np.ndarray) -> None:
    for name in rows:
        if name.endswith("_fen"):
            amount = rows[name][at]
            rows[name][at] = np.where(amount == NULL, NULL, -amount)
