"""Commands about region packs: `drgdip regions ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_schemes import AsJson, print_json

regions_app = typer.Typer(help="地区参数：列出、检查、从真实地区起草。", no_args_is_help=True)
RegionName = Annotated[str, typer.Argument(metavar="地区", help="地区名，如 demo-rate，或地区文件夹的路径。")]
TAGS = {"error": "错误", "warning": "提醒", "supply": "待补", "unverified": "未核实"}


@regions_app.command("list")
def regions_list(as_json: AsJson = False) -> None:
    """列出现有地区。"""
    from pipeline.region import load_region, region_names

    found = [load_region(name).pack for name in region_names()]
    if as_json:
        print_json([{"name": pack.name, "title": pack.title, "version": pack.version} for pack in found])
        return
    for pack in found:
        typer.echo(f"{pack.name}  {pack.title}  版本 {pack.version}")


@regions_app.command("check")
def regions_check(
    region: RegionName,
    draft: Annotated[
        bool, typer.Option("--draft", help="检查草稿：待补、未核实的只列出，不算错误。")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """检查地区参数：权重、费率是否齐全，医院级别，倍率界限处支付额是否跳档，国家上限；有错误时退出码 10。"""
    from dataclasses import asdict

    from pipeline.region import load_region
    from pipeline.region_draft_check import review_region

    pack = load_region(region)
    problems, intervals = review_region(pack, draft)
    if as_json:
        print_json([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            typer.echo(f"[{TAGS[problem.severity]}] {problem.where}：{problem.message}")
        typer.echo(f"{pack.pack.title}：共 {len(problems)} 条，参数区间 {intervals} 个")
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(10)


@regions_app.command("areas")
def regions_areas(as_json: AsJson = False) -> None:
    """列出各地参数表中的地区：哪些能完整起草，哪些不能、缺什么。"""
    from pipeline.region_draft import drafted_areas

    found = drafted_areas()
    if as_json:
        print_json(
            [
                {"label": one.label, "method": one.method, "complete": one.complete, "blanks": one.blanks}
                for one in found
            ]
        )
        return
    for one in found:
        blanks = "；".join(f"{item}（{why}）" for item, why in one.blanks.items())
        typer.echo(f"{one.label}  {one.method}  {'完整' if one.complete else f'缺 {blanks}'}")
    typer.echo(f"共 {len(found)} 行，能完整起草 {sum(one.complete for one in found)} 行")


@regions_app.command("new")
def regions_new(
    name: Annotated[str, typer.Argument(metavar="名称", help="新地区的名称：英文、数字、连字符。")],
    like: Annotated[str, typer.Option("--like", help="参照哪个地区，如 镇江；见 regions areas。")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="写到哪个文件夹（须不存在）；不给则是当前目录下的同名文件夹。"),
    ] = None,
    allow_blanks: Annotated[
        bool, typer.Option("--allow-blanks", help="表里有空白也起草，空白处写成注释，检查时报错。")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """从各地参数表的一行起草地区参数：每个值都注明来历、标为未核实，并列出本市还要补什么。"""
    from pipeline.region_draft import draft_region

    target = out or Path(name)
    terms = draft_region(name, like, target, allow_blanks)
    if as_json:
        print_json({"folder": str(target), "supply": len(terms.supply), "blanks": len(terms.blanks)})
        return
    typer.echo(
        f"已起草：{target}；待补 {len(terms.supply)} 项，空白 {len(terms.blanks)} 项，清单见 {target / 'README.md'}"
    )
    typer.echo(f"下一步：drgdip regions check {target}/ --draft")


@regions_app.command("schema")
def regions_schema() -> None:
    """印出地区参数的 JSON Schema，供编辑器补全与检查。"""
    from pipeline.region_schema import schema_text

    typer.echo(schema_text(), nl=False)
