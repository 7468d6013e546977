"""Commands about what was computed and published: confirm, recheck, publish, year, clear, rerun, runs, show …"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_regions import RegionName
from pipeline.cli_schemes import AsJson, print_json
from pipeline.errors import UsageMistake

Out = Annotated[Path, typer.Option("--out", help="存放结算结果的文件夹。")]
RunId = Annotated[str, typer.Argument(metavar="批次", help="批次号或其开头，见 drgdip runs。")]
By = Annotated[str, typer.Option("--by", help="谁说的：姓名。")]
LedgerUrl = Annotated[
    str | None,
    typer.Option(
        "--ledger", envvar="DRGDIP_LEDGER", help="账本地址（PostgreSQL）；不给则用地区文件夹里的 SQLite。"
    ),
]


def confirm(
    region: RegionName,
    run_id: RunId,
    by: By,
    hospitals: Annotated[
        list[str] | None, typer.Option("--hospital", help="医院编号，可多次；不给则全部医院。")
    ] = None,
    objection: Annotated[str | None, typer.Option("--object", help="申诉的理由；不给则是确认。")] = None,
    out: Out = Path("out"),
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """医院确认，或申诉（--object 理由）：记在账本上，复核之后的申诉挡住发布。"""
    from pipeline.ledger_commands import confirm_run

    said = confirm_run(region, run_id, out, by, hospitals or [], objection, ledger_url)
    word = "申诉" if objection else "确认"
    if as_json:
        print_json({"run": run_id, "state": word, "hospitals": said})
    else:
        typer.echo(f"已记：{word} {said} 家")


def recheck(
    region: RegionName, run_id: RunId, by: By,
    note: Annotated[str, typer.Option("--note", help="复核意见。")] = "",
    out: Out = Path("out"), ledger_url: LedgerUrl = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """复核一个批次：发布之前必须有；有新的申诉就要重新复核。"""
    from pipeline.ledger_commands import recheck_run
    from pipeline.words import yuan_text

    run = recheck_run(region, run_id, out, by, note, ledger_url)
    if as_json:
        print_json(run)
        return
    typer.echo(f"已复核：{run['period']} 批次 {run['run_id']}，应付 {yuan_text(run['payable_fen'])} 元")


def publish(
    region: RegionName,
    run_id: RunId,
    approved_by: Annotated[str, typer.Option("--approved-by", help="审批人姓名，不能是计算的人。")],
    out: Out = Path("out"),
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """发布一个批次：拨付清单、结算单、账本一次写成；已发布的月份再发布是新版本，差额随下一个月支付。"""
    from dataclasses import asdict

    from pipeline.publish import publish as publish_run
    from pipeline.region import load_region
    from pipeline.summary import publication_summary

    done = publish_run(load_region(region), run_id, out, approved_by, ledger_url)
    if as_json:
        print_json({**asdict(done), "folder": str(done.folder)})
    else:
        typer.echo("\n".join(publication_summary(done)))


def year(
    region: RegionName,
    of: Annotated[str, typer.Option("--year", help="清算年度，如 2025。")],
    step: Annotated[
        str | None,
        typer.Option(
            "--step", help="记一步：plan 方案制定，data 数据准备，assessment 综合考核；不给则只看。"
        ),
    ] = None,
    by: Annotated[str, typer.Option("--by", help="谁定的：姓名。")] = "",
    note: Annotated[str, typer.Option("--note", help="说明，如文号。")] = "",
    out: Out = Path("out"),
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """年度清算走到哪一步：方案制定、数据准备、综合考核、金额核算、审定拨付；--step 记前三步，定下当时的内容。"""
    from dataclasses import asdict

    from pipeline.region import load_region
    from pipeline.summary import year_lines, year_step_line
    from pipeline.year_commands import step_called, year_states
    from pipeline.year_steps import take_step

    if step is None:
        if by or note:
            raise UsageMistake("没有说记哪一步：给了 --by 或 --note，没有 --step；请加 --step，只看就都不给")
        found = year_states(region, of, out, ledger_url)
        print_json(found) if as_json else typer.echo("\n".join(year_lines(of, found)))
        return
    taken = take_step(load_region(region), of, step_called(step), out, by, note, ledger_url)
    print_json(asdict(taken)) if as_json else typer.echo(year_step_line(of, asdict(taken)))


def clear(
    region: RegionName,
    year: Annotated[str, typer.Option("--year", help="清算年度，如 2025。")],
    by: Annotated[str | None, typer.Option("--by", help="计算人姓名；不给则用系统用户名。")] = None,
    budgets: Annotated[
        list[str] | None,
        typer.Option(
            "--budget", help="试算：险种=年度预算（元），可多次，如 310=170000000；预算单列写 310/单列=元。"
        ),
    ] = None,
    clearing: Annotated[
        Path | None, typer.Option("--clearing", help="试算：另一份清算办法（YAML，写法同 clearing 的一项）。")
    ] = None,
    trial: Annotated[
        bool, typer.Option("--trial", help="试算：只看结果，不要求方案、数据、考核已定，不记账。")
    ] = False,
    out: Out = Path("out"),
    memory: Annotated[str, typer.Option("--memory", help="计算引擎的内存上限。")] = "3GiB",
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """年度清算：按定下的方案、数据、考核算出各医院全年应得与清算额；--trial、--budget、--clearing 只是试算。"""
    from pipeline.clear_run import run_clearing
    from pipeline.clear_trial import trial_of
    from pipeline.progress import stages
    from pipeline.region import load_region
    from pipeline.summary import clearing_summary

    pack = load_region(region)
    changed = trial_of(budgets or [], clearing, trial)
    with stages(quiet=as_json) as tick:
        done = run_clearing(pack, year, out, by, changed, memory, tick, ledger_url)
    if as_json:
        print_json({"folder": str(done.folder), "fresh": done.fresh, "trial": done.trial, **done.manifest})
    else:
        typer.echo("\n".join(clearing_summary(done)))


def rerun(
    region: RegionName,
    first: Annotated[str, typer.Option("--from", help="从哪个月，如 2025-01。")],
    last: Annotated[str, typer.Option("--to", help="到哪个月，如 2025-09。")],
    by: Annotated[str | None, typer.Option("--by", help="计算人姓名；不给则用系统用户名。")] = None,
    rechecked_by: Annotated[
        str | None, typer.Option("--rechecked-by", help="复核人；与 --approved-by 一起给，逐月重算并发布。")
    ] = None,
    approved_by: Annotated[
        str | None, typer.Option("--approved-by", help="审批人；给了就逐月发布新版本。")
    ] = None,
    out: Out = Path("out"),
    memory: Annotated[str, typer.Option("--memory", help="计算引擎的内存上限。")] = "2GiB",
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """用现在的参数重算已发布的月份（不重新分组）；给了复核人与审批人就发布，差额随下一个月支付。"""
    from pipeline.ledger_commands import rerun_months
    from pipeline.progress import stages
    from pipeline.summary import rerun_lines

    with stages(quiet=as_json) as tick:
        found = rerun_months(
            region, first, last, out, by, (rechecked_by, approved_by), memory, tick, ledger_url
        )
    if as_json:
        print_json({"months": found})
    else:
        typer.echo("\n".join(rerun_lines(found)))


def runs(
    region: RegionName, out: Out = Path("out"), ledger_url: LedgerUrl = None, as_json: AsJson = False
) -> None:
    """列出账本里的批次与发布。"""
    from pipeline.ledger_commands import listed_runs

    found = listed_runs(region, out, ledger_url)
    if as_json:
        print_json(found)
        return
    from pipeline.summary import run_lines

    typer.echo("\n".join(run_lines(found)))


def show(
    region: RegionName,
    run_id: RunId,
    out: Out = Path("out"),
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """一个批次：用了什么、算出什么、走到哪一步。"""
    from pipeline.ledger_commands import shown_run

    found = shown_run(region, run_id, out, ledger_url)
    if as_json:
        print_json(found)
        return
    from pipeline.summary import shown_lines

    typer.echo("\n".join(shown_lines(found)))


def diff(
    region: RegionName,
    first: Annotated[str, typer.Argument(metavar="批次", help="前一个批次号或其开头，见 drgdip runs。")],
    second: Annotated[str, typer.Argument(metavar="批次", help="后一个批次号或其开头。")],
    out: Out = Path("out"),
    to: Annotated[Path | None, typer.Option("--to", help="另存为这个工作簿（.xlsx）。")] = None,
    memory: Annotated[str, typer.Option("--memory", help="计算引擎的内存上限。")] = "2GiB",
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """比较两个批次：哪些医院、哪些病组、哪些病例不同，为什么；各原因之和等于总差额。"""
    from pipeline.diff import diff_runs
    from pipeline.diff_words import difference_lines, plain

    found = diff_runs(region, first, second, out, ledger_url, to, memory)
    if as_json:
        print_json(plain(vars(found)))
    else:
        typer.echo("\n".join(difference_lines(found)))


def nightly(
    region: RegionName,
    period: Annotated[
        str | None,
        typer.Option("--period", help="结算期；不给则是最近一次发布的下一个月，从未发布则看收件箱。"),
    ] = None,
    input_path: Annotated[
        Path | None, typer.Option("--input", help="出院记录；不给则用地区参数里的收件箱。")
    ] = None,
    out: Out = Path("out"),
    memory: Annotated[str, typer.Option("--memory", help="计算引擎的内存上限。")] = "2GiB",
    by: Annotated[str | None, typer.Option("--by", help="计算人姓名；不给则用系统用户名。")] = None,
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """夜间预结算，给 cron 用：收件箱有新数据就重算未发布的月份，只印一行；从不发布。日志在 out/地区/nightly.log。"""
    from dataclasses import asdict

    from pipeline.nightly import night, run_night

    done = night(region, out, lambda pack: run_night(pack, out, period, input_path, memory, ledger_url, by))
    if as_json:
        print_json(asdict(done))
    else:
        typer.echo(done.line())


def verify(
    region: RegionName, out: Out = Path("out"), ledger_url: LedgerUrl = None, as_json: AsJson = False
) -> None:
    """核对账本与成果：每个批次、每次发布的每个文件都与账本所记的哈希一致，钱加得起来。"""
    from pipeline.verify import verify_region

    found = verify_region(region, out, ledger_url)
    if as_json:
        print_json(found)
    else:
        typer.echo(
            f"账本与成果一致：批次 {found['runs']} 个，发布 {found['publications']} 次，文件 {found['files']:,} 个；"
            f"核对 {len(found['laws'])} 项全部相符"
        )


def register(app: typer.Typer) -> None:
    """Put the commands at the top level."""
    for command in (confirm, recheck, publish, year, clear, rerun, runs, show, diff, nightly, verify):
        app.command()(command)
