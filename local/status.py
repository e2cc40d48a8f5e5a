"""What `empire status` says: every address, key and the health of each process, measured now."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from local import orphans
from local.account import server_account
from local.paths import Paths
from local.ports import Ports
from local.postgres import Cluster, PostgresError
from local.programs import Boot, answers_with
from local.secrets import load_or_create
from local.state import ChildState, StackState, running_state

_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Installation:
    """A running stack: its state and what is needed to talk to it."""

    state: StackState
    boot: Boot

    def health(self) -> dict[str, str]:
        """`ok` or `down` for each process: it answers, and its supervisor has found it ready."""
        return {child.name: "ok" if self._is_well(child) else "down" for child in self.state.children}

    def system(self) -> dict[str, Any]:
        """How the house is by the database's own word (engine.health_now): status, message, brokers, workers."""
        try:
            told: dict[str, Any] = json.loads(
                self.boot.cluster.sql("select engine.health_now()", self.boot.database, timeout_s=_ANSWER_S)
            )
        except (PostgresError, OSError) as error:
            return {"status": "down", "message": f"The database does not answer: {error}", "brokers": {}}
        return told

    def as_dict(self) -> dict[str, Any]:
        """The whole answer of `empire status --json`. It holds secrets: for the operator's eyes."""
        boot, secrets = self.boot, self.boot.secrets
        health = self.health()
        return {
            "running": True,
            "ready": self.state.ready and all(value == "ok" for value in health.values()),
            "home": str(boot.paths.home),
            "postgres_version": self.state.postgres_version,
            "urls": {
                "api": boot.api_url,
                "rest": f"{boot.api_url}/rest/v1",
                "auth": f"{boot.api_url}/auth/v1",
                "realtime": f"{boot.api_url.replace('http', 'ws', 1)}/realtime/v1",
                "functions": f"{boot.api_url}/functions/v1",
                "webhook": f"{boot.api_url}/functions/v1/webhook",
                "database": boot.url("postgres"),
                "worker_database": boot.url("empire_worker"),
                "edge_database": boot.url("empire_edge"),
                **self._venues(),
            },
            "keys": {
                "publishable": secrets.publishable_key,
                "secret": secrets.secret_key,
                "anon": secrets.anon_jwt,
                "service_role": secrets.service_jwt,
            },
            "health": health,
            "system": self.system(),
            "processes": [
                {"name": "supervisor", "pid": self.state.pid, "restarts": 0},
                *({"name": c.name, "pid": c.pid, "restarts": c.restarts} for c in self.state.children),
            ],
            "logs": str(boot.paths.logs),
        }

    def _venues(self) -> dict[str, str]:
        """The addresses of the simulated brokers that run with the stack."""
        running = {child.name for child in self.state.children}
        ports = self.boot.ports.venues
        return {
            f"simulated_{name}": f"http://127.0.0.1:{port}"
            for name, port in ports.items()
            if f"venue-{name}" in running
        }

    def _is_well(self, child: ChildState) -> bool:
        # Until the supervisor has found it ready, a process that stops answering is still within its time to start.
        if not child.ready or child.pid is None or not orphans.is_running(child.pid):
            return False
        ports = self.boot.ports
        served = {"gateway": ports.gateway, "functions": ports.functions}
        if child.name in served:
            return answers_with(served[child.name], self.state.nonce)()
        return child.name != "postgres" or self.boot.cluster.accepts()


def installation(paths: Paths) -> Installation | None:
    """The stack that runs in this state folder, None when none does."""
    state = running_state(paths)
    if state is None:
        return None
    secrets = load_or_create(paths.secrets)
    ports = Ports(state.base_port)
    cluster = Cluster(
        paths.home, ports.postgres, secrets.passwords, state.postgres_version, account=server_account()
    )
    return Installation(state, Boot(paths, secrets, ports, cluster, state.nonce, proxies=state.proxies))
