"""Apply decisions of special case review (特例单议) to cases before they are priced, inside the quota of the year.

`ruled` becomes `decided`, which the stages after it read; without decisions they are the same view.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.decisions import Decision, decisions_sha
from pipeline.pack_settlement import ReviewEntry
from pipeline.query import engine, keep, parquet_view, store, table, view
from pipeline.read import Source, stream
from pipeline.region import FOREVER, Region
from pipeline.terms import RULE_UNIT, scaled

_TEXT, _INT, _DAY = pa.string(), pa.int64(), pa.date32()
DECISIONS = pa.schema(
    [("case_id", _TEXT), ("decision", _TEXT), ("given_fen", _INT), ("rank", _INT), ("reviewer", _TEXT),
     ("decided_on", _DAY), ("reason", _TEXT), ("document", _TEXT)]
)  # fmt: skip
REVIEW_RULES = pa.schema(
    [("review_from", _DAY), ("valid_to", _DAY), ("share_e4", _INT), ("stay_ge", _INT), ("over_e4", _INT),
     ("over_text", _TEXT), ("fee_ge_fen", _INT), ("fee_text", _TEXT), ("new_tech", pa.bool_()), ("transfers_ge", _INT)]
)  # fmt: skip
QUOTA_BEFORE = pa.schema(
    [("quota_year", _INT), ("review_from", _DAY), ("discharges", _INT), ("approvals", _INT)]
)
REVIEW_QUOTA = pa.schema(
    [("quota_year", _INT), ("review_from", _DAY), ("share_e4", _INT), ("discharges_before", _INT),
     ("discharges", _INT), ("approvals_before", _INT), ("quota", _INT)]
)  # fmt: skip


@dataclass(frozen=True)
class QuotaUse:
    """What earlier published months count towards a quota: discharges and approvals, reversals −1.

    Of one year of the pricing date and one entry of `review`, named by its first day.
    """

    quota_year: int
    review_from: dt.date
    discharges: int
    approvals: int


@dataclass(frozen=True)
class Review:
    """What a run needs of special case review: the pack's entries, the decisions it meets, what earlier months used."""

    entries: tuple[ReviewEntry, ...] = ()
    decisions: tuple[Decision, ...] = ()
    before: tuple[QuotaUse, ...] = ()

    @property
    def sha256(self) -> str:
        """Part of the name of a run: empty without decisions, for then nothing of the review changes a payment."""
        if not self.decisions:
            return ""
        used = [[str(part) for part in vars(one).values()] for one in self.before]
        return hashlib.sha256(json.dumps([decisions_sha(self.decisions), used]).encode()).hexdigest()


def review_of(
    region: Region, decisions: Sequence[Decision], source: Source | None, files: Sequence[Path],
    published: Sequence[Path] = (),
) -> Review:  # fmt: skip
    """The review of a run: of all decisions those whose case it meets, so that others do not rename it.

    A run meets the cases of `source` and of `files` (Parquet with case_id): rows offered again, a stored run.
    `published`: the folders of the other published months, which have used places of the quota.
    """
    entries = tuple(region.pack.review)
    wanted = pa.array([one.case_id for one in decisions], pa.string())
    met = _met(wanted, source, files) if len(wanted) else frozenset()
    held = tuple(one for one in decisions if one.case_id in met)
    return Review(entries, held, used_before(entries, published) if held else ())


def _met(wanted: pa.Array, source: Source | None, files: Sequence[Path]) -> frozenset[str]:
    """Which of these cases stand in the input or in the files."""
    found: list[pa.Array | pa.ChunkedArray] = []
    if source is not None:
        ids = tuple(column for column in source.columns if column.name == "case_id")
        narrow = replace(source, columns=ids, present=frozenset({"case_id"}))
        found += stream(narrow, lambda _, batch: _among(batch.column("case_id"), wanted))
    found += [_among(pq.read_table(file, columns=["case_id"]).column("case_id"), wanted) for file in files]
    return frozenset(case_id for part in found for case_id in part.to_pylist())


def _among(case_ids: pa.Array | pa.ChunkedArray, wanted: pa.Array) -> pa.Array | pa.ChunkedArray:
    return case_ids.filter(pc.is_in(case_ids, wanted))


def register_review(con: duckdb.DuckDBPyConnection, review: Review) -> None:
    """`decisions`, `review_rules` and `quota_before` as SQL tables."""
    decided = [vars(one) | {"given_fen": one.standard_fen} for one in review.decisions]
    con.register("decisions", pa.Table.from_pylist(decided, DECISIONS))
    con.register(
        "review_rules", pa.Table.from_pylist([_rule(one) for one in with_ends(review.entries)], REVIEW_RULES)
    )
    con.register("quota_before", pa.Table.from_pylist([vars(one) for one in review.before], QUOTA_BEFORE))


def with_ends(entries: Sequence[ReviewEntry]) -> list[tuple[ReviewEntry, dt.date]]:
    """Each entry with the last day on which it holds."""
    nexts = [entry.from_ - dt.timedelta(days=1) for entry in entries[1:]]
    return [
        (entry, entry.to or end) for entry, end in zip(entries, [*nexts, FOREVER], strict=False)
    ]  # without entries there is one end too many


def _rule(held: tuple[ReviewEntry, dt.date]) -> dict[str, object]:
    entry, last = held
    over, fee = entry.fee_over_standard_gt, entry.fee_ge_yuan
    return {
        "review_from": entry.from_, "valid_to": last, "share_e4": scaled(entry.quota_share, RULE_UNIT),
        "stay_ge": entry.stay_days_ge, "over_e4": None if over is None else scaled(over, RULE_UNIT),
        "over_text": None if over is None else f"{over.normalize():f}",
        "fee_ge_fen": None if fee is None else scaled(fee, 100),
        "fee_text": None if fee is None else f"{fee.normalize():f}",
        "new_tech": entry.new_tech, "transfers_ge": entry.ward_transfers_ge,
    }  # fmt: skip


def decide(con: duckdb.DuckDBPyConnection, review: Review) -> None:
    """`decided` from `ruled`, and `review_quota` and `review_verdict` where there are decisions.

    The views up to `priced` are there; a decided case is priced without its decision first, it alone.
    """
    register_review(con, review)
    con.execute("CREATE OR REPLACE VIEW decided AS FROM ruled")
    if not review.decisions:
        con.register("review_quota", REVIEW_QUOTA.empty_table())
        return
    view(con, "priced")
    for name in ("taken_back", "review_quota"):
        keep(con, f"review/{name}")
    view(con, "review/cases")
    keep(con, "review/review_cases")
    view(con, "cases")
    con.execute("CREATE OR REPLACE VIEW reviewable AS FROM review_cases WHERE input_row IS NOT NULL")
    keep(con, "review/conditions_met")
    keep(con, "review/review_verdict")
    view(con, "decided")


def over_quota(con: duckdb.DuckDBPyConnection, review: Review) -> pa.Table | None:
    """The findings of approvals that the quota refuses, shaped as `late_findings`; None without decisions."""
    return table(con, "review/over_quota") if review.decisions else None


def store_outcome(con: duckdb.DuckDBPyConnection, review: Review, folder: Path) -> None:
    """review_outcome.parquet and review_quota.parquet beside scored.parquet; neither without decisions."""
    if review.decisions:
        store(con, "review/review_outcome", folder / "review_outcome.parquet")
        con.table("review_quota").write_parquet(str(folder / "review_quota.parquet"), compression="zstd")


def used_before(entries: Sequence[ReviewEntry], published: Sequence[Path]) -> tuple[QuotaUse, ...]:
    """What published months (their run folders, without the one being computed) count towards the quotas."""
    if not published or not entries:
        return ()
    with tempfile.TemporaryDirectory(prefix="drgdip-") as spill, engine(Path(spill)) as con:
        register_review(con, Review(tuple(entries)))
        parquet_view(con, "published", [folder / "scored.parquet" for folder in published])
        return tuple(QuotaUse(**row) for row in table(con, "review/quota_before").to_pylist())
