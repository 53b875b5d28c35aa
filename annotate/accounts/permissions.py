"""Who may do what: the one table of roles and operations. What one may see of an operation, its view decides.

An operation is named as in the schema (`operation_id`). The pages ask /api/me for the operations of whoever is signed
in: menu, addresses and buttons follow from it. An operation without a row is refused to all.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from annotate.accounts.models import ROLES, User

ANYONE, SIGNED_IN = ("anyone",), ("signed in",)

_BY_ROLES: dict[tuple[str, ...], str] = {
    ANYONE: "sign_in",
    SIGNED_IN: """
        me me_update sign_out sign_out_everywhere change_password tokens create_token delete_token
    """,
    ROLES: "campaigns campaign guidelines terms",
    ("annotator",): """
        mark_guidelines_read give_consent own_work own_agreement lease_next_assignment lease_ahead assignment
        save_draft renew_lease submit skip release make_remark suggest
    """,
    ("annotator", "admin"): "versions",
    ("admin",): """
        create_campaign update_campaign write_guidelines write_terms members add_member remove_member add_prompts
        imports create_import import import_refusals remove_import import_formats settle_remark
        users create_user user update_user
        tokens_of_user end_token_of_user
    """,
    ("admin", "trainer"): """
        progress remarks export policies_of_campaign choose_policies snapshots snapshot
        runs run run_metrics run_log run_samples rounds round schedules
        policy_versions policy_version policy_comparisons reward_models model_server promotions
    """,
    ("trainer",): """
        create_snapshot create_run cancel_run resume_run create_round cancel_round resume_round create_schedule
        update_schedule delete_schedule register_policy_version promote
    """,
}
OPERATIONS = {operation: roles for roles, row in _BY_ROLES.items() for operation in row.split()}
# A leaked token must not be made into one that nobody knows of.
NOT_BY_TOKEN = {"create_token"}


class SignedInRequest(Request):
    """For type checkers: what every view gets but the one that signs in."""

    user: User  # type: ignore[assignment]


def operations_of(user: User) -> list[str]:
    """What a login may do, in the table's order."""
    held = {*user.roles, *ANYONE, *SIGNED_IN}
    return [operation for operation, roles in OPERATIONS.items() if held & set(roles)]


def operation_of(view: Any, method: str) -> str:
    """The operation that a view's method is, as its schema says; empty for a method that the view has not."""
    declared = getattr(getattr(view, method.lower(), None), "kwargs", {}).get("schema")
    if declared is None:
        return ""
    schema = declared()
    schema.view, schema.method = view, method
    return schema.get_operation_id()


class ByOperation(BasePermission):
    """Every view's permission: the row of the table."""

    message = _("Your roles do not allow this. An administrator can give you the role that does.")

    def has_permission(self, request: Request, view: Any) -> bool:
        operation = operation_of(view, request.method or "")
        roles = OPERATIONS.get(operation, ())
        user = request.user
        if roles == ANYONE or not (user and user.is_authenticated):
            return roles == ANYONE
        if not operation and not hasattr(view, (request.method or "").lower()):
            return True  # the view answers 405
        if operation in NOT_BY_TOKEN and isinstance(request.auth, AuthToken):
            self.message = _("A token cannot do this. Sign in with your password.")
            return False
        return roles == SIGNED_IN or bool(set(roles) & set(user.roles))
