"""Discharges from Parquet come in input order and contract types, or one sentence says why not."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groupers.drg.engine import Grouper
from groupers.drg.rulebook import load_rulebook
from pipeline import read
from pipeline.arrivals import find_repeats, register_input
from pipeline.errors import InputError
from pipeline.group import group_columns, group_file
from pipeline.query import engine
from pipeline.read import Piece, Source, discover, open_source, read_piece, stream
from pipeline.tables import DISCHARGE_SCHEMA, Column

TEXT, WHOLE, WIDE = pa.string(), pa.int32(), pa.int64()
ID = Column("case_id", TEXT, True, True, "结算ID")
CODES = Column("dx_codes", pa.list_(TEXT), True, False, "诊断编码")
DAY = dt.date(2025, 10, 1)


def write(path: Path, row_group_size: int | None = None, **columns: pa.Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def ids(*names: str) -> pa.Array:
    return pa.array(names)


def batches(source: Source) -> list[pa.RecordBatch]:
    return [batch for piece in source.pieces for _, batch in read_piece(source, piece)]


def all_rows(source: Source) -> pa.Table:
    """All rows as one table, code lists as plain text whichever way they were read."""
    schema = pa.schema(
        [(column.name, column.type) for column in source.columns if column.name in source.present]
    )
    return pa.concat_tables(
        [
            pa.table({name: batch.column(name) for name in schema.names}).cast(schema)
            for batch in batches(source)
        ]
    )


def one_column(tmp_path: Path, name: str, wanted: pa.DataType, column: pa.Array) -> pa.ChunkedArray:
    path = write(tmp_path / "in.parquet", case_id=ids(*map(str, range(len(column)))), **{name: column})
    source = open_source(path, [ID, Column(name, wanted, True, False, "列")])
    return all_rows(source).column(name)


def refusal(path: Path, *columns: Column) -> str:
    with pytest.raises(InputError) as caught:
        all_rows(open_source(path, columns or (ID,)))
    message = str(caught.value)
    assert "\n" not in message
    return message


def discharge(case_id: str, **values: Any) -> dict[str, Any]:
    return {
        "case_id": case_id, "hospital_id": "H1", "person_id": "P1", "insurance_type": "310", "sex": "1",
        "age_years": 40, "admission_date": DAY, "discharge_date": DAY, "settlement_date": DAY, "place": "local",
        "dx_codes": ["I10.x00"], "px_codes": [],
        **{f.name: 0 for f in DISCHARGE_SCHEMA if f.name.endswith("_fen")}, **values,
    }  # fmt: skip


def contract_table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), DISCHARGE_SCHEMA)


# --- which files, in which order


def test_files_come_by_path_in_byte_order(tmp_path: Path) -> None:
    # Byte order, not the alphabet: capitals before small letters, `-` and `.` before `/`, Chinese last.
    names = ["B.parquet", "a-b/x.parquet", "a.parquet", "a/x.parquet", "a/y/z.parquet", "a10.parquet", "a9.parquet",
             "month=2025-10/p.parquet", "医院.parquet"]  # fmt: skip
    for name in reversed(names):
        write(tmp_path / name, case_id=ids(name))
    assert [str(file.relative_to(tmp_path)) for file in discover(tmp_path)] == names
    assert all_rows(open_source(tmp_path, [ID])).column("case_id").to_pylist() == names


def test_hidden_and_underscore_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", case_id=ids("1"))
    for name in ("_SUCCESS", ".part.crc", "_temporary/b.parquet", ".git/c.parquet", "_metadata.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("not parquet")
    assert discover(tmp_path) == [tmp_path / "a.parquet"]


@pytest.mark.parametrize("name", ["readme.txt", "month=2025-10/export.csv", "a.PARQUET"])
def test_a_foreign_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.parquet", case_id=ids("1"))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    assert f"输入文件夹里有不认识的文件：{tmp_path / name}" in refusal(tmp_path)


def test_no_file_no_folder_no_rows(tmp_path: Path) -> None:
    assert "输入不存在" in refusal(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "没有 .parquet 文件" in refusal(tmp_path / "empty")
    assert "输入没有任何记录" in refusal(write(tmp_path / "none.parquet", case_id=pa.array([], TEXT)))
    (tmp_path / "text.parquet").write_text("case_id\n1\n")
    assert "不是 Parquet 文件或已损坏" in refusal(tmp_path / "text.parquet")
    (tmp_path / "zero.parquet").touch()
    assert "（0 字节）" in refusal(tmp_path / "zero.parquet")


def test_partition_folders_add_no_column(tmp_path: Path) -> None:
    write(tmp_path / "month=2025-10" / "case_id=7" / "p.parquet", case_id=ids("a"))
    found = all_rows(open_source(tmp_path, [ID]))
    assert found.to_pydict() == {"case_id": ["a"]}


# --- columns and their types


def test_a_missing_column_is_named_with_its_meaning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", case_id=ids("1"), other=ids("x"))
    message = refusal(path, ID, CODES)
    assert "缺 `dx_codes`（诊断编码）" in message
    assert "文件现有列：case_id、other" in message


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([ids("1"), ids("2")], names=["case_id", "case_id"]), path)
    assert "列名重复" in refusal(path)


@pytest.mark.parametrize(
    ("wanted", "column"),
    [
        (TEXT, pa.array(["a", None, "b"], pa.large_string())),
        (TEXT, pa.array(["a", None, "b"], pa.string_view())),
        (TEXT, pa.array(["a", None, "b"]).dictionary_encode()),
        (TEXT, pa.array(["a", None, "b"], pa.dictionary(pa.int8(), pa.large_string()))),
        (TEXT, pa.nulls(3)),
        (WHOLE, pa.array([1, None, -3], pa.int64())),
        (WHOLE, pa.array([1, None, 3], pa.uint8())),
        (WHOLE, pa.array([1, None, 2**31 - 1], pa.uint64())),
        (WHOLE, pa.array([1, None, 3], pa.int16()).dictionary_encode()),
        (WHOLE, pa.nulls(3)),
        (WIDE, pa.array([1, None, 3], pa.int32())),
        (pa.date32(), pa.nulls(3)),
        (pa.bool_(), pa.nulls(3)),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else str(value),
)
def test_a_column_of_another_width_becomes_the_contracts(
    tmp_path: Path, wanted: pa.DataType, column: pa.Array
) -> None:
    found = one_column(tmp_path, "x", wanted, column)
    assert found.type == wanted
    assert found.to_pylist() == column.to_pylist()


LISTS = [["I10.x00", None], None, [], ["E11.900", "I10.x00", ""]]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(LISTS, pa.list_(TEXT)),
        pa.array(LISTS, pa.large_list(TEXT)),
        pa.array(LISTS, pa.list_(pa.large_string())),
        pa.array(LISTS, pa.large_list(pa.string_view())),
        pa.array(LISTS, pa.list_(pa.dictionary(pa.int8(), TEXT))),
        pa.array(LISTS, pa.large_list(pa.dictionary(pa.int32(), pa.large_string()))),
        pa.array([[None], None, [], []], pa.list_(pa.null())),
        pa.nulls(4),
    ],
    ids=lambda column: str(column.type),
)
@pytest.mark.parametrize("bulky", [False, True])
def test_code_lists_come_as_lists_of_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: pa.Array, bulky: bool
) -> None:
    if bulky:
        monkeypatch.setattr(read, "BULKY_ROWS", 2)
        monkeypatch.setattr(read, "SLICE_ROWS", 1)
    found = one_column(tmp_path, "dx_codes", pa.list_(TEXT), column)
    assert found.to_pylist() == column.to_pylist()
    read_as = {
        batch.column("dx_codes").type for batch in batches(open_source(tmp_path / "in.parquet", [ID, CODES]))
    }
    assert len(read_as) == 1
    inner = read_as.pop().value_type
    assert inner == TEXT or (pa.types.is_dictionary(inner) and inner.value_type == TEXT)


@pytest.mark.parametrize(
    ("wanted", "column"),
    [
        (TEXT, pa.array([1])),
        (TEXT, pa.array([b"a"])),
        (TEXT, pa.array([1], pa.int64()).dictionary_encode()),
        (WHOLE, pa.array(["1"])),
        (WHOLE, pa.array([1.0])),
        (WIDE, pa.array([True])),
        (pa.date32(), pa.array(["2025-10-01"])),
        (pa.date32(), pa.array([dt.datetime(2025, 10, 1)])),
        (pa.list_(TEXT), pa.array(["I10.x00|E11.900"])),
        (pa.list_(TEXT), pa.array([[1]])),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else str(value),
)
def test_a_column_of_another_kind_is_refused_with_both_types(
    tmp_path: Path, wanted: pa.DataType, column: pa.Array
) -> None:
    with pytest.raises(InputError) as caught:
        one_column(tmp_path, "x", wanted, column)
    stored = pq.read_metadata(tmp_path / "in.parquet").schema.to_arrow_schema().field("x").type
    assert f"`x` 应为 {wanted}，实为 {stored}" in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "stored", "value"),
    [(WHOLE, WIDE, 2**31), (WHOLE, WIDE, -(2**31) - 1), (WIDE, pa.uint64(), 2**63), (WHOLE, pa.uint32(), 2**32 - 1)],
)  # fmt: skip
def test_a_number_that_does_not_fit_is_one_sentence_with_the_numbers(
    tmp_path: Path, wanted: pa.DataType, stored: pa.DataType, value: int
) -> None:
    path = write(tmp_path / "a.parquet", case_id=ids("1", "2"), x=pa.array([7, value], stored))
    message = refusal(path, ID, Column("x", wanted, True, False, "列"))
    assert "数值放不下" in message
    assert f"的 `x` 应为 {wanted}" in message
    assert str(value) in message


def test_files_that_differ_in_optional_columns_keep_their_values(tmp_path: Path) -> None:
    # The first file lacks `reverses` altogether, the second has it without a value, the third has one.
    base = contract_table(discharge("1"))
    pq.write_table(base.drop_columns("insured_area"), tmp_path / "a.parquet")
    at = base.schema.get_field_index("reverses")
    nothing = contract_table(discharge("2")).set_column(at, "reverses", pa.nulls(1))
    pq.write_table(nothing, tmp_path / "b.parquet")
    pq.write_table(
        contract_table(discharge("3", reverses="1", insured_area="440100")), tmp_path / "c.parquet"
    )
    source = open_source(tmp_path)
    found = all_rows(source)
    assert found.column("reverses").to_pylist() == [None, None, "1"]
    assert found.column("insured_area").to_pylist() == [None, None, "440100"]
    with engine(tmp_path / "spill") as con:  # SQL sees the same files
        register_input(con, source)
        repeats = find_repeats(con, source)
        assert con.sql("SELECT reverses, insured_area FROM discharges ORDER BY case_id").fetchall() == [
            (None, None), (None, None), ("1", "440100"),
        ]  # fmt: skip
    assert (list(repeats.repeated), list(repeats.conflicting)) == ([], [])


# --- pieces, slices and order


def test_pieces_are_row_groups_with_input_positions(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", row_group_size=2, case_id=ids("1", "2", "3"))
    write(tmp_path / "b.parquet", row_group_size=2, case_id=ids("4", "5"))
    source = open_source(tmp_path, [ID])
    assert [(piece.path.name, piece.row_group, piece.start, piece.rows) for piece in source.pieces] == [
        ("a.parquet", 0, 0, 2), ("a.parquet", 1, 2, 1), ("b.parquet", 0, 3, 2),
    ]  # fmt: skip
    assert source.rows == 5


def test_stream_keeps_input_order_however_long_a_stage_takes(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", row_group_size=3, case_id=ids(*map(str, range(40))))
    source = open_source(tmp_path, [ID])

    def stage(piece: Piece, batch: pa.RecordBatch) -> tuple[int, list[str]]:
        time.sleep(0.03 if piece.row_group % 2 == 0 else 0)  # the earlier of two neighbours is the slower
        return piece.start, batch.column("case_id").to_pylist()

    found = list(stream(source, stage))
    assert [start for start, _ in found] == list(range(0, 40, 3))
    assert [name for _, names in found for name in names] == list(map(str, range(40)))


def test_a_failing_stage_fails_the_stream(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", row_group_size=1, case_id=ids("1", "2", "3"))

    def stage(piece: Piece, batch: pa.RecordBatch) -> int:
        if piece.row_group == 1:
            raise InputError("第二组")
        return piece.row_group

    with pytest.raises(InputError, match="第二组"):
        list(stream(open_source(tmp_path, [ID]), stage))


def test_bulky_row_groups_give_the_same_rows_and_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = load_rulebook("chs-drg-2.0")
    random = np.random.default_rng(3)
    dx, px = sorted(book.known_dx), sorted(book.known_px)

    def drawn(codes: list[str], most: int) -> list[str]:
        return [codes[at] for at in random.integers(0, len(codes), random.integers(0, most))]

    table = contract_table(
        *(
            discharge(
                str(n), dx_codes=drawn(dx, 5), px_codes=drawn(px, 3) or None, age_years=n % 90,
                admission_date=DAY - dt.timedelta(days=n % 40),
            )
            for n in range(200)
        )
    )  # fmt: skip
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=150)
    grouper = Grouper(book)
    results, rows = [], []
    for bulky_rows, slice_rows in ((10**9, 10**9), (100, 70), (0, 1)):
        monkeypatch.setattr(read, "BULKY_ROWS", bulky_rows)
        monkeypatch.setattr(read, "SLICE_ROWS", slice_rows)
        target = tmp_path / f"{bulky_rows}.parquet"
        ticked: list[int] = []
        assert group_file(grouper, tmp_path / "in.parquet", target, ticked.append) == 200
        assert sum(ticked) == 200
        results.append(pq.read_table(target))
        source = open_source(tmp_path / "in.parquet")
        rows.append(all_rows(source))
        starts = list(stream(source, lambda piece, batch: (piece.start, batch.num_rows)))
        assert [start for start, _ in starts] == [
            sum(count for _, count in starts[:n]) for n in range(len(starts))
        ]
    assert len(starts) == 200  # the last way really read row by row
    assert rows[0].to_pylist() == rows[1].to_pylist() == rows[2].to_pylist() == table.to_pylist()
    assert results[0].equals(results[1])
    assert results[0].equals(results[2])
    assert results[0].column("case_id").to_pylist() == list(map(str, range(200)))


def test_group_reads_only_what_the_scheme_asks_for(tmp_path: Path) -> None:
    grouper = Grouper(load_rulebook("chs-drg-2.0"))
    names = {column.name for column in group_columns(grouper.columns)}
    # DESIGN §10: money columns are not needed. The rules ask for ages, birth weight and sex (rules.csv).
    assert names == {"case_id", "dx_codes", "px_codes", "sex", "age_years", "age_days", "birth_weight_g"}
    table = contract_table(discharge("1")).select(sorted(names))
    pq.write_table(table, tmp_path / "in.parquet")
    assert group_file(grouper, tmp_path / "in.parquet", tmp_path / "out.parquet", lambda n: None) == 1


# --- forged and damaged files


def test_a_small_file_that_claims_many_rows_is_refused_before_it_is_read(tmp_path: Path) -> None:
    # Two million equal values take a few hundred bytes and would take 8 MB read.
    path = write(tmp_path / "a.parquet", row_group_size=2_000_000, case_id=pa.array([""] * 2_000_000))
    assert path.stat().st_size * read.MOST_ROWS_PER_BYTE < 2_000_000
    assert "文件声称的行数与大小不符" in refusal(path)
    assert "2000000 行" in refusal(path)


def test_a_text_that_expands_a_thousandfold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"case_id": ["x" * 20_000_000]}), path, compression="zstd", write_statistics=False
    )
    assert "文件解压后过大" in refusal(path)


def varint(value: int) -> bytes:
    """Thrift's zigzag varint of a number that is not negative."""
    value, out = value * 2, bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def test_a_footer_whose_totals_differ_from_its_row_groups_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", row_group_size=2_000_000, case_id=pa.array([""] * 2_000_000))
    content = path.read_bytes()
    true = varint(2_000_000)
    place = content.rindex(b"\x19", 0, content.rindex(true))  # the footer's own count stands first
    first = content.index(true, content.index(b"schema") if b"schema" in content else place)
    forged = varint(1)[:1].replace(b"\x02", b"\x82") + b"\x80" * (len(true) - 2) + b"\x00"
    path.write_bytes(content[:first] + forged + content[first + len(true) :])
    metadata = pq.read_metadata(path)
    assert metadata.num_rows == 1  # the claim of the whole is forged, that of the row group is not
    assert metadata.row_group(0).num_rows == 2_000_000
    assert "文件声称的行数与大小不符" in refusal(path)


@pytest.mark.parametrize("kind", [TEXT, pa.list_(TEXT)], ids=str)
@pytest.mark.parametrize("bulky", [False, True])
def test_text_in_another_encoding_is_a_sentence_that_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: pa.DataType, bulky: bool
) -> None:
    monkeypatch.setattr(read, "BULKY_ROWS", 0 if bulky else 10)
    text = pa.StringArray.from_buffers(
        1, pa.py_buffer(np.array([0, 4], np.int32).tobytes()), pa.py_buffer("张三".encode("gb18030"))
    )
    column = text if kind == TEXT else pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), text)
    with pytest.raises(InputError) as caught:
        one_column(tmp_path, "dx_codes", kind, column)
    assert "第 1 个行组的 `dx_codes` 不是 UTF-8 文本或已损坏" in str(caught.value)


def test_damage_anywhere_is_a_sentence_or_rows_and_never_another_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        contract_table(*(discharge(str(n)) for n in range(5))).select(["case_id", "dx_codes"]), path
    )
    content, random = path.read_bytes(), np.random.default_rng(5)
    outcomes = set()
    for _ in range(400):
        damaged = bytearray(content)
        for at in random.integers(0, len(content), random.integers(1, 4)):
            damaged[at] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            all_rows(open_source(path, [ID, CODES]))
            outcomes.add("rows")
        except InputError as error:
            outcomes.add("sentence")
            assert "\n" not in str(error)
    assert outcomes == {"rows", "sentence"}


def test_what_polars_writes_is_read(tmp_path: Path) -> None:
    frame = pl.DataFrame(contract_table(discharge("1", dx_codes=["I10.x00", "E11.900"], px_codes=None)))
    frame.write_parquet(tmp_path / "a.parquet")
    assert all_rows(open_source(tmp_path)).to_pylist() == frame.to_dicts()
