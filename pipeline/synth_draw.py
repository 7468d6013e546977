"""Draw one chunk of invented discharges from the pool, as numpy arrays by contract column.

Every column is drawn for the whole chunk at once; NULL stands for a missing number, -1 for a missing text.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from pipeline.synth_hospitals import Hospitals
from pipeline.synth_mix import PROFILES, synth_rows
from pipeline.synth_money import draw_money
from pipeline.synth_pool import HISTORIES, Histories, Pool

NULL = np.iinfo(np.int64).min
SPARE = 2  # free diagnosis places at the end, where flaws are planted
Rows = dict[str, np.ndarray]

# Probability that the weightiest other diagnosis is none, CC, MCC, by profile (invented).
SEVERITY = {
    "elder": (0.42, 0.35, 0.23), "adult": (0.60, 0.27, 0.13), "young": (0.72, 0.20, 0.08),
    "child": (0.76, 0.20, 0.04), "cancer": (0.42, 0.42, 0.16), "obstetric": (0.74, 0.17, 0.09),
    "newborn": (0.58, 0.25, 0.17), "infant": (0.62, 0.25, 0.13),
}  # fmt: skip
# Mean, spread, youngest, oldest of the ages drawn from a bell; children are drawn otherwise.
AGES = {
    "elder": (70, 11, 40, 98), "adult": (50, 15, 18, 90), "young": (37, 13, 15, 70),
    "cancer": (61, 11, 25, 90), "obstetric": (29.5, 4.5, 18, 46),
}  # fmt: skip
EMPLOYEE_SHARE = {"elder": 0.38, "adult": 0.45, "young": 0.40, "cancer": 0.42, "obstetric": 0.55}
INFANTS = 0.14  # of the children, those under one year
HOME_COUNTIES = ("449901", "449902", "449903", "449904", "449905")
PROVINCE_AREAS, COUNTRY_AREAS = ("440100", "440300", "441900"), ("360100", "430100", "450100")
AREAS = (*HOME_COUNTIES, *PROVINCE_AREAS, *COUNTRY_AREAS)
PLACES = ("local", "province", "country")
WAYS = ("1", "2", "3", "4", "5", "9")
KINDS = ("1", "2.1", "3")
EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Chunk:
    """A run of case numbers settled in one month; `cases` is how many the whole order has."""

    month: str
    start: int
    rows: int
    cases: int


def month_span(month: str) -> tuple[int, int]:
    """First day and number of days of a month, days since 1970."""
    year, number = int(month[:4]), int(month[5:])
    first = dt.date(year, number, 1)
    after = dt.date(year + number // 12, number % 12 + 1, 1)
    return (first - EPOCH).days, (after - first).days


def seasonal_shares(pool: Pool, month: str) -> np.ndarray:
    """Cumulative shares of the templates in a month of the year."""
    row = next(row for row in synth_rows("months.csv") if int(row["month"]) == int(month[5:]))
    factor = np.array([1.0, float(row["winter"]), float(row["summer"])])
    share = pool.templates.share * factor[pool.templates.season]
    return np.cumsum(share / share.sum())


def draw_rows(pool: Pool, hospitals: Hospitals, chunk: Chunk, rng: np.random.Generator) -> Rows:
    """One chunk of clean discharges of the DRG mix."""
    n, templates = chunk.rows, pool.templates
    template = draw_templates(pool, chunk, rng)
    profile = templates.profile[template]
    rows = numbered(chunk)
    rows["dx"], rank = draw_diagnoses(
        pool.histories, templates.dx[template], templates.principal_table[template], profile, rng
    )
    rank = np.maximum(rank, templates.extra_rank[template])
    rows["px"] = _procedures(pool, template, rng)
    weight = templates.weight[template, rank]
    rows["hospital"] = hospitals.draw(weight, rng.random(n, dtype=np.float32))
    draw_person(rows, pool, template, profile, chunk, rng)
    draw_place(rows, hospitals, rng)
    effort = rng.standard_normal(n)  # what makes a case dear also makes it long
    stay = draw_stay(templates.stay_days[template], effort, rank, rng)
    draw_dates(rows, stay, chunk.month, rng)
    operated = templates.operated[template]
    draw_ward(rows, pool, hospitals, template, stay, rng)
    _critical(rows, stay, rank, weight, rng)
    low = draw_money(rows, weight * (1 + 0.01 * (stay > 60) * stay), effort, operated, hospitals, rng)
    draw_leaving(rows, profile, rank, low, rng)
    return rows


def draw_templates(pool: Pool, chunk: Chunk, rng: np.random.Generator) -> np.ndarray:
    """A template for every row of the chunk, by share and season."""
    template = np.searchsorted(seasonal_shares(pool, chunk.month), rng.random(chunk.rows)).astype(np.int32)
    np.minimum(template, len(pool.templates.share) - 1, out=template)
    return template


def numbered(chunk: Chunk) -> Rows:
    """The rows of a chunk with nothing but their numbers."""
    return {
        "case_no": np.arange(chunk.start, chunk.start + chunk.rows, dtype=np.int64),
        "reverses_no": np.full(chunk.rows, -1, dtype=np.int64),
        "dx_void": np.zeros(chunk.rows, dtype=bool),
    }


def draw_diagnoses(
    histories: Histories, own: np.ndarray, table: np.ndarray, profile: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Diagnosis matrix (`own` with the principal first, history, spare places) and the severity of the history.

    `table` is the exclusion table of the principal diagnosis, -1 for none.
    """
    n = len(own)
    bounds = np.cumsum([SEVERITY[name] for name in PROFILES], axis=1)[:, :2]
    wanted = (rng.random(n)[:, None] > bounds[profile]).sum(axis=1)
    history = histories.first[profile, wanted] + rng.integers(0, HISTORIES, n)
    others = histories.codes[history]
    for place in range(own.shape[1]):
        others[others == own[:, place : place + 1]] = -1
    # A CC or MCC that the principal diagnosis excludes, or that is the principal one itself, does not count.
    marks = histories.table[history] != table[:, None]
    rank = np.where(marks, histories.rank[history], 0).max(axis=1)
    spare = np.full((n, SPARE), -1, dtype=np.int32)
    return np.hstack([own, others, spare]), rank


def _procedures(pool: Pool, template: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Procedure matrix: the template's own, then examinations and small treatments that change no group."""
    n = len(template)
    own = pool.templates.px[template]
    operated = pool.templates.operated[template]
    treated = ~operated & (rng.random(n) < 0.50)
    own[treated, 0] = pool.first_px[rng.integers(0, len(pool.first_px), int(treated.sum()))]
    more = np.minimum(rng.poisson(np.where(operated, 1.5, 1.4), n), 3) * (operated | treated)
    start, step = rng.integers(0, len(pool.other_px), n), rng.integers(1, 18, n)
    further = np.stack(
        [pool.other_px[(start + turn * step) % len(pool.other_px)] for turn in range(3)], axis=1
    )
    further[np.arange(3)[None, :] >= more[:, None]] = -1
    return np.hstack([own, further])


def draw_person(
    rows: Rows, pool: Pool, template: np.ndarray, profile: np.ndarray, chunk: Chunk, rng: np.random.Generator
) -> None:
    """Sex, age, newborn weights, insurance; a person number shared by some stays of like people."""
    n = len(template)
    only = pool.templates.sex[template]
    rows["sex"] = np.where(only > 0, only - 1, rng.random(n) < 0.485).astype(np.int8)
    bell = np.array([AGES.get(name, (0, 0, 0, 0)) for name in PROFILES], dtype=np.float64)[profile]
    years = np.clip(rng.standard_normal(n) * bell[:, 1] + bell[:, 0], bell[:, 2], bell[:, 3]).astype(np.int64)
    child = profile == PROFILES.index("child")
    young = rng.random(n)
    years[child] = np.where(young < INFANTS, 0, 1 + 13 * young**1.7)[child].astype(np.int64)
    years[child] = np.minimum(years[child], 13)
    days = np.full(n, NULL, dtype=np.int64)
    nursling = years == 0
    newborn = profile == PROFILES.index("newborn")
    days[nursling] = rng.integers(29, 365, n)[nursling]
    days[newborn] = rng.integers(0, 29, n)[newborn] * (rng.random(n)[newborn] > 0.3)
    rows["age_years"], rows["age_days"] = years, days
    span = pool.templates.birth[template]
    middle = span[:, 0] + (span[:, 1] - span[:, 0]) * rng.beta(2.5, 2.5, n)
    birth = np.where(newborn, middle, NULL).astype(np.int64)
    rows["birth_weight_g"] = birth
    rows["admission_weight_g"] = np.where(newborn, (middle * 0.97).astype(np.int64), NULL)
    chance = np.array([EMPLOYEE_SHARE.get(name, 0.0) for name in PROFILES])[profile]
    rows["insurance_type"] = (rng.random(n) >= chance).astype(np.int8)
    like = max(2, chunk.cases // 250)
    stratum = (years * 2 + rows["sex"]) * 2 + rows["insurance_type"]
    rows["person_no"] = stratum * like + rng.integers(0, like, n)
    # Nobody is born twice: a newborn's number is that of the case.
    rows["person_no"][newborn] = 1_000 * like + rows["case_no"][newborn]


def draw_place(rows: Rows, hospitals: Hospitals, rng: np.random.Generator) -> None:
    """Where the case was treated, seen from where its person is insured."""
    n = len(rows["hospital"])
    home = np.array([HOME_COUNTIES.index(county) for county in hospitals.counties], dtype=np.int64)
    near = rng.random(n) < 0.55
    area = np.where(near, home[rows["hospital"]], rng.integers(0, len(HOME_COUNTIES), n))
    away = rng.random(n)
    place = np.where(away < 0.012, 2, np.where(away < 0.045, 1, 0))
    foreign = len(HOME_COUNTIES) + 3 * (place - 1) + rng.integers(0, 3, n)
    rows["place"] = place.astype(np.int8)
    rows["insured_area"] = np.where(place > 0, foreign, area).astype(np.int8)


def draw_stay(mean: np.ndarray, effort: np.ndarray, rank: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Days in hospital, at least one; about three in a thousand beyond sixty days."""
    n = len(mean)
    spread = 0.42
    own = 0.6 * effort + 0.8 * rng.standard_normal(n)
    stay = mean * (0.9 + 0.15 * rank) * np.exp(spread * own - spread**2 / 2)
    stay += np.where(rng.random(n) < 0.0023, rng.integers(55, 150, n), 0)
    return np.maximum(np.rint(stay), 1).astype(np.int64)


def draw_dates(rows: Rows, stay: np.ndarray, month: str, rng: np.random.Generator) -> None:
    """Settled on a day of the month, discharged up to five days before, mostly the same day."""
    n = len(stay)
    first, days = month_span(month)
    settled = first + rng.integers(0, days, n)
    # 1970-01-01 was a Thursday; fewer people settle on Saturday and Sunday.
    weekend = (settled + 3) % 7 >= 5
    again = weekend & (rng.random(n) < 0.45)
    settled[again] = first + rng.integers(0, days, int(again.sum()))
    wait = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5])[rng.integers(0, 12, n)]
    rows["settlement_date"] = settled
    rows["discharge_date"] = settled - wait
    rows["admission_date"] = settled - wait - stay


def draw_ward(
    rows: Rows,
    pool: Pool,
    hospitals: Hospitals,
    template: np.ndarray,
    stay: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Day surgery or not, department, western or Chinese medicine."""
    n = len(template)
    day_case = pool.templates.operated[template] & (stay == 1) & (rng.random(n) < 0.6)
    rows["care_type"] = day_case.astype(np.int8)
    rows["department"] = pool.templates.department[template]
    tcm = hospitals.tcm[rows["hospital"]]
    kind = rng.random(n)
    rows["treatment_kind"] = np.where(
        kind < np.where(tcm, 0.45, 0.02), 1, np.where(kind > 0.985, 2, 0)
    ).astype(np.int8)


def _critical(
    rows: Rows, stay: np.ndarray, rank: np.ndarray, weight: np.ndarray, rng: np.random.Generator
) -> None:
    """Hours in intensive care and on the ventilator: severe and heavy cases."""
    n = len(stay)
    icu = rng.random(n) < np.where(rank == 2, 0.10, 0.004) + np.where(weight > 2.5, 0.2, 0.0)
    hours = np.minimum(np.exp(rng.normal(4.0, 0.8, n)), stay * 24).astype(np.int64)
    rows["icu_hours"] = np.where(icu, np.maximum(hours, 4), NULL)
    ventilated = icu & (rng.random(n) < 0.35)
    rows["ventilator_hours"] = np.where(ventilated, np.maximum((hours * 0.7).astype(np.int64), 2), NULL)


def draw_leaving(
    rows: Rows, profile: np.ndarray, rank: np.ndarray, low: np.ndarray, rng: np.random.Generator
) -> None:
    """How the stay ended, new techniques, moves between wards."""
    n = len(rank)
    rows["discharge_way"] = _ways(profile, rank, low, rng)
    rows["new_tech_flag"] = rng.random(n) < 0.002
    rows["ward_transfers"] = np.where(rng.random(n) < 0.04, 1 + (rng.random(n) < 0.1), 0).astype(np.int64)


def _ways(profile: np.ndarray, rank: np.ndarray, low: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Discharge way: deaths about one in a hundred, more among the severe; cheap cases often left early."""
    n = len(rank)
    luck, other = rng.random(n), rng.random(n)
    old = np.isin(profile, [PROFILES.index("elder"), PROFILES.index("cancer")])
    death = np.array([0.001, 0.006, 0.035])[rank] * np.where(old, 1.5, 0.6)
    way = np.select([other < 0.012, other < 0.027, other < 0.055, other > 0.998], [1, 2, 3, 5], 0)
    way = np.where(low & (rng.random(n) < 0.5), np.where(other < 0.3, 1, 3), way)
    return np.where(luck < death, 4, way).astype(np.int8)
