"""`drgdip calibrate weights|rate|coefficients`: drafts of prices from a history of grouped cases."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli_schemes import AsJson, print_json
from pipeline.errors import UsageMistake

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
PERCENT = re.compile(r"[-+]?[0-9]{1,3}(\.[0-9]{1,4})?")
RegionOf = Annotated[str, typer.Argument(metavar="地区", help="地区名，或地区文件夹的路径。")]
History = Annotated[
    list[str],
    typer.Option(
        "--history",
        help="历史：结算期（取现行批次），如 2023-01..2025-12；批次文件夹；或 Parquet 文件、文件夹。可多次。",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="草案写到哪个文件夹（须不存在）。")]
Rules = Annotated[Path | None, typer.Option("--rules", help="测算规则（YAML）；不给则用缺省。")]
At = Annotated[
    str | None, typer.Option("--at", help="与哪一天有效的参数比较，如 2025-10-31；不给则用最新的。")
]
From = Annotated[str | None, typer.Option("--effective-from", help="生效日期，如 2026-01-01；不给则不生效。")]
Runs = Annotated[Path, typer.Option("--runs", help="存放结算结果的文件夹，--history 给结算期时用。")]
Memory = Annotated[str, typer.Option("--memory", help="计算引擎的内存上限。")]


def register(app: typer.Typer) -> None:
    """Add the commands to `drgdip calibrate`."""
    app.command("weights")(calibrate_weights)
    app.command("rate")(calibrate_rate)
    app.command("coefficients")(calibrate_coefficients)


def calibrate_weights(
    region: RegionOf,
    history: History,
    name: Annotated[str, typer.Option("--as", help="新权重表的名称，即文件名（不带 .csv）。")],
    out: Out,
    rules: Rules = None,
    effective_from: From = None,
    at: At = None,
    place_residue: Annotated[
        bool, typer.Option("--place-residue", help="把总权重的余数按末位一步一步归到测算的病组。")
    ] = False,
    runs: Runs = Path("out"),
    memory: Memory = "4GiB",
    as_json: AsJson = False,
) -> None:
    """由历史病例测算病组权重：裁剪、按年加权、总权重不变；附依据、对照与报告，写成草案。"""
    from pipeline.calibrate_draft import DraftOrder, stop_if_taken
    from pipeline.calibrate_price_rules import load_price_rules
    from pipeline.calibrate_weights import calibrate_weights as weigh
    from pipeline.calibrate_weights import weights_of
    from pipeline.calibrate_weights_files import summary, write_draft
    from pipeline.calibrate_window import ground_of, read_window
    from pipeline.progress import stages
    from pipeline.region import load_region
    from pipeline.words import worded

    if not NAME.fullmatch(name) or name.lower().endswith(".csv"):
        raise UsageMistake(f"--as 应为英文、数字、连字符，不带 .csv，实为 `{name[:40]}`；请更正")
    order = DraftOrder(out, _day("--effective-from", effective_from))
    stop_if_taken(order)
    said = load_price_rules(rules)
    ground = ground_of(load_region(region), _day("--at", at))
    if (taken := ground.region.folder / f"{name}.csv").exists():
        raise UsageMistake(f"--as 重名：地区文件夹里已有 {taken}，草案复制过去会盖掉它；请另取名称")
    with stages(quiet=as_json) as tick:
        window = read_window(history, ground, said, runs, memory, tick)
        present = weights_of(ground)
        found = weigh(window, ground, present, said, place_residue)
        write_draft(found, order, name)
    told = summary(found)
    if as_json:
        print_json({"folder": str(out), **told})
        return
    typer.echo(
        worded(
            f"权重草案：{out}；{told['cases']:,} 例，{told['groups']:,} 个病组；总权重 {told['total_before']} → {told['total']}，"
            f"余数 {told['left']}；RIV {told['riv_before']} → 裁剪后 {told['riv']}；"
            f"新出现 {len(told['new'])}，未出现 {len(told['unseen'])}；"
            f"依据见 {out / 'evidence.csv'}，对照见 {out / 'comparison.xlsx'}",
            present.kind,
        )
    )


def calibrate_rate(
    region: RegionOf,
    history: History,
    out: Out,
    funds: Annotated[
        list[str] | None,
        typer.Option("--fund", help="险种=全年基金（元），可多次，如 310=60000000；不给则取 budgets.csv。"),
    ] = None,
    growth: Annotated[str, typer.Option("--growth", help="预计增长，百分之几，如 3.5。")] = "0",
    year: Annotated[
        int | None, typer.Option("--year", help="哪一年的基金；不给则取生效日期的年，否则比较日期的年。")
    ] = None,
    rules: Rules = None,
    effective_from: From = None,
    at: At = None,
    runs: Runs = Path("out"),
    memory: Memory = "4GiB",
    as_json: AsJson = False,
) -> None:
    """由历史病例与全年基金测算费率（点数法、按病种分值付费为点值）：按险种，费率分级的再按级别；写成草案。"""
    from pipeline.calibrate_draft import DraftOrder, stop_if_taken
    from pipeline.calibrate_price_rules import load_price_rules
    from pipeline.calibrate_rate import calibrate_rates
    from pipeline.calibrate_rate_files import summary, told, write_draft
    from pipeline.calibrate_weights import weights_of
    from pipeline.calibrate_window import ground_of, read_window
    from pipeline.progress import stages
    from pipeline.region import load_region

    given = _funds(funds or [])
    if not PERCENT.fullmatch(growth) or Decimal(growth) <= -100:
        raise UsageMistake(
            f"--growth 应为大于 −100 的百分数，至多四位小数，如 3.5，实为 `{growth[:20]}`；请更正"
        )
    day = _day("--effective-from", effective_from)
    order = DraftOrder(out, day)
    stop_if_taken(order)
    said = load_price_rules(rules)
    ground = ground_of(load_region(region), _day("--at", at))
    with stages(quiet=as_json) as tick:
        window = read_window(history, ground, said, runs, memory, tick, separately=True)
        of_year = year or (day or ground.day).year
        found = calibrate_rates(window, ground, weights_of(ground), said, given, of_year, Decimal(growth))
        write_draft(found, order)
    if as_json:
        print_json({"folder": str(out), **summary(found)})
        return
    typer.echo("\n".join([*told(found), f"{found.word}草案：{out}；依据见 {out / 'evidence.csv'}"]))


def calibrate_coefficients(
    region: RegionOf,
    history: History,
    out: Out,
    by: Annotated[
        Literal["hospital", "level"], typer.Option("--by", help="hospital 机构系数，level 级别系数。")
    ] = "hospital",
    rules: Rules = None,
    effective_from: From = None,
    at: At = None,
    runs: Runs = Path("out"),
    memory: Memory = "4GiB",
    as_json: AsJson = False,
) -> None:
    """由历史病例测算机构系数或级别系数：每权重费用之比，有上下限，Σ 权重·系数 不变；写成草案。"""
    from pipeline.calibrate_coefficients import calibrate_coefficients as rate
    from pipeline.calibrate_coefficients_files import summary, write_draft
    from pipeline.calibrate_draft import DraftOrder, stop_if_taken
    from pipeline.calibrate_price_rules import load_price_rules
    from pipeline.calibrate_weights import weights_of
    from pipeline.calibrate_window import ground_of, read_window
    from pipeline.progress import stages
    from pipeline.region import load_region

    order = DraftOrder(out, _day("--effective-from", effective_from))
    stop_if_taken(order)
    said = load_price_rules(rules)
    ground = ground_of(load_region(region), _day("--at", at))
    with stages(quiet=as_json) as tick:
        window = read_window(history, ground, said, runs, memory, tick)
        found = rate(window, ground, weights_of(ground), said, by)
        write_draft(found, order)
    told = summary(found)
    if as_json:
        print_json({"folder": str(out), **told})
        return
    moved = sum(one.status in ("own", "low", "high") for one in found.units)
    typer.echo(
        f"系数草案：{out}；{told['cases']:,} 例，测算 {moved} 个，其余沿用；Σ 权重·系数 {told['total_before']} → {told['total']}，"
        f"余数 {told['residue']}；依据见 {out / 'evidence.csv'}，对照见 {out / 'comparison.xlsx'}"
    )


def _day(option: str, text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageMistake(f"{option} 读不懂：`{text[:20]}`；应写作 2026-01-01") from error


def _funds(texts: list[str]) -> dict[str, int]:
    """Fen by insurance type."""
    from pipeline.solve import yuan_of

    found: dict[str, int] = {}
    for text in texts:
        kind, sign, number = text.partition("=")
        if not sign or not kind.strip() or kind.strip() in found:
            raise UsageMistake(f"--fund 写法不对：`{text[:40]}`；应为 险种=元，每个险种一次，如 310=60000000")
        found[kind.strip()] = yuan_of(number.strip())
        if found[kind.strip()] <= 0:
            raise UsageMistake(f"--fund 应大于零：`{text[:40]}`；请更正")
    return found
