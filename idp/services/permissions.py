"""Which role may do what: one table, from which the checks, the pages' words, the documentation and the tests are made.

Roles as in ux.md §9.1. A role is held at one portal or at all; what belongs to no portal needs it at all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    READER = "reader"
    SUPPORT = "support"
    PORTAL_ADMIN = "portal_admin"
    LETTERS = "letters"
    SECURITY = "security"
    SUPERUSER = "superuser"


class Permission(StrEnum):
    SEE_CONSOLE = "see_console"
    SEE_AUDIT = "see_audit"
    SEE_MESSAGES = "see_messages"
    RETRY_MESSAGES = "retry_messages"
    SEE_KEYS = "see_keys"
    ROTATE_KEYS = "rotate_keys"
    SEE_SETTINGS = "see_settings"
    CHANGE_SETTINGS = "change_settings"
    SEE_OPERATORS = "see_operators"
    CHANGE_OPERATORS = "change_operators"
    SEE_PORTALS = "see_portals"
    CHANGE_PORTAL = "change_portal"
    ROTATE_SECRET = "rotate_secret"
    CREATE_PORTAL = "create_portal"
    TRUST_PORTAL = "trust_portal"
    IMPORT_PERSONS = "import_persons"
    SEE_PERSONS = "see_persons"
    REVEAL_PERSON = "reveal_person"
    HELP_PERSON = "help_person"
    ORDER_LETTER = "order_letter"
    SEE_LETTERS = "see_letters"
    PRINT_LETTERS = "print_letters"
    EXPORT_LISTS = "export_lists"
    CHANGE_API_CLIENTS = "change_api_clients"


class Scope(StrEnum):
    """What a client of the API may be allowed (RFC 6749 §3.3); machines hold scopes as operators hold roles."""

    PERSONS_READ = "persons:read"
    PERSONS_WRITE = "persons:write"
    CODES_READ = "codes:read"
    CODES_WRITE = "codes:write"
    PORTALS_READ = "portals:read"
    PORTALS_WRITE = "portals:write"
    AUDIT_READ = "audit:read"


EVERYBODY = frozenset(Role)
GRANTS: Mapping[Permission, frozenset[Role]] = {
    Permission.SEE_CONSOLE: EVERYBODY,
    Permission.SEE_AUDIT: frozenset({Role.READER, Role.SECURITY, Role.SUPERUSER}),
    Permission.SEE_MESSAGES: frozenset({Role.READER, Role.SUPPORT, Role.SECURITY, Role.SUPERUSER}),
    Permission.RETRY_MESSAGES: frozenset({Role.SUPPORT, Role.SECURITY, Role.SUPERUSER}),
    Permission.SEE_KEYS: frozenset({Role.READER, Role.SECURITY, Role.SUPERUSER}),
    Permission.ROTATE_KEYS: frozenset({Role.SECURITY, Role.SUPERUSER}),
    Permission.SEE_SETTINGS: frozenset({Role.READER, Role.SECURITY, Role.SUPERUSER}),
    Permission.CHANGE_SETTINGS: frozenset({Role.SECURITY, Role.SUPERUSER}),
    Permission.SEE_OPERATORS: frozenset({Role.SECURITY, Role.SUPERUSER}),
    Permission.CHANGE_OPERATORS: frozenset({Role.SUPERUSER}),
    Permission.SEE_PORTALS: EVERYBODY,
    Permission.CHANGE_PORTAL: frozenset({Role.PORTAL_ADMIN, Role.SUPERUSER}),
    Permission.ROTATE_SECRET: frozenset({Role.PORTAL_ADMIN, Role.SECURITY, Role.SUPERUSER}),
    # At all portals: a portal that could choose its sector would learn the `sub` of another one.
    Permission.CREATE_PORTAL: frozenset({Role.PORTAL_ADMIN, Role.SUPERUSER}),
    Permission.TRUST_PORTAL: frozenset({Role.PORTAL_ADMIN, Role.SUPERUSER}),
    Permission.IMPORT_PERSONS: frozenset({Role.PORTAL_ADMIN, Role.SUPERUSER}),
    Permission.SEE_PERSONS: frozenset({Role.READER, Role.SUPPORT, Role.LETTERS, Role.SECURITY, Role.SUPERUSER}),
    Permission.REVEAL_PERSON: frozenset({Role.SUPPORT, Role.SECURITY, Role.SUPERUSER}),
    Permission.HELP_PERSON: frozenset({Role.SUPPORT, Role.SECURITY, Role.SUPERUSER}),
    Permission.ORDER_LETTER: frozenset({Role.SUPPORT, Role.LETTERS, Role.SUPERUSER}),
    Permission.SEE_LETTERS: frozenset({Role.READER, Role.SUPPORT, Role.LETTERS, Role.SECURITY, Role.SUPERUSER}),
    Permission.PRINT_LETTERS: frozenset({Role.LETTERS, Role.SUPERUSER}),
    # Not the desk: it sees persons one by one, and a list of all of them is what an agent would be bribed for.
    Permission.EXPORT_LISTS: EVERYBODY - {Role.SUPPORT},
    Permission.CHANGE_API_CLIENTS: frozenset({Role.SUPERUSER}),
}
# What each scope lets a machine do; a permission that stands nowhere here is for persons alone.
SCOPES: Mapping[Scope, Permission] = {
    Scope.PERSONS_READ: Permission.REVEAL_PERSON,
    Scope.PERSONS_WRITE: Permission.IMPORT_PERSONS,
    Scope.CODES_READ: Permission.SEE_PERSONS,
    Scope.CODES_WRITE: Permission.ORDER_LETTER,
    Scope.PORTALS_READ: Permission.SEE_PORTALS,
    Scope.PORTALS_WRITE: Permission.CHANGE_PORTAL,
    Scope.AUDIT_READ: Permission.SEE_AUDIT,
}


@dataclass(frozen=True)
class Rights:
    """What one operator holds now: the roles at all portals, and those at single ones."""

    everywhere: frozenset[Role] = frozenset()
    at: Mapping[UUID, frozenset[Role]] = field(default_factory=dict)

    @property
    def is_any(self) -> bool:
        """Whether there is a role at all."""
        return bool(self.everywhere or self.at)

    def may(self, permission: Permission, portal_id: UUID | None = None) -> bool:
        """Whether this is allowed at this portal; without one, whether it is allowed at all of them."""
        held = self.everywhere | (self.at.get(portal_id, frozenset()) if portal_id else frozenset())
        return bool(held & GRANTS[permission])

    def may_somewhere(self, permission: Permission) -> bool:
        """Whether there is anything to see: all portals, or one at least."""
        return self.may(permission) or bool(self.portals(permission))

    def portals(self, permission: Permission) -> frozenset[UUID] | None:
        """The portals at which this is allowed; None stands for all of them."""
        if self.may(permission):
            return None
        return frozenset(portal_id for portal_id in self.at if self.may(permission, portal_id))


@dataclass(frozen=True)
class ClientRights:
    """What a client of the API may do with one token: its scopes, at one portal, or at all where it is empty."""

    scopes: frozenset[Scope]
    portal_id: UUID | None = None

    def may(self, permission: Permission, portal_id: UUID) -> bool:
        """Whether this is allowed at this portal."""
        return self.holds(permission) and self.portal_id in {None, portal_id}

    def holds(self, permission: Permission) -> bool:
        """Whether a scope stands for this, wherever it counts."""
        return any(SCOPES[scope] is permission for scope in self.scopes)
