"""Messages to their targets: claimed by target, opened, sent one after the other, recorded one by one.

A message that was sent and not recorded (a crash in between) is sent again: at least once. Its key is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from shared import clock, log
from shared.brokers.port import ReadFailed
from shared.crypto.sealing import SealError, UnknownKeyError
from shared.crypto.targets import TargetBinding, TargetError, open_address
from shared.models.enums import NotificationKind
from shared.store.relay import ClaimedTarget, RelayStore, Sending
from workers import metrics
from workers.credentials import KeyFile
from workers.relay.digest import PER_MINUTE, Outgoing, outgoing
from workers.relay.doors.port import Door
from workers.relay.guard import Refused
from workers.relay.http import Unreachable
from workers.relay.outcome import Dead, Later, Outcome, Sent

_log = log.get("relay")
TARGETS, BATCH = 16, 200
MOST_TRIES = 10
LONGEST_PAUSE_S = 900.0


class Post:
    """Sends what is due. `timeout_s` bounds one message; the lease must outlive it with room to spare."""

    def __init__(
        self,
        store: RelayStore,
        doors: Mapping[NotificationKind, Door],
        keys: KeyFile,
        worker: str,
        lease_ms: int,
        timeout_s: float,
        first_pause_s: float,
    ) -> None:
        self._store, self._doors, self._keys, self._worker = store, doors, keys, worker
        self._lease_ms, self._timeout_s, self._first_pause_s = lease_ms, timeout_s, first_pause_s

    async def turn(self) -> bool:
        """Claim and send. True: something was sent, there may be more."""
        claimed_at = clock.monotonic()
        targets = await self._store.claim_notifications(
            worker=self._worker, limit=TARGETS, batch=BATCH, lease_ms=self._lease_ms, per_minute=PER_MINUTE
        )
        # What is begun after this could outlast the lease, and another relay would send it, too.
        last_begin = claimed_at + self._lease_ms / 1000 - 2 * self._timeout_s
        await asyncio.gather(*(self._serve(target, last_begin) for target in targets))
        return bool(targets)

    async def _serve(self, target: ClaimedTarget, last_begin: float) -> None:
        address = self._opened(target)
        letters = outgoing(target)
        if not isinstance(address, dict):
            await self._record(target, letters[:1], address, release=True)
            return
        for each in letters:
            if clock.monotonic() > last_begin:
                break
            outcome = await self._send(target, address, each)
            if not await self._record(target, [each], outcome, release=False) or not isinstance(
                outcome, Sent
            ):
                break
        await self._store.record_notifications(
            target=target.target_id, token=target.token, results=[], release=True, most=MOST_TRIES
        )

    def _opened(self, target: ClaimedTarget) -> dict[str, str] | Outcome:
        binding = TargetBinding(target.user_id, target.target_id, target.kind.value, target.key_id)
        try:
            key = self._keys.ring().key(target.key_id)
            return open_address(bytes.fromhex(target.sealed), binding, key)
        except ReadFailed as error:
            _log.error("no fleet keys", why=str(error))
            return Later("This installation's keys cannot be read: its operator must look.")
        except UnknownKeyError:
            return Dead("Its address was sealed to a key that is gone: remove the target and add it again.")
        except (SealError, TargetError) as error:
            _log.error("sealed address refused", target_id=target.target_id)
            return Dead(str(error))

    async def _send(self, target: ClaimedTarget, address: Mapping[str, str], each: Outgoing) -> Outcome:
        try:
            async with asyncio.timeout(self._timeout_s * 1.5):
                return await self._doors[target.kind].send(address, each.letter)
        except Refused as error:
            return Dead(str(error))
        except Unreachable as error:
            return Later(str(error))
        except TimeoutError:
            return Later(f"No answer within {self._timeout_s:g} s.")
        except Exception as error:  # noqa: BLE001 - one broken door must not stop the other targets
            # Never the error's text: an address may stand in it.
            _log.error("sending failed", kind=target.kind.value, error=type(error).__name__)
            return Later("An error of ours, which was recorded.")

    async def _record(
        self, target: ClaimedTarget, letters: list[Outgoing], outcome: Outcome, release: bool
    ) -> bool:
        metrics.NOTIFICATIONS.labels(target.kind.value, type(outcome).__name__.lower()).inc(len(letters))
        return await self._store.record_notifications(
            target=target.target_id,
            token=target.token,
            results=[self._sending(each, outcome, target.failures) for each in letters],
            release=release,
            most=MOST_TRIES,
        )

    def _sending(self, each: Outgoing, outcome: Outcome, failures: int) -> Sending:
        match outcome:
            case Sent():
                return Sending(each.ids, "sent")
            case Dead(error):
                return Sending(each.ids, "dead", error)
            case Later(error, rest_s):
                pause_s = min(self._first_pause_s * 2**failures, LONGEST_PAUSE_S)
                return Sending(each.ids, "later", error, round(max(pause_s, rest_s or 0) * 1000))
