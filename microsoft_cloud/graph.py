"""Microsoft Graph: the groups and people that a request names (contract §13)."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import GroupError, GroupProblem, NotFoundError
from .fields import Json, dig, flag, guid, is_guid, objects, odata_literal, quoted, text
from .http import Session

_GROUP_COLUMNS = "id,displayName,securityEnabled,mailEnabled,groupTypes"
_USER_COLUMNS = "id,displayName,userPrincipalName,accountEnabled,mail"
_MANAGER_COLUMNS = "id,displayName,userPrincipalName,mail"


@dataclass(frozen=True)
class Group:
    """A security-enabled group."""

    id: str
    display_name: str


@dataclass(frozen=True)
class User:
    """A person in the directory. ``is_enabled`` is None where Graph does not say (a manager)."""

    id: str
    display_name: str
    user_principal_name: str
    mail: str
    is_enabled: bool | None


class GraphClient:
    """Read access to the directory; nothing here changes it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def group(self, id_or_name: str) -> Group:
        """Return the one security-enabled group with this object id or display name.

        Raises:
            GroupError: kind NOT_FOUND, AMBIGUOUS or NOT_SECURITY_ENABLED.
        """
        wanted = id_or_name.strip()
        if not wanted:
            raise self._problem("No group was named.", GroupProblem.NOT_FOUND)
        document = self._group_with_id(wanted) if is_guid(wanted) else self._group_named(wanted)
        if not flag(document, "securityEnabled"):
            raise self._problem(f"The group {wanted} is not a security group.", GroupProblem.NOT_SECURITY_ENABLED)
        return Group(text(document, "id").lower(), text(document, "displayName"))

    def groups_named(self, beginning: str, most: int) -> list[Group]:
        """Return security-enabled groups whose display name begins like this, by name; at most so many."""
        condition = f"startswith(displayName,{odata_literal(beginning)}) and securityEnabled eq true"
        params = {"$filter": condition, "$select": _GROUP_COLUMNS, "$top": str(most)}
        found = objects(self._session.read("/groups", params=params).object(), "value")
        able = [
            Group(text(each, "id").lower(), text(each, "displayName"))
            for each in found
            if flag(each, "securityEnabled")
        ]
        return sorted(able, key=lambda group: (group.display_name.lower(), group.id))[:most]

    def user(self, upn: str) -> User:
        """Return the person with this user principal name or object id.

        Raises:
            NotFoundError: nobody has it.
        """
        return _user(self._get(f"/users/{quoted(upn)}", _USER_COLUMNS))

    def manager(self, upn: str) -> User | None:
        """Return the person's manager, or None when none is set."""
        try:
            return _user(self._get(f"/users/{quoted(upn)}/manager", _MANAGER_COLUMNS))
        except NotFoundError:
            return None

    def is_member(self, user_id: str, group_id: str) -> bool:
        """Say whether the person belongs to the group, directly or through other groups."""
        group = guid(group_id, "group id")
        answer = self._session.read(
            f"/users/{guid(user_id, 'user id')}/checkMemberGroups", method="POST", json={"groupIds": [group]}
        )
        found = dig(answer.object(), "value")
        return isinstance(found, list) and group in {str(item).lower() for item in found}

    def _group_with_id(self, group_id: str) -> Json:
        try:
            return self._get(f"/groups/{group_id}", _GROUP_COLUMNS)
        except NotFoundError:
            raise self._problem(f"There is no group with the id {group_id}.", GroupProblem.NOT_FOUND) from None

    def _group_named(self, name: str) -> Json:
        """Find exactly one; where several share the name, one that alone is security-enabled is still a guess."""
        answer = self._session.read(
            "/groups", params={"$filter": f"displayName eq {odata_literal(name)}", "$select": _GROUP_COLUMNS}
        ).object()
        found = objects(answer, "value")
        if not found:
            raise self._problem(f"There is no group named {name}.", GroupProblem.NOT_FOUND)
        if len(found) > 1:
            raise self._problem(
                f"{len(found)} groups are named {name}; give the object id instead.", GroupProblem.AMBIGUOUS
            )
        return found[0]

    def _get(self, path: str, columns: str) -> Json:
        return self._session.read(path, params={"$select": columns}).object()

    def _problem(self, message: str, kind: GroupProblem) -> GroupError:
        return GroupError(message, kind, service=self._session.service.value, code=kind.name)


def _user(document: Json) -> User:
    enabled = dig(document, "accountEnabled")
    return User(
        id=text(document, "id").lower(),
        display_name=text(document, "displayName"),
        user_principal_name=text(document, "userPrincipalName"),
        mail=text(document, "mail"),
        is_enabled=enabled if isinstance(enabled, bool) else None,
    )
