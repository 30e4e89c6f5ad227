import threading

import pytest

from imagebeam.storage.errors import BlockedAddress, TimedOut
from imagebeam.storage.http.addresses import HostAddress, check, resolve
from imagebeam.storage.http.connections import time_limit

_PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:127.0.0.1",
    "::ffff:192.168.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::",
]

_NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",
    "0.1.2.3",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::7f00:1",
    "::169.254.169.254",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::169.254.169.254",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:0:a9fe:a9fe::1",
    "2001:db8::1",
    "3fff::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
]

_PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", _PRIVATE)
def test_private_addresses_need_permission(address: str) -> None:
    with pytest.raises(BlockedAddress, match="is private"):
        check(address, allow_private=False)
    check(address, allow_private=True)


@pytest.mark.parametrize("address", _NEVER)
@pytest.mark.parametrize("allow_private", [False, True])
def test_metadata_servers_and_invalid_hosts_are_always_blocked(
    address: str, allow_private: bool
) -> None:
    with pytest.raises(BlockedAddress):
        check(address, allow_private)


@pytest.mark.parametrize("address", _PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    check(address, allow_private=False)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "localhost"]
)
def test_a_host_is_judged_by_its_resolved_address(host: str) -> None:
    found = {address[0] for _, address in resolve(host, 80)}
    assert found <= {"127.0.0.1", "::1"}
    assert "127.0.0.1" in found


def test_a_hanging_resolver_times_out() -> None:
    over = threading.Event()

    def hang(host: str, port: int) -> list[HostAddress]:
        over.wait()
        return []

    with time_limit(0.05, 0.05), pytest.raises(TimedOut, match="not resolved in time"):
        resolve("slow.example", 80, hang)
    over.set()


def test_an_impossible_host_name_is_an_error() -> None:
    with pytest.raises(UnicodeError):
        resolve("a" * 64 + ".example", 80)
