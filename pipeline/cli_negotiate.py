"""Commands about weight negotiation (权重谈判): `drgdip negotiate ...`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli_apply import HISTORY_HELP, register_apply
from pipeline.cli_schemes import AsJson, print_json
from pipeline.cli_simulate import register
from pipeline.errors import InputError, UsageMistake

if TYPE_CHECKING:
    from pipeline.negotiate_check import Checked
    from pipeline.negotiate_history import History
    from pipeline.negotiate_present import Present
    from pipeline.negotiate_read import Filled
    from pipeline.region import Region

negotiate_app = typer.Typer(
    help="权重谈判：出表、检查交回的表、缩放使总权重不变、模拟各方案的影响、采纳、撤销。",
    no_args_is_help=True,
)
register(negotiate_app)
register_apply(negotiate_app)
LISTED = 50  # complaints shown to people; --json has all
YUAN = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")
Files = Annotated[Path, typer.Argument(metavar="文件", help="交回的谈判表：xlsx 或 CSV。")]
RegionOf = Annotated[str, typer.Option("--region", help="地区名，或地区文件夹的路径。")]
Needed = Annotated[list[str], typer.Option("--history", help=HISTORY_HELP)]
Optional = Annotated[list[str] | None, typer.Option("--history", help=HISTORY_HELP)]
At = Annotated[
    str | None, typer.Option("--at", help="谈判哪一天的权重；不给则用历史的最后一天，检查时用表里记的那天。")
]
Runs = Annotated[Path, typer.Option("--runs", help="存放结算结果的文件夹，--history 给结算期时用。")]


@negotiate_app.command("template")
def negotiate_template(
    region: Annotated[str, typer.Argument(metavar="地区", help="地区名，或地区文件夹的路径。")],
    history: Needed,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="写到哪个 .xlsx 文件；不给则用当前目录下的 ‹地区›-权重谈判表.xlsx。"),
    ] = None,
    at: At = None,
    runs: Runs = Path("out"),
    as_json: AsJson = False,
) -> None:
    """出谈判表：每个 MDC（病种目录按章）一张，列出例数、例均费用、CV、现行权重与费用折算权重，待填建议权重。"""
    from pipeline.negotiate_present import day_of, present_of
    from pipeline.negotiate_sheet import write_template
    from pipeline.region import load_region
    from pipeline.words import worded

    pack = load_region(region)
    target = out or Path(f"{pack.pack.name}-权重谈判表.xlsx")
    _check_suffix("--out", target, ".xlsx")
    seen = _history(history, pack, runs)
    present = present_of(pack, day_of(seen, at))
    write_template(target, present, seen)
    cases = sum(seen.of(code).cases for code in present.groups)
    if as_json:
        print_json({"out": str(target), "groups": len(present.groups), "panels": len(present.panels), "cases": cases,
                    "periods": seen.periods, "weights_sha256": present.sha256, "orphans": seen.orphans})  # fmt: skip
        return
    typer.echo(
        worded(
            f"谈判表：{len(present.panels)} 张，{len(present.groups):,} 个病组，{cases:,} 例：{target}",
            present.kind,
        )
    )
    if present.months is not None and present.months != len(seen.periods):
        typer.echo(f"提醒：本地区规定用 {present.months} 个月的历史，现为 {len(seen.periods)} 个月")


@negotiate_app.command("check")
def negotiate_check(
    file: Files,
    region: RegionOf,
    history: Optional = None,
    gross: Annotated[
        str | None, typer.Option("--gross", help="基金（元）；给了就算总权重变大后费率稀释成多少。")
    ] = None,
    at: At = None,
    runs: Runs = Path("out"),
    as_json: AsJson = False,
) -> None:
    """检查交回的谈判表：所有错误一次列出，指明表与格；没有错误就列出总权重前后之差。"""
    from pipeline.negotiate_read import read_filled
    from pipeline.negotiate_report import proposed_lines, totals_of
    from pipeline.region import load_region
    from pipeline.words import worded

    gross_fen = _fen(gross)
    pack, filled = load_region(region), read_filled(file)
    seen = _history(history, pack, runs) if history else None
    present, checked = _checked(filled, pack, seen, at)
    _stop_on_complaints(file, checked, as_json)
    cases = _cases(file, filled, checked, present, seen)
    if cases is None:
        if as_json:
            print_json({"complaints": [], "proposals": len(checked.proposals)})
        else:
            typer.echo(
                f"没有错误：{file}，{len(checked.proposals):,} 行；给出 --history 就列出总权重前后之差"
            )
        return
    weights = checked.weights(present, cases)
    before, after = totals_of(weights)
    if as_json:
        changed = sum(one.wanted != one.present for one in weights.values())
        print_json({"complaints": [], "groups": len(weights), "changed": changed, "before": f"{before:f}",
                    "proposed": f"{after:f}", "rates": _rates(gross_fen, before, after)})  # fmt: skip
        return
    typer.echo("\n".join([f"没有错误：{file}", *proposed_lines(weights, present.kind)]))
    if before and after != before:
        typer.echo(worded(_unscaled(gross_fen, before, after), present.kind))


@negotiate_app.command("rescale")
def negotiate_rescale(
    file: Files,
    region: RegionOf,
    history: Needed,
    out: Annotated[
        Path, typer.Option("--out", help="新权重写到哪个 .csv 文件，格式与地区参数的权重表相同。")
    ],
    scope: Annotated[
        Literal["all", "mdc"],
        typer.Option("--scope", help="总权重在哪里不变：all 全部，mdc 每个 MDC（章）之内。"),
    ] = "all",
    place_residue: Annotated[
        bool, typer.Option("--place-residue", help="把四舍五入的余数按末位一步一步归到没有锁定的病组。")
    ] = False,
    report: Annotated[Path | None, typer.Option("--report", help="总权重核算表写到哪个 .xlsx 文件。")] = None,
    at: At = None,
    runs: Runs = Path("out"),
    as_json: AsJson = False,
) -> None:
    """按同一倍数缩放没有锁定的病组，使总权重不变；四舍五入到公布位数，余数照实列出。"""
    from pipeline.invariance import rescale
    from pipeline.negotiate_read import read_filled
    from pipeline.negotiate_report import proof_lines, proof_values, write_report, write_weights
    from pipeline.region import load_region
    from pipeline.words import worded
    from pipeline.write import spare_input

    _check_suffix("--out", out, ".csv")
    if report is not None:
        _check_suffix("--report", report, ".xlsx")
    pack, filled = load_region(region), read_filled(file)
    inputs = [file, *(path for path in pack.folder.rglob("*") if path.is_file())]
    for target in (out, *([report] if report else [])):
        spare_input(target, inputs)
    seen = _history(history, pack, runs)
    present, checked = _checked(filled, pack, seen, at)
    _stop_on_complaints(file, checked, as_json)
    cases = _cases(file, filled, checked, present, seen)
    assert cases is not None  # the history is given
    weights = checked.weights(present, cases)
    try:
        done = rescale(weights, present.digits, scope, place_residue, present.limits)
    except InputError as error:
        raise InputError(worded(str(error), present.kind)) from error
    write_weights(out, pack, present, done.weights)
    if report is not None:
        write_report(report, present, seen.window, weights, done)
    if as_json:
        print_json(
            {
                "out": str(out),
                "report": str(report) if report else None,
                "proofs": [proof_values(one) for one in done.proofs],
            }
        )
        return
    typer.echo("\n".join(proof_lines(done.proofs, present.kind)))
    typer.echo(f"新权重：{out}" + (f"；核算表：{report}" if report else ""))


def _checked(filled: Filled, pack: Region, seen: History | None, at: str | None) -> tuple[Present, Checked]:
    """The weights that the file is about, and what is to be said of it."""
    from pipeline.negotiate_check import check_filled
    from pipeline.negotiate_present import day_of, parsed_day, present_of

    stamped = (filled.stamp or {}).get("权重日期", "")
    if at is None and re.fullmatch(r"\d{4}-\d{2}-\d{2}", stamped):
        at = stamped
    if seen is not None:
        day = day_of(seen, at)
    elif at is not None:
        day = parsed_day(at)
    elif pack.pack.weights:
        day = pack.pack.standing_weights[-1].from_
    else:
        raise UsageMistake("不知道检查哪一天的权重；请给出 --at 或 --history")
    present = present_of(pack, day)
    return present, check_filled(filled, present)


def _cases(
    file: Path, filled: Filled, checked: Checked, present: Present, seen: History | None
) -> dict[str, int] | None:
    """Cases of every group: the history's, which must be the one that a workbook was made from; else the workbook's."""
    from pipeline.negotiate_present import fingerprint, ground

    if seen is None:
        return checked.cases
    if filled.stamp is not None:
        own = fingerprint(present.region, present.sha256, str(present.day), seen.runs, ground(present, seen))
        if own != filled.stamp["指纹"]:
            raise InputError(
                f"历史与谈判表不符：{file} 用的是 {filled.stamp['窗口']}（批次 {filled.stamp['批次']}），--history 给的是 "
                f"{seen.window}（批次 {'、'.join(seen.runs)}）；请用出表时的批次，或重新出表"
            )
    return {code: seen.of(code).cases for code in present.groups}


def _stop_on_complaints(file: Path, checked: Checked, as_json: bool) -> None:
    """List the complaints and raise InputError, if there are any."""
    from dataclasses import asdict

    if not checked.complaints:
        return
    if as_json:
        print_json({"complaints": [asdict(one) for one in checked.complaints]})
    else:
        typer.echo("\n".join(one.line for one in checked.complaints[:LISTED]))
    count = len(checked.complaints)
    more = f"，以上列出前 {LISTED} 处，全部见 --json" if count > LISTED and not as_json else ""
    raise InputError(f"谈判表有 {count:,} 处错误：{file}{more}；请更正后重新检查")


def _history(given: Sequence[str], pack: Region, runs: Path) -> History:
    """The window of folders, or of periods by their current runs."""
    from pipeline.negotiate_history import read_history, window_folders

    return read_history(window_folders(given, pack.pack.name, runs), pack.pack.name)


def _check_suffix(option: str, path: Path, suffix: str) -> None:
    if path.suffix.lower() != suffix:
        raise UsageMistake(f"{option} 应是 {suffix} 文件，实为 `{path.name}`；请更正")


def _fen(text: str | None) -> int | None:
    if text is None:
        return None
    if not YUAN.fullmatch(text) or not (fen := int(Decimal(text) * 100)):
        raise UsageMistake(f"--gross 应为大于零、至多两位小数的元，不带逗号，实为 `{text[:20]}`；请更正")
    return fen


def _rates(gross_fen: int | None, before: Decimal, after: Decimal) -> dict[str, str] | None:
    """Yuan per weight before and after, where the fund is given."""
    from pipeline.invariance import dilution

    if gross_fen is None or not before or not after:
        return None
    return {"before": f"{dilution(gross_fen, before):f}", "after": f"{dilution(gross_fen, after):f}"}


def _unscaled(gross_fen: int | None, before: Decimal, after: Decimal) -> str:
    """What a total that is not kept does to everyone's rate."""
    from pipeline.invariance import half_away

    share = half_away(Fraction(before) / Fraction(after) * 100, 4)
    rates = _rates(gross_fen, before, after)
    told = "" if rates is None else f"（{rates['before']} → {rates['after']} 元）"
    return f"若不缩放：同样的基金分给 {after:,f}，每一权重只值原来的 {share:f}%{told}"
