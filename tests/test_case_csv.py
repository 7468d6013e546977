"""Case lists as CSV: exact yuan, no formulas, Chinese headers behind a BOM."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from pipeline.case_csv import write_case_csv


def test_csv_is_exact_and_safe(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "case_id": ["=1+1", "C2", "@x", "-9"],
            "fee_fen": [-5, 9_007_199_254_740_993, None, 100],  # 2^53 + 1: a float would lose the last fen
            "day": [dt.date(2025, 10, 1)] * 4,
            "weight": pl.Series([Decimal("-0.9258")] * 4, dtype=pl.Decimal(10, 4)),
            "dx": [["I10", "E11"], [], None, ["=A1"]],
        }
    )
    headers = {"case_id": "结算ID", "fee_fen": "医疗费用", "day": "日期", "weight": "权重", "dx": "诊断"}
    write_case_csv(tmp_path / "c.csv", frame, headers)
    raw = (tmp_path / "c.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.decode("utf-8-sig").split("\r\n") == [
        "结算ID,医疗费用,日期,权重,诊断",
        "'=1+1,-0.05,2025-10-01,-0.9258,I10|E11",
        'C2,90071992547409.93,2025-10-01,-0.9258,""',
        "'@x,,2025-10-01,-0.9258,",
        "'-9,1.00,2025-10-01,-0.9258,'=A1",
        "",
    ]
    with pytest.raises(TypeError, match="fee"):
        write_case_csv(tmp_path / "d.csv", pl.DataFrame({"fee": [1.5]}), {"fee": "费用"})
