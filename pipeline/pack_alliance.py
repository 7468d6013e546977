"""The entry of a region pack about alliances (医共体): who bears an overspend, and when is paid.

Source: DESIGN §7 医共体; packages, other spending and assessments stand in tables: `alliance_tables.py`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.entries import Dated, Share

Workdays = Annotated[int, Field(ge=1, le=250)]


class AllianceEntry(Dated):
    """`overspend_share`: the alliance's part of what a year spent above its package; the fund bears the rest.

    `lead_due_workdays`: from the declaration deadline until the lead is paid; `member_due_workdays`: from then
    until the lead has paid its members.
    """

    overspend_share: Share
    lead_due_workdays: Workdays
    member_due_workdays: Workdays = 10
