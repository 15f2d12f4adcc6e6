"""Who asks: user and password, from the caller, the environment or the keyring, and never shown."""

from __future__ import annotations

import getpass
import importlib
import os
from dataclasses import dataclass

__all__ = ["Credentials", "Secret", "find_credentials"]


class Secret:
    """A password that shows itself only to who asks for it by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The password."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("a password is not written to files")


@dataclass(frozen=True)
class Credentials:
    """A user, and the password if one is known."""

    user: str
    password: Secret | None = None


def find_credentials(host: str, user: str | None, password: str | Secret | None) -> Credentials:
    """The credentials for a host: as given, else `DATAHIVE_USER` and `DATAHIVE_PASSWORD`, else the keyring's.

    In the keyring (if the package is installed) the service is `datahive` and the account `user@host`. With no user
    at all it is the one logged in here.
    """
    user = user or os.environ.get("DATAHIVE_USER") or getpass.getuser()
    if password is None:
        password = os.environ.get("DATAHIVE_PASSWORD") or _from_keyring(f"{user}@{host}")
    return Credentials(user, Secret(password) if isinstance(password, str) else password)


def _from_keyring(account: str) -> str | None:
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return None
    try:
        found = keyring.get_password("datahive", account)
    except keyring.errors.KeyringError:  # such as: no keyring on this machine
        return None
    return found if isinstance(found, str) else None
