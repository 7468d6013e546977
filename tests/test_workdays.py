"""Working days: the published tables by hand, due dates by hand, a region's own days, every slip in a table."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError, UsageMistake
from pipeline.workdays import (
    Calendar,
    check_calendar,
    declaration_deadline,
    due_date,
    load_calendar,
)
from pipeline.workdays_seed import seed

ROOT = Path(__file__).parent.parent
HEADER = "date,kind,name,source\n"
YEAR = "2029,published,全年,国办发明电\n"
PUBLISHED_YEARS = (2024, 2025, 2026)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def days_of(year: int) -> list[dt.date]:
    first = dt.date(year, 1, 1)
    return [first + dt.timedelta(days=n) for n in range((dt.date(year + 1, 1, 1) - first).days)]


@pytest.fixture(scope="module")
def national() -> Calendar:
    return load_calendar()


def table(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


# (first day off, last day off, working weekend days), as the notices print them:
# 国办发明电〔2023〕7号, 〔2024〕12号, 〔2025〕7号. Weekends that a notice does not name stay days off.
NOTICES = {
    2024: [
        ("01-01", "01-01", []), ("02-10", "02-17", ["02-04", "02-18"]), ("04-04", "04-06", ["04-07"]),
        ("05-01", "05-05", ["04-28", "05-11"]), ("06-10", "06-10", []), ("09-15", "09-17", ["09-14"]),
        ("10-01", "10-07", ["09-29", "10-12"]),
    ],
    2025: [
        ("01-01", "01-01", []), ("01-28", "02-04", ["01-26", "02-08"]), ("04-04", "04-06", []),
        ("05-01", "05-05", ["04-27"]), ("05-31", "06-02", []), ("10-01", "10-08", ["09-28", "10-11"]),
    ],
    2026: [
        ("01-01", "01-03", ["01-04"]), ("02-15", "02-23", ["02-14", "02-28"]), ("04-04", "04-06", []),
        ("05-01", "05-05", ["05-09"]), ("06-19", "06-21", []), ("09-25", "09-27", []),
        ("10-01", "10-07", ["09-20", "10-10"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("year", PUBLISHED_YEARS)
def test_every_day_of_a_published_year_is_as_the_notice_says(year: int, national: Calendar) -> None:
    off, work = set(), set()
    for first, last, working in NOTICES[year]:
        off |= {one for one in days_of(year) if day(f"{year}-{first}") <= one <= day(f"{year}-{last}")}
        work |= {day(f"{year}-{one}") for one in working}
    for one in days_of(year):
        expected = one in work or (one.weekday() < 5 and one not in off)
        assert national.is_workday(one) is expected, one
    assert national.status(year) == "published"


# Moving days (调休) neither gives nor takes: working days = days − weekend days − statutory holidays.
# 2024: 366 − 104 − 11; 2025: 365 − 104 − 13; 2026: 365 − 104 − 13 (放假办法: 11 days before, 13 from 2025 on).
@pytest.mark.parametrize(("year", "count"), [(2024, 251), (2025, 248), (2026, 248)])
def test_a_year_has_as_many_working_days_as_the_law_leaves(year: int, count: int, national: Calendar) -> None:
    assert sum(national.is_workday(one) for one in days_of(year)) == count


def test_year_not_yet_announced_holds_the_thirteen_statutory_days(national: Calendar) -> None:
    # 放假办法第二条: 1 + 4 + 1 + 2 + 1 + 1 + 3 = 13; the lunar days fall on 6 Feb, 9 Jun, 15 Sep (lunar tables).
    found = [one.strftime("%m-%d") for one, row in national.days.items() if one.year == 2027]
    assert found == [
        "01-01", "02-05", "02-06", "02-07", "02-08", "04-05", "05-01", "05-02", "06-09", "09-15",
        "10-01", "10-02", "10-03",
    ]  # fmt: skip
    assert national.status(2027) == "provisional"
    assert not national.is_workday(day("2027-10-01"))
    assert national.is_workday(day("2027-10-04"))  # a Monday that only the notice could free


@pytest.mark.parametrize(
    ("period", "declare_by", "workdays", "due"),
    [
        # Deadline Wed 2025-09-10. Sep 11 12 (2), 15–19 (7), 22–26 (12), Sun 28 (13), 29 30 (15);
        # Oct 1–8 off; 9 10 (17), Sat 11 (18), 13 14 (20).
        ("2025-08", 10, 20, "2025-10-14"),
        # Deadline Fri 2025-10-10. Sat 11 (1), 13–17 (6), 20–24 (11), 27–31 (16), Nov 3–6 (20).
        ("2025-09", 10, 20, "2025-11-06"),
        # Over the new year; the deadline, a Saturday, stays. 2026-01-12–16 (5), 19–23 (10), 26–30 (15), Feb 2–6 (20).
        ("2025-12", 10, 20, "2026-02-06"),
        # An older rule of 30: on with Feb 9–13 (25), Sat 14 (26); 15–23 off; 24–27 (30).
        ("2025-12", 10, 30, "2026-02-27"),
    ],
)
def test_due_date_is_the_one_counted_by_hand(
    period: str, declare_by: int, workdays: int, due: str, national: Calendar
) -> None:
    assert due_date(national, period, declare_by, workdays) == day(due)


def test_lead_pays_its_members_ten_working_days_after_it_is_paid(national: Calendar) -> None:
    # Paid on Tue 2025-09-23: Sep 24 25 26 (3), Sun 28 (4), 29 30 (6), Oct 9 10 (8), Sat 11 (9), 13 (10).
    assert national.add_workdays(day("2025-09-23"), 10) == day("2025-10-13")


def test_declaration_ends_on_the_last_day_of_a_month_that_is_too_short() -> None:
    assert declaration_deadline("2025-01", 31) == day("2025-02-28")
    assert declaration_deadline("2025-12", 31) == day("2026-01-31")
    assert declaration_deadline("2025-11", 1) == day("2025-12-01")
    for nonsense in (0, 32):
        with pytest.raises(ConfigurationError, match=f"每月 {nonsense} 日；须为 1 至 31"):
            declaration_deadline("2025-01", nonsense)


def test_counting_is_one_step_at_a_time(national: Calendar) -> None:
    start = day("2025-09-26")
    counted = [national.add_workdays(start, n) for n in range(60)]
    assert counted[0] == start  # nothing is counted
    for before, after in pairwise(counted):
        assert national.is_workday(after)
        between = [before + dt.timedelta(days=n) for n in range(1, (after - before).days)]
        assert not any(national.is_workday(one) for one in between)
    with pytest.raises(ValueError, match="forward"):
        national.add_workdays(start, -1)


def test_uncovered_year_names_the_file_to_extend_and_what_to_write(tmp_path: Path) -> None:
    pack = tmp_path / "our-city"
    calendar = load_calendar(pack)
    for asked in (
        lambda: calendar.is_workday(day("2029-03-01")),
        lambda: calendar.status(2029),
        lambda: calendar.add_workdays(day("2028-12-31"), 1),
    ):
        with pytest.raises(ConfigurationError) as caught:
            asked()
        said = str(caught.value)
        assert said.startswith("工作日历没有 2029 年，算不出到期日；现有：2024、2025、2026、2027；请新建 ")
        for part in (
            "data/calendar/2029.csv",
            str(pack / "calendar.csv"),
            HEADER.strip(),
            "2029,published,全年,",
        ):
            assert part in said
        assert "\n" not in said
    with pytest.raises(ConfigurationError, match=r"地区文件夹的 calendar\.csv"):
        load_calendar().status(2029)
    # A count that stops before the border needs no next year.
    assert load_calendar(None, table(tmp_path / "n", "2029.csv", HEADER + YEAR)).add_workdays(
        day("2028-12-31"), 1
    ) == day("2029-01-01")


def test_check_warns_of_a_provisional_year_and_refuses_an_uncovered_one(national: Calendar) -> None:
    assert check_calendar(national, 2024, 2026) == []
    warning, error = check_calendar(national, 2026, 2028)
    assert (warning.severity, Path(warning.where).name) == ("warning", "2027.csv")
    assert "2027 年是暂定的" in warning.message and "以国务院办公厅通知为准" in warning.message
    assert (error.severity, Path(error.where).name) == ("error", "2028.csv")
    assert error.message.startswith("工作日历没有 2028 年")


def test_region_lays_its_own_days_over_the_nation(tmp_path: Path) -> None:
    rows = (
        "2025-03-31,off,三月三,自治区人民政府通知\n"  # a Monday; days off that the nation works
        "2025-10-11,off,防汛,市政府通告\n"  # the nation moved work to this Saturday
        "2025-10-08,work,补班,市政府通告\n"  # the nation is off
    )
    calendar = load_calendar(table(tmp_path, "calendar.csv", HEADER + rows))
    assert not calendar.is_workday(day("2025-03-31"))
    assert calendar.is_workday(day("2025-04-01"))
    assert not calendar.is_workday(day("2025-10-11"))
    assert calendar.is_workday(day("2025-10-08"))
    assert not calendar.is_workday(day("2025-10-07"))  # the nation's other days hold
    assert calendar.days[day("2025-03-31")].name == "三月三"
    assert calendar.status(2025) == "published"
    # As by hand above for 2025-08 with Oct 8 in and Sat 11 out: … 30 (15), Oct 8 9 10 (18), 13 14 (20).
    assert due_date(calendar, "2025-08", 10, 20) == day("2025-10-14")
    assert due_date(calendar, "2025-08", 10, 16) == day("2025-10-08")


def test_region_that_brings_a_whole_year_replaces_the_nations(tmp_path: Path) -> None:
    rows = "2027,published,全年,国办通知\n2027-01-01,off,元旦,国办通知\n2029,provisional,全年,放假办法\n"
    calendar = load_calendar(table(tmp_path, "calendar.csv", HEADER + rows))
    assert calendar.status(2027) == "published"
    assert not calendar.is_workday(day("2027-01-01"))
    assert calendar.is_workday(day("2027-10-01"))  # a Friday: the nation's provisional day is gone
    assert not calendar.is_workday(day("2025-10-01"))  # other years stay
    assert [problem.where for problem in check_calendar(calendar, 2027, 2029)] == [
        str(calendar.national_folder / "2028.csv"), str(tmp_path / "calendar.csv"),
    ]  # fmt: skip


def test_region_row_alone_does_not_cover_a_year(tmp_path: Path) -> None:
    calendar = load_calendar(table(tmp_path, "calendar.csv", HEADER + "2029-04-16,off,三月三,通知一号\n"))
    with pytest.raises(ConfigurationError, match="没有 2029 年"):
        calendar.is_workday(day("2029-04-16"))


SLIPS = [
    ("2029-01-01,holiday,元旦,国办发明电\n", "第 3 行，日期行的 kind 为 `holiday`；须为 off 或 work"),
    ("2029-01-01,published,元旦,国办发明电\n", "第 3 行，日期行的 kind 为 `published`；须为 off 或 work"),
    ("2029-02-30,off,春节,国办发明电\n", "第 3 行，date 为 `2029-02-30`"),
    ("2029/1/1,off,元旦,国办发明电\n", "第 3 行，date 为 `2029/1/1`"),
    ("20290101,off,元旦,国办发明电\n", "第 3 行，date 为 `20290101`"),
    ("2028-12-31,off,元旦,国办发明电\n", "第 3 行，`2028-12-31` 不是 2029 年"),
    ("2029-01-01,off,,国办发明电\n", "第 3 行，name 不得为空"),
    ("2029-01-01,off,元旦,国办\n", "第 3 行，name 不得为空，source 至少 4 个字"),
    ("2029-01-01,off,元旦\n", "不足 4 列"),
    (
        "2029-01-01,off,元旦,国办发明电\n2029-01-01,work,元旦,国办发明电\n",
        "第 4 行的 `2029-01-01` 已出现过",
    ),
    (
        "2029-01-01,off,元旦,国办发明电\n2029-01-02,work,元旦,国办发明电\n",
        "第 4 行，2029-01-02 本来就是工作日",
    ),
]


@pytest.mark.parametrize(("rows", "said"), SLIPS)
def test_slip_in_a_table_is_told_with_its_line(rows: str, said: str, tmp_path: Path) -> None:
    folder = table(tmp_path, "2029.csv", HEADER + YEAR + rows)
    with pytest.raises(ConfigurationError) as caught:
        load_calendar(None, folder)
    assert said in str(caught.value) and str(folder / "2029.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "2029-01-01,off,元旦,国办发明电\n", "缺年份行"),
        (HEADER + "2029,final,全年,国办发明电\n", "年份行的 kind 为 `final`；须为 published 或 provisional"),
        (HEADER + "2028,published,全年,国办发明电\n", "`2028` 不是 2029 年"),
        ("date,kind,name\n2029,published,全年\n", "表头不符"),
        ("", "表头不符"),
    ],
)
def test_table_without_its_year_or_header_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_calendar(None, table(tmp_path, "2029.csv", text))


def test_region_working_on_a_day_that_the_nation_works_is_a_slip(tmp_path: Path) -> None:
    # Sat 2025-10-11 is a working day already, by the national table and not by the day of the week.
    folder = table(tmp_path, "calendar.csv", HEADER + "2025-10-11,work,补班,市政府通告\n")
    with pytest.raises(ConfigurationError, match="2025-10-11 本来就是工作日"):
        load_calendar(folder)


def test_table_saved_by_excel_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "2029.csv").write_text(HEADER + YEAR, encoding="utf-8-sig")
    assert load_calendar(None, tmp_path).status(2029) == "published"


def test_tables_agree_with_chinese_calendar_on_every_day(national: Calendar) -> None:
    library = pytest.importorskip("chinese_calendar")
    last = max(one.year for one in library.constants.holidays)
    published = [
        year for year, covered in national.years.items() if covered.status == "published" and year <= last
    ]
    assert set(PUBLISHED_YEARS) <= set(published)
    for year in published:
        for one in days_of(year):
            assert national.is_workday(one) is library.is_workday(one), one


def test_seed_writes_the_table_that_stands_in_the_repository() -> None:
    pytest.importorskip("chinese_calendar")
    stored = (ROOT / "data/calendar/2025.csv").read_text(encoding="utf-8")
    assert seed(2025, "国办发明电〔2024〕12号") == stored
    with pytest.raises(UsageMistake, match="不知道 1999 年"):
        seed(1999, "国办发明电")


def test_seed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chinese_calendar", None)
    monkeypatch.setitem(sys.modules, "chinese_calendar.constants", None)
    with pytest.raises(UsageMistake, match="pip install -U chinese-calendar"):
        seed(2025, "国办发明电")


def test_seed_command_ends_in_a_sentence_and_not_in_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.workdays_seed", "1999", "--source", "国办发明电"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("用法：") and done.stderr.count("\n") == 1


def test_example_of_the_page_is_a_table_that_loads(tmp_path: Path) -> None:
    page = (ROOT / "docs/calendar.md").read_text(encoding="utf-8")
    example = page.split("```csv\n")[2].split("```")[0]  # the second block: a region's own
    calendar = load_calendar(table(tmp_path, "calendar.csv", example))
    assert {one for one, row in calendar.days.items() if "示例" in row.source} == {
        day("2025-03-31"), day("2025-04-01"), day("2025-04-02"),
    }  # fmt: skip
    assert not calendar.is_workday(day("2025-04-01"))
