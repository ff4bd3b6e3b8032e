"""What stands above every list of the console: one's saved views of it, and the ways to save or export what it shows.

Found by the address of the page, so that no list has to know of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import request

from idp.models.saved_view import views_of
from idp.services.list_exports import EXPORT
from idp.services.list_rows import SOURCES
from idp.services.lists import KNOWN, Listing, address_of, read_filters
from idp.services.operator_sessions import AtWork
from idp.web import kept

VIEWS, EXPORTS = "/admin/views", "/admin/exports"
LISTS = {listing.address: listing for listing in Listing}


@dataclass(frozen=True, repr=False)
class ListTools:
    """`views` are address, name and whether it is shown now; `save` and `export` are addresses, empty where there is
    nothing to save or nobody may. `is_searched`: words were typed, which are personal and go nowhere.
    """

    views: tuple[tuple[str, str, bool], ...]
    save: str
    export: str
    is_searched: bool


def tools_of(at_work: AtWork) -> ListTools | None:
    """Those of the list that this request asks for; None on every other page."""
    listing = LISTS.get(request.path)
    if listing is None or request.method != "GET":
        return None
    filters, is_searched = read_filters(listing, request.args), bool(request.args.get(kept.PARAMETER))
    asked = urlencode({"list": listing.value, **filters})
    may_export = listing in SOURCES and all(at_work.rights.may_somewhere(one) for one in (EXPORT, KNOWN[listing].see))
    return ListTools(
        views=tuple(
            (address_of(listing, one.filters), one.name, one.filters == filters)
            for one in views_of(at_work.account.id, listing.value)
        ),
        save=f"{VIEWS}/new?{asked}" if filters else "",
        export=f"{EXPORTS}/new?{asked}" if may_export and not is_searched else "",
        is_searched=is_searched and may_export,
    )
