"""Tell the price of one case in Chinese, every step with its numbers, from its row of `scored` and its rule."""

from __future__ import annotations

from typing import Any

from pipeline.words import CLASS_NAMES, DECISION_NAMES, FAMILY_NAMES, OUTCOME_NAMES, yuan_text

OF_WHOM = {"case": "本例", "group": "同险种同病组", "hospital": "同险种本院", "region": "同险种全区"}
ONE = 10_000  # factors of a rule are in ten-thousandths


def pricing(
    scored: dict[str, Any], rules: list[dict[str, Any]], version: dict[str, str] | None = None
) -> list[str]:
    """Lines for one scored row; `rules` holds its row of rules_used, `version` the weights that held."""
    if scored["price_class"] == "reversal":
        return [
            f"  冲销 {scored['reverses']}：支付标准 {yuan_text(scored['standard_fen'])} 元，"
            f"基金 {yuan_text(scored['fund_fen'])} 元，均为原记录的相反数"
        ]
    rule = rules[0]
    by_points = scored["point_value"] is not None
    lines = [
        f"  参数：{scored['terms_id']}（按定价日期 {scored['pricing_date']} 选用），规则 {rule['rule_id']}",
        *([] if version is None else [_version(version)]),
        _numbers(scored, by_points),
        _ratio(scored, by_points),
    ]
    if by_points and not scored["apart_fen"]:
        points = _plain(scored["points"])
        lines += [
            f"  点数（{FAMILY_NAMES[rule['family']]}）= {_formula(scored, rule)} = {points}",
            f"  支付标准 = 点数 {points} × 点值 {_plain(scored['point_value'])}（用未取整的点数）"
            f" = {yuan_text(scored['standard_fen'])} 元",
        ]
    else:
        lines.append(
            f"  支付标准（{FAMILY_NAMES[rule['family']]}）= {_formula(scored, rule)}"
            f" = {yuan_text(scored['standard_fen'])} 元"
        )
    return [*lines, _fund(scored, rule)]


def review(outcome: dict[str, Any]) -> list[str]:
    """Lines for a row of review_outcome: who decided what and why, and what it did to the price."""
    document = f"，文书 {outcome['document']}" if outcome["document"] else ""
    lines = [
        f"  决定：{DECISION_NAMES[outcome['decision']]}（评议人 {outcome['reviewer']}，{outcome['decided_on']}{document}）",
        f"  理由：{outcome['reason']}",
        f"  符合的申请条件：{outcome['reasons'] or ('该病组须逐例评议' if outcome['held'] else '无')}",
        f"  结果：{OUTCOME_NAMES[outcome['outcome']]}",
    ]
    if outcome["place"] is not None:
        lines[-1] += f"（第 {outcome['place']} 例，限额 {outcome['quota']} 例）"
    if outcome["outcome"] == "applied":
        before = outcome["standard_before_fen"]
        was = "待单议，未定价" if before is None else f"{yuan_text(before)} 元"
        lines.append(f"  支付标准：{was} → {yuan_text(outcome['standard_after_fen'])} 元")
    return lines


def _version(version: dict[str, str]) -> str:
    where = "病种目录" if version["file"] == "catalogue" else version["file"]
    return f"  权重出自 {where}（{version['in_force_from']} 起）：{version['source']}"


def _numbers(scored: dict[str, Any], by_points: bool) -> str:
    weight, coefficient = _plain(scored["weight"]), _plain(scored["coefficient"])
    base = "（基础病组，同城同价）" if scored["is_base"] else ""
    if scored["rate"] is not None:
        return f"  权重 {weight}，费率 {_plain(scored['rate'])} 元／权重，系数 {coefficient}{base}"
    if not by_points:
        return f"  公布的支付标准 {weight} 元"
    if scored["auxiliary"] is None:
        return f"  权重 {weight}，点值 {_plain(scored['point_value'])} 元／点，系数 {coefficient}{base}"
    subtype = f"（辅助分型 {scored['subtype']}）" if scored["subtype"] else "（无辅助分型）"
    return (
        f"  分值 {weight}，点值 {_plain(scored['point_value'])} 元／分，系数 {coefficient}{base}，"
        f"辅助系数 {_plain(scored['auxiliary'])}{subtype}"
    )


def _ratio(scored: dict[str, Any], by_points: bool) -> str:
    if scored["ratio_e4"] is None:
        return f"  不计费用倍率：{CLASS_NAMES[scored['price_class']]}"
    price = f"（参照点值 {_plain(scored['reference_price'])}）" if by_points else ""
    fee = yuan_text(scored["total_fee_fen"] - scored["separate_items_fen"])
    return (
        f"  费用倍率 = 医疗费 {fee} ÷ 参照标准 {yuan_text(scored['reference_fen'])}{price}"
        f" = {_e4(scored['ratio_e4'], trim=False)}，{CLASS_NAMES[scored['price_class']]}"
    )


def _formula(scored: dict[str, Any], rule: dict[str, Any]) -> str:
    """m·W·c·a + m₀·W·a + k·F ÷ Q·cⁱ·aʲ + n·F, without the parts that are nothing or one."""
    by_points = scored["point_value"] is not None
    weight, coefficient = _plain(scored["weight"]), _plain(scored["coefficient"])
    value = weight if scored["rate"] is None else f"{weight} × {_plain(scored['rate'])}"
    if by_points and scored["auxiliary"] is None:
        value = f"{weight} × {_plain(scored['point_scale'])}"
    auxiliary = "" if scored["auxiliary"] is None else f" × {_plain(scored['auxiliary'])}"
    fee = yuan_text(scored["total_fee_fen"] - scored["separate_items_fen"])
    parts = []
    if rule["standard_e4"]:
        parts.append(_times(rule["standard_e4"], f"{value} × {coefficient}{auxiliary}"))
    beside = []
    if rule["value_e4"]:
        beside.append(_times(rule["value_e4"], f"{value}{auxiliary}"))
    if rule["points_e4"]:
        text = f"{fee} ÷ {_plain(scored['reference_price'])}" if by_points else fee
        text += {1: f" × {coefficient}", 0: "", -1: f" ÷ {coefficient}"}[rule["coefficient_power"]]
        beside.append(_times(rule["points_e4"], text + (auxiliary if rule["auxiliary_power"] else "")))
    if rule["floored"] and beside:
        beside = [f"max(0, {' + '.join(beside)})"]
    parts += beside
    if rule["fee_e4"]:
        parts.append(_times(rule["fee_e4"], fee))
    if rule["of_item"]:
        named = {"fixed_amount": "定额", "special_adjusted": "评议核定的支付标准"}
        parts.append(named.get(rule["family"], f"床日标准（{max(1, scored['stay_days'])} 天）"))
    return " + ".join(parts) or "0"


def _fund(scored: dict[str, Any], rule: dict[str, Any]) -> str:
    standard, fund = yuan_text(scored["standard_fen"]), yuan_text(scored["fund_fen"])
    separate = (
        f" + 除外支付 {yuan_text(scored['separate_fen'])}（项目 {yuan_text(scored['separate_items_fen'])} 元）"
        if scored["separate_items_fen"]
        else ""
    )
    if rule["fund_method"] == "ratio":
        of = OF_WHOM[rule["fund_of"]]
        share = f"{of}记账统筹基金 {yuan_text(scored['share_fund_fen'])} ÷ 医疗费 {yuan_text(scored['share_fee_fen'])}"
        return f"  核定统筹基金（比例法）= 支付标准 {standard} × {share}{separate} = {fund} 元"
    if rule["fund_method"] == "policy":
        return (
            f"  核定统筹基金（政策法）= max(0, 支付标准 {standard} − 全自费、超限价、先行自付、起付线) × 报销比例"
            f"{separate} = {fund} 元"
        )
    own = scored["total_fee_fen"] - scored["pool_fund_fen"]
    kept = "" if rule["negative_kept"] else "，负数记零"
    return (
        f"  核定统筹基金（差额法{kept}）= 支付标准 {standard} −（医疗费 "
        f"{yuan_text(scored['total_fee_fen'])} − 统筹记账 {yuan_text(scored['pool_fund_fen'])} = {yuan_text(own)}）"
        f"{separate} = {fund} 元"
    )


def _times(factor_e4: int, product: str) -> str:
    if factor_e4 == ONE:
        return product
    return f"{_e4(factor_e4)} × ({product})" if " " in product else f"{_e4(factor_e4)} × {product}"


def _e4(number: int, trim: bool = True) -> str:
    sign = "−" if number < 0 else ""
    text = f"{sign}{abs(number) // ONE}.{abs(number) % ONE:04d}"
    return text.rstrip("0").rstrip(".") if trim else text


def _plain(number: Any) -> str:
    if number is None:  # a printed standard that a group paid by item does not have
        return "—"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
