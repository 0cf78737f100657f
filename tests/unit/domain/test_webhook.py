"""The signature of a delivery, and the times of its tries."""

import hashlib
import hmac

import pytest

from app.domain.webhook import MAX_TRIES, delay_after_s, make_secret, signature


def test_every_live_secret_signs_time_and_body() -> None:
    old, new = make_secret(), make_secret()
    assert old != new
    marks = [
        hmac.new(secret.encode(), b'1700000000.{"a":1}', hashlib.sha256).hexdigest() for secret in (new, old)
    ]
    signed = signature(b'{"a":1}', live_secrets=[new, old], at_s=1_700_000_000)
    assert signed == f"t=1700000000,v1={marks[0]},v1={marks[1]}"


@pytest.mark.parametrize(
    ("tries", "seconds"),
    [(1, 10), (2, 60), (3, 300), (4, 1800), (5, 7200), (6, 21_600), (7, 43_200)],
)
def test_a_failed_delivery_waits_longer_each_time(tries: int, seconds: float) -> None:
    delays = [delay for _ in range(200) if (delay := delay_after_s(tries)) is not None]
    assert len(delays) == 200
    assert 0.8 * seconds <= min(delays) < 0.9 * seconds
    assert 1.1 * seconds < max(delays) <= 1.2 * seconds


def test_the_eighth_try_is_the_last() -> None:
    assert MAX_TRIES == 8
    assert delay_after_s(8) is None
