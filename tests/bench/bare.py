"""The bare time: read the columns grouping reads and write a table of constants of the same shape.

Same reader, same writer settings, same threads as `drgdip group`; only the grouping is left out. Usage:
python tests/bench/bare.py INPUT OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groupers.drg.engine import Grouper
from groupers.drg.rulebook import load_rulebook
from pipeline.group import CODED_COLUMNS, GROUPED_CODED, GROUPED_WRITER, group_columns
from pipeline.read import Piece, open_source, stream

CONSTANTS = {"mdc": "MDCF", "adrg": "FW2", "drg": "FW29", "status": "grouped", "severity": "none"}


def constants(piece: Piece, batch: pa.RecordBatch) -> pa.Table:
    """The result columns of a batch, all alike."""
    zeros = pa.array(np.zeros(batch.num_rows, dtype=np.int32))
    columns = {
        name: pa.DictionaryArray.from_arrays(zeros, pa.array([CONSTANTS[name]])) for name in CODED_COLUMNS
    }
    columns |= {
        "case_id": batch.column("case_id"),
        "rule": pa.array(np.full(batch.num_rows, 208, dtype=np.int32)),
    }
    return pa.table([columns[name] for name in GROUPED_CODED.names], schema=GROUPED_CODED)


def main(source: Path, target: Path) -> None:
    """Read `source`, write constants to `target`."""
    grouper = Grouper(load_rulebook("chs-drg-2.0"))  # start-up is part of both
    opened = open_source(source, group_columns(grouper.columns))
    with pq.ParquetWriter(target, GROUPED_CODED, **GROUPED_WRITER) as writer:
        for table in stream(opened, constants):
            writer.write_table(table, row_group_size=table.num_rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
