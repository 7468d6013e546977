"""The tables of the ledger: what was computed, published, paid, changed and decided. See docs/ledger.md.

Append-only: rows are added, never altered or removed (triggers refuse it). Case results stand in immutable run folders,
whose hashes are here. Times are texts in ISO 8601 with their zone, money is integer fen, a period is `2025-10` or,
for a year that is cleared, `2025`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text, UniqueConstraint

VERSION = 2  # of the schema; see `MIGRATIONS` in ledger.py
SINCE = "since"  # in a table's info: the version of the schema that brought it; 1 where nothing is said
metadata = MetaData()


def _key(name: str) -> Column[str]:
    return Column(name, String(80), primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _serial() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


# Which schema the file is in; one row per migration.
ledger_schema = Table(
    "ledger_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False), _text("applied_at"),
    _text("code_version"),
)  # fmt: skip

# One row per finished run: a month (`month`) or a year (`clear`).
run = Table(
    "run", metadata, _key("run_id"), _text("region"), _text("kind"), _text("period"), _text("folder"),
    _text("manifest_sha256"), _text("pack_version"), _text("pack_sha256"), _text("code_version"),
    _text("computed_by"), _text("host"), _count("pid"), _text("started_at"), _text("finished_at"), _count("rows_in"),
    _count("paid_rows"), _count("refused_rows"), _count("held_rows"), _count("cases"), _count("fund_fen"),
    _count("payable_fen"),
)  # fmt: skip

run_input = Table(
    "run_input", metadata, _key("run_id"), Column("place", Integer, primary_key=True), _text("name"), _text("sha256"),
)  # fmt: skip

run_scheme = Table(
    "run_scheme", metadata, _key("run_id"), Column("place", Integer, primary_key=True), _text("name"), _text("sha256"),
)  # fmt: skip

# What a run says each hospital is owed; a month and a year alike (a year's `due_fen` is its clearing).
hospital_result = Table(
    "hospital_result", metadata, _key("run_id"), _key("hospital_id"), _key("insurance_type"), _count("cases"),
    _count("total_fee_fen"), _count("pool_fund_fen"), _count("standard_fen"), _count("fund_fen"),
    _count("settled_fen"), _count("revolving_offset_fen"), _count("deposit_fen"), _count("due_fen"),
    _count("carried_in_fen"), _count("adjustment_in_fen"), _count("payable_fen"), _count("carried_fen"),
)  # fmt: skip

# What an alliance (医共体) keeps of its package's surplus less what it bears of an overspend, by a year's clearing.
alliance_result = Table(
    "alliance_result", metadata, _key("run_id"), _key("alliance_id"), _key("insurance_type"), _count("kept_fen"),
    info={SINCE: 2},
)  # fmt: skip

# One row per act of publishing; the highest version of a period counts.
publication = Table(
    "publication", metadata, _key("publication_id"), _text("region"), _text("kind"), _text("period"),
    Column("version", Integer, nullable=False), _text("run_id"), _text("folder"), _text("manifest_sha256"),
    _text("computed_by"), _text("approved_by"), _text("published_at"), _text("due_on"), _count("paid_fen"),
    UniqueConstraint("region", "period", "version"),
)  # fmt: skip

# What finance pays: one row per payee, hospital and insurance type. A negative amount is paid back by the hospital.
payment = Table(
    "payment", metadata, _key("publication_id"), _key("hospital_id"), _key("insurance_type"), _key("payee_id"),
    _count("amount_fen"), _text("due_on"),
)  # fmt: skip

# A published period that was computed again: what it should have been less what was published.
adjustment = Table(
    "adjustment", metadata, _key("publication_id"), _key("hospital_id"), _key("insurance_type"), _text("period"),
    _count("published_fen"), _count("recomputed_fen"), _count("difference_fen"),
)  # fmt: skip

# Which publication's adjustments went into which later publication's payments; each goes once.
adjustment_paid = Table(
    "adjustment_paid", metadata, _key("adjusted_publication_id"), _text("publication_id"),
)  # fmt: skip

# 预结算 → 医院确认/申诉 → 复核 → 发布, of a month and of a year alike.
period_state = Table(
    "period_state", metadata, _serial(), _text("region"), _text("period"), _text("run_id"), _text("state"),
    _text("hospital_id"), _text("said_by"), _text("said_at"), _text("note"),
)  # fmt: skip

# 方案制定 → 数据准备 → 综合考核 of a year to be cleared; the last row of a step counts. What follows, 金额核算 and
# 审定拨付, are rows of `run`, `period_state` and `publication`.
year_step = Table(
    "year_step", metadata, _serial(), _text("region"), _text("year"), _text("step"), _text("sha256"), _text("said_by"),
    _text("said_at"), _text("note"), info={SINCE: 2},
)  # fmt: skip

# What a step fixed, one thing a row; `sha256` of the step is of all of them.
year_fixed = Table(
    "year_fixed", metadata, Column("step_id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(160), primary_key=True), _text("value"), info={SINCE: 2},
)  # fmt: skip

# Special case review (特例单议): the later row of a case counts.
decision = Table(
    "decision", metadata, _serial(), _text("region"), _text("case_id"), _text("decision"),
    Column("standard_fen", BigInteger), _count("rank"), _text("reviewer"), _text("decided_on"), _text("reason"),
    _text("document"), _text("file_sha256"), _text("imported_by"), _text("imported_at"),
)  # fmt: skip
