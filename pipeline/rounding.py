"""Exact money in SQL: rounding and scales as DuckDB macros, so that every query rounds by one rule.

DuckDB's `DECIMAL / DECIMAL` is a DOUBLE and its `//` truncates; only integer division of HUGEINT is exact. That
takes a microsecond each, most of the time of pricing a month. So the quotient is guessed first, and kept only
where the integers prove it: q is n/d rounded half up exactly where −d ≤ 2(n − q·d) < d. Else it is divided.
"""

from __future__ import annotations

# Half away from zero, so that a reversal is the exact negative of its original.
MACROS = """
CREATE OR REPLACE MACRO guessed(numerator, denominator) AS
    round(numerator::DOUBLE / denominator::DOUBLE)::HUGEINT;
CREATE OR REPLACE MACRO twice_missed(numerator, denominator) AS
    2 * (numerator - guessed(numerator, denominator) * denominator);
CREATE OR REPLACE MACRO half_up(numerator, denominator) AS
    CASE WHEN twice_missed(numerator, denominator) >= -denominator AND twice_missed(numerator, denominator) < denominator
         THEN guessed(numerator, denominator)
         ELSE (2 * numerator + denominator) // (2 * denominator)
    END;
CREATE OR REPLACE MACRO half_away(numerator, denominator) AS
    CASE WHEN numerator < 0
         THEN -half_up(-(numerator::HUGEINT), denominator::HUGEINT)
         ELSE half_up(numerator::HUGEINT, denominator::HUGEINT)
    END;
-- round(top / bottom × num / den) without the product top × num: with top = q·bottom + r, r·num = a·bottom + b, the
-- value is (q·num + a + b/bottom) / den, and of b/bottom only whether it reaches a half can matter.
CREATE OR REPLACE MACRO shared_up(top, bottom, num, den) AS
    (2 * ((top // bottom) * num + ((top % bottom) * num) // bottom) + den
        + CASE WHEN 2 * (((top % bottom) * num) % bottom) >= bottom THEN 1 ELSE 0 END) // (2 * den);
CREATE OR REPLACE MACRO shared(top, bottom, num, den) AS
    CASE WHEN top < 0 THEN -shared_up(-(top::HUGEINT), bottom::HUGEINT, num::HUGEINT, den::HUGEINT)
         ELSE shared_up(top::HUGEINT, bottom::HUGEINT, num::HUGEINT, den::HUGEINT) END;
CREATE OR REPLACE MACRO e4() AS 10000::HUGEINT;
"""
