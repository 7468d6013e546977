"""Draw one chunk of invented discharges of the DIP mix; what both mixes share is in synth_draw."""

from __future__ import annotations

import numpy as np

from pipeline.synth_dip_pool import MOST_RELATED, DipPool
from pipeline.synth_draw import (
    NULL,
    Chunk,
    Rows,
    draw_dates,
    draw_diagnoses,
    draw_leaving,
    draw_person,
    draw_place,
    draw_stay,
    draw_templates,
    draw_ward,
    month_span,
    numbered,
)
from pipeline.synth_hospitals import Hospitals
from pipeline.synth_money import LEVEL_FACTOR, draw_money

MOST_EXTRAS = 3
REPEATS = 0.05  # of the cases with a principal procedure, those that have it twice
TREATED = 0.45  # of the cases without one, those with a procedure of no class
FLAT_LEVEL = np.array([1.015, 1.0, 0.985])  # by level, for rows that cost the same everywhere
YEARLY = 1.035  # rise of the mean from year to year
TREND_IS_ONE = 20_089  # days since 1970 of the month (the January of the samples) that the costs are those of
LONGEST_ICU = 60 * 24
ICU_DAY_WEIGHT = 0.22  # what a day in intensive care adds


def draw_dip_rows(pool: DipPool, hospitals: Hospitals, chunk: Chunk, rng: np.random.Generator) -> Rows:
    """One chunk of clean discharges of the DIP mix."""
    n, templates = chunk.rows, pool.templates
    template = draw_templates(pool, chunk, rng)
    profile = templates.profile[template]
    rows = numbered(chunk)
    # The first codes of a disease are the usual ones.
    luck = rng.random(n) ** 2
    variant = templates.first_variant[template] + (luck * templates.variant_count[template]).astype(np.int32)
    rows["dx"], rank = draw_diagnoses(
        pool.histories, pool.variants[variant][:, None], pool.variant_tables[variant], profile, rng
    )
    rows["px"] = _procedures(pool, template, rng)
    base, weight = templates.weight[template, 0], templates.weight[template, rank]
    flat = templates.level_flat[template]
    rows["hospital"] = hospitals.draw(np.where(flat, base, weight), rng.random(n, dtype=np.float32))
    draw_person(rows, pool, template, profile, chunk, rng)
    draw_place(rows, hospitals, rng)
    effort = rng.standard_normal(n)
    stay = draw_stay(templates.stay_days[template], effort, rank, rng)
    stay, icu_days = _critical(rows, stay, rank, weight, rng)
    draw_dates(rows, stay, chunk.month, rng)
    draw_ward(rows, pool, hospitals, template, stay, rng)
    mean = _mean(rows, hospitals, weight + ICU_DAY_WEIGHT * icu_days, flat, chunk)
    low = draw_money(rows, mean, effort, templates.operated[template], hospitals, rng)
    draw_leaving(rows, profile, rank, low, rng)
    return rows


def _mean(
    rows: Rows,
    hospitals: Hospitals,
    weight: np.ndarray,
    flat: np.ndarray,
    chunk: Chunk,
) -> np.ndarray:
    """The mean a case is drawn around, before the factors of level and hospital that synth_money knows.

    Far outliers are those of synth_money's luck among the severe and the long in intensive care.
    """
    level = hospitals.level[rows["hospital"]]
    # A row that costs the same everywhere: what synth_money will multiply by is taken out beforehand.
    even = FLAT_LEVEL[level] / (LEVEL_FACTOR[level] * hospitals.fee_factor[rows["hospital"]])
    years = (month_span(chunk.month)[0] - TREND_IS_ONE) / 365.25
    return weight * np.where(flat, even, 1.0) * YEARLY**years


def _procedures(pool: DipPool, template: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Procedure matrix: the principal, then related, unrelated, unclassed and repeated ones in any order."""
    n = len(template)
    own = pool.templates.px[template]
    first, related = own[:, :1], own[:, 1:]
    classed = first[:, 0] >= 0
    treated = ~classed & (rng.random(n) < TREATED)
    more = np.minimum(rng.poisson(1.1, n), MOST_EXTRAS)
    more = np.where(classed, more, np.where(treated, 1 + more // 2, 0))
    # A case without a classed procedure stays conservative: its extras have no class either.
    offered = np.concatenate([pool.first_px, pool.other_px])
    unclassed, further = np.int32(len(pool.first_px)), np.int32(len(pool.other_px))
    begin = np.where(classed, unclassed, np.int32(0))
    size = np.where(classed, further, unclassed)
    start = (rng.random(n, dtype=np.float32) * size).astype(np.int32)
    step = rng.integers(1, 18, n, dtype=np.int32)
    extras = np.stack([offered[begin + (start + turn * step) % size] for turn in range(MOST_EXTRAS)], axis=1)
    extras[np.arange(MOST_EXTRAS)[None, :] >= more[:, None]] = -1
    again = np.where(rng.random(n) < REPEATS, first[:, 0], -1)[:, None]
    others = np.hstack([related, extras, again.astype(np.int32)])
    # A turn of each row's own brings the others into another order.
    width = MOST_RELATED + MOST_EXTRAS + 1
    turned = (np.arange(width)[None, :] + rng.integers(0, width, n, dtype=np.int16)[:, None]) % width
    return np.hstack([first, np.take_along_axis(others, turned, axis=1)])


def _critical(
    rows: Rows, stay: np.ndarray, rank: np.ndarray, weight: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hours in intensive care and on the ventilator; returns the stay, long enough for them, and the ICU days."""
    n = len(stay)
    icu = rng.random(n) < np.where(rank == 2, 0.11, 0.004) + np.where(weight > 3.5, 0.12, 0.0)
    hours = np.clip(np.exp(rng.normal(4.3, 1.0, n)), 4, LONGEST_ICU).astype(np.int64)
    # Most leave intensive care before they leave hospital.
    needed = -(-hours // 24) + rng.integers(0, 6, n)
    stay = np.where(icu, np.maximum(stay, needed), stay)
    rows["icu_hours"] = np.where(icu, hours, NULL)
    ventilated = icu & (rng.random(n) < 0.4)
    rows["ventilator_hours"] = np.where(ventilated, np.maximum((hours * 0.7).astype(np.int64), 2), NULL)
    return stay, np.where(icu, hours // 24, 0)
