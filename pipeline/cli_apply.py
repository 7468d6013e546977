"""`drgdip negotiate apply | undo`: what a meeting agreed becomes a dated version of the region pack, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli_schemes import AsJson, print_json

if TYPE_CHECKING:
    from pipeline.negotiate_apply import Applied

HISTORY_HELP = "历史：批次文件夹，或结算期（取现行批次），如 2025-01..2025-10；可多次。"
RegionOf = Annotated[str, typer.Option("--region", help="地区文件夹的路径（随程序附带的示范地区须先复制）。")]
Minutes = Annotated[str, typer.Option("--minutes", help="会议纪要的文号。")]
Held = Annotated[str, typer.Option("--held", help="会议日期，如 2025-06-20。")]
By = Annotated[str, typer.Option("--by", help="谁采纳的：姓名。")]
Out = Annotated[Path, typer.Option("--out", help="存放结算结果的文件夹：看哪些已发布的月份受影响，取历史。")]
LedgerUrl = Annotated[
    str | None,
    typer.Option("--ledger", envvar="DRGDIP_LEDGER", help="账本地址（PostgreSQL）；不给则用 SQLite。"),
]


def register_apply(app: typer.Typer) -> None:
    """Add the commands to the app of the negotiation."""
    app.command("apply")(apply)
    app.command("undo")(undo)


def apply(
    file: Annotated[
        Path, typer.Argument(metavar="权重表", help="新权重（CSV），negotiate rescale 写出的那张。")
    ],
    region: RegionOf,
    day: Annotated[str, typer.Option("--from", help="从哪天起，如 2025-07-01。")],
    minutes: Minutes,
    held: Held,
    by: By,
    panels: Annotated[list[str], typer.Option("--panel", help="专家组的名称，可多次。")],
    replaces: Annotated[
        str | None, typer.Option("--replaces", help="代替同一天起的哪一版：它在 weights 里的文件名。")
    ] = None,
    history: Annotated[
        list[str] | None, typer.Option("--history", help=f"{HISTORY_HELP}给了就核对总权重。")
    ] = None,
    total_changed: Annotated[
        str | None, typer.Option("--total-changed", help="总权重变了的理由；不给而变了就拒绝。")
    ] = None,
    out: Out = Path("out"),
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """采纳：把新权重作为带日期、带出处的一版写进地区参数；原有的一个字不动，再由 rerun 重算已发布的月份。"""
    from pipeline.negotiate_apply import apply_weights, meeting_of
    from pipeline.negotiate_history import window_folders
    from pipeline.negotiate_present import parsed_day
    from pipeline.region import load_region

    meeting = meeting_of(minutes, parsed_day(held, "--held"), panels, by)
    seen = window_folders(history, load_region(region).pack.name, out) if history else None
    done = apply_weights(
        region, file, parsed_day(day, "--from"), meeting, replaces, seen, total_changed, out, ledger_url
    )
    _tell(done, region, as_json)


def undo(
    file: Annotated[str, typer.Argument(metavar="文件名", help="要撤销的那一版在 weights 里的文件名。")],
    region: RegionOf,
    minutes: Minutes,
    held: Held,
    by: By,
    panels: Annotated[list[str] | None, typer.Option("--panel", help="专家组的名称，可多次。")] = None,
    out: Out = Path("out"),
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """撤销：另立一版，恢复它之前的权重；被撤销的一版留在地区参数里作历史。"""
    from pipeline.negotiate_apply import meeting_of, undo_version
    from pipeline.negotiate_present import parsed_day

    meeting = meeting_of(minutes, parsed_day(held, "--held"), panels or [], by)
    _tell(undo_version(region, file, meeting, out, ledger_url), region, as_json)


def _tell(done: Applied, region: str, as_json: bool) -> None:
    from pipeline.region import FOREVER
    from pipeline.words import worded

    entry, totals, kind = done.entry, done.totals, done.region.pack.kind
    if as_json:
        print_json({
            "fresh": done.fresh, "file": entry.file, "from": str(entry.from_), "source": entry.source,
            "replaces": entry.replaces, "changed": done.changed, "months": list(done.months),
            "days": [[str(first), None if last == FOREVER else str(last)] for first, last in done.days],
            "total": None if totals is None else {
                "window": totals.window, "before": f"{totals.before:f}", "after": f"{totals.after:f}",
                "rounding": f"{totals.rounding:f}", "kept": totals.kept,
            },
        })  # fmt: skip
        return
    if not done.fresh:
        typer.echo(f"已经写在地区参数里，什么也没有做：{entry.from_} 起的 `{entry.file}`（{entry.source}）")
        return
    instead = f"，代替 `{entry.replaces}`" if entry.replaces else ""
    lines = [
        f"已写入地区参数：{entry.from_} 起的 `{entry.file}`{instead}，"
        + worded(f"改动 {done.changed:,} 个病组的权重", kind),
        f"出处：{entry.source}",
    ]
    if totals is None:
        lines.append(worded("总权重没有核对：没有给 --history", kind))
    else:
        state = "不变（差在四舍五入以内）" if totals.kept else f"改变 {totals.after - totals.before:+,f}"
        lines.append(
            worded("总权重", kind) + f" {totals.before:,f} → {totals.after:,f}，{state}；历史 {totals.window}"
        )
    for first, last in done.days:
        lines.append(f"影响定价日期 {first} {'以后' if last == FOREVER else f'至 {last}'} 的病例")
    if done.months:
        months = f"--from {done.months[0]} --to {done.months[-1]}"
        lines += [
            f"已发布的月份受影响的：{'、'.join(done.months)}",
            f"下一步：drgdip rerun {region} {months}（试算差额），再加 --rechecked-by、--approved-by 发布补差",
        ]
    else:
        lines.append(f"没有已发布的月份受影响；下一步：drgdip regions check {region}")
    typer.echo("\n".join(lines))
