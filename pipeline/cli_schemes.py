"""Commands about grouping schemes: `drgdip schemes ...`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import UsageMistake

schemes_app = typer.Typer(help="分组方案：列出、检查、登记校验值、导入 DIP 目录。", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="以 JSON 输出，供程序读取。")]


def print_json(value: Any) -> None:
    """One line of JSON for machines."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


@schemes_app.command("list")
def schemes_list(as_json: AsJson = False) -> None:
    """列出现有分组方案及其出处。"""
    from groupers.scheme import describe, load_manifest, scheme_folder, scheme_names

    found = [describe(load_manifest(scheme_folder(name))) for name in scheme_names()]
    if as_json:
        print_json(found)
        return
    for one in found:
        typer.echo(
            f"{one['name']}  {one['title']}  {one['issuer']} {one['document']}  {one['effective_from']} 起"
        )


@schemes_app.command("lint")
def schemes_lint(
    name: Annotated[str, typer.Argument(metavar="方案", help="方案名或方案文件夹的路径。")],
    as_json: AsJson = False,
) -> None:
    """检查一个方案：孤立名单、永不满足的规则、不在编码表的编码等；只报告，不修改。"""
    from dataclasses import asdict

    from groupers.codes import load_code_tables
    from groupers.dip.lint import lint_catalogue
    from groupers.dip.load import load_catalogue
    from groupers.drg.lint import lint
    from groupers.drg.rulebook import load_rulebook
    from groupers.scheme import load_manifest, scheme_folder

    if load_manifest(scheme_folder(name)).kind == "dip":
        found = lint_catalogue(load_catalogue(name), load_code_tables())
    else:
        found = lint(load_rulebook(name), load_code_tables())
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        typer.echo(f"[{one.severity}] {one.code} {one.subject}：{one.message}")
    typer.echo(f"共 {len(found)} 条")


@schemes_app.command("seal")
def schemes_seal(
    folder: Annotated[Path, typer.Argument(metavar="文件夹", help="本地方案的文件夹。")],
) -> None:
    """本地方案改动后，重新登记各文件的校验值（sha256）。"""
    from groupers.scheme import seal

    typer.echo(f"已登记 {seal(folder)} 个文件：{folder / 'scheme.yaml'}")


@schemes_app.command("import")
def schemes_import(
    file: Annotated[Path, typer.Argument(metavar="文件", help="经办机构的 DIP 目录：xlsx 或 CSV。")],
    name: Annotated[str, typer.Option("--as", help="新方案的名称。")],
    out: Annotated[Path, typer.Option("--out", help="写到哪个文件夹（须不存在）。")],
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="列对应，如 dx4=诊断编码，可多次；不给则按常见表头识别。"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """导入一份 DIP 目录：能安全修复的修复，不能收的逐行说明原因，写成登记过的方案文件夹。"""
    from groupers.dip.import_file import import_catalogue

    mapping = {}
    for pair in columns or []:
        field, found, header = pair.partition("=")
        if not found:
            raise UsageMistake(f"列对应写法不对：`{pair}`；应为 字段=表头，如 dx4=诊断编码")
        mapping[field.strip()] = header.strip()
    report = import_catalogue(file, name, out, mapping)
    if as_json:
        print_json(
            {"folder": str(report.folder), "rows": report.rows, "taken": report.taken, "auxiliary": report.auxiliary,
             "refused": report.refused, "repaired": report.repaired, "notes": report.notes}
        )  # fmt: skip
        return
    typer.echo(
        f"目录共 {report.rows} 行 = 收下 {report.taken} + 辅助分型 {report.auxiliary} + 退回 {report.refused}；"
        f"修复编码 {report.repaired} 处"
    )
    for note in report.notes:
        typer.echo(f"  {note}")
    typer.echo(f"方案：{report.folder}；逐行说明：{report.folder / 'import-report.csv'}")
