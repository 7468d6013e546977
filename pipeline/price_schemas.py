"""The columns of the tables that the pricing SQL joins; each is keyed by `terms_id`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def _schema(**fields: Any) -> pa.Schema:
    return pa.schema([("terms_id", pa.string()), *fields.items()])


_TEXT, _INT, _FLAG, _TEXTS = pa.string(), pa.int64(), pa.bool_(), pa.list_(pa.string())
SCHEMAS = {
    "terms": _schema(
        valid_from=pa.date32(), valid_to=pa.date32(), scheme=_TEXT, reference=_TEXT, base_fixed=_FLAG,
        base_cap_num=_INT, separate_share_e4=_INT, fund_method=_TEXT, fund_of=_TEXT, negative_kept=_FLAG,
    ),
    "price_rules": _schema(
        rule_id=_TEXT, path=_TEXT, level=_TEXT, price_class=_TEXT,
        x_from_e4=_INT, x_from_inclusive=_FLAG, x_to_e4=_INT, x_to_inclusive=_FLAG, family=_TEXT,
        standard_e4=_INT, value_e4=_INT, points_e4=_INT, fee_e4=_INT,
        rule_unit=_INT, m_num=_INT, m0_num=_INT, k_num=_INT, n_num=_INT,  # the four again, as multiples of 1/rule_unit
        coefficient_power=pa.int8(), auxiliary_power=pa.int8(), floored=_FLAG, of_item=_FLAG,
        needs_weight=_FLAG, needs_coefficient=_FLAG,
    ),
    "special_rules": _schema(
        rule_order=pa.int32(), is_scope=_FLAG, path=_TEXT, budget_line=_TEXT, excluded=_FLAG, held=_FLAG,
        groups=_TEXTS, mdc=_TEXTS, level=_TEXTS, insurance_type=_TEXTS, discharge_way=_TEXTS, care_type=_TEXTS,
        place=_TEXTS, principal_dx=_TEXT, principal_px=_TEXT, stay_from=_INT, stay_to=_INT,
        x_from_e4=_INT, x_from_inclusive=_FLAG, x_to_e4=_INT, x_to_inclusive=_FLAG,
        tcm_from_e4=_INT, tcm_below_e4=_INT,
    ),
    "bed_day_tiers": _schema(
        level=_TEXT, insurance_type=_TEXT, from_day=_INT, to_day=_INT, before_fen=_INT, day_fen=_INT,
        before_points_e4=_INT, day_points_e4=_INT,
    ),
    "path_amounts": _schema(path=_TEXT, group_code=_TEXT, level=_TEXT, item_fen=_INT),
    "group_prices": _schema(
        group_code=_TEXT, path=_TEXT, on_path=_FLAG, weight_num=_INT, mean_fen=_INT, is_base=_FLAG, held=_FLAG,
    ),
    "group_standards": _schema(group_code=_TEXT, level=_TEXT, standard_num=_INT),
    "group_coefficients": _schema(group_code=_TEXT, level=_TEXT, hospital_id=_TEXT, coefficient_num=_INT),
    "hospital_prices": _schema(
        hospital_id=_TEXT, insurance_type=_TEXT, is_base=_FLAG, level=_TEXT, rate_num=_INT, price_num=_INT,
        reference_num=_INT, reference_den=_INT, coefficient_num=_INT, benefit_e4=_INT,
    ),
}  # fmt: skip
