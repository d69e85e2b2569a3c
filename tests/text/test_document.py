"""YAML and JSON files of users: every error names file and line."""

import pytest

from pytest_batcheval.errors import MatrixError, UsageError
from pytest_batcheval.matrix.load import load_axis
from pytest_batcheval.text.document import field_of, first_schema_error, parse_json, read_document, read_text, reason_of

SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object", "properties": {"n": {"type": "integer", "description": "a number"}}},
}


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.json", b'{"a": 1,\n"b" 2}', r"x\.json, line 2: not valid JSON: Expecting ':'"),
        ("x.json", b"[" * 100_000, r"x\.json: the JSON is nested too deeply"),
        ("x.yaml", b"a: 1\nb: [1,\nc: 2", r"x\.yaml, line 3: not valid YAML"),
        ("x.yaml", b"a: 2024-13-45", r"x\.yaml: not valid YAML: month must be in 1..12"),
        ("x.yaml", b"a: !!python/object:os.system []", r"x\.yaml, line 1: not valid YAML: could not determine"),
        ("x.yaml", b"caf\xe9", r"x\.yaml: the axis file is not UTF-8: unexpected end of data at byte 3"),
        ("x.yaml", POINTER, r"x\.yaml: the axis file is a Git LFS pointer, not the file itself; .*git lfs pull"),
        ("x.json", b"\xef\xbb\xbf" + POINTER.replace(b"\n", b"\r\n"), r"x\.json: the axis file is a Git LFS pointer"),
        ("x.csv", b"\x00GITCRYPT\x00\x01\x02", r"x\.csv: the axis file is encrypted by git-crypt; .*git-crypt unlock"),
        ("x.csv", "id,years".encode("utf-16"), r"x\.csv: the axis file is UTF-16; save it as UTF-8"),
        ("missing.yaml", None, r"missing\.yaml: the axis file cannot be read: No such file"),
    ],
)
def test_an_error_names_the_file_and_the_line(tmp_path, name, data, message):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(MatrixError, match=message):
        read_document(path, "axis file", MatrixError)


def test_a_byte_order_mark_is_dropped_and_lines_count_from_where_the_text_begins(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": "\xec\x9c\xa0"}')
    assert read_document(path, "file") == {"a": "유"}
    assert read_text(path, "file").startswith("{")
    with pytest.raises(UsageError, match=r"x\.json, line 7: not valid JSON"):
        parse_json(path, "{", first_line=7)


def test_the_first_entry_that_is_wrong_is_named_with_its_field_and_what_is_allowed():
    error = first_schema_error([{"n": 1}, {"n": "x"}, 3], SCHEMA)
    assert list(error.absolute_path) == [1, "n"]
    assert field_of(error) == ", field n"
    assert reason_of(error) == "'x' is not of type 'integer'; allowed: a number"
    assert field_of(first_schema_error([3], SCHEMA)) == ""
    assert first_schema_error([{"n": 1}], SCHEMA) is None


def bomb(width=10, depth=9):
    """Some hundred bytes of YAML that are `width ** depth` texts when its aliases are written out."""
    lines = [f"- &a0 [{', '.join(['lol'] * width)}]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "x.yaml",
            bomb(),
            r"x\.yaml, line \d: the YAML cannot be used: its aliases add more than 1,000,000 characters",
        ),
        ("x.yaml", b"&a [*a]", r"x\.yaml, line 1: the YAML cannot be used: a YAML alias of what it is a part of"),
        ("x.yaml", b"- &a {a: " + b"x" * 300_000 + b"}\n- {<<: [*a, *a, *a, *a]}", "its aliases add more"),
        ("x.yaml", b"[" * 100_000, "nested more than 50 levels deep|exceeded maximum nesting"),
        ("x.yaml", b"- " * 60 + b"x", "nested more than 50 levels deep"),
        ("x.yaml", b"id: " + b"9" * 10_000, r"x\.yaml: not valid YAML"),
        ("x.yaml", b"id: 0x" + b"f" * 10_000, "a number has too many digits"),
        ("x.json", b"[" * 60 + b"]" * 60, "nested more than 50 levels deep"),
        ("x.json", b"[" + b"9" * 10_000 + b"]", "a number has too many digits"),
    ],
)
def test_a_small_file_cannot_fill_the_memory_or_a_message(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(MatrixError, match=message) as caught:
        read_document(path, "axis file", MatrixError)
    assert len(str(caught.value)) < 1000


def test_aliases_of_a_usual_size_are_fine(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("- &usual {id: a, model: m}\n- {<<: *usual, id: b}\n- *usual")
    assert read_document(path, "file") == [
        {"id": "a", "model": "m"},
        {"id": "b", "model": "m"},
        {"id": "a", "model": "m"},
    ]


def test_a_large_value_is_not_repeated(tmp_path):
    error = first_schema_error(["x" * 100_000], SCHEMA)
    assert len(reason_of(error)) < 1000
    (tmp_path / "x.yaml").write_text(f"- id: [{'x' * 100_000}]")
    with pytest.raises(MatrixError) as caught:
        load_axis("role", tmp_path / "x.yaml")
    assert len(str(caught.value)) < 1000
