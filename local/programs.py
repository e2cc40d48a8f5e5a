"""The stack's processes as a table: command line, permissions, environment and health of each."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from local import deno
from local.child import HOME_MARK, Program
from local.keys.files import KeyFiles
from local.paths import PROJECT, Paths, base_environment
from local.ports import SIMULATED, Ports
from local.postgres import SUPERUSER, Cluster
from local.project_config import read_project_config
from local.secrets import Secrets

WORKERS = ("execution", "positions+maintenance+relay")
"""Workers that `empire up` runs; each is `empire worker <kind> ...` (a + joins kinds of one process)."""
VENUES = SIMULATED
"""Brokers that `empire up --venues` simulates; each is `empire venue <name>`."""

_FUNCTIONS = PROJECT / "supabase" / "functions"
_GATEWAY_SCRIPT = PROJECT / "local" / "api" / "main.ts"
_FUNCTIONS_SCRIPT = PROJECT / "local" / "functions" / "main.ts"
_HEALTH_TIMEOUT_S = 4.0
# A small nursery, and an old generation that is collected before it has doubled: after 24,000 alerts the functions hold
# 66 MB instead of 133, at the same CPU time an alert. No hard limit: 4,096 waiting alerts may hold 64 MB of bodies.
# What a thread that ended held (the auth worker: 35 MB) goes to the system at once, not to the threads that stay.
_SMALL_HEAP = (
    "--max-semi-space-size=2,--initial-old-space-size=16,--heap-growing-percent=40,"
    "--no-memory-pool-share-memory-on-teardown"
)


@dataclass(frozen=True, slots=True)
class Boot:
    """One start of the stack: where, with which secrets, on which ports, under which nonce and database."""

    paths: Paths
    secrets: Secrets
    ports: Ports
    cluster: Cluster
    nonce: str
    database: str = "postgres"
    proxies: int = 0
    """How many proxies of the operator's stand in front of the gateway and append to X-Forwarded-For."""

    @property
    def api_url(self) -> str:
        """The address that clients know (SUPABASE_URL)."""
        return f"http://127.0.0.1:{self.ports.gateway}"

    @property
    def functions_url(self) -> str:
        """The edge functions' process, for the gateway only."""
        return f"http://127.0.0.1:{self.ports.functions}"

    def url(self, role: str) -> str:
        """The database's address for a role."""
        return self.cluster.url(role, self.database)

    def marks(self) -> dict[str, str]:
        """What proves later that a process belongs to this folder and this start."""
        return {HOME_MARK: str(self.paths.home), "EMPIRE_BOOT_NONCE": self.nonce}


def gateway(boot: Boot) -> Program:
    """The Supabase-compatible API on the one public port."""
    ports = boot.ports
    permissions = [
        _net(*ports.all, boot.cluster.port),
        "--allow-env",
        f"--allow-read={PROJECT}",
        "--allow-sys=hostname,osRelease",
    ]
    return Program(
        name="gateway",
        command=deno.command(_GATEWAY_SCRIPT, permissions),
        environment=deno.environment({**boot.marks(), **_gateway_environment(boot)}),
        log=boot.paths.log("gateway"),
        healthy=answers_with(ports.gateway, boot.nonce),
        folder=PROJECT,
    )


def functions(boot: Boot) -> Program:
    """The edge functions in a process of their own: a crash or an endless loop leaves the API alive."""
    ports = boot.ports
    reach = _net(ports.functions, boot.cluster.port, ports.gateway)
    permissions = [reach, "--allow-env", f"--allow-read={_FUNCTIONS},{_FUNCTIONS_SCRIPT.parent}"]
    return Program(
        name="functions",
        command=deno.command(_FUNCTIONS_SCRIPT, permissions),
        environment=deno.environment({**boot.marks(), **_functions_environment(boot)}),
        log=boot.paths.log("functions"),
        healthy=answers_with(ports.functions, boot.nonce),
        folder=PROJECT,
    )


def worker(boot: Boot, kind: str, settings: Mapping[str, str]) -> Program:
    """A worker process. It holds leases: SIGTERM lets it finish what it claimed."""
    kinds = kind.split("+")
    # A process knows the passwords of its own roles only.
    roles = {f"empire_{each}" if each in ("maintenance", "relay") else "empire_worker" for each in kinds}
    values = {
        **{f"{role.upper()}_DATABASE_URL": boot.url(role) for role in sorted(roles)},
        "EMPIRE_PAPER_VENUE_URL": f"http://127.0.0.1:{boot.ports.paper_venue}",
        "EMPIRE_FLEET_KEYS_FILE": str(KeyFiles.of(boot.paths).fleet),
        # On this machine brokers may be simulated: their addresses are the stack's own ports.
        "EMPIRE_ENV": "development",
        "EMPIRE_VENUES": json.dumps(
            {name: {"simulated": f"http://127.0.0.1:{port}"} for name, port in boot.ports.venues.items()}
        ),
        **settings,
    }
    return Program(
        name=f"worker-{kind}",
        command=[sys.executable, "-m", "workers.cli", "worker", *kinds],
        environment={**base_environment(), **boot.marks(), **values},
        log=boot.paths.log(f"worker-{kind}"),
        healthy=lambda: True,  # its process is its health; its heartbeats in the database tell the rest
        ready_line=True,
        folder=PROJECT,
        stop_timeout_s=20.0,
    )


def venue(boot: Boot, name: str) -> Program:
    """A simulated broker on the stack's port for it. It keeps nothing: a restart begins with new accounts."""
    return Program(
        name=f"venue-{name}",
        command=[sys.executable, "-m", "local.venues", name, "--port", str(boot.ports.venues[name])],
        environment={**base_environment(), **boot.marks()},
        log=boot.paths.log(f"venue-{name}"),
        healthy=lambda: True,  # it says when it listens, and ends when it cannot
        ready_line=True,
        folder=PROJECT,
    )


def programs(
    boot: Boot, workers: Sequence[str], prepare: Callable[[], None], venues: Sequence[str] = ()
) -> list[Program]:
    """All processes in the order of their start. `prepare` runs when Postgres is up, before the gateway."""
    served = replace(gateway(boot), prepare=prepare)
    database = boot.cluster.program(boot.paths.log("postgres"))
    simulated = [venue(boot, name) for name in venues]
    return [database, served, functions(boot), *simulated, *(worker(boot, kind, {}) for kind in workers)]


def answers_with(port: int, nonce: str) -> Callable[[], bool]:
    """A test of health: GET /health says 200 with this start's nonce (an orphan on the port has another)."""

    def healthy() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_HEALTH_TIMEOUT_S)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return answer.status == 200 and json.loads(answer.read()).get("nonce") == nonce
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()

    return healthy


def _gateway_environment(boot: Boot) -> dict[str, str]:
    config = read_project_config()
    return {
        "EMPIRE_API_PORT": str(boot.ports.gateway),
        "EMPIRE_ADMIN_DATABASE_URL": boot.url(SUPERUSER),
        "EMPIRE_AUTHENTICATOR_DATABASE_URL": boot.url("authenticator"),
        "EMPIRE_JWT_SECRET": boot.secrets.jwt_secret,
        "EMPIRE_PUBLISHABLE_KEY": boot.secrets.publishable_key,
        "EMPIRE_SECRET_KEY": boot.secrets.secret_key,
        "EMPIRE_ANON_JWT": boot.secrets.anon_jwt,
        "EMPIRE_SERVICE_JWT": boot.secrets.service_jwt,
        "EMPIRE_FUNCTIONS_URL": boot.functions_url,
        "EMPIRE_FUNCTIONS_SECRET": boot.secrets.functions_secret,
        "EMPIRE_SITE_URL": boot.api_url,
        "EMPIRE_JWT_EXPIRY": str(config.jwt_expiry_s),
        "EMPIRE_VERIFY_JWT_OFF": ",".join(config.functions_without_jwt),
        "EMPIRE_ACCESS_TOKEN_HOOK": config.access_token_hook,
        "DENO_V8_FLAGS": _SMALL_HEAP,
    }


def _functions_environment(boot: Boot) -> dict[str, str]:
    # Neither SUPABASE_DB_URL nor a service key: edge code acts as empire_edge or with the caller's own token.
    return {
        "EMPIRE_FUNCTIONS_PORT": str(boot.ports.functions),
        "EMPIRE_FUNCTIONS_SECRET": boot.secrets.functions_secret,
        "SUPABASE_URL": boot.api_url,
        "SUPABASE_ANON_KEY": boot.secrets.publishable_key,
        "EMPIRE_EDGE_DATABASE_URL": boot.url("empire_edge"),
        "EMPIRE_TOKEN_KEYS": boot.secrets.token_keys,
        "TRUSTED_PROXY_HOPS": str(1 + boot.proxies),  # the gateway is one
        "DENO_V8_FLAGS": _SMALL_HEAP,
    }


def _net(*ports: int) -> str:
    return "--allow-net=" + ",".join(f"127.0.0.1:{port}" for port in ports)
