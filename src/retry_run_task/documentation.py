"""Where the documentation is: on the web at the released version, or in this repository."""

from __future__ import annotations

import re

from retry_run_task import __version__

# A release's build writes the repository's address here, such as https://github.com/owner/name: tools/address.py.
REPOSITORY = ""


def page(path: str) -> str:
    """Return the address of a file of the repository, such as ``docs/runbook.md``; its path in a checkout."""
    return f"{REPOSITORY}/blob/v{__version__}/{path}" if REPOSITORY else path


RUNBOOK = page("docs/runbook.md")


def is_own_runbook(address: str, repository: str = REPOSITORY) -> bool:
    """Tell whether an address is the runbook of some version of this project."""
    prefix = re.escape(repository) + r"/blob/v\d[^/]*/" if repository else ""
    return re.fullmatch(rf"(?:{prefix})?docs/runbook\.md", address) is not None
