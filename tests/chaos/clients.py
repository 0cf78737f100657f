"""Clients as they should be: they come again after a 503 or a lost answer, with their Idempotency-Key."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.invariants import Witness

POLL_EVERY_S = 0.15
PATIENCE_S = 300.0
# Behind each word, the share of tasks that have it in their prompt.
FAULTS = (
    ("crash once", 0.01),
    ("segfault once", 0.005),
    ("device once", 0.01),
    ("fail", 0.01),
    ("oom", 0.005),
)
OF_A_CLIENT = "of-a-client"
"""Stands in every prompt: a log that has it tells what a client wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One task and what its client does with it.

    Attributes:
        gives_up: at the first 429.
        cancel_after_s: from the answer on; None = never.
        erases: when it has ended.
        repeats: sends the same request again after its answer.
    """

    number: int
    prompt: str
    ends: str
    gives_up: bool
    cancel_after_s: float | None
    erases: bool
    repeats: bool


def plan_errands(chance: random.Random, how_many: int) -> list[Errand]:
    """Draw what the clients will do."""
    return [_an_errand(chance, number) for number in range(how_many)]


def _an_errand(chance: random.Random, number: int) -> Errand:
    fault, at = "", chance.random()
    for word, share in FAULTS:
        if 0 <= at < share:
            fault = word
        at -= share
    return Errand(
        number=number,
        prompt=f"{OF_A_CLIENT} sleep={chance.uniform(0.01, 0.12):.3f} steps=3 clip=0.05 {fault}".strip(),
        ends="failed" if fault in ("fail", "oom") else "succeeded",
        gives_up=chance.random() < 0.05,
        cancel_after_s=chance.uniform(0.0, 0.8) if chance.random() < 0.06 else None,
        erases=chance.random() < 0.05,
        repeats=chance.random() < 0.1,
    )


class Clients:
    """Runs errands against several API processes."""

    def __init__(self, urls: list[str], witness: Witness, seed: int) -> None:
        self._http = httpx.AsyncClient(trust_env=False, timeout=20, limits=httpx.Limits(max_connections=64))
        self._urls = urls
        self._witness = witness
        self._chance = random.Random(f"clients {seed}")
        self._seed = seed
        self.answers: Counter[str] = Counter()
        self.ended = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(self, errand: Errand) -> None:
        """Submit, wait, cancel, erase, as the errand says."""
        task_id = await self._submit(errand)
        if task_id is not None:
            cancelling = asyncio.create_task(self._cancel(errand, task_id))
            state = await self._wait(task_id)
            await cancelling
            expected = {errand.ends} | ({"cancelled"} if errand.cancel_after_s is not None else set())
            if state not in expected:
                self._witness.findings.append(f"{task_id} ({errand.prompt}) ended as {state}")
            self.answers[state] += 1
            if errand.erases:
                await self._erase(task_id)
        self.ended += 1

    async def _submit(self, errand: Errand) -> str | None:
        """Send until there is an answer; None if it was refused and the client gave up."""
        key = f"storm-{self._seed}-{errand.number}"
        body = {"prompt": errand.prompt, "audio_duration": 10, "batch_size": 1, "audio_format": "wav"}
        is_certain, ids = True, set[str]()
        while not ids or (errand.repeats and self._chance.random() < 0.5):
            answer = await self._send("POST", "/release_task", json=body, headers={"Idempotency-Key": key})
            if answer is None or answer.status_code == 503:
                is_certain = False
            elif answer.status_code == 200:
                ids.add(answer.json()["data"]["task_id"])
                self._witness.acknowledged |= ids
                continue
            elif answer.status_code != 429:
                self._witness.findings.append(f"submission: {answer.status_code} {answer.text[:200]}")
                return None
            elif errand.gives_up:
                if is_certain:
                    self._witness.refused.add(key)
                return None
            await asyncio.sleep(0.2)
        if len(ids) > 1:
            self._witness.findings.append(f"one key made two tasks: {ids}")
        return ids.pop()

    async def _wait(self, task_id: str) -> str:
        """Poll until the task has ended, and now and then look at one that ended before."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while asyncio.get_running_loop().time() < deadline:
            ended = self._witness.ended
            ids = [task_id, *([self._chance.choice(ended)] if ended else [])]
            answer = await self._send("POST", "/query_result", json={"task_id_list": ids})
            if answer is not None and answer.status_code == 200:
                entries = answer.json()["data"]
                for entry in entries:
                    self._witness.saw(entry)
                if entries[0]["status"]:
                    return str(entries[0]["state"])
            await asyncio.sleep(POLL_EVERY_S)
        return "nothing in time"

    async def _cancel(self, errand: Errand, task_id: str) -> None:
        if errand.cancel_after_s is not None:
            await asyncio.sleep(errand.cancel_after_s)
            await self._until_answered("POST", f"/v1/tasks/{task_id}/cancel", {200, 409})

    async def _erase(self, task_id: str) -> None:
        self._witness.erased.add(task_id)
        await self._until_answered("DELETE", f"/v1/tasks/{task_id}", {200, 404})

    async def _until_answered(self, verb: str, path: str, expected: set[int]) -> None:
        while (answer := await self._send(verb, path)) is None or answer.status_code == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        if answer.status_code not in expected:
            self._witness.findings.append(f"{verb} {path}: {answer.status_code} {answer.text[:200]}")

    async def _send(self, verb: str, path: str, **options: Any) -> httpx.Response | None:
        """Ask one of the API processes; None if no answer came."""
        try:
            answer = await self._http.request(verb, self._chance.choice(self._urls) + path, **options)
        except httpx.TransportError:
            self.answers["lost"] += 1
            return None
        self.answers[str(answer.status_code)] += 1
        if answer.status_code != 200:
            self._witness.heard(answer)
        if answer.status_code == 503 and "retry-after" not in answer.headers:
            self._witness.findings.append(f"503 without Retry-After: {verb} {path}")
        return answer
