"""Who calls: an API key is a tenant with some scopes."""

from __future__ import annotations

from lambent.domain.caller import ALL_SCOPES, Caller
from lambent.domain.names import NAME_RULE, is_name
from lambent.errors import AuthInvalid
from lambent.ports import CallerDirectory, Clock

# A withdrawn key is to count nowhere after 5 s: these, a request that has begun, and the directory's own answer.
_REMEMBERED_S = 3.0


class IdentifyService:
    """Key ids to callers; the stack's own key belongs to the default tenant and has every scope.

    A directory's answer is remembered for 3 s, which is how long a withdrawn key or scope may still count. What that
    costs: one look-up in 3 s of each key that an execution environment is used by, and none of the stack's own key.
    """

    def __init__(self, directory: CallerDirectory, clock: Clock, *, own_key_id: str, default_tenant: str) -> None:
        self._directory = directory
        self._clock = clock
        self._own_key_id = own_key_id
        self._owner = Caller(default_tenant, ALL_SCOPES)
        self._known: dict[str, tuple[float, Caller]] = {}

    def caller(self, api_key_id: str | None) -> Caller:
        """Return who a key id stands for; the stack's own key needs no look-up.

        Raises
        ------
        AuthInvalid   no key, one that stands for no tenant that may be, or one that was rotated out
        Unavailable
        """
        if api_key_id == self._own_key_id:
            return self._owner
        if not api_key_id:
            raise AuthInvalid("An API key is needed: send it as x-api-key.", field="x-api-key")
        until_s, known = self._known.get(api_key_id, (0.0, self._owner))
        caller = known if self._clock.epoch_s() < until_s else self._look_up(api_key_id)
        # Both are UTC with milliseconds, so they compare as text.
        if caller.valid_until is not None and self._clock.now() >= caller.valid_until:
            raise AuthInvalid(
                f"This API key was rotated, and ended at {caller.valid_until}: use the one in its place.",
                field="x-api-key",
            )
        return caller

    def _look_up(self, api_key_id: str) -> Caller:
        caller = self._directory.caller_of(api_key_id)
        if caller is None:
            self._known.pop(api_key_id, None)
            raise AuthInvalid("This API key is not registered for a tenant.", field="x-api-key")
        if not is_name(caller.tenant):
            # A row that was written by hand: such a tenant's files would lie among those of others.
            raise AuthInvalid(
                f"This API key is registered for a tenant whose name is not allowed; its operator makes another one by "
                f"`lambent key create`, for a tenant whose name is {NAME_RULE}.",
                field="x-api-key",
                limit=NAME_RULE,
            )
        self._known[api_key_id] = (self._clock.epoch_s() + _REMEMBERED_S, caller)
        return caller
