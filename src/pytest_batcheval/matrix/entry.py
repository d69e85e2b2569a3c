"""One entry of an axis file: its values by the fields that their names mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.matrix.fields import PROFILE, factors_named, fields_of, is_known
from pytest_batcheval.matrix.profile import level_of
from pytest_batcheval.text.bounds import shown
from pytest_batcheval.text.document import with_lf

if TYPE_CHECKING:
    from pytest_batcheval.matrix.profile import Factors


class Entry(NamedTuple):
    """An entry of a file.

    Attributes:
        fields: its values, by the fields that their names mean.
        written: the names in the file, by these fields.
        place: the entry's place, for messages.
        in_table: whether it is a row of a table.
    """

    fields: dict[str, Any]
    written: Mapping[str, str]
    place: str
    in_table: bool

    def field(self, name: str) -> str:
        """The place of a field, by the name that the file has for it."""
        return f"{self.place}, {'column' if self.in_table else 'field'} {self.written.get(name, name)}"


def read_entry(axis: str, raw: Any, place: str, in_table: bool, factors: Factors) -> Entry:
    """An entry by its fields; an empty cell, and whatever is empty in a field that we know, is left out.

    Texts of fields that we know are as a table has them: without white space around, lines end with LF.
    """
    if not isinstance(raw, dict):
        raise MatrixError(f"{place}: {shown(raw)} is no entry; write its fields, such as id: …")
    given = {str(name).strip(): value for name, value in raw.items()}
    profile = given.get("profile")
    if axis == "persona" and isinstance(profile, dict):
        given |= {f"{PROFILE}{factor}": level for factor, level in given.pop("profile").items()}
    try:
        fields = fields_of(axis, given, factors)
    except MatrixError as error:
        raise MatrixError(f"{place}: {error}") from None
    entry = Entry({}, {field: name for name, field in fields.items()}, place, in_table)
    levels: dict[str, str] = {}
    for name, field in fields.items():
        known = is_known(axis, field)
        value = _as_in_table(given[name]) if known else given[name]
        if value in (None, "") and (in_table or known):
            continue
        if axis == "persona" and field.startswith(PROFILE):
            levels[field.removeprefix(PROFILE)] = _level(entry, field, value, factors)
        else:
            entry.fields[field] = value
    if axis == "question" and "targets" in entry.fields:
        entry.fields["targets"] = _targets(entry, factors)
    if levels:
        entry.fields["profile"] = levels
    elif axis == "persona" and "profile" in entry.fields:
        raise MatrixError(
            f"{entry.field('profile')}: {shown(profile)} is no profile; give each factor a column or member of its "
            "own, such as NS or profile.NS"
        )
    return entry


def _as_in_table(value: Any) -> Any:
    return with_lf(value).strip() if isinstance(value, str) else value


def _level(entry: Entry, field: str, value: object, factors: Factors) -> str:
    try:
        return level_of(field.removeprefix(PROFILE), value, factors)
    except MatrixError as error:
        raise MatrixError(f"{entry.field(field)}: {error}") from None


def _targets(entry: Entry, factors: Factors) -> list[str]:
    written = entry.fields["targets"]
    targets = factors_named(written, tuple(factors))
    if targets is None:
        raise MatrixError(
            f"{entry.field('targets')}: {shown(written)} must be factors that an answer can show, with spaces "
            f"between; the factors are: {', '.join(factors)}"
        )
    return targets
