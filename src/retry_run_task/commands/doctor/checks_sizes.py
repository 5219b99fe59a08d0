"""Whether an installation by `deploy` would fit into AWS's size limits, checked by `deploy`'s own code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.commands.deploy.choices import choose
from retry_run_task.commands.deploy.fitting import fit
from retry_run_task.commands.deploy.members import needs
from retry_run_task.commands.deploy.sizes import Sizer
from retry_run_task.commands.deploy.template import carried, with_code
from retry_run_task.commands.doctor.check import fail, ok, skip
from retry_run_task.commands.shared.hints import command_line
from retry_run_task.commands.shared.inventory import InstalledStack
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from retry_run_task.commands.doctor.check import Check
    from retry_run_task.commands.shared.inventory import Inventory
    from retry_run_task.commands.shared.reader import Reader

SIZES = "sizes"


def check_sizes(inventory: Inventory, reader: Reader, template: str = "") -> Check:
    """Return whether it fits.

    ``reader`` reads the account for what patterns would match; without a ``template`` it is the package's.
    """
    stack = inventory.stack
    if isinstance(stack, InstalledStack) and stack.is_elsewhere:
        return skip(SIZES, "deploy leaves this installation alone, so what it would install was not counted.")
    installed = stack.parameters if isinstance(stack, InstalledStack) and stack.is_ours is True else {}
    try:
        text = with_code(template or carried("template.yaml").decode(), "", "")
        choice = choose(inventory, reader, flags={}, file={}, installed=installed)
    except ConfigError as error:
        return skip(SIZES, f"They are not known, since deploy refuses something else first: {error.what}")
    sizer = Sizer(text=text, stack=inventory.stack_name, identity=inventory.identity, region=inventory.region)
    is_large = bool(sizer.too_large(choice.values()))
    try:
        fitted = fit(choice, sizer, reader, inventory, may_widen=False) if is_large else choice
    except ConfigError as error:
        return fail(SIZES, f"deploy refuses: {error.what}", error.hint)
    for one in needs(choice, inventory):
        if one.problem:
            return fail(SIZES, f"Account {one.account}, for infra/member.yaml: {one.problem}", one.hint)
    if not is_large:
        return ok(SIZES, "What deploy would install fits into AWS's limits.")
    both = zip(fitted.parameters, choice.parameters, strict=True)
    return ok(
        SIZES,
        "What deploy would install fits into AWS's limits with patterns in "
        f"{' and '.join(new.name for new, old in both if new != old)}, which match nothing else now.",
        f"See them with: {command_line('deploy --dry-run')}",
    )
