"""Whose account pays and whose receives: `accounts.csv` of a region pack, dated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.region_tables import FOREVER, numbered_csv

FILE = "accounts.csv"
COLUMNS = ("holder", "account_name", "bank", "account_number", "from", "to", "source")


@dataclass(frozen=True)
class Account:
    """A dated account of a hospital (it receives) or of an insurance type's fund (it pays)."""

    holder: str
    account_name: str
    bank: str
    account_number: str
    from_: dt.date
    to: dt.date


def read_accounts(folder: Path, holders: Collection[str]) -> tuple[Account, ...]:
    """The accounts of a pack, none where there is no table. Raises ConfigurationError naming file and line."""
    path = folder / FILE
    if not path.is_file():
        return ()
    found: list[Account] = []
    for number, row in numbered_csv(path, COLUMNS):
        where = f"{path} 第 {number} 行"
        if row["holder"] not in holders:
            raise ConfigurationError(
                f"账户表有误：{where}的 `{row['holder'][:40]}` 既不是本地区的医院也不是险种；请核对 holder"
            )
        if not all(row[name].strip() for name in ("account_name", "bank", "account_number", "source")):
            raise ConfigurationError(f"账户表有误：{where}缺户名、开户行、账号或出处；请补齐")
        try:
            first = dt.date.fromisoformat(row["from"])
            last = dt.date.fromisoformat(row["to"]) if row["to"] else FOREVER
        except ValueError as error:
            raise ConfigurationError(f"账户表有误：{where}的日期读不懂；请写作 2025-01-01") from error
        one = Account(row["holder"], row["account_name"], row["bank"], row["account_number"], first, last)
        if any(
            other.holder == one.holder and other.from_ <= one.to and one.from_ <= other.to for other in found
        ):
            raise ConfigurationError(
                f"账户表有误：{where}，`{one.holder}` 在 {one.from_} 已有另一个账户；请给前一行填截止日期"
            )
        found.append(one)
    return tuple(found)


def account_on(accounts: Sequence[Account], holder: str, day: dt.date) -> Account | None:
    """The account of a holder on a day; None where the table has none."""
    return next((one for one in accounts if one.holder == holder and one.from_ <= day <= one.to), None)
