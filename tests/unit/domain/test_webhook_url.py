"""A webhook's address is read once, and what it may reach is judged by the address behind it."""

from ipaddress import ip_address

import pytest

from app.domain.addresses import may_be_reached, parse_networks
from app.domain.errors import ValidationError
from app.domain.webhook_url import parse_webhook_url, refuse_private_address


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("https://example.org", "https://example.org/"),
        ("https://Example.ORG./Hook?a=1&b=%20", "https://example.org/Hook?a=1&b=%20"),
        ("HTTPS://example.org:8443/x", "https://example.org:8443/x"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://８.８.８.８/", "https://8.8.8.8/"),
        ("https://[2606:4700:0::1]/", "https://[2606:4700::1]/"),
        ("https://my_host.internal/", "https://my_host.internal/"),
    ],
)
def test_an_address_has_one_form(given: str, stored: str) -> None:
    assert parse_webhook_url(given, allow_http=False) == stored
    assert parse_webhook_url(stored, allow_http=False) == stored


@pytest.mark.parametrize(
    "given",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://example.org/",
        "https://",
        "https://[",
        "https://user:secret@example.org/",
        "https://example.org@169.254.169.254/",
        "https://example.org\\@evil.example/",
        "https://example.org/#fragment",
        "https://example.org/#",
        "https://exa mple.org/",
        "https://example.org/\r\nX-Header: 1",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org:x/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://127.0.0.0x1/",
        "https://0127.0.0.1/",
        "https://example.1/",
        "https://[fe80::1%25eth0]/",
        "https://[::1",
        "https://-example.org/",
        "https://..example.org/",
        "https://%6cocalhost/",
        "https://" + "a" * 300 + ".org/",
        "https://example.org/" + "a" * 1100,
    ],
)
def test_what_programs_read_differently_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="url must be an https address"):
        parse_webhook_url(given, allow_http=False)


def test_plain_http_only_where_it_is_allowed() -> None:
    assert parse_webhook_url("http://example.org/", allow_http=True) == "http://example.org/"


@pytest.mark.parametrize("given", ["https://[::1]:8/", "https://①②⑦.0.0.1/"])
def test_a_private_address_is_known_at_once(given: str) -> None:
    url = parse_webhook_url(given, allow_http=False)
    with pytest.raises(ValidationError, match="hook: the address is not allowed"):
        refuse_private_address(url, allowed=(), field="hook")
    refuse_private_address(url, allowed=parse_networks("::1, 127.0.0.0/8"))
    refuse_private_address("https://localhost/", allowed=())  # a name is judged by what it leads to


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "0.0.0.0", "0.1.2.3"),
        *("224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1"),
        *("198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.0.8", "192.88.99.1"),
        *("::", "::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
        *(
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:7f00:1::",
            "2001:db8::1",
            "100::1",
            "3fff::1",
            "5f00::1",
        ),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not may_be_reached(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_public_addresses(address: str) -> None:
    assert may_be_reached(ip_address(address))


def test_the_operator_opens_networks() -> None:
    allowed = parse_networks("10.0.0.0/8, ::1")
    assert may_be_reached(ip_address("10.1.2.3"), allowed=allowed)
    assert may_be_reached(ip_address("::ffff:10.1.2.3"), allowed=allowed)
    assert may_be_reached(ip_address("::1"), allowed=allowed)
    assert not may_be_reached(ip_address("127.0.0.1"), allowed=allowed)
    with pytest.raises(ValueError, match="somewhere"):
        parse_networks("10.0.0.0/8,somewhere")
