"""The Parquet tables that a run streams into: validated, grouped, findings, and the arrivals of every row."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.findings import FINDINGS_SCHEMA
from pipeline.group import CODED_COLUMNS, EVIDENCE_SCHEMA
from pipeline.match import EVIDENCE_SCHEMA as MATCHED_SCHEMA
from pipeline.match import MATCHED_COLUMNS
from pipeline.tables import CODED
from pipeline.validate import ARRIVALS_SCHEMA, VALIDATED_SCHEMA, Validated

_CODED_VALIDATED = pa.schema(
    [
        pa.field(field.name, CODED if pa.types.is_list(field.type) else field.type)
        for field in VALIDATED_SCHEMA
    ]
)
# Columns with few distinct values are written as dictionaries; for the rest a dictionary would only cost.
_FEW_VALUES = (
    *CODED_COLUMNS, *MATCHED_COLUMNS, "matched_procedures", "aux_coefficient", "aux_subtype", "aux_met",
    "own_coefficient", "own_subtype", "own_met", "rule", "decided_by", "principal_dx", "severity_code", "excluded_codes",
    "hospital_id", "insurance_type", "door", "code", "column", "message", "sex", "age_years", "age_days",
    "birth_weight_g", "admission_weight_g", "admission_date", "discharge_date", "settlement_date", "discharge_way",
    "care_type", "treatment_kind", "department", "dx_codes", "px_codes", "icu_hours", "ventilator_hours", "place",
    "insured_area", "stay_days", "ward_transfers",
)  # fmt: skip


class RunWriters:
    """Writers of one run's streamed tables; closed together, in a fixed form so that bytes repeat.

    `kind` of the scheme: drg or dip.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._writers = {
            "validated": self._open("validated", _CODED_VALIDATED),
            "grouped": self._open("grouped", MATCHED_SCHEMA if kind == "dip" else EVIDENCE_SCHEMA),
            "arrivals": self._open("arrivals", ARRIVALS_SCHEMA),
            "findings": self._open("findings", FINDINGS_SCHEMA),
        }

    def _open(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        coded = [field.name for field in schema if field.name in _FEW_VALUES]
        return pq.ParquetWriter(
            self._folder / f"{name}.parquet", schema, compression="zstd", compression_level=1,
            use_dictionary=[_leaf(schema.field(name)) for name in coded], store_schema=False,
            write_statistics=["input_row"],  # by which `explain` passes over row groups
        )  # fmt: skip

    def batch(self, validated: Validated, grouped: pa.Table) -> None:
        """Append one batch to every table."""
        self._write("validated", validated.passed.cast(_CODED_VALIDATED))
        self._write("grouped", grouped)
        self._write("arrivals", validated.arrivals)
        self.findings(validated.findings)

    def findings(self, found: pa.Table) -> None:
        """Append findings."""
        self._write("findings", found)

    def _write(self, name: str, content: pa.Table) -> None:
        if content.num_rows:
            self._writers[name].write_table(content, row_group_size=content.num_rows)

    def tables(self) -> dict[str, Path]:
        """Close all but the findings, which late refusals still join; the closed tables by name."""
        for name in ("validated", "grouped", "arrivals"):
            self._writers.pop(name).close()
        return {name: self._folder / f"{name}.parquet" for name in ("validated", "grouped", "arrivals")}

    def __enter__(self) -> RunWriters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()


def _leaf(field: pa.Field) -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name


assert set(CODED_COLUMNS) <= set(EVIDENCE_SCHEMA.names)
