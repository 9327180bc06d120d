import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.datasets.fixed_records import FixedRecords
from threadmill.datasets.manifest import Field
from threadmill.datasets.tfrecord import encode_examples

NUMBERS = st.one_of(
    st.sampled_from([0, 1, 127, 128, 16383, 16384, 2**21 - 1, 2**21, 2**28, 2**31 - 1, -1, -(2**31)]), st.integers(0, 40_000)
)
FLOATS = st.floats(width=32)


@st.composite
def schemas(draw):
    names = draw(st.lists(st.text(min_size=1, max_size=150), min_size=1, max_size=5, unique=True))
    kinds = st.builds("{}[{}]".format, st.sampled_from(["int64", "float32"]), st.integers(0, 40))
    return tuple(Field(name, draw(kinds)) for name in names)


@given(schemas(), st.integers(0, 4), st.data())
def test_the_bytes_are_those_of_the_general_encoder(schema, rows, data):
    layout = FixedRecords(schema)
    values, columns = layout.empty(rows), []
    for field in schema:
        is_float, width = field.type.startswith("float32"), layout.widths[field.name]
        drawn = data.draw(st.lists(FLOATS if is_float else NUMBERS, min_size=rows * width, max_size=rows * width))
        column = np.array(drawn, np.float32 if is_float else np.int32)
        (layout.floats if is_float else layout.view)(values, field.name)[:] = column.reshape(rows, width)
        columns.append(pa.array(np.split(column, rows) if rows else [], pa.list_(pa.float32() if is_float else pa.int32())))
    table = pa.table(columns, names=[field.name for field in schema])
    assert layout.encode(values).tobytes() == encode_examples(table).tobytes()


def test_a_feature_is_found_where_the_sorted_names_put_it():
    layout = FixedRecords((Field("b", "int64[3]"), Field("a", "float32[2]"), Field("C", "int64[1]")))
    assert (layout.names, layout.starts, layout.width) == (["C", "a", "b"], {"C": 0, "a": 1, "b": 3}, 6)
    values = np.arange(12, dtype=np.int32).reshape(2, 6)
    assert layout.view(values, "b").tolist() == [[3, 4, 5], [9, 10, 11]]


def test_features_of_another_type_are_refused():
    with pytest.raises(ValueError, match="text is string; a fixed feature is int64"):
        FixedRecords((Field("text", "string"),))
