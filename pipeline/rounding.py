"""Exact money in SQL: rounding and scales as DuckDB macros, so that every query rounds by one rule.

DuckDB's `DECIMAL / DECIMAL` is a DOUBLE and its `//` truncates; only integer division of HUGEINT is exact.
"""

from __future__ import annotations

# Half away from zero, so that a reversal is the exact negative of its original.
MACROS = """
CREATE OR REPLACE MACRO half_away(numerator, denominator) AS
    CASE WHEN numerator < 0
         THEN -((2 * -(numerator::HUGEINT) + denominator) // (2 * denominator))
         ELSE (2 * numerator::HUGEINT + denominator) // (2 * denominator)
    END;
CREATE OR REPLACE MACRO e4() AS 10000::HUGEINT;
CREATE OR REPLACE MACRO e13() AS 10000000000000::HUGEINT;
CREATE OR REPLACE MACRO e21() AS 1000000000000000000000::HUGEINT;
CREATE OR REPLACE MACRO e25() AS 10000000000000000000000000::HUGEINT;
"""
