"""What a publication leaves for finance and hospitals: payment list, differences, the statements as they were approved."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.accounts import Account, account_on
from pipeline.case_csv import write_case_csv
from pipeline.identity import sha256_of
from pipeline.region import Region
from pipeline.workbook import Book, Cell, Field, fitted, open_book
from pipeline.write import appearing

PAYMENTS, DIFFERENCES = "payments", "differences"
_PAYMENT_FIELDS = [
    Field("fund_name", "基金", "text", 14),
    Field("payee_id", "收款单位编号", "text", 16),
    Field("payee_name", "收款单位", "text", 26),
    Field("hospital_id", "结算机构编号", "text", 16),
    Field("hospital_name", "结算机构", "text", 26),
    Field("amount_fen", "应付金额", "money", 14),
    Field("due_on", "最迟拨付日", "text", 12),
    Field("payee_account", "收款账户", "text", 62),
    Field("payer_account", "付款账户", "text", 62),
]
_DIFFERENCE_FIELDS = [
    Field("period", "结算期", "text", 10),
    Field("hospital_id", "机构编号", "text", 16),
    Field("hospital_name", "机构名称", "text", 26),
    Field("fund_name", "基金", "text", 14),
    Field("published_fen", "已发布", "money", 14),
    Field("recomputed_fen", "重算后", "money", 14),
    Field("difference_fen", "补差（补＋、扣−）", "money", 16),
]


@dataclass(frozen=True)
class Head:
    """What stands above the lists; `last_day` of the period is the workbook's only date."""

    publication_id: str
    title: str
    period: str
    version: int
    run_id: str
    computed_by: str
    approved_by: str
    due_on: dt.date
    last_day: dt.date

    def lines(self) -> list[list[str]]:
        return [
            [f"结算期：{self.period}　第 {self.version} 版", f"批次：{self.run_id}　金额单位：元"],
            [f"计算：{self.computed_by}　审批：{self.approved_by}", f"最迟拨付日：{self.due_on}"],
        ]


def write_publication(
    folder: Path, head: Head, run_folder: Path, region: Region, payments: Sequence[dict[str, Any]],
    differences: Sequence[dict[str, Any]], accounts: Sequence[Account],
) -> str:  # fmt: skip
    """The folder of a publication, complete or not at all; returns the hash of its manifest.

    `payments`: hospital_id, insurance_type, payee_id, amount_fen, due_on; `differences`: hospital_id, insurance_type,
    period, published_fen, recomputed_fen, difference_fen.
    """
    names = {one.alliance_id: f"{one.alliance_name}（结余留用、超支分担）" for one in region.memberships}
    names |= {hospital.hospital_id: hospital.name for hospital in region.hospitals}
    funds = {code: f"{name}统筹" for code, name in region.pack.insurance_types.items()}

    def shown(holder: str) -> str:
        found = account_on(accounts, holder, head.due_on)
        return f"{found.account_name} {found.bank} {found.account_number}" if found else ""

    paid = [
        row | {"fund_name": funds[row["insurance_type"]], "payee_name": names.get(row["payee_id"], ""),
               "hospital_name": names.get(row["hospital_id"], ""), "payer_account": shown(row["insurance_type"]),
               "payee_account": shown(row["payee_id"])}
        for row in payments
    ]  # fmt: skip
    changed = [
        row | {"fund_name": funds[row["insurance_type"]], "hospital_name": names.get(row["hospital_id"], "")}
        for row in differences
    ]
    with appearing(folder, folder=True) as beside:
        with open_book(beside / "payments.xlsx", f"{head.title}{head.period}拨付清单", head.run_id,
                       dt.datetime.combine(head.last_day, dt.time())) as book:  # fmt: skip
            _write_payments(
                book, head, sorted(paid, key=lambda row: (row["insurance_type"], row["payee_id"]))
            )
            if changed:
                _write_differences(book, head, changed)
        for name, rows, fields in (
            (PAYMENTS, paid, _PAYMENT_FIELDS),
            (DIFFERENCES, changed, _DIFFERENCE_FIELDS),
        ):
            kinds = {f.name: pl.Int64 if f.kind == "money" else pl.String for f in fields}
            frame = pl.DataFrame(rows, schema=kinds | {"insurance_type": pl.String})
            frame.write_parquet(beside / f"{name}.parquet")
            write_case_csv(beside / f"{name}.csv", frame, {f.name: f.title for f in fields})
        for place in ("hospitals", "alliances"):
            if (run_folder / place).is_dir():
                shutil.copytree(run_folder / place, beside / place)
        shutil.copy2(run_folder / "region.xlsx", beside / "region.xlsx")
        files = sorted(file for file in beside.rglob("*") if file.is_file())
        manifest = {
            "publication": head.publication_id, "run": head.run_id, "period": head.period, "version": head.version,
            "computed_by": head.computed_by, "approved_by": head.approved_by, "due_on": head.due_on.isoformat(),
            "files": {str(file.relative_to(beside)): sha256_of(file) for file in files},
        }  # fmt: skip
        path = beside / "manifest.json"
        path.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return sha256_of(path)


def _write_payments(book: Book, head: Head, rows: Sequence[dict[str, Any]]) -> None:
    """By fund, then by payee; a sum for each fund and for all."""
    funds = list(dict.fromkeys(row["fund_name"] for row in rows))
    sums = {fund: sum(row["amount_fen"] for row in rows if row["fund_name"] == fund) for fund in funds}
    total = {"fund_name": "合计", "amount_fen": sum(sums.values())}
    # One account pays a whole fund: it stands above the fund's rows, and as a column in the lists for systems.
    fields = fitted([field for field in _PAYMENT_FIELDS if field.name != "payer_account"], total, *rows)
    sheet = book.sheet("拨付清单")
    sheet.banner(f"{head.title}　拨付清单", head.lines(), right=5)
    sheet.header(fields, frozen=2)
    blank: Cell = (None, "text")
    for fund in funds:
        own = [row for row in rows if row["fund_name"] == fund]
        payer = f"{fund}　付款账户：{own[0]['payer_account'] or '（账户表未登记）'}"
        sheet.line([(payer, "text"), *[blank] * (len(fields) - 1)], "section")
        for row in own:
            sheet.total(row, fields, "body")
        sheet.total({"fund_name": f"{fund}小计", "amount_fen": sums[fund]}, fields)
    sheet.total(total, fields)
    sheet.note("制表：　　　　　　　　　　复核：　　　　　　　　　　审批：　　　　　　　　　　日期：", 1)


def _write_differences(book: Book, head: Head, rows: Sequence[dict[str, Any]]) -> None:
    names = ("published_fen", "recomputed_fen", "difference_fen")
    total = {"period": "合计", **{name: sum(row[name] for row in rows) for name in names}}
    fields = fitted(_DIFFERENCE_FIELDS, total, *rows)
    sheet = book.sheet("重算补差")
    sheet.banner(f"{head.title}　重算补差（随下一个发布的月份支付）", head.lines(), right=4)
    sheet.header(fields, frozen=3)
    for row in rows:
        sheet.total(row, fields, "body")
    sheet.total(total, fields)
