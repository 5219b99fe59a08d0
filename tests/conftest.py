"""What holds for every test: no network but loopback, no credentials but dummies, the installed package."""

from __future__ import annotations

import functools
import signal
import socket
from typing import Any

import botocore.session
import pytest
from hypothesis import Phase, settings

# A test says whether the code is right. How fast it is, on a busy machine too, is for ``make bench``.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# For ``make mutants``: what breaks there is meant to, and nobody reads how small it can get.
settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), database=None, derandomize=True)

# Each of a thousand commands makes a session and a dozen clients. What they read of botocore's files is read once.
_loader = functools.cache(botocore.session.create_loader)


def _shared_loader(search_path: str | None = None) -> Any:
    loader = _loader(search_path)
    # Every session of boto3 adds its folder.
    loader.search_paths[:] = dict.fromkeys(loader.search_paths)
    return loader


botocore.session.create_loader = _shared_loader

# A shell that starts something in the background lets it ignore Ctrl-C, and so would every command that is tried here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test find an account, a profile or an endpoint of the machine it runs on."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "dummy",
        "AWS_SECRET_ACCESS_KEY": "dummy",
        "AWS_REGION": "ap-northeast-1",
        "AWS_DEFAULT_REGION": "ap-northeast-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrap no output unless a test says at which width; pytest-xdist has a width of its own."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that connects to anything but this machine."""
    connect = socket.socket.connect

    def connect_to_loopback(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address!r}; tests reach loopback only")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_to_loopback)
