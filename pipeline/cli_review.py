"""Commands about special case review (特例单议): `drgdip review ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_ledger import LedgerUrl
from pipeline.cli_schemes import AsJson, print_json
from pipeline.errors import UsageMistake

review_app = typer.Typer(help="特例单议：导出申报表、导入评议决定、出公示表。", no_args_is_help=True)
Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="批次文件夹", help="out/‹地区›/‹结算期›/‹批次›；不给则用 --region、--period 的现行批次。"
    ),
]
Region = Annotated[str | None, typer.Option("--region", help="地区名，或地区文件夹的路径。")]
Period = Annotated[str | None, typer.Option("--period", help="结算期，如 2025-10。")]
Runs = Annotated[Path, typer.Option("--runs", help="存放结算结果的文件夹。")]
Target = Annotated[Path, typer.Option("--out", help="写到哪个 .xlsx 文件；同名 .csv 写在旁边。")]


def _check_target(out: Path) -> None:
    if out.suffix.lower() != ".xlsx":
        raise UsageMistake(f"--out 应是 .xlsx 文件，实为 `{out.name}`；请更正")


def _folder(folder: Path | None, region: str | None, period: str | None, runs: Path) -> Path:
    """The run folder given, or the current run of a region's period."""
    from pipeline.region import load_region
    from pipeline.review import current_run

    if folder is not None and period is None:
        return folder
    if folder is not None or region is None or period is None:
        raise UsageMistake("请给出批次文件夹，或者 --region 与 --period 两项；不要都给")
    return current_run(runs, load_region(region).pack.name, period)


@review_app.command("export")
def review_export(
    out: Target,
    folder: Run = None,
    region: Region = None,
    period: Period = None,
    hospital: Annotated[str | None, typer.Option("--hospital", help="只导出这家医院（机构编号）。")] = None,
    runs: Runs = Path("out"),
    as_json: AsJson = False,
) -> None:
    """导出可申请特例单议的病例：每家医院一张申报表，按费用与标准之差由大到小；附空白的评议决定表。"""
    from pipeline.region import load_region
    from pipeline.review import export_applications, manifest_of

    _check_target(out)
    found = _folder(folder, region, period, runs)
    pack = load_region(region or manifest_of(found)["region"])
    cases, twin = export_applications(found, pack, out, hospital)
    if as_json:
        print_json({"cases": cases, "out": str(out), "csv": str(twin)})
    else:
        typer.echo(f"可申请特例单议 {cases:,} 例：{out}；全部病例：{twin}")


@review_app.command("import")
def review_import(
    region: Annotated[str, typer.Argument(metavar="地区", help="地区名，或地区文件夹的路径。")],
    file: Annotated[Path, typer.Argument(metavar="文件", help="评议决定表：xlsx 或 CSV。")],
    by: Annotated[str, typer.Option("--by", help="谁导入的（姓名），记在账本里。")],
    runs: Runs = Path("out"),
    ledger_url: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """导入评议决定：逐格检查，有一处不对就一行也不收；导入后重新运行所属各期，价格才会变。"""
    from collections import Counter
    from collections.abc import Collection

    from pipeline.decision_list import Known, read_decisions
    from pipeline.decisions import store
    from pipeline.identity import code_version, sha256_of
    from pipeline.ledger import open_ledger
    from pipeline.region import load_region
    from pipeline.review import known_cases
    from pipeline.runfolder import occupied
    from pipeline.words import DECISION_NAMES

    if not by.strip():
        raise UsageMistake("--by 是空的；请写导入人的姓名")
    name = load_region(region).pack.name
    periods: set[str] = set()

    def known(case_ids: Collection[str]) -> dict[str, Known]:
        found = known_cases(runs, name, case_ids)
        periods.update(one.period for one in found.values())
        return found

    decisions = read_decisions(file, known)
    with (
        occupied(runs / name, name),
        open_ledger(runs / name, name, code_version(), ledger_url) as ledger,
        ledger.occupied(),
    ):
        is_new = store(ledger, decisions, sha256_of(file), by.strip())
    counts = Counter(str(one.decision) for one in decisions)
    if as_json:
        print_json(
            {
                "decisions": len(decisions),
                **counts,
                "fresh": is_new,
                "periods": sorted(periods),
            }
        )
        return
    told = "、".join(f"{title} {counts[verdict]:,} 例" for verdict, title in DECISION_NAMES.items())
    if not is_new:
        typer.echo(f"这些决定已经导入过，没有变化：{told}")
    else:
        typer.echo(f"已导入 {len(decisions):,} 个决定（{told}），记入账本")
        typer.echo(f"下一步：重新运行 {'、'.join(sorted(periods))}；已发布的用 `drgdip rerun {region}`")


@review_app.command("notice")
def review_notice(
    out: Target,
    folder: Run = None,
    region: Region = None,
    period: Period = None,
    runs: Runs = Path("out"),
    as_json: AsJson = False,
) -> None:
    """出特例单议公示表：各医院申请、通过例数，占限额的比例，基金支付；不含个人信息。"""
    from pipeline.region import load_region
    from pipeline.review import export_notice, manifest_of

    _check_target(out)
    found = _folder(folder, region, period, runs)
    decided, twin = export_notice(found, load_region(region or manifest_of(found)["region"]), out)
    if as_json:
        print_json({"decisions": decided, "out": str(out), "csv": str(twin)})
    else:
        typer.echo(f"特例单议公示表（{decided:,} 个决定）：{out}；{twin}")
