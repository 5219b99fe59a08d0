"""``deploy``: discover, plan, show, ask, and create or update the stack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retry_run_task.commands.shared import hints, settings, talk
from retry_run_task.commands.shared import options as common
from retry_run_task.commands.shared.parameters import PARAMETERS
from retry_run_task.commands.shared.wrapping import echo

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    from retry_run_task.commands.deploy.deployment import Deployment
    from retry_run_task.commands.deploy.own_policy import OwnPolicy
    from retry_run_task.commands.deploy.plan import Plan
    from retry_run_task.commands.deploy.settings_file import SettingsFile
    from retry_run_task.commands.shared.parameters import Parameter
    from retry_run_task.commands.shared.stack import CloudFormationStack
    from retry_run_task.commands.shared.stack_states import StackState
    from retry_run_task.launch.values import JsonObject

FLAG, FILE = "flag", "file"
# How many choices of an option the help shows; it leaves out the middle of a longer list.
_FEW = 5
_SPECIAL = {one.key for one in PARAMETERS if one.is_special} | {"tags", "cloudformation_role"}


class _Deploy(click.Command):
    """The command, with the options for a few organizations under a heading of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those that few need last."""
        for heading, is_special in (("Options", False), ("What your organization may ask for", True)):
            records = [
                one.get_help_record(ctx)
                for one in self.get_params(ctx)
                if (one.name in _SPECIAL) is is_special
            ]
            with formatter.section(heading):
                formatter.write_dl([record for record in records if record is not None])


def _tags(_context: click.Context, _option: click.Parameter, value: str | None) -> dict[str, str] | None:
    """Read ``KEY=VALUE,KEY=VALUE``."""
    if value is None:
        return None
    pairs = [pair.partition("=") for pair in value.split(",")]
    if not all(key and sign for key, sign, _ in pairs):
        raise click.BadParameter(f"{value!r}; expected KEY=VALUE, with commas between them.")
    return {key: tag for key, _, tag in pairs}


def _parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for one in reversed(PARAMETERS):
        default = f"  [default: {one.default}]" if one.default else ""
        command = click.option(
            one.option,
            one.key,
            metavar=_metavar(one),
            help=one.help + default,
            # No click.Choice: it stops at the first wrong option, and all are reported at once with those of the file.
            shell_complete=partial(_complete, one),
        )(command)
    return command


def _complete(one: Parameter, _context: click.Context, _option: click.Parameter, start: str) -> list[str]:
    return [choice for choice in one.choices if choice.startswith(start)]


def _metavar(one: Parameter) -> str:
    if not one.choices:
        return "LIST" if one.is_list else "TEXT"
    few = one.choices if len(one.choices) <= _FEW else (*one.choices[:3], "...", one.choices[-1])
    return f"[{'|'.join(few)}]"


@click.command(cls=_Deploy)
@_parameter_options
@click.option(
    "--tags",
    metavar="KEY=VALUE,...",
    callback=_tags,
    help="Tags to add to everything that is created.",
)
@click.option(
    "--cloudformation-role",
    metavar="ARN",
    help="Role that CloudFormation uses.  [default: the stack's role, or your own permissions]",
)
@click.option(
    "--bucket", metavar="NAME", help="Your own bucket for the code.  [default: one that deploy creates]"
)
@click.option(
    "--policy",
    metavar="FILE",
    help="Your own policy.toml, or default for the built-in policy.  [default: the installed policy, or default]",
)
@common.one_region_and_settings
@click.option(
    "--allow-patterns",
    is_flag=True,
    help="Where lists are too long for AWS, allow patterns that match more than your schedules need.",
)
@click.option("--add-found", is_flag=True, help="Add what your schedules need now to the installed lists.")
@common.look_with
@click.option("--all", "is_whole", is_flag=True, help="Show long lists and parameters in full.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@common.sure
@common.as_json
@click.option("--poll-s", type=float, default=2.0, hidden=True)
def deploy(settings_path: Path | None, policy: str | None, **given: Any) -> int:
    """Install into an AWS account, or update what is installed.

    Reads your schedules, proposes which tasks may be retried and how failures are detected, shows what would change
    and what the roles may do, asks, and deploys. After an interruption, run it again to continue.

    \b
    Example:
      retry-run-task deploy --notification-email on-call@example.com
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.commands.deploy import own_policy, settings_file, template  # noqa: PLC0415 - as below
    from retry_run_task.commands.shared.faults import DeployError  # noqa: PLC0415 - boto3 takes half a second

    template.check_carried()
    file = settings_file.read_settings(
        settings_path or Path(settings.FILE), must_exist=settings_path is not None
    )
    flags = {one.name: value for one in PARAMETERS if (value := given.pop(one.key)) is not None}
    given |= {name: given[name] or file.options.get(name, "") for name in _IN_FILE}
    wish = _Wish(**given)
    chosen = None
    if policy or "policy" in file.options:
        chosen = own_policy.named(policy or file.options["policy"], FLAG if policy else FILE)
    if not wish.dry_run:
        talk.check_can_ask(is_sure=wish.yes)
    try:
        run = _Run(wish, flags, file, chosen)
        return run.dry() if wish.dry_run else run.whole()
    except DeployError as error:
        return talk.fail(error)
    except (KeyboardInterrupt, click.Abort):
        # Once something is created, the deployment reports the interruption.
        talk.say("Interrupted; nothing was changed.")
        return talk.INTERRUPTED


# Options that may stand in the settings file instead.
_IN_FILE = ("stack", "region", "profile", "bucket", "cloudformation_role", "look_with")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """The command's options, beside the template's parameters; a text is empty where nothing was said."""

    stack: str
    region: str
    profile: str
    bucket: str
    cloudformation_role: str
    look_with: str
    tags: dict[str, str] | None
    allow_patterns: bool
    add_found: bool
    is_whole: bool
    dry_run: bool
    yes: bool
    as_json: bool
    poll_s: float


class _Run:
    """One run of the command."""

    def __init__(
        self, wish: _Wish, flags: dict[str, str], file: SettingsFile, policy: OwnPolicy | None
    ) -> None:
        from retry_run_task.commands.deploy import plan  # noqa: PLC0415
        from retry_run_task.commands.shared import access, stack  # noqa: PLC0415 - as above

        self.name = wish.stack
        plan.check_name(self.name)
        self.session: boto3.Session = access.open_session(wish.profile or None)
        self.region = wish.region or access.region_of(self.session)
        identity = access.identify(self.session, self.region)
        if wish.as_json:
            talk.say(common.place(self.name, self.region, identity))
        self.stack: CloudFormationStack = stack.CloudFormationStack(
            self.session, self.region, self.name, pause=talk.pauses(wish.poll_s)
        )
        self._wish, self._flags, self._file, self._policy = wish, flags, file, policy

    def dry(self) -> int:
        """Show the plan and do nothing."""
        state = self._ours()
        if state is not None and state.is_moving:
            talk.say(
                f"The stack {self.name} is {state.status}; what would change is known when that is over."
            )
            return talk.USAGE
        plan = self._plan(state)
        self._show(plan)
        if self._wish.as_json:
            click.echo(json.dumps({"status": "planned", **plan.as_json()}, indent=2))
        return 0

    def whole(self) -> int:
        """Plan, show, ask and act."""
        from retry_run_task.commands.deploy import deployment  # noqa: PLC0415

        plan = self._plan(self._settled())
        self._show(plan, with_changes=False)
        if plan.removes_first and not talk.ask(
            f"The stack {self.name} is {plan.removes_first} and can only be removed first. Remove it?",
            is_sure=self._wish.yes,
        ):
            talk.say("Nothing was changed.")
            return talk.NO
        work = deployment.Deployment(plan, self.session, self.stack)
        try:
            return self._do(work)
        except (KeyboardInterrupt, click.Abort):
            talk.say(f"Interrupted; {work.interrupted()}")
            return talk.INTERRUPTED

    def _do(self, work: Deployment) -> int:
        from retry_run_task.commands.deploy import showing  # noqa: PLC0415 - as above

        with talk.following(None) as follow:
            change_set = work.prepare(talk.say, follow)
        if change_set is None:
            return self._end(work.plan, "no-change", self.stack.state())
        if not self._wish.as_json:
            showing.show_changes(work.plan.changes, is_whole=self._wish.is_whole)
        if not talk.ask(showing.question(work.plan), is_sure=self._wish.yes):
            talk.say(f"You said no; {work.take_back()}.")
            return talk.NO
        with talk.following(len(change_set.changes)) as follow:
            state = work.execute(change_set, follow)
        return self._end(work.plan, "updated" if work.plan.is_update else "created", state)

    def _ours(self) -> StackState | None:
        """Look at the stack, and refuse a foreign one."""
        from retry_run_task.commands.deploy.template import known_resources  # noqa: PLC0415

        state = self.stack.state()
        if state is not None:
            self.stack.check_ours(state, known_resources())
        return state

    def _settled(self) -> StackState | None:
        """Wait for what an earlier run, or another process, has begun."""
        from retry_run_task.commands.deploy import plan  # noqa: PLC0415

        state = self._ours()
        if state is not None and state.is_moving:
            talk.say(f"The stack {self.name} is {state.status}: waiting until that is over.")
            try:
                with talk.following(None) as follow:
                    state = self.stack.follow(follow)
            except KeyboardInterrupt:
                raise SystemExit(self._interrupted()) from None
        plan.check_state(state, self.name, self.region)
        return state

    def _plan(self, state: StackState | None) -> Plan:
        from retry_run_task.commands.deploy import plan  # noqa: PLC0415
        from retry_run_task.commands.shared import discovery  # noqa: PLC0415 - as above
        from retry_run_task.commands.shared.installed import check_not_elsewhere  # noqa: PLC0415
        from retry_run_task.commands.shared.member_access import LookRole  # noqa: PLC0415
        from retry_run_task.commands.shared.reader import Reader  # noqa: PLC0415

        plan.check_state(state, self.name, self.region)
        with talk.looking(f"Looking at {self.region}") as tell:
            # The stack's own value counts only if no other is given.
            said = {**self._file.parameters, **self._flags}
            inventory = discovery.discover(
                self.session,
                self.region,
                stack=self.name,
                regions=said["Regions"].split(",") if "Regions" in said else None,
                accounts=said["MemberAccounts"].split(",") if "MemberAccounts" in said else None,
                look_role=LookRole(
                    look_with=self._wish.look_with,
                    external_id=said.get("MemberExternalId", ""),
                    role_path=said.get("RolePath", ""),
                ),
                tell=tell,
            )
        check_not_elsewhere(inventory.stack, self.region)
        return plan.make_plan(
            self.session,
            inventory,
            reader=Reader(self.session, self.region),
            stack=self.stack,
            state=state,
            bucket_name=self._wish.bucket,
            policy=self._policy,
            flags=self._flags,
            file=self._file.parameters,
            tags=self._file.tags if self._wish.tags is None else self._wish.tags,
            cloudformation_role=self._wish.cloudformation_role,
            may_widen=self._wish.allow_patterns,
            adds_found=self._wish.add_found,
        )

    def _interrupted(self) -> int:
        talk.say(f"Interrupted; CloudFormation continues. {talk.follow_stack(self.name, self.region)}")
        return talk.INTERRUPTED

    def _show(self, plan: Plan, *, with_changes: bool = True) -> None:
        from retry_run_task.commands.deploy import showing  # noqa: PLC0415 - as above

        if not self._wish.as_json:
            showing.show(plan, is_whole=self._wish.is_whole, with_changes=with_changes)

    def _end(self, plan: Plan, status: str, state: StackState | None) -> int:
        outputs = dict(state.outputs) if state else {}
        if self._wish.as_json:
            result: JsonObject = {"status": status, **plan.as_json(), "outputs": outputs}
            if status == "no-change":
                result["changes"] = []
            click.echo(json.dumps(result, indent=2))
            return 0
        if status == "no-change":
            echo(f"\nNo change: the stack {plan.stack} is as it should be.")
            return 0
        echo(f"\nThe stack {plan.stack} is {status}.")
        if outputs.get("DashboardUrl"):
            echo(f"Look at it: {outputs['DashboardUrl']}")
        echo(f"Try it: {_trying(plan)}")
        return 0


def _trying(plan: Plan) -> str:
    """Return the command that tries the installation, with a family that exists."""
    families = next(one.value for one in plan.parameters if one.name == "TaskDefinitions").split(",")
    family = next((name for name in families if not set(name) & set("*?")), "FAMILY")
    return hints.command_line(f"verify --task-definition {family}", region=plan.region)
