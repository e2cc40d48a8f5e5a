"""The account Postgres runs as. Postgres refuses root, so root lends it an account without login."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ACCOUNT_NAME = "empire-postgres"


class AccountError(Exception):
    """No account to run Postgres as; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group by number."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """None for an ordinary user (Postgres runs as he does); for root the account, made when missing."""
    if os.geteuid() != 0:
        return None
    entry = _lookup()
    if entry is None:
        _create()
        entry = _lookup()
    if entry is None:
        raise AccountError(
            f"Cannot create the system account {ACCOUNT_NAME}; run as an ordinary user instead."
        )
    return Account(entry.pw_uid, entry.pw_gid)


def can_enter(account: Account | None, path: Path) -> bool:
    """Whether the account can walk to `path`: every existing folder on the way lets strangers pass."""
    if account is None:
        return True
    folders = [folder for folder in (path, *path.parents) if folder.is_dir()]
    return all(_may_pass(account, folder) for folder in folders)


def _may_pass(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    return bool(status.st_mode & 0o001)


def _lookup() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        return None


def _create() -> None:
    tool = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tool is None:
        raise AccountError(
            "Postgres does not run as root and useradd is missing; run as an ordinary user instead."
        )
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    # A second start at the same moment may win: the lookup that follows decides, not the exit code.
    subprocess.run(
        [tool, *options, "--shell", "/usr/sbin/nologin", ACCOUNT_NAME], check=False, capture_output=True
    )
