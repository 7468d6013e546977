"""Speed and memory of clearing a year: `clear_year` on invented priced cases, in a process of its own.

    python tests/bench/clear_speed.py [--cases 5000000] [--hospitals 60] [--value floating] [--memory 2GiB]

The cases are made once and kept; the figure is what a trial with other bands or another budget costs. Goal: < 60 s, < 4 GiB.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from pathlib import Path

import duckdb

from pipeline.clear import clear_year
from pipeline.pack_clearing import ClearingEntry
from pipeline.query import engine, parquet_view

YEAR = 2025
# Points with four digits, a hospital's share of the year, one reversal in five hundred, one case in fifty paid apart.
CASES = """
SELECT printf('S%012d', n) AS case_id, printf('H%011d', h) AS hospital_id, CASE WHEN n % 3 = 0 THEN '390' ELSE '310' END AS insurance_type,
    '' AS budget_line, printf('2025-%02d', 1 + n % 12) AS period, printf('G%03d', hash(n) % 600) AS group_code, sign AS case_count,
    'r' AS rule_id,
    (CASE WHEN n % 50 = 0 THEN 0 ELSE sign * (100000 + (hash(n + 7) % 4000000)::BIGINT) * 0.0001 END)::DECIMAL(18, 6) AS points,
    CASE WHEN n % 50 = 0 THEN sign * fee ELSE 0 END AS apart_fen, sign * fee AS standard_fen, 0::BIGINT AS separate_fen,
    pool AS share_fund_fen, fee AS share_fee_fen, sign * pool AS fund_fen, sign * fee AS total_fee_fen,
    sign * pool AS pool_fund_fen, reverses
FROM (
    SELECT n, 1 AS sign, (hash(n) % $hospitals)::BIGINT AS h, (100000 + hash(n + 1) % 3000000)::BIGINT AS fee,
        fee * (60 + (n % 20)) // 100 AS pool, NULL AS reverses
    FROM range($cases) t(n)
)
"""


def made(folder: Path, cases: int, hospitals: int) -> Path:
    """The cases of the year with their reversals, written once."""
    path = folder / f"year-{cases}-{hospitals}.parquet"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        text = CASES.replace("$cases", str(cases)).replace("$hospitals", str(hospitals))
        duckdb.execute(f"COPY (WITH c AS ({text}) SELECT * FROM c UNION ALL SELECT * REPLACE (case_id || 'r' AS case_id, "
                       "-case_count AS case_count, -points AS points, -apart_fen AS apart_fen, -standard_fen AS standard_fen, "
                       "-fund_fen AS fund_fen, -total_fee_fen AS total_fee_fen, -pool_fund_fen AS pool_fund_fen, "
                       f"case_id AS reverses) FROM c WHERE case_id LIKE '%500') TO '{draft}' (FORMAT parquet)")  # fmt: skip
        draft.rename(path)
    return path


def main() -> None:
    """Parse the options, clear the year, print one line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=5_000_000)
    parser.add_argument("--hospitals", type=int, default=60)
    parser.add_argument("--value", default="floating")
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    source, out = made(options.folder, options.cases, options.hospitals), options.folder / "cleared"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    entry = ClearingEntry.model_validate(
        {"from": f"{YEAR}-01-01", "source": "测试取值", "value": options.value, "without_assessment": "one"}
    )
    with engine(out, options.memory) as con:
        parquet_view(con, "year_scored", [source])
        for text in (
            "year_rules AS SELECT 'r' AS rule_id, 'ratio' AS fund_method, 'hospital' AS fund_of, true AS negative_kept",
            "year_paid AS SELECT hospital_id, insurance_type, period, sum(fund_fen)::BIGINT AS fund_fen, 0 AS settled_fen,"
            " 0 AS revolving_offset_fen, 0 AS deposit_fen, 0 AS due_fen FROM year_scored GROUP BY ALL",
            "year_cash AS SELECT hospital_id, insurance_type, 0 AS cash_fen FROM year_paid WHERE false",
            "year_advances AS SELECT hospital_id, insurance_type, 0 AS advanced_fen, 0 AS returned_fen FROM year_paid WHERE false",
            "year_audits AS SELECT hospital_id, insurance_type, 0 AS audit_fen FROM year_paid WHERE false",
            "budgets AS SELECT insurance_type, '' AS budget_line, sum(fund_fen)::BIGINT AS fund_fen, 1 AS version FROM year_paid"
            " GROUP BY ALL",
            "assessments AS SELECT hospital_id, insurance_type, 1 AS coefficient_e4, 1 AS deposit_return_e4 FROM year_paid"
            " WHERE false",
            "hospitals AS SELECT DISTINCT hospital_id, hospital_id AS name, '二级' AS level FROM year_paid",
        ):
            con.execute(f"CREATE TABLE {text}")
        start, used = time.perf_counter(), time.process_time()
        laws = clear_year(con, entry, YEAR, out)
        seconds, used = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"clear {options.value:<9}{options.cases:>12,} cases {seconds:7.2f} s  cpu {used:7.2f} s  {len(laws)} laws"
          f"  peak {peak:.2f} GiB", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
