"""Text out of files that people bring: plain text, a column of a csv, a field of a jsonl.

What is wrong is said with its place (byte, line, column), and nothing is guessed silently: bytes that are no UTF-8 are
replaced or read as Windows-1252 only where the caller says so.
"""

import csv
import io
import json
from collections.abc import Iterator

MAX_BYTES = 50 * 1024 * 1024
KINDS = ("txt", "csv", "jsonl")
WRONG_BYTES = ("strict", "replace", "cp1252")  # what to do with bytes that are no UTF-8

_SIGNATURES = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive (docx, xlsx and epub are zip archives too)",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x7fELF": "a program",
}


class WrongEncodingError(ValueError):
    """The bytes are no UTF-8; `at` is the first that is none."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def kind_of(name: str) -> str:
    """What a file is taken for, by the end of its name: "csv", "jsonl", else "txt".

    >>> kind_of("Rows.CSV"), kind_of("notes.md")
    ('csv', 'txt')
    """
    ending = name.rpartition(".")[2].lower()
    return {"csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl"}.get(ending, "txt")


def check_size(n_bytes: int, name: str = "the file") -> None:
    """ValueError for a file of more than 50 MB."""
    if n_bytes > MAX_BYTES:
        raise ValueError(f"{name} must be no larger than 50 MB, and it has {n_bytes / 1024**2:,.1f} MB")


def decode(raw: bytes, name: str = "the file", wrong_bytes: str = "strict") -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark at the beginning.

    wrong_bytes: "replace" puts U+FFFD in the place of what is no UTF-8, "cp1252" reads the whole file as Windows-1252.
    Raises WrongEncodingError naming the first wrong byte; ValueError for a binary, an empty or a too large file.
    """
    check_size(len(raw), name)
    for signature, what in _SIGNATURES.items():
        if raw.startswith(signature):
            raise ValueError(f"{name} must be a text file, and it is {what}")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _utf16(raw, name)
    if (zero := raw.find(b"\0")) >= 0:
        raise ValueError(f"{name} must be a text file, and its byte {zero:,} is 0, which no text holds: it is binary")
    if wrong_bytes == "cp1252":
        text = raw.decode("cp1252", "replace")  # five bytes mean nothing there either
    elif wrong_bytes == "replace":
        text = raw.decode("utf-8-sig", "replace")
    else:
        text = _utf8(raw, name)
    return text


def _utf8(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        at = error.start
        line = raw.count(b"\n", 0, at) + 1
        raise WrongEncodingError(
            f"{name} must be UTF-8 text, and byte {at:,} (0x{raw[at]:02X}, in line {line:,}) is none", at
        ) from None


def _utf16(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-16")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} begins like UTF-16 text, and its byte {error.start:,} is none; save it as UTF-8"
        ) from None


def csv_columns(text: str, name: str = "the csv") -> list[str]:
    """The names in the first line."""
    try:
        columns = next(_rows(text), [])
    except csv.Error as error:
        raise ValueError(f"{name} must be a csv, and its first line is none: {error}") from None
    if not any(columns):
        raise ValueError(f"{name} must have the names of its columns in its first line, and that line is empty")
    return columns


def csv_texts(text: str, column: str, name: str = "the csv") -> Iterator[str]:
    """One column of a csv with a first line of names. ValueError for a column that is not there, and a short row."""
    columns = csv_columns(text, name)
    if column not in columns:
        raise ValueError(f"{name} has no column {column[:60]!r}; its columns are {_listed(columns)}")
    place, rows = columns.index(column), _rows(text)
    next(rows)
    try:
        for row in rows:
            if not row:  # an empty line
                continue
            if len(row) <= place:
                raise ValueError(
                    f"{name} must have {len(columns)} columns in each row, and line {rows.line_num:,} has {len(row)}"
                )
            yield row[place]
    except csv.Error as error:
        raise ValueError(f"{name} must be a csv, and line {rows.line_num:,} is none: {error}") from None


def _rows(text: str):
    csv.field_size_limit(MAX_BYTES)
    return csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))


def _delimiter(text: str) -> str:
    """The most frequent of the usual ones in the first line; a comma when there is none."""
    first = text[:10_000].partition("\n")[0]
    return max(",;\t", key=first.count)


def jsonl_fields(text: str, name: str = "the jsonl") -> list[str]:
    """The fields of the first line that hold text."""
    for _, row in _objects(text, name):
        fields = [field for field, value in row.items() if isinstance(value, str)]
        if not fields:
            raise ValueError(f"{name} must hold a field with text in each line, and line 1 has none")
        return fields
    raise ValueError(f"{name} must hold one JSON object a line, and it is empty")


def jsonl_texts(text: str, field: str, name: str = "the jsonl") -> Iterator[str]:
    """One field of each line. ValueError naming the line that is no JSON object or lacks the field's text."""
    for number, row in _objects(text, name):
        if not isinstance(row.get(field), str):
            there = "another kind of value" if field in row else f"only {_listed(list(row))}"
            raise ValueError(f"{name} must hold text in the field {field[:60]!r}; line {number:,} has {there}")
        yield row[field]


def _objects(text: str, name: str) -> Iterator[tuple[int, dict]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            said = getattr(error, "msg", "it is nested too deeply")
            raise ValueError(f"{name} must hold one JSON object a line, and line {number:,} is none: {said}") from None
        if not isinstance(row, dict):
            raise ValueError(f"{name} must hold one JSON object a line, and line {number:,} is a {type(row).__name__}")
        yield number, row


def longest_column(text: str, kind: str, name: str = "the file") -> str:
    """The column or field whose first value is the longest: where the texts are, unless somebody knows better.

    >>> longest_column("id,story\\n1,once upon a time\\n", "csv")
    'story'
    """
    if kind == "jsonl":
        fields = jsonl_fields(text, name)
        first = next(row for _, row in _objects(text, name))
        return max(fields, key=lambda field: len(first[field]))
    columns, rows = csv_columns(text, name), _rows(text)
    next(rows)
    try:
        first_row = next(filter(None, rows), [])
    except csv.Error as error:
        raise ValueError(f"{name} must be a csv, and line {rows.line_num:,} is none: {error}") from None
    return max(zip(columns, first_row), key=lambda pair: len(pair[1]), default=(columns[0], ""))[0]


def texts_of(raw: bytes, name: str, kind: str, column: str = "", wrong_bytes: str = "strict") -> str:
    """The text of a whole file: its column's or field's texts one a line, or all of it. ValueError when it is blank."""
    text = decode(raw, name, wrong_bytes)
    if kind == "csv":
        text = "\n".join(csv_texts(text, column or longest_column(text, kind, name), name))
    elif kind == "jsonl":
        text = "\n".join(jsonl_texts(text, column or longest_column(text, kind, name), name))
    check_corpus(text, name)
    return text


def check_corpus(text: str, name: str = "the corpus") -> None:
    """ValueError unless there are two characters in a row from which something can be learned."""
    if not text.strip():
        raise ValueError(f"{name} must hold some text, and it is {'blank' if text else 'empty'}")
    if len(text.strip()) < 2:
        raise ValueError(f"{name} must hold more than one character: with one there is no pair to merge")


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "none"
