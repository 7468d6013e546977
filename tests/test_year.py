"""A year's states: 方案制定 → 数据准备 → 综合考核 → 金额核算 → 审定拨付, each recorded with what it fixed.

Months and clearings are made up (`Office.stub`); a year cleared through the real pipeline is in test_months.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import in_process
from ledger_fixtures import NAME, Office

from pipeline import ledger_tables as tables
from pipeline.clear_run import run_clearing
from pipeline.clear_trial import trial_of
from pipeline.decisions import Decision, store
from pipeline.errors import AuditBroken, ConfigurationError, UsageMistake
from pipeline.ledger import insert, stamp
from pipeline.year_commands import year_states
from pipeline.year_ground import plan_of
from pipeline.year_steps import ASSESSMENT, DATA, PLAN, STEPS, Taken, prove_steps, take_step
from tests.alliance_fixtures import M01, MEMBERS, alliance_pack
from tests.pricing_fixtures import dated

YEAR = "2025"
DUE = {("H1", "310"): 1000_00, ("H3", "390"): 2000_00}
CLEARING = "\nclearing: [{from: 2025-01-01, source: 测试取值, value: fixed, without_assessment: refuse}]\n"
ASSESSED = """year,hospital_id,insurance_type,coefficient,deposit_return,source
2025,H1,,0.98,1,考核通报
2025,H3,390,1,0.9,考核通报
"""


def final(
    office: Office, period: str, due: dict[tuple[str, str], int], version: int = 1, mark: str = ""
) -> str:
    """A made-up month that stands in the ledger as published; its run. Quicker than publishing: no files for people."""
    run_id = office.stub(period, due, mark=mark, cases=[f"{period}-1"])
    mine = f"{NAME}/{period}/v{version}"
    paid = [
        {"publication_id": mine, "hospital_id": key[0], "insurance_type": key[1], "payee_id": key[0],
         "amount_fen": fen, "due_on": "-"} for key, fen in due.items() if version == 1
    ]  # fmt: skip
    with office.ledger() as ledger, ledger.writing() as con:
        insert(con, tables.payment, paid)
        con.execute(sa.insert(tables.publication).values(
            publication_id=mine, region=NAME, kind="month", period=period, version=version,
            run_id=run_id, folder="-", manifest_sha256="-", computed_by="甲", approved_by="乙",
            published_at=stamp(dt.datetime.now().astimezone()), due_on="-",
            paid_fen=sum(row["amount_fen"] for row in paid),
        ))  # fmt: skip
    return run_id


def assessed(office: Office, text: str = ASSESSED) -> None:
    (office.folder / "pack" / "assessments.csv").write_text(text, encoding="utf-8")


def take(office: Office, *steps: str, by: str = "丁") -> list[Taken]:
    return [take_step(office.region, YEAR, step, office.out, by) for step in steps]


def clear(office: Office, *words: str) -> tuple[int, str]:
    said = in_process("clear", office.pack, "--year", YEAR, "--by", "甲", "--out", office.out, *words)
    assert said.code == 0 or said.err.count("\n") == 1, said.err
    return said.code, said.err


class Computed(Exception):
    """The computation was reached."""


@pytest.fixture
def computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No computation: a made-up month has nothing to compute from."""

    def reached(*_: object) -> None:
        raise Computed

    monkeypatch.setattr("pipeline.clear_run._Clearing.compute", reached)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Twelve months published, all cases in January; assessments of both hospitals; nothing fixed yet."""
    office = Office(tmp_path_factory.mktemp("twelve"))
    office.edit(lambda text: text + CLEARING)
    assessed(office)
    for number in range(1, 13):
        final(office, f"{YEAR}-{number:02}", DUE if number == 1 else {})
    return office


@pytest.fixture
def months(twelve: Office, tmp_path: Path) -> Office:
    """A copy of its own, pack and all."""
    shutil.copytree(twelve.folder, tmp_path / "office")
    return Office(tmp_path / "office", f"{tmp_path / 'office' / 'pack'}/")


@pytest.fixture
def fixed(months: Office) -> Office:
    take(months, *STEPS.values())
    return months


# --- in their order


@pytest.mark.parametrize(("before", "step", "missing", "word"), [
    ([], DATA, PLAN, "plan"), ([], ASSESSMENT, PLAN, "plan"), ([PLAN], ASSESSMENT, DATA, "data"),
])  # fmt: skip
def test_a_step_before_its_turn_is_refused(
    before: list[str], step: str, missing: str, word: str, months: Office
) -> None:
    take(months, *before)
    with pytest.raises(
        UsageMistake, match=rf"不能做“{step}”：还没有“{missing}”.*drgdip year \S+/ .*--step {word} --by"
    ):
        take(months, step)
    assert months.sql("SELECT count(*) FROM year_step") == [(len(before),)]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_year_is_not_cleared_while_a_step_is_missing(taken: int, months: Office) -> None:
    take(months, *list(STEPS.values())[:taken])
    code, said = clear(months)
    word, step = list(STEPS.items())[taken]
    assert (
        code == 2
        and f"2025 年不能做“金额核算”：还没有“{step}”" in said
        and f"--step {word} --by 姓名" in said
    )
    assert "--trial" in said


def test_after_all_three_the_year_is_computed(fixed: Office, computes: None) -> None:
    with pytest.raises(Computed):
        run_clearing(fixed.region, YEAR, fixed.out)


@pytest.mark.parametrize("words", [([], True), (["310=1000"], False)])
def test_a_trial_asks_for_no_step(words: tuple[list[str], bool], months: Office, computes: None) -> None:
    with pytest.raises(Computed):
        run_clearing(months.region, YEAR, months.out, trial=trial_of(words[0], None, words[1]))


def test_the_states_say_who_and_when_and_what_is_next(months: Office) -> None:
    take(months, PLAN, by=" 丁 ")
    said = in_process("year", months.pack, "--year", YEAR, "--step", "data", "--by", "戊", "--note", "发〔3〕号",
                      "--out", months.out)  # fmt: skip
    assert (
        said.code == 0 and "已记 2025 年“数据准备”：戊，定下 17 项" in said.out
    )  # 12 months, 5 kinds of amounts
    found = year_states(months.pack, YEAR, months.out)
    assert [(one["state"], one["said_by"], one["note"], one["open"]) for one in found] == [
        (PLAN, "丁", "", None), (DATA, "戊", "发〔3〕号", None), (ASSESSMENT, "", "", "还没有“综合考核”"),
        ("金额核算", "", "", "还没有清算"), ("审定拨付", "", "", "还没有发布"),
    ]  # fmt: skip
    told = in_process("year", months.pack, "--year", YEAR, "--out", months.out)
    assert told.code == 0 and f"2 数据准备  戊  {found[1]['said_at'][:19]}  发〔3〕号\n" in told.out
    assert "3 综合考核  ——还没有“综合考核”\n" in told.out
    as_json = in_process("year", months.pack, "--year", YEAR, "--out", months.out, "--json")
    assert json.loads(as_json.out) == found


def test_the_computation_and_the_payment_are_states_too(fixed: Office) -> None:
    run_id = fixed.stub_year(YEAR, {("H1", "310"): 500_00})
    for act, who, note, still in (
        (None, "", "", "还没有复核"), (fixed.recheck, "丙", "复核", "还没有发布"),
        (lambda run: fixed.publish(run, recheck=False), "乙", f"第 1 版，批次 {run_id}", None),
    ):  # fmt: skip
        if act is not None:
            act(run_id)
        computed, paid = year_states(fixed.pack, YEAR, fixed.out)[3:]
        assert (computed["said_by"], computed["note"], computed["open"]) == ("甲", f"批次 {run_id}", None)
        assert (paid["said_by"], paid["note"], paid["open"]) == (who, note, still)


# --- what was fixed, and what changed since


def refused(office: Office, said: str) -> None:
    code, error = clear(office)
    assert code == 2 and said in error, error


def test_a_budget_changed_after_the_plan_is_told_and_fixed_anew(fixed: Office, computes: None) -> None:
    """The plan newly fixed, data and assessment are confirmed after it: the order of the states holds."""
    with (fixed.folder / "pack" / "budgets.csv").open("a", encoding="utf-8") as file:
        file.write("310,2025,900000,2,调整,测试取值\n")
    refused(fixed, "“方案制定”之后变了：预算 310（第 1 版 1000000.00 元 → 第 2 版 900000.00 元）")
    (again,) = take(fixed, PLAN)
    assert again.fresh
    refused(fixed, "“方案制定”是在“数据准备”之后定的，“数据准备”要在它之后重新确认；请先 `drgdip year")
    assert [one.fresh for one in take(fixed, DATA, ASSESSMENT)] == [True, True]
    with pytest.raises(Computed):
        run_clearing(fixed.region, YEAR, fixed.out)


def test_another_way_of_clearing_is_another_plan(fixed: Office) -> None:
    fixed.edit(lambda text: text.replace("without_assessment: refuse", "without_assessment: one"))
    refused(fixed, "“方案制定”之后变了：clearing.without_assessment（refuse → one）")


def test_what_the_year_is_not_cleared_by_changes_no_step(fixed: Office, computes: None) -> None:
    with (fixed.folder / "pack" / "budgets.csv").open("a", encoding="utf-8") as file:
        file.write("310,2026,900000,1,,测试取值\n")
    assessed(fixed, ASSESSED + "2026,H1,,0.5,1,下一年的\n")
    fixed.edit(lambda text: text.replace("title: 小城", "title: 小城市"))
    with pytest.raises(Computed):
        run_clearing(fixed.region, YEAR, fixed.out)


def test_an_assessment_changed_after_it_was_confirmed(fixed: Office) -> None:
    assessed(fixed, ASSESSED.replace("0.98", "0.97"))
    refused(fixed, "“综合考核”之后变了：H1 310（系数 0.9800，保证金返还 1.0000，考核通报 → 系数 0.9700，")


def test_a_hospital_without_assessment_is_named(months: Office) -> None:
    assessed(months, ASSESSED.replace("H3,390", "H3,310"))  # not of the insurance type that it was paid in
    take(months, PLAN, DATA)
    with pytest.raises(
        ConfigurationError, match=r"2025 年没有考核结果的医院：H3；请在 .*assessments.csv 补上"
    ):
        take(months, ASSESSMENT)


def test_a_plan_may_count_the_unassessed_as_one(months: Office) -> None:
    months.edit(lambda text: text.replace("without_assessment: refuse", "without_assessment: one"))
    assessed(months, ASSESSED.replace("H3,390", "H3,310"))
    found = take(months, PLAN, DATA, ASSESSMENT)[-1]
    assert found.fixed["H3 390"] == "没有考核，按 1 计"
    assert found.fixed["H1 310"] == "系数 0.9800，保证金返还 1.0000，考核通报"


def test_a_month_published_anew_after_the_freeze(fixed: Office) -> None:
    ((old,),) = fixed.sql("SELECT run_id FROM publication WHERE period = '2025-01'")
    new = final(fixed, "2025-01", {("H1", "310"): 900_00}, version=2)
    refused(fixed, f"“数据准备”之后变了：2025-01（第 1 版 批次 {old} → 第 2 版 批次 {new}）")
    (again,) = take(fixed, DATA)
    assert again.fixed["2025-01"] == f"第 2 版 批次 {new}"


def test_an_audit_deduction_after_the_freeze(fixed: Office) -> None:
    (fixed.folder / "pack" / "period_amounts.csv").write_text(
        "kind,hospital_id,insurance_type,month,amount_yuan,reason,document\n"
        "annual_audit_deduction,H1,310,2025-12,120.00,明确违规,稽核1号\n", encoding="utf-8",
    )  # fmt: skip
    refused(fixed, "“数据准备”之后变了：期间金额（0 笔 ")


@pytest.mark.parametrize("number", [0, 2])
def test_data_with_a_month_missing_is_not_frozen(number: int, tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.edit(lambda text: text + CLEARING)
    for month in range(2, 2 + number):  # February and March, or nothing
        final(office, f"{YEAR}-{month:02}", {})
    take(office, PLAN)  # at the beginning of a year there is no month yet
    with pytest.raises(UsageMistake, match=rf"2025 年还有 {12 - number} 个月没有发布：2025-01"):
        take(office, DATA)


def decide(office: Office, case_id: str) -> None:
    decision = Decision(case_id, "by_item", None, 1, "专家组", dt.date(2025, 2, 1), "费用极高", "单议1号")
    with office.ledger() as ledger:
        assert store(ledger, [decision], "0", "丙")


def test_a_decision_that_its_month_does_not_know_is_no_data(fixed: Office) -> None:
    """The month computed again knows it; a decision about nobody's case hinders nothing."""
    decide(fixed, "nobody")
    take(fixed, DATA)
    decide(fixed, "2025-03-1")
    with pytest.raises(
        UsageMistake, match=r"2025-03 发布之后又导入了 1 个涉及它的单议决定.*drgdip rerun .*--from 2025-03"
    ):
        take(fixed, DATA)
    assert clear(fixed)[0] == 2
    final(fixed, "2025-03", {}, version=2, mark="with the decision")
    (again,) = take(fixed, DATA)
    assert again.fixed["单议决定"].startswith("1 个 ")


# --- twice, nameless, unknown


def test_the_same_step_twice_does_nothing_and_says_so(fixed: Office) -> None:
    before = fixed.file.read_bytes()
    again = take(fixed, *STEPS.values(), by="别人")
    assert [(one.fresh, one.said_by) for one in again] == [(False, "丁")] * 3
    said = in_process(
        "year", fixed.pack, "--year", YEAR, "--step", "plan", "--by", "别人", "--out", fixed.out
    )
    assert said.code == 0 and "已由 丁 定过，内容没有变，什么也没有做" in said.out
    assert fixed.file.read_bytes() == before


@pytest.mark.parametrize(("words", "said"), [
    (["--step", "plan"], "“方案制定”没有署名；请用 --by"),
    (["--step", "budget", "--by", "丁"], "没有 `budget` 这一步；--step 只有 plan（方案制定）、data"),
])  # fmt: skip
def test_a_nameless_or_unknown_step_is_refused(words: list[str], said: str, months: Office) -> None:
    found = in_process("year", months.pack, "--year", YEAR, "--out", months.out, *words)
    assert found.code == 2 and said in found.err and found.err.count("\n") == 1
    assert months.sql("SELECT count(*) FROM year_step") == [(0,)]


@pytest.mark.parametrize("statement", [
    "UPDATE year_fixed SET value = '第 1 版 2000000.00 元' WHERE name = '预算 310'",
    "DELETE FROM year_fixed WHERE name = '预算 310'", "INSERT INTO year_fixed VALUES (1, '预算 391', 'x')",
])  # fmt: skip
def test_what_a_step_fixed_cannot_be_altered_unseen(statement: str, twelve: Office, tmp_path: Path) -> None:
    office = twelve.copy(tmp_path)
    take(office, PLAN)
    with office.ledger() as ledger:
        assert prove_steps(ledger) == 1
    office.forge(statement)
    with (
        office.ledger() as ledger,
        pytest.raises(AuditBroken, match=r"2025 年“方案制定”（第 1 号）定下的内容应为"),
    ):
        prove_steps(ledger)


# --- publishing


def test_a_clearing_computed_before_another_plan_is_not_published(fixed: Office) -> None:
    """The plan changed and all was fixed anew: the old run is of the old plan. A run of the new one is published."""
    old = fixed.stub_year(YEAR, {("H1", "310"): 500_00})
    fixed.edit(lambda text: text.replace("测试取值, value: fixed", "另一文件, value: fixed"))
    with pytest.raises(UsageMistake, match=r"“方案制定”之后变了：clearing.source（测试取值 → 另一文件）"):
        fixed.publish(old)
    take(fixed, *STEPS.values())
    with pytest.raises(
        UsageMistake, match=r"不是按现在定下的方案、数据、考核算的；请重新 `drgdip clear \S+/ --year 2025`"
    ):
        fixed.publish(old, recheck=False)
    assert fixed.publish(fixed.stub_year(YEAR, {("H1", "310"): 400_00})).fresh
    assert fixed.sql("SELECT count(*) FROM publication WHERE kind = 'clear'") == [(1,)]


def test_a_clearing_of_before_the_steps_is_not_published(months: Office) -> None:
    """As an older program left it: computed, never published."""
    old = months.stub_year(YEAR, {("H1", "310"): 500_00})
    with pytest.raises(UsageMistake, match="不能做“审定拨付”：还没有“方案制定”"):
        months.publish(old)
    take(months, *STEPS.values())
    with pytest.raises(UsageMistake, match="不是按现在定下的方案"):
        months.publish(old, recheck=False)


# --- alliances


@pytest.mark.parametrize(("changes", "changed"), [
    ({"packages": (M01.replace("350000", "350001"),)}, {"医共体打包 A1 390"}),
    ({"members": (MEMBERS[0], MEMBERS[1].replace("2025-01-01", "2025-07-01"))}, {"医共体成员 A1 H2 member"}),
    ({"alliance": [dated(overspend_share="0.4", lead_due_workdays=20)]}, {"alliance.overspend_share"}),
    ({}, set()),
], ids=["package", "membership", "overspend", "nothing"])  # fmt: skip
def test_what_an_alliance_is_cleared_by_is_part_of_the_plan(
    changes: dict[str, object], changed: set[str], tmp_path: Path
) -> None:
    clearing = {"clearing": [dated(value="fixed")]}
    old, new = (
        plan_of(alliance_pack(tmp_path / name, **clearing, **more), YEAR)  # type: ignore[arg-type]
        for name, more in (("old", {}), ("new", changes))
    )
    assert {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} == changed
