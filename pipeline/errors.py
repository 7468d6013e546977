"""What stops a run: one Chinese sentence for the user and an exit code for cron."""

from __future__ import annotations


class UserError(Exception):
    """A mistake the user can mend. The message says where, what, expected and found, and the next step."""

    exit_code = 1
    kind = "错误"


class UsageMistake(UserError):
    """The command line asks for something that does not exist."""

    exit_code = 2
    kind = "用法"


class ConfigurationError(UserError):
    """A region pack cannot be used."""

    exit_code = 10
    kind = "配置"


class InputError(UserError):
    """An input file or the output place cannot be used."""

    exit_code = 11
    kind = "输入"


class SchemeUnusable(UserError):
    """A grouping scheme or code table cannot be used."""

    exit_code = 12
    kind = "方案"


class AuditBroken(UserError):
    """A law of the money does not hold; nothing is published."""

    exit_code = 13
    kind = "核对"


class Locked(UserError):
    """Another process runs this region."""

    exit_code = 14
    kind = "占用"
