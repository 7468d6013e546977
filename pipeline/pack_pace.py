"""The entry of a region pack about the budget pace (序时进度): how far ahead of the calendar is a warning."""

from __future__ import annotations

from pydantic import model_validator

from pipeline.entries import Dated, Share


class PaceEntry(Dated):
    """By how much of the year's budget the share used may be above the share of the year gone, before a level is told.

    `watch_over` (预警) and `alarm_over` (警戒): 0.05 is five percentage points; exactly as much is not yet above it.
    """

    watch_over: Share
    alarm_over: Share

    @model_validator(mode="after")
    def _alarm_comes_later(self) -> PaceEntry:
        if self.alarm_over <= self.watch_over:
            raise ValueError(f"alarm_over {self.alarm_over} 应大于 watch_over {self.watch_over}")
        return self
