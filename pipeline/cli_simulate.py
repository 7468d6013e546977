"""`drgdip negotiate simulate`: what proposed weights or another pack would do, priced on finished months."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_schemes import AsJson, print_json


def register(app: typer.Typer) -> None:
    """Add the command to the app of the negotiation."""
    app.command("simulate")(simulate)


def simulate(
    region: Annotated[str, typer.Argument(metavar="地区", help="地区名，或地区文件夹的路径。")],
    out: Annotated[Path, typer.Option("--out", help="写到哪个新文件夹：表、工作簿、网页。")],
    history: Annotated[
        list[Path] | None,
        typer.Option("--history", help="已算完的批次文件夹 out/地区/结算期/批次，可多次（各月一个）。"),
    ] = None,
    proposals: Annotated[
        list[str] | None, typer.Option("--proposal", help="名称=权重表.csv（写法同地区的权重表），可多次。")
    ] = None,
    packs: Annotated[
        list[str] | None,
        typer.Option("--pack", help="名称=另一份地区文件夹：改费率、点值、系数、界限等，可多次。"),
    ] = None,
    regroup: Annotated[
        bool,
        typer.Option(
            "--regroup", help="允许 --pack 换分组方案：由已校验的记录重新分组，并给出新旧分组对照。"
        ),
    ] = False,
    memory: Annotated[str, typer.Option("--memory", help="计算引擎的内存上限。")] = "2GiB",
    as_json: AsJson = False,
) -> None:
    """测算：用已存的分组按各方案重新定价，与现行比较，谁增谁减、总额不变时点值稀释多少；不改动任何结算结果。"""
    from pipeline.progress import stages
    from pipeline.region import load_region
    from pipeline.simulate import simulate as run_simulation
    from pipeline.simulate_inputs import named

    weights, others = named(proposals or [], "--proposal"), named(packs or [], "--pack")
    pack = load_region(region)
    with stages(quiet=as_json) as tick:
        done = run_simulation(pack, history or [], weights, others, out, memory, tick, regroup)
    if as_json:
        print_json({"folder": str(done.folder), **done.manifest})
    else:
        typer.echo("\n".join(done.told()))
