"""Exact money in SQL: rounding and scales as DuckDB macros, so that every query rounds by one rule.

DuckDB's `DECIMAL / DECIMAL` is a DOUBLE and its `//` truncates; only integer division is exact. That of HUGEINT goes
bit by bit and takes ten times as long as that of BIGINT, so numbers that fit are divided as BIGINT.
"""

from __future__ import annotations

# Half away from zero, so that a reversal is the exact negative of its original. Below 2⁶¹ the sum 2n + d stays below
# 2⁶³; a CASE works out each branch for its own rows only, so that no cast meets a number that does not fit.
MACROS = """
CREATE OR REPLACE MACRO fits_bigint(numerator, denominator) AS
    numerator BETWEEN -2305843009213693951 AND 2305843009213693951
        AND denominator BETWEEN 1 AND 2305843009213693951;
CREATE OR REPLACE MACRO half_away(numerator, denominator) AS
    CASE WHEN fits_bigint(numerator, denominator)
         THEN ((2 * abs(numerator::BIGINT) + denominator::BIGINT) // (2 * denominator::BIGINT)
               * sign(numerator::BIGINT))::HUGEINT
         WHEN numerator < 0
         THEN -((2 * -(numerator::HUGEINT) + denominator) // (2 * denominator))
         ELSE (2 * numerator::HUGEINT + denominator) // (2 * denominator)
    END;
-- round(top / bottom × num / den) without the product top × num: with top = q·bottom + r, r·num = a·bottom + b, the
-- value is (q·num + a + b/bottom) / den, and of b/bottom only whether it reaches a half can matter.
CREATE OR REPLACE MACRO shared_up(top, bottom, num, den) AS
    (2 * ((top // bottom) * num + ((top % bottom) * num) // bottom) + den
        + CASE WHEN 2 * (((top % bottom) * num) % bottom) >= bottom THEN 1 ELSE 0 END) // (2 * den);
CREATE OR REPLACE MACRO shared(top, bottom, num, den) AS
    CASE WHEN top < 0 THEN -shared_up(-(top::HUGEINT), bottom::HUGEINT, num::HUGEINT, den::HUGEINT)
         ELSE shared_up(top::HUGEINT, bottom::HUGEINT, num::HUGEINT, den::HUGEINT) END;
-- The largest integer not above the quotient; `//` truncates towards zero.
CREATE OR REPLACE MACRO floored(numerator, denominator) AS
    CASE WHEN numerator < 0 AND numerator % denominator <> 0 THEN numerator // denominator - 1
         ELSE numerator // denominator END;
CREATE OR REPLACE MACRO e4() AS 10000::HUGEINT;
"""
