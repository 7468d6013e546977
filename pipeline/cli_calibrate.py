"""Commands that derive parameters from history: `drgdip calibrate ...`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_calibrate_prices import register
from pipeline.cli_schemes import AsJson, print_json
from pipeline.errors import UsageMistake

LIBRARY = "dip-2.0"  # the national one
calibrate_app = typer.Typer(
    help="由历史数据测算：权重、费率、系数、DIP 病种目录、点值。", no_args_is_help=True
)
register(calibrate_app)


@calibrate_app.command("dip-catalogue")
def calibrate_dip_catalogue(
    history: Annotated[
        Path, typer.Option("--history", help="历史出院记录：Parquet 文件或文件夹，通常三年。")
    ],
    region: Annotated[str, typer.Option("--region", help="地区名或地区文件夹的路径，取其医院与级别。")],
    name: Annotated[str, typer.Option("--as", help="新目录的名称。")],
    out: Annotated[Path, typer.Option("--out", help="写到哪个文件夹（须不存在）。")],
    library: Annotated[
        str | None, typer.Option("--library", help=f"从哪个 DIP 病种库起步：方案名或文件夹；缺省 {LIBRARY}。")
    ] = None,
    from_nothing: Annotated[bool, typer.Option("--from-nothing", help="不用病种库，全由历史测算。")] = False,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="测算规则（YAML）；不给则用国家缺省。")
    ] = None,
    previous: Annotated[
        str | None, typer.Option("--previous", help="上一版目录，用来比较：方案名或文件夹。")
    ] = None,
    effective_from: Annotated[
        str | None, typer.Option("--effective-from", help="生效日期，如 2026-01-01；不给则不生效。")
    ] = None,
    memory: Annotated[str, typer.Option("--memory", help="计算引擎的内存上限。")] = "4GiB",
    as_json: AsJson = False,
) -> None:
    """由历史出院记录测算一份 DIP 病种目录：病种、分值、级别系数、基层病种，附依据与报告，写成方案草案。"""
    from pipeline.calibrate_dip import Order, build_catalogue
    from pipeline.calibrate_report import summary
    from pipeline.calibrate_rules import load_rules
    from pipeline.progress import stages
    from pipeline.region import load_region

    if from_nothing and library:
        raise UsageMistake(f"--library {library[:40]} 与 --from-nothing 不能同时给；请只留一个")
    start = None if from_nothing else library or LIBRARY
    order = Order(name, out, start, previous, _day(effective_from) if effective_from else None)
    with stages(quiet=as_json) as tick:
        built = build_catalogue(history, load_region(region), load_rules(rules), order, memory, tick)
    if as_json:
        print_json({"folder": str(out), **summary(built)})
        return
    told = summary(built)
    typer.echo(
        f"病种目录草案：{out}；核心 {told['core']} 个，综合 {told['pooled']} 个；"
        f"用于测算 {told['cases']} 例，核心入组 {told['core_cases']}，综合 {told['pooled_cases']}，未入组 {told['ungrouped_cases']}；"
        f"依据见 {out / 'evidence.csv'}，报告见 {out / 'report.md'}"
    )


@calibrate_app.command("point-value")
def calibrate_point_value(
    run_folder: Annotated[Path, typer.Argument(metavar="批次文件夹", help="out/地区/结算期/批次。")],
    funds: Annotated[
        list[str],
        typer.Option("--fund", help="险种=基金总额（元），可多次，如 310=60000000；预算单列写 310/单列=元。"),
    ],
    bases: Annotated[
        list[str] | None, typer.Option("--elastic", help="弹性：险种=基数点数@固定点值，如 310=900000@10。")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """反算点值：这个批次的病例按什么点值（费率法为费率的倍数）正好用完给定的基金；弹性的另算增量点值。"""
    from decimal import Decimal

    from pipeline.solve import decimal_of, solve, yuan_of

    wanted = {kind: yuan_of(text) for kind, text in (_pair(one) for one in funds)}
    elastic: dict[str, tuple[Decimal, Decimal]] = {}
    for kind, text in (_pair(one) for one in bases or []):
        points, found, fixed = text.partition("@")
        if not found:
            raise UsageMistake(f"弹性的写法不对：`{text[:40]}`；应为 基数点数@固定点值，如 900000@10")
        elastic[kind] = decimal_of(points), decimal_of(fixed)
    solved = solve(run_folder, wanted, elastic)
    if as_json:
        print_json([one.shown() for one in solved])
        return
    for one in solved:
        typer.echo(one.told())


def _pair(text: str) -> tuple[str, str]:
    kind, found, number = text.partition("=")
    if not found or not kind.strip():
        raise UsageMistake(f"写法不对：`{text[:40]}`；应为 险种=数，如 310=60000000")
    return kind.strip(), number.strip()


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageMistake(f"生效日期读不懂：`{text[:20]}`；应写作 2026-01-01") from error
