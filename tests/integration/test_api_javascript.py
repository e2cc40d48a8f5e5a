"""The gateway as @supabase/supabase-js sees it: the Deno files in local/api/tests/stack."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from local import deno
from local.paths import PROJECT, deno_binary
from tests.support.stacks import RunningStack

FILES = sorted(
    path for path in (PROJECT / "local/api/tests/stack").glob("*.ts") if not path.stem.endswith("support")
)


@pytest.mark.parametrize("file", FILES, ids=[path.stem for path in FILES])
def test_supabase_js(stack: RunningStack, file: Path) -> None:
    """Every Deno test of the file passes against the running gateway."""
    values = {
        "SUPABASE_URL": stack.api_url,
        "EMPIRE_PUBLISHABLE_KEY": stack.publishable_key,
        "EMPIRE_SECRET_KEY": stack.secret_key,
        "EMPIRE_JWT_SECRET": stack.boot.secrets.jwt_secret,
        "EMPIRE_OWNER_DATABASE_URL": stack.url("postgres"),
        "EMPIRE_ADMIN_DATABASE_URL": stack.url("supabase_admin"),
    }
    command = [str(deno_binary()), "test", "--quiet", "--no-prompt", "--cached-only", "--frozen"]
    permissions = [
        "--allow-env",
        f"--allow-read={PROJECT}",
        "--allow-net=127.0.0.1",
        "--allow-sys=hostname,osRelease",
    ]
    done = subprocess.run(
        [*command, "--no-remote", *permissions, str(file)],
        env=deno.environment(values),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
