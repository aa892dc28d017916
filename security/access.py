"""Who may see and change response policies: the one answer for pages and API. Rights come from roles alone."""

from __future__ import annotations

from typing import Any

from realtime.registry import VIEW_CLIENT_ADDRESSES
from security.events import SEES_SECURITY


def may_see(user: Any) -> bool:
    """Whether `user` may see policies, rules and feeds."""
    return bool(user.is_active and user.has_perm(SEES_SECURITY))


def may_edit(user: Any) -> bool:
    """Whether `user` may make, change and delete rules."""
    return bool(user.is_active and user.has_perm("security.change_rule"))


def may_manage(user: Any) -> bool:
    """Whether `user` may make, order, change and delete policies and feeds."""
    return bool(user.is_active and user.has_perm("security.change_policy"))


def may_see_clients(user: Any) -> bool:
    """Whether `user` may see addresses of clients, and so the triggers of rules about them."""
    return bool(user.is_active and user.has_perm(VIEW_CLIENT_ADDRESSES))
