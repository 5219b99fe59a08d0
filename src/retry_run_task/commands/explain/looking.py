"""What a recovery would find, in the launch's account and Region: for ``explain --aws``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.aws.port import survey
from retry_run_task.commands.shared import access, talk
from retry_run_task.commands.shared.installed import installation_or_why
from retry_run_task.commands.shared.member_access import LookRole, MemberAccess, NoAccess
from retry_run_task.commands.shared.reader import Reader

if TYPE_CHECKING:
    from retry_run_task.aws.port import Survey
    from retry_run_task.launch.values import FailedLaunch


class Looking:
    """Looks into the accounts of launches. What cannot be read is reported once, and the rest is still explained.

    ``region`` is the installation's; None for the one of the environment or the profile, or else the first launch's.
    ``look_with`` is a role in the other accounts; empty for the one of ``infra/member.yaml`` that only reads.
    """

    def __init__(self, profile: str | None, region: str | None, stack: str, look_with: str) -> None:
        self._session = access.open_session(profile)
        self._region, self._stack, self._look_with = region, stack, look_with
        self._members: MemberAccess | None = None
        self._told: set[str] = set()

    def __call__(self, launch: FailedLaunch) -> Survey | str:
        """Return what a recovery would find, or one sentence that says why that cannot be looked for.

        Raises:
            ForeignError: Another owner's stack has the installation's name.
            AccessError: There are no credentials, or AWS does not answer.
        """
        entered = self._access(launch).enter(launch.account)
        if not isinstance(entered, NoAccess):
            return survey(launch, entered)
        if launch.account not in self._told:
            self._told.add(launch.account)
            talk.say(str(entered))
        return str(entered)

    def _access(self, launch: FailedLaunch) -> MemberAccess:
        if self._members is None:
            region = self._region or access.default_region(self._session) or launch.region
            region = region or access.region_of(self._session)
            identity = access.identify(self._session, region)
            installation_or_why(Reader(self._session, region), self._stack)
            self._members = MemberAccess(
                session=self._session,
                identity=identity,
                region=region,
                stack=self._stack,
                look_role=LookRole(look_with=self._look_with),
            )
        return self._members
