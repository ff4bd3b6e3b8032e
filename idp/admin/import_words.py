"""What the console says of an import in the operator's language: state, counts, progress, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from idp.admin.audit import actor_names
from idp.models.person_import import CHECKING, PAUSED, RUNNING, UNDOING, PersonImport
from idp.services.person_rows import RowError
from idp.texts import format_count, format_moment
from idp.web.i18n import language, text

SOURCES = ("console", "feed", "folder")


@dataclass(frozen=True, repr=False)
class ErrorView:
    line: int
    field: str
    reason: str
    value: str


@dataclass(frozen=True, repr=False)
class ProgressView:
    """`most` is 0 while nobody knows how much there is."""

    done: int
    most: int
    words: str


def number(count: int) -> str:
    return format_count(count, language())


def field_name(name: str) -> str:
    return text(f"imp.field.{name}")


def error_view(error: RowError) -> ErrorView:
    reason = text(f"imp.e.{error.kind}", **error.named)
    return ErrorView(error.line, field_name(error.field), reason, error.value)


def facts(row: PersonImport, portal: str) -> tuple[tuple[str, str], ...]:
    """Where the file comes from and where it stands."""
    names = actor_names({row.made_by, row.confirmed_by})
    by = {row.made_by: names.get(row.made_by, "") if row.made_by else text(f"imp.from.{row.source}")}
    confirmed = names.get(row.confirmed_by, "") if row.confirmed_by else text("imp.by.itself")
    shown = [
        (text("adm.state"), text(f"imp.state.{row.state}")),
        (text("adm.portal"), portal),
        (text("imp.file"), f"{row.file_name} ({number(-(-row.size // 1024))} KB)"),
        (text("imp.uploaded"), _when(format_moment(row.made_at), by[row.made_by])),
    ]
    if row.confirmed_at:
        shown.append((text("imp.confirmed"), _when(format_moment(row.confirmed_at), confirmed)))
    if row.finished_at:
        shown.append((text("imp.ended"), format_moment(row.finished_at)))
    return tuple(shown)


def _when(moment: str, who: str) -> str:
    return f"{moment}, {who}" if who else moment


def counts(row: PersonImport) -> tuple[tuple[str, str], ...]:
    """The figures of the dry run, or of what was written so far; none before anything was read."""
    if not row.rows:
        return ()
    moved = (row.changed_fields or {}).get("address", 0)
    named = {
        "new": row.new, "changed": row.changed, "moved": moved, "unchanged": row.unchanged, "errors": row.errors,
        "left": row.left_out,
    }  # fmt: skip
    return tuple((text(f"imp.count.{name}"), number(count)) for name, count in named.items())


def fields(row: PersonImport) -> tuple[tuple[str, str], ...]:
    """In how many records each field changes."""
    return tuple((field_name(name), number(count)) for name, count in sorted((row.changed_fields or {}).items()))


def progress(row: PersonImport) -> ProgressView | None:
    """How far the worker is, where it is at work or was stopped."""
    if row.state == CHECKING:
        return ProgressView(0, 0, text("imp.read", n=number(row.position)))
    if row.state in {RUNNING, PAUSED}:
        words = text("imp.progress", n=number(row.position), m=number(row.rows), errors=number(row.errors))
        return ProgressView(row.position, row.rows, words)
    return ProgressView(0, 0, text("imp.state.undoing")) if row.state == UNDOING else None


def fault(row: PersonImport) -> str:
    return text(f"imp.f.{row.fault}", **(row.fault_named or {})) if row.fault else ""
