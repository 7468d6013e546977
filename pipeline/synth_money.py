"""Invented fees and who bears them: log-normal around the group's mean by level, whole fen at the end.

Numbers may be floats while they are invented; what is written are integers that add up exactly:
total = pool + serious illness + medical aid + other + personal + hospital-borne.
"""

from __future__ import annotations

import numpy as np

from pipeline.synth_hospitals import Hospitals

NULL = np.iinfo(np.int64).min
BASE_YUAN = 9_000  # mean fee at reference weight 1
LEVEL_FACTOR = np.array([1.12, 0.92, 0.76])  # 三级 二级 一级
SPREAD_OPERATED, SPREAD_OTHER = 0.33, 0.38
LOW, HIGH = 0.011, 0.991  # below and above this luck a case is far from its group's mean
# By level and insurance type (310 职工, 390 居民); invented, of the usual size.
DEDUCTIBLE_YUAN = np.array([[800, 900], [500, 600], [200, 300]])
BENEFIT = np.array([[0.87, 0.66], [0.90, 0.76], [0.93, 0.86]])


def draw_money(
    rows: dict[str, np.ndarray],
    weight: np.ndarray,
    effort: np.ndarray,
    operated: np.ndarray,
    hospitals: Hospitals,
    rng: np.random.Generator,
) -> np.ndarray:
    """Put all money columns into `rows`; returns which cases are far below their group's mean."""
    n = len(weight)
    level = hospitals.level[rows["hospital"]]
    mean = weight * BASE_YUAN * 100 * LEVEL_FACTOR[level] * hospitals.fee_factor[rows["hospital"]]
    spread = np.where(operated, SPREAD_OPERATED, SPREAD_OTHER)
    own = 0.75 * effort + np.sqrt(1 - 0.75**2) * rng.standard_normal(n)
    ratio = np.exp(spread * own - spread**2 / 2)
    luck = rng.random(n)
    far = rng.random(n)
    ratio = np.where(luck < LOW, 0.12 + 0.24 * far, np.where(luck > HIGH, 3.3 + 1.2 * far, ratio))
    total = np.maximum(np.rint(mean * ratio), 5_000).astype(np.int64)
    rows["total_fee_fen"] = total
    _parts(rows, total, operated, rng)
    _bearers(rows, total, level, rng)
    return luck < LOW


def _share(total: np.ndarray, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    return (total * (low + (high - low) * rng.random(len(total)))).astype(np.int64)


def _parts(
    rows: dict[str, np.ndarray], total: np.ndarray, operated: np.ndarray, rng: np.random.Generator
) -> None:
    """Drugs, consumables, services and what only some cases have."""
    n = len(total)
    drug = np.where(operated, 0.10 + 0.16 * rng.random(n), 0.24 + 0.24 * rng.random(n))
    consumable = np.where(operated, 0.16 + 0.28 * rng.random(n), 0.03 + 0.08 * rng.random(n))
    rows["drug_fee_fen"] = (total * drug).astype(np.int64)
    rows["consumable_fee_fen"] = (total * consumable).astype(np.int64)
    rest = total - rows["drug_fee_fen"] - rows["consumable_fee_fen"]
    rows["service_fee_fen"] = _share(rest, 0.4, 0.7, rng)
    separate = (total * (0.05 + 0.2 * rng.random(n))).astype(np.int64)
    rows["separate_items_fen"] = np.where(rng.random(n) < 0.004, separate, NULL)
    tcm = _share(rest, 0.05, 0.4, rng)
    rows["tcm_fee_fen"] = np.where(rows["treatment_kind"] > 0, tcm, NULL)


def _bearers(
    rows: dict[str, np.ndarray], total: np.ndarray, level: np.ndarray, rng: np.random.Generator
) -> None:
    """Own pay first, then the pool's share, serious illness, aid, other funds; the person bears the rest."""
    n = len(total)
    resident = rows["insurance_type"]
    ownpay, overlimit = _share(total, 0.01, 0.08, rng), _share(total, 0.0, 0.02, rng)
    firstpay = _share(total, 0.03, 0.10, rng)
    outside = ownpay + overlimit + firstpay
    deductible = np.minimum(DEDUCTIBLE_YUAN[level, resident] * 100, total - outside)
    pool = ((total - outside - deductible) * BENEFIT[level, resident]).astype(np.int64)
    rest = total - pool
    threshold = np.where(resident == 1, 1_500_000, 2_000_000)
    serious = (np.maximum(rest - ownpay - overlimit - threshold, 0) * 0.6).astype(np.int64)
    rest = rest - serious
    aided = (resident == 1) & (rng.random(n) < 0.03)
    aid = np.where(aided, (rest - ownpay - overlimit) * 6 // 10, 0)
    rest = rest - aid
    officials = (resident == 0) & (rng.random(n) < 0.08)
    other = np.where(officials, (rest - ownpay - overlimit) * 3 // 10, 0)
    borne = np.where(rng.random(n) < 0.005, (rest - other) // 20, NULL)
    rows["ownpay_fee_fen"], rows["overlimit_fee_fen"] = ownpay, overlimit
    rows["firstpay_fee_fen"], rows["deductible_fen"] = firstpay, deductible
    rows["pool_fund_fen"], rows["serious_illness_fund_fen"] = pool, serious
    rows["medical_aid_fund_fen"], rows["other_fund_fen"] = aid, other
    rows["hospital_borne_fen"] = borne
    rows["personal_paid_fen"] = rest - other - np.where(borne == NULL, 0, borne)
