"""The command line: `drgdip COMMAND`. Heavy imports stand inside the commands, so that --help is quick."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer._click import exceptions as mistakes  # typer carries its own click and exports only a part

from pipeline.cli_calibrate import calibrate_app
from pipeline.cli_ledger import LedgerUrl, register
from pipeline.cli_regions import RegionName, regions_app
from pipeline.cli_review import review_app
from pipeline.cli_schemes import AsJson, schemes_app
from pipeline.cli_schemes import print_json as _print_json
from pipeline.ending import INTERRUPTED, ending
from pipeline.errors import UserError
from pipeline.usage import in_chinese, usage_mistake

app = typer.Typer(
    name="drgdip",
    help="按 CHS-DRG 2.0 给住院结算记录分组、定价、结算，每一分钱都查得到来历。",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(schemes_app, name="schemes")
app.add_typer(calibrate_app, name="calibrate")
app.add_typer(regions_app, name="regions")
app.add_typer(review_app, name="review")
register(app)

Out = Annotated[Path, typer.Option("--out", help="存放结算结果的文件夹。")]
Period = Annotated[str, typer.Option("--period", help="结算期，如 2025-10。")]
Input = Annotated[
    Path | None, typer.Option("--input", help="出院记录：Parquet 文件或文件夹；不给则用地区参数里的收件箱。")
]


@app.command()
def run(
    region: RegionName,
    period: Period,
    input_path: Input = None,
    out: Out = Path("out"),
    control_totals: Annotated[
        Path | None, typer.Option("--control-totals", help="对账表（CSV）；给了就先核对例数、费用、基金。")
    ] = None,
    memory: Annotated[str, typer.Option("--memory", help="计算引擎的内存上限。")] = "2GiB",
    by: Annotated[str | None, typer.Option("--by", help="计算人姓名；不给则用系统用户名。")] = None,
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """月度结算：校验、分组、定价、结算，写出各医院结算单与全区拨付汇总表。"""
    from pipeline.progress import stages
    from pipeline.region import load_region
    from pipeline.run import inbox, run_month

    pack = load_region(region)
    with stages(quiet=as_json) as tick:
        outcome = run_month(
            pack, period, input_path or inbox(pack, period), out, control_totals, memory, tick, ledger_url, by
        )
    if as_json:
        _print_json({"folder": str(outcome.folder), "fresh": outcome.fresh, **outcome.manifest})
        return
    from pipeline.summary import run_summary

    typer.echo("\n".join(run_summary(outcome.folder, outcome.manifest, outcome.fresh)))


@app.command()
def validate(
    region: RegionName,
    period: Period,
    input_path: Input = None,
    out: Annotated[Path | None, typer.Option("--out", help="把校验明细另存为这个 CSV 文件。")] = None,
    as_json: AsJson = False,
) -> None:
    """只校验：统计退回、暂挂与提示，不分组、不定价。"""
    from pipeline.progress import stages
    from pipeline.region import load_region
    from pipeline.run import inbox, validate_only
    from pipeline.summary import validation_summary

    pack = load_region(region)
    with stages(quiet=as_json) as tick:
        counts = validate_only(pack, period, input_path or inbox(pack, period), out, tick)
    if as_json:
        _print_json(counts)
    else:
        typer.echo("\n".join(validation_summary(counts, out)))


@app.command()
def group(
    source: Annotated[Path, typer.Argument(metavar="输入", help="出院记录：Parquet 文件或文件夹。")],
    scheme: Annotated[str, typer.Option("--scheme", help="分组方案名，如 chs-drg-2.0，或方案文件夹的路径。")],
    out: Annotated[Path, typer.Option("--out", help="结果文件（Parquet）。")],
    as_json: AsJson = False,
) -> None:
    """只分组：每行输入一行结果，次序不变，不退回任何一行；方案可以是 DRG（mdc、adrg、drg…）或 DIP 目录（dip_code…）。"""
    from pipeline.group import findings_beside, grouping_by
    from pipeline.progress import stages

    group_file = grouping_by(scheme)
    with stages(quiet=as_json) as tick:
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            tick("group", done, 0)

        rows = group_file(source, out, count)
    if as_json:
        _print_json({"rows": rows, "out": str(out)})
    else:
        typer.echo(f"已分组 {rows} 行：{out}；结算时会退回的行见 {findings_beside(out)}")


@app.command()
def explain(
    case_id: Annotated[str, typer.Argument(metavar="结算ID", help="病例的结算ID。")],
    out: Out = Path("out"),
    run_id: Annotated[str | None, typer.Option("--run", help="批次号；不给则查各期的现行批次。")] = None,
    as_json: AsJson = False,
) -> None:
    """逐步说明一个病例：读到什么、试了哪些 MDC、满足哪条规则、钱怎样算出来。"""
    from pipeline.explain import explain as explain_case
    from pipeline.explain import find_run

    folder, payment = find_run(out, case_id, run_id)
    lines = explain_case(folder, payment)
    if as_json:
        _print_json({"run": folder.name, "door": payment["door"], "lines": lines})
    else:
        typer.echo("\n".join(lines))


@app.command()
def synth(
    target: Annotated[Path, typer.Argument(metavar="文件夹", help="写到哪个文件夹（须不存在）。")],
    cases: Annotated[int, typer.Option("--cases", min=1, help="病例数。")] = 20_000,
    months: Annotated[
        str, typer.Option("--months", help="结算月份，逗号分隔，连续的用 .. 相连，如 2022-01..2024-12。")
    ] = "2025-10",
    seed: Annotated[int, typer.Option("--seed", help="随机种子；同种子同字节。")] = 1,
    hospitals: Annotated[int, typer.Option("--hospitals", min=1, help="医院数。")] = 12,
    mix: Annotated[str, typer.Option("--mix", help="病例构成：drg 或 dip。")] = "drg",
    as_json: AsJson = False,
) -> None:
    """生成仿真出院记录，用于试运行与测速；内容全为虚构。"""
    from dataclasses import asdict

    from pipeline.progress import stages
    from pipeline.synth import synthesise
    from pipeline.yardstick import months_of

    wanted = months_of(months)
    with stages(quiet=as_json) as tick:
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            tick("synth", done, cases)

        report = synthesise(target, cases, wanted, seed, hospitals, count, mix)
    if as_json:
        _print_json(asdict(report))
    else:
        typer.echo(f"已生成 {cases} 个病例：{target}")


@app.command("convert-platform")
def convert_platform_tables(
    source: Annotated[Path, typer.Argument(metavar="文件夹", help="平台各表所在的文件夹。")],
    region: Annotated[str, typer.Option("--region", help="地区名，决定就医地代码表。")],
    out: Annotated[Path, typer.Option("--out", help="写出出院记录的文件夹（须不存在）。")],
    memory: Annotated[str, typer.Option("--memory", help="内存上限。")] = "4GiB",
    as_json: AsJson = False,
) -> None:
    """把国家平台的结算、清单、诊断、手术、重症各表合成出院记录；疑点另写 _findings.csv。"""
    from pipeline.case_csv import write_case_csv
    from pipeline.platform import convert_platform
    from pipeline.region import load_region
    from pipeline.summary import platform_findings

    conversion = convert_platform(source, out, load_region(region).pack.place_codes, memory)
    frame, headers = platform_findings(conversion.findings)
    write_case_csv(out / "_findings.csv", frame, headers)
    if as_json:
        _print_json({"rows": conversion.rows, "findings": frame.height, "out": str(out)})
    else:
        typer.echo(f"已转换 {conversion.rows} 行：{out}；疑点 {frame.height} 条：{out / '_findings.csv'}")


def main() -> None:
    """Run the command line; a user's mistake becomes one sentence and an exit code, never a traceback."""
    os.umask(0o077)
    gc.set_threshold(
        200_000, 50, 50
    )  # schemes are 100,000 small rows: collecting among them costs a third of the start
    try:
        code = in_chinese(typer.main.get_command(app))(prog_name="drgdip", standalone_mode=False)
        if code == INTERRUPTED:  # typer turns Ctrl-C into a silent exit code
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except UserError as error:
        _stop(*ending(error))
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except typer.Abort:
        _stop("中断", "已按要求停止；已有成果未动", 1)
    except mistakes.ClickException as error:
        _stop("用法", f"{usage_mistake(error)}；请用 --help 查看用法", 2)
    except KeyboardInterrupt as error:
        _stop(*ending(error))
    except Exception as error:
        kind, message, code = ending(error)
        if code == 1 and os.environ.get("DRGDIP_DEBUG"):
            raise
        _stop(kind, message, code)


def _stop(kind: str, message: str, code: int) -> None:
    print(f"{kind}：{message}", file=sys.stderr)
    sys.exit(code)
