#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Two gateways in namespaces, with real packets: run.py GATEWAY GATEWAY_WITH_ASAN

Ends with `N passed, N failed, N skipped`. Arguments behind the programs choose
tests by a part of their name.
"""

import hashlib
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

from netlab import (OUTER, TRANSFORMS, Gateway, Lab, Report, Sniffer, Tunnel, Unavailable,
                    config, esp_of, wait_until)

TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Pair:
    """A gateway on either side, ended with the block."""

    def __init__(self, lab, program, tunnels, a=None, b=None, **both):
        self.lab = lab
        self.a = Gateway(lab, "gwa", config(tunnels, True, lab.work, **{**both, **(a or {})}), program, False)
        self.b = Gateway(lab, "gwb", config(tunnels, False, lab.work, **{**both, **(b or {})}), program, False)

    def __enter__(self):
        self.a.start()
        self.b.start()
        return self

    def __exit__(self, *_):
        for side in (self.a, self.b):
            if side.process is not None and side.process.poll() is None:
                side.stop()
        for name in ("state-a", "state-b"):
            for file in ("numbers", "numbers.lock"):
                path = f"{self.lab.work}/{name}/{file}"
                if os.path.exists(path):
                    os.remove(path)


def ping(lab, name, source, target, *options, count=2):
    done = lab.exec(name, "ping", "-n", "-c", str(count), "-i", "0.05", "-W", "2", "-I", source,
                    *options, target)
    return done.returncode == 0, done.stdout + done.stderr


def inner(tunnel, version):
    pair = tunnel.inner[0 if version == 4 else 1]
    return pair[0].split("/")[0], pair[1].split("/")[0]


def equal(what, got, wanted):
    assert got == wanted, f"{what}: {got}, expected {wanted}"


# ---------------------------------------------------------------- the tests

@test
def ping_over_every_outer_and_transform(lab, programs):
    """IPv4 and IPv6 in each tunnel; then what the counters say of it."""
    tunnels, number = [], 1
    for family in (4, 6):
        for udp in (False, True):
            for transform in TRANSFORMS:
                tunnels.append(Tunnel(number, transform, family, udp))
                number += 1
    with Pair(lab, programs.plain, tunnels, routes=[]) as pair:
        for name, other in (("gwa", 2), ("gwb", 1)):
            lab.ip(name, "route", "add", f"10.{other}.0.0/16", "dev", "tun0")
            lab.ip(name, "route", "add", f"fd0{other}::/16", "dev", "tun0")
        for tunnel in tunnels:
            for version in (4, 6):
                done, text = ping(lab, "gwa", *inner(tunnel, version))
                assert done, f"{tunnel.name}, inner IPv{version}: {text}\n{pair.a.log()}\n{pair.b.log()}"
        report = pair.a.report()
        for tunnel in tunnels:
            equal(f"{tunnel.name} sent", report.sa(f"ab-{tunnel.number}")["packets"], 4)
            equal(f"{tunnel.name} received", report.sa(f"ba-{tunnel.number}")["packets"], 4)
        sent, counts = report.section("from the TUN device")
        equal("sealed", counts["sealed and sent"], 4 * len(tunnels))
        equal("delivered", report.section("from the outer side")[1]["delivered to the TUN device"],
              4 * len(tunnels))
        assert report.adds_up(), report.text
        assert sent >= 4 * len(tunnels) and "sn-unreserved" not in report.text, report.text
        equal("exit status", (pair.a.stop(), pair.b.stop()), (0, 0))


@test
def counters_account_for_every_packet(lab, programs):
    """Replays, forgeries, unknown SPIs and what no policy wants, each by its reason."""
    tunnel = Tunnel(1)
    tunnel.more_policies = '[[policy]]\ndirection = "out"\naction = "discard"\ndestination = "10.9.0.0/16"\n'
    with Pair(lab, programs.plain, [tunnel], a={"routes": ["10.2.0.0/16", "10.9.0.0/16"]}) as pair:
        sniffer = Sniffer(lab, "router", "toa")
        assert ping(lab, "gwa", *inner(tunnel, 4), count=3)[0], pair.a.log()
        sealed = [p for p in sniffer.take() if (esp_of(p) or (0,))[0] == tunnel.spi(True)]
        sniffer.close()
        with lab.inside("router"):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        to_b = (OUTER[4][1], 0)
        good = sealed[0]
        raw.sendto(good, to_b)
        forged = good[:24] + struct.pack(">I", 500) + good[28:-1] + bytes([good[-1] ^ 1])
        for _ in range(2):
            raw.sendto(forged, to_b)
        for _ in range(3):
            raw.sendto(good[:20] + b"\0\0\xff\xff" + good[24:], to_b)
        raw.sendto(good[:20] + good[20:26], to_b)
        raw.close()
        lab.exec("gwa", "ping", "-c", "2", "-i", "0.05", "-W", "0.1", "-I", inner(tunnel, 4)[0], "10.9.0.1")
        wait_until(lambda: pair.b.report().section("from the outer side")[0] >= 10)
        at_a, at_b = pair.a.report(), pair.b.report()
        total, counts = at_b.section("from the outer side")
        equal("read", total, 10)
        equal("by outcome", counts, {"delivered to the TUN device": 3, "dropped: replay": 1,
                                     "dropped: integrity": 2, "dropped: no-sa": 3,
                                     "dropped: malformed": 1})
        total, counts = at_a.section("from the TUN device")
        equal("discarded by policy", counts.get("dropped: policy"), 2)
        equal("sealed", counts["sealed and sent"], 3)
        assert at_a.adds_up() and at_b.adds_up(), at_a.text + at_b.text
        audit = re.findall(r"audit \S+ (\S+) spi=(\S+) sn=(\d+) src=(\S+) dst=(\S+) flow=0x", pair.b.log())
        # The kernel's own multicast reports have no policy.
        equal("audit lines", sorted(line[0] for line in audit if line[0] != "no-policy"),
              ["integrity"] * 2 + ["malformed"] + ["no-sa"] * 3 + ["replay"])
        first = sorted(line for line in audit if line[0] == "replay")[0]
        equal("audit record", first, ("replay", f"0x{tunnel.spi(True):08x}", "1", *OUTER[4]))
        equal("exit status", (pair.a.stop(), pair.b.stop()), (0, 0))
        assert Report(pair.b.out()).adds_up(), "the table at exit"


@test
def outer_options_and_extension_headers_are_passed_over(lab, programs):
    """What a router may have put between the outer header and ESP."""
    tunnels = [Tunnel(1), Tunnel(2, family=6)]
    with Pair(lab, programs.plain, tunnels) as pair:
        lab.sysctl("router", "net.ipv4.ip_forward", "0")
        lab.sysctl("router", "net.ipv6.conf.all.forwarding", "0")
        sniffer = Sniffer(lab, "router", "toa")
        try:
            for tunnel in tunnels:
                ping(lab, "gwa", *inner(tunnel, 4), "-W", "0.1")
            sealed = [p for p in sniffer.take() if esp_of(p)]
        finally:
            sniffer.close()
            lab.sysctl("router", "net.ipv4.ip_forward", "1")
            lab.sysctl("router", "net.ipv6.conf.all.forwarding", "1")
        with lab.inside("router"):
            raw4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        for p in sealed:
            if p[0] >> 4 == 4:  # three NOP and the end
                raw4.sendto(b"\x46" + p[1:2] + struct.pack(">H", len(p) + 4) + p[4:10] + b"\0\0" + p[12:20] +
                            b"\1\1\1\0" + p[20:], (OUTER[4][1], 0))
            else:  # Destination Options with a PadN
                raw6.sendto(p[:4] + struct.pack(">H", len(p) - 40 + 8) + b"\x3c" + p[7:40] +
                            b"\x32\0\1\4\0\0\0\0" + p[40:], (OUTER[6][1], 0))
        raw4.close()
        raw6.close()
        wait_until(lambda: pair.b.report().section("from the outer side")[0] >= 4)
        equal("by outcome", pair.b.report().section("from the outer side"),
              (4, {"delivered to the TUN device": 4}))


@test
def privileges_are_gone_and_the_device_goes_with_the_process(lab, programs):
    with Pair(lab, programs.plain, [Tunnel(1)]) as pair:
        with open(f"/proc/{pair.a.pid}/status") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
        for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            equal(field, int(status[field], 16), 0)
        equal("Uid", status["Uid"].split(), ["65534"] * 4)
        equal("Groups", status["Groups"].strip(), "")
        equal("NoNewPrivs", status["NoNewPrivs"], "1")
        # /proc belongs to root when a process is not dumpable.
        equal("owner of /proc/PID/environ", os.stat(f"/proc/{pair.a.pid}/environ").st_uid, 0)
        assert "privileges: uid 65534" in pair.a.log(), pair.a.log()
        assert lab.ip("gwa", "link", "show", "tun0").returncode == 0
        # A device taken away is an error, and no reason to run wild.
        lab.ip("gwb", "link", "del", "dev", "tun0")
        equal("exit status without device", pair.b.process.wait(5), 1)
        equal("exit status", pair.a.stop(), 0)
        assert lab.ip("gwa", "link", "show", "tun0", check=False).returncode != 0, "TUN device left behind"
        routes = lab.ip("gwa", "route").stdout + lab.ip("gwa", "-6", "route").stdout
        assert "tun0" not in routes, routes


def largest_ping(lab, source, target):
    """The MTU that `ping -M do` is told in the end, so that it passes, and
    whether one octet more passes. Up to there packets are lost to learn from."""
    header = 28 if "." in target else 48
    told = None
    for _ in range(8):
        size = (1500 if told is None else told) - header
        done, text = ping(lab, "gwa", source, target, "-M", "do", "-s", str(size), "-W", "0.3", count=1)
        if done:
            return told, ping(lab, "gwa", source, target, "-M", "do", "-s", str(size + 1), count=1)[0]
        found = re.findall(r"mtu ?= ?(\d+)", text)
        told = int(found[-1]) if found else told
    raise AssertionError(f"no packet passes {source} -> {target}: {text}")


@test
def too_big_packets_are_answered_with_the_mtu_that_fits(lab, programs):
    """path_mtu in the configuration, then a narrow link learnt from its router."""
    tunnels = [Tunnel(1, extra="path_mtu = 1380"), Tunnel(2, "AES_CBC+SHA256", 6, extra="path_mtu = 1380"),
               Tunnel(3), Tunnel(4, family=6), Tunnel(5, udp=True)]
    # CCM: outer 20 or 40, UDP 8, ESP 8, IV 8, trailer 2, ICV 8, a multiple of 4 inside.
    room = {1: 1380 - 20 - 24 - 2, 2: (1380 - 40 - 24 - 16) // 16 * 16 - 2, 3: 1400 - 20 - 24 - 2,
            4: 1400 - 40 - 24 - 2, 5: 1400 - 20 - 8 - 24 - 2}
    lab.set_mtu(1400)
    try:
        with Pair(lab, programs.plain, tunnels, mtu=1500) as pair:
            for tunnel in tunnels:
                for version in (4, 6):
                    told, larger = largest_ping(lab, *inner(tunnel, version))
                    wanted = room[tunnel.number]
                    where = f"tunnel {tunnel.number} ({tunnel.name}), inner IPv{version}"
                    assert wanted - 3 <= told <= wanted, f"{where}: told {told}, room {wanted}"
                    assert not larger, f"{where}: {told + 1} octets passed"
            report = pair.a.report()
            taken = report.section("ICMP errors received")[1].get("taken for the path MTU", 0)
            # One a family: the kernel remembers the path for the other tunnels.
            equal(f"ICMP errors taken\n{report.text}", taken, 2)
            assert report.section("made here")[1]["too-big answers"] >= 5, report.text
            assert report.adds_up(), report.text
    finally:
        lab.set_mtu(1500)


@test
def too_big_is_answered_without_an_address_on_the_device(lab, programs):
    """A gateway that only forwards: the answer comes from a tunnel end."""
    tunnel = Tunnel(1, inner=[("10.71.0.0/24", "10.72.0.0/24"), ("fd71::/64", "fd72::/64")],
                    extra="path_mtu = 1400")
    sides = {"a": {"routes": ["10.72.0.0/24", "fd72::/64"]}, "b": {"routes": ["10.71.0.0/24", "fd71::/64"]}}
    with Pair(lab, programs.plain, [tunnel, Tunnel(2, family=6)], mtu=1500, tun_addresses=[], **sides) as pair:
        for source, target, gateway in (("10.71.0.2", "10.72.0.2", OUTER[4][0]), ("fd71::2", "fd72::2", OUTER[6][0])):
            done, text = ping(lab, "hosta", source, target, "-M", "do", "-s", "1400", "-W", "0.5", count=1)
            assert not done and re.search(f"From {gateway} .*mtu ?= ?1354", text, re.I), text + pair.a.report().text
        equal("answers", pair.a.report().section("made here")[1].get("too-big answers"), 2)


@test
def packets_without_df_are_cut_before_sealing(lab, programs):
    tunnel = Tunnel(1, extra="path_mtu = 1200")
    with Pair(lab, programs.plain, [tunnel], mtu=1500) as pair:
        sniffer = Sniffer(lab, "router", "toa")
        done, text = ping(lab, "gwa", *inner(tunnel, 4), "-M", "dont", "-s", "4000", count=3)
        assert done, text + pair.a.log() + pair.b.log()
        longest = max(len(p) for p in sniffer.take() if esp_of(p))
        sniffer.close()
        assert 1150 < longest <= 1200, longest
        report = pair.a.report()
        counts = report.section("from the TUN device")[1]
        assert counts["cut into fragments"] >= 3 and counts["of these fragments made here"] >= 6, report.text
        assert report.adds_up(), report.text


@test
def what_nobody_can_make_smaller_goes_out_in_fragments(lab, programs):
    """Inner IPv6 of 1280 octets, and IPv4 with DF where df = "clear", through a
    path of 1280 octets: first learnt, then as configured."""
    kinds = [(4, False), (4, True), (6, False), (6, True)]
    tunnels = [Tunnel(1 + i, "AES_CCM_8", *kind) for i, kind in enumerate(kinds)]
    tunnels += [Tunnel(5 + i, "AES_GCM_16", *kind, extra="path_mtu = 1280") for i, kind in enumerate(kinds)]
    tunnels += [Tunnel(9, tunnel_extra='df = "clear"'), Tunnel(10, udp=True, tunnel_extra='df = "clear"'),
                Tunnel(11, tunnel_extra='df = "clear"', extra="path_mtu = 1280")]
    lab.set_mtu(1280)
    try:
        with Pair(lab, programs.asan or programs.plain, tunnels, mtu=1500) as pair:
            for tunnel in tunnels:
                clear, learns = tunnel.number >= 9, "path_mtu" not in tunnel.extra
                what = [*inner(tunnel, 4 if clear else 6), "-M", "do", "-s", str(1472 if clear else 1232)]
                if learns:
                    wait_until(lambda: ping(lab, "gwa", *what, "-W", "0.3", count=1)[0], 5)
                sniffer = Sniffer(lab, "gwb", "out0")
                done, text = ping(lab, "gwa", *what, count=5)
                assert done and " 0% packet loss" in text, (
                    f"{tunnel.number} {tunnel.name}: {text}\n{pair.a.log()}\n{pair.b.log()}")
                lengths = [len(p) for p in sniffer.take()]
                sniffer.close()
                # Both ways, at least two fragments for each packet.
                assert max(lengths) <= 1280 and len(lengths) >= 20, f"{tunnel.name}: {lengths}"
            for report in (pair.a.report(), pair.b.report()):
                made = report.section("made here")[1].get("fragments of sealed packets", 0)
                assert made >= 2 * 5 * len(tunnels) - 20 and report.adds_up(), report.text
            equal("exit status", (pair.a.stop(), pair.b.stop()), (0, 0))
    finally:
        lab.set_mtu(1500)


@test
def tcp_through_a_narrow_tunnel_has_its_mss_clamped(lab, programs):
    """Between two hosts behind the gateways that know nothing of the tunnel."""
    tunnel = Tunnel(1, inner=[("10.71.0.0/24", "10.72.0.0/24"), ("fd71::/64", "fd72::/64")])
    sides = {"a": {"tun_addresses": ["10.1.1.1/32", "fd01:1::1/128"], "routes": ["10.72.0.0/24", "fd72::/64"]},
             "b": {"tun_addresses": ["10.2.1.1/32", "fd02:1::1/128"], "routes": ["10.71.0.0/24", "fd71::/64"]}}
    # Only A clamps: the SYN on its way out, and the answer on its way in.
    sides["b"]["mss_clamp"] = False
    with Pair(lab, programs.plain, [tunnel], mtu=1280, **sides) as pair:
        for host, headers in (("10.72.0.2", 40), ("fd72::2", 60)):
            got = transfer(lab, host, 3 << 20)
            equal(f"digest at {host}", got["digest"], got["expected"])
            for side in ("client", "server"):
                # The kernel takes the timestamp option off: 12 octets.
                assert 1280 - headers - 12 <= got[side] <= 1280 - headers, f"MSS at {host}: {got}"
        assert pair.a.report().adds_up() and pair.b.report().adds_up()


def transfer(lab, host, size):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with lab.inside("hostb"):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.bind((host, 7777))
        listener.listen(1)
    with lab.inside("hosta"):
        client = socket.socket(family, socket.SOCK_STREAM)
    got = {}

    def serve():
        listener.settimeout(15)
        peer, _ = listener.accept()
        peer.settimeout(15)
        got["server"] = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        digest = hashlib.sha256()
        while data := peer.recv(1 << 16):
            digest.update(data)
        got["digest"] = digest.hexdigest()
        peer.close()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    data = random.Random(size).randbytes(size)
    client.settimeout(15)
    client.connect((host, 7777))
    got["client"] = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    server.join(20)
    client.close()
    listener.close()
    return {"digest": None, "server": 0, **got, "expected": hashlib.sha256(data).hexdigest()}


@test
def no_sequence_number_is_used_twice_after_kill_9(lab, programs):
    """Floods, kills at random moments, restarts; every sealed packet is captured."""
    chance = random.Random(20)
    tunnels = [Tunnel(1), Tunnel(2, "AES_GCM_16", udp=True), Tunnel(3, "AES_CCM_8_IIV", 6)]
    rounds = 8
    with Pair(lab, programs.plain, tunnels, a={"state_block": 64}) as pair:
        sniffer, seen, stop = Sniffer(lab, "router", "toa"), [], threading.Event()
        # The device vanishes with the process, the socket must live on.
        with lab.inside("gwa"):
            floods = [(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), *inner(t, 4)) for t in tunnels]
        for flood, source, _ in floods:
            flood.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
            flood.bind((source, 0))

        def send():
            while not stop.is_set():
                for flood, _, target in floods:
                    try:
                        flood.sendto(b"x" * 40, (target, 9))
                    except OSError:
                        time.sleep(0.001)
                time.sleep(0.0002)

        def watch():
            while not stop.is_set():
                seen.extend(filter(None, map(esp_of, sniffer.take())))
                time.sleep(0.005)

        threads = [threading.Thread(target=f, daemon=True) for f in (send, watch)]
        for thread in threads:
            thread.start()
        for _ in range(rounds):
            time.sleep(chance.uniform(0.02, 0.5))
            pair.a.kill()
            pair.a.start()
        time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join()
        last = pair.a.report()
        seen.extend(filter(None, map(esp_of, sniffer.take())))
        sniffer.close()
        for tunnel in tunnels:
            numbers = [sn for spi, sn in seen if spi == tunnel.spi(True)]
            assert len(numbers) > 40 * rounds, f"only {len(numbers)} packets of {tunnel.name}"
            equal(f"numbers used twice in {tunnel.name}", len(numbers) - len(set(numbers)), 0)
            assert max(numbers) <= last.sa(f"ab-{tunnel.number}")["sn"] + 64
        print(f"    {len(seen)} packets, {rounds} kills")
        # A clean end saves the numbers themselves: nothing is skipped.
        equal("exit status", pair.a.stop(), 0)
        ended = Report(pair.a.out())
        pair.a.start()
        for tunnel in tunnels:
            name = f"ab-{tunnel.number}"
            equal("number after a clean restart", pair.a.report().sa(name)["sn"], ended.sa(name)["sn"])


@test
def a_state_file_that_cannot_be_trusted_is_refused(lab, programs):
    tunnel = Tunnel(1)
    with Pair(lab, programs.plain, [tunnel]) as pair:
        assert ping(lab, "gwa", *inner(tunnel, 4))[0]
        second = lab.exec("gwa", programs.plain, "-c", pair.a.path)
        assert second.returncode == 1 and "another gateway uses it" in second.stderr, second.stderr
        pair.a.stop()
        path = f"{lab.work}/state-a/numbers"
        with open(path) as file:
            good = file.read()
        equal("state file", good.splitlines()[1], f"sa 0x{tunnel.spi(True):08x} 2 ab-1")
        broken = [good[:-1], good[: len(good) // 2], "", good.replace(" 2 ", " 1 "), good + "\n",
                  good.replace("state 1", "state 2"), good[:40] + "\0" + good[41:]]
        for text in broken:
            with open(path, "w") as file:
                file.write(text)
            refused = lab.exec("gwa", programs.plain, "-c", pair.a.path)
            assert refused.returncode == 1 and path in refused.stderr, f"{text!r}: {refused.stderr}"
            with open(path) as file:
                equal("the file is left alone", file.read(), text)
        with open(path, "w") as file:
            file.write(good)
        equal("number after the restart", pair.a.start().report().sa("ab-1")["sn"], 2)


@test
def a_full_disk_stops_sealing_and_nothing_else(lab, programs):
    """Without a reserved block packets are refused; with space again they pass."""
    tunnel = Tunnel(1)
    with Pair(lab, programs.plain, [tunnel], a={"state_block": 8}) as pair:
        assert ping(lab, "gwa", *inner(tunnel, 4), count=4)[0]
        directory = f"{lab.work}/state-a"
        os.chown(directory, 0, 0)
        os.chmod(directory, 0o555)
        ping(lab, "gwa", *inner(tunnel, 4), "-W", "0.1", count=10)
        report = pair.a.report()
        refused = report.section("from the TUN device")[1]["dropped: sn-unreserved"]
        assert 0 < refused <= 10 and report.sa("ab-1")["sn"] == 8, report.text
        assert "no sequence numbers can be reserved" in pair.a.log(), pair.a.log()
        os.chown(directory, 65534, 65534)
        os.chmod(directory, 0o700)
        time.sleep(1.1)
        assert ping(lab, "gwa", *inner(tunnel, 4))[0], pair.a.log()
        assert pair.a.report().adds_up()


@test
def wrong_configurations_are_named_with_file_and_line(lab, programs):
    good = config([Tunnel(1)], True, lab.work)
    transport = re.sub(r"\[sa.tunnel\]\nsource.*\ndestination.*\n", "", good).replace('"tunnel"', '"transport"')
    cases = [(good.replace("ENCR_AES_CCM_8", "ENCR_AES_CCM_9"), r":\d+:.*ENCR_AES_CCM_9"),
             (good.replace("mtu = 1400", "mtu = 14"), r":\d+:.*mtu"),
             (re.sub("state_file.*\n", "", good), r"state_file"),
             (good.replace('"nobody"', '"no-such-user"'), r"no user 'no-such-user'"),
             (transport, r"transport"),
             (good.replace(OUTER[4][0], "192.0.2.77"), r"192\.0\.2\.77"),
             (good.replace('udp_ports = []', "udp_ports = [4500, 4500]"), r"udp_ports.*4500.*twice"),
             (config([Tunnel(n, inner=[("10.1.0.0/16", "10.2.0.0/16")]) for n in range(1, 514)], True, lab.work, tun_addresses=[]), r"1026 SAs.*1024"),
             (good.replace(f'destination = "{OUTER[4][0]}"', 'destination = "233.252.0.1"'), r"multicast")]
    for text, wanted in cases:
        gateway = Gateway(lab, "gwa", text, programs.plain, start=False)
        refused = lab.exec("gwa", programs.plain, "-c", gateway.path)
        assert refused.returncode == 1, f"accepted, though {wanted} is wrong"
        assert re.search(wanted, refused.stderr), f"{wanted}: {refused.stderr}"
        assert lab.ip("gwa", "link", "show", "tun0", check=False).returncode != 0, "TUN device left behind"
    gateway = Gateway(lab, "gwa", good, programs.plain, start=False)
    equal("-t", lab.exec("gwa", programs.plain, "-t", "-c", gateway.path).returncode, 0)
    equal("no file", lab.exec("gwa", programs.plain).returncode, 2)
    equal("an argument too many", lab.exec("gwa", programs.plain, "-c", gateway.path, "more").returncode, 2)
    for option, wanted in (("--help", "--config"), ("--version", "sprat-gw ")):
        said = lab.exec("gwa", programs.plain, option)
        assert said.returncode == 0 and wanted in said.stdout, f"{option}: {said}"


@test
def as_many_sas_as_promised(lab, programs):
    """1024 of them, the last one used; then a restart with all of them known."""
    tunnels = [Tunnel(n, inner=[(f"10.1.{n >> 8}.{n & 255}/32", f"10.2.{n >> 8}.{n & 255}/32")])
               for n in range(1, 513)]
    sides = {"a": {"tun_addresses": ["10.1.2.0/32"]}, "b": {"tun_addresses": ["10.2.2.0/32"]}}
    with Pair(lab, programs.plain, tunnels, routes=[], **sides) as pair:
        for _ in range(2):
            lab.ip("gwa", "route", "add", "10.2.0.0/16", "dev", "tun0")
            if lab.ip("gwb", "route", "show", "10.1.0.0/16").stdout == "":
                lab.ip("gwb", "route", "add", "10.1.0.0/16", "dev", "tun0")
            assert ping(lab, "gwa", *inner(tunnels[-1], 4))[0], pair.a.log()
            assert pair.a.report().adds_up()
            equal("exit status", pair.a.stop(), 0)
            pair.a.start()
        equal("last SN", pair.a.report().sa("ab-512")["sn"], 4)


@test
def a_start_without_standard_files_writes_into_nothing_else(lab, programs):
    """With 0, 1 and 2 closed no socket and no state file may get these numbers."""
    gateway = Gateway(lab, "gwa", config([Tunnel(1)], True, lab.work), programs.plain, start=False)
    process = lab.popen("gwa", "sh", "-c", f"exec {programs.plain} -c {gateway.path} <&- >&- 2>&-")
    try:
        up = lambda: privileges_gone(process.pid)
        assert wait_until(up, 10) and process.poll() is None
        for number in range(3):
            # By identity: seen from a chroot its name has another beginning.
            file = f"/proc/{process.pid}/fd/{number}"
            assert os.path.samefile(file, "/dev/null"), (number, os.readlink(file))
    finally:
        process.send_signal(signal.SIGTERM)
        equal("exit status", process.wait(10), 0)


def privileges_gone(pid):
    with open(f"/proc/{pid}/status") as file:
        return "NoNewPrivs:\t1" in file.read()


@test
def a_tun_device_of_somebody_else_is_left_alone(lab, programs):
    gateway = Gateway(lab, "gwa", config([Tunnel(1)], True, lab.work), programs.plain, start=False)
    lab.ip("gwa", "tuntap", "add", "dev", "tun0", "mode", "tun")
    try:
        refused = lab.exec("gwa", "timeout", "3", programs.plain, "-c", gateway.path)
        assert refused.returncode == 1 and "tun0" in refused.stderr, refused
        assert "10.1.1.1" not in lab.ip("gwa", "addr", "show", "tun0").stdout
    finally:
        lab.ip("gwa", "link", "del", "dev", "tun0")


@test
def a_state_directory_that_will_not_do_is_refused_at_the_start(lab, programs):
    """Of another user, open to others, or not to be written."""
    where = f"{lab.work}/strange"
    cases = [("65534:65534", 0o700, "", "belongs to uid 65534"), ("0:0", 0o700, "nobody", "belongs to uid 0"),
             ("65534:65534", 0o770, "nobody", "others can write"), ("0:0", 0o1777, "", "others can write"),
             ("65534:65534", 0o500, "nobody", "cannot be written")]
    for owner, mode, user, wanted in cases:
        os.makedirs(where)
        os.chown(where, *map(int, owner.split(":")))
        os.chmod(where, mode)
        text = config([Tunnel(1)], True, lab.work, state_file=f"{where}/numbers", user=user)
        if not user:
            text = text.replace('user = ""\n', "")
        gateway = Gateway(lab, "gwa", text, programs.plain, start=False)
        refused = lab.exec("gwa", "timeout", "3", programs.plain, "-c", gateway.path)
        assert refused.returncode == 1 and wanted in refused.stderr, f"{owner} {mode:o} {user}: {refused}"
        subprocess.run(["rm", "-r", where], check=True)
    # A file size limit is an error as well, not a signal that ends the process.
    gateway = Gateway(lab, "gwa", config([Tunnel(1)], True, lab.work), programs.plain, start=False)
    limited = lab.exec("gwa", "prlimit", "--fsize=10", programs.plain, "-c", gateway.path)
    assert limited.returncode == 1 and "cannot be written: File too large" in limited.stderr, limited


@test
def what_a_crash_left_beside_the_state_file_does_not_matter(lab, programs):
    """Of another user, or a link to a file that must not change."""
    with Pair(lab, programs.plain, [Tunnel(1)]) as pair:
        equal("exit status", pair.a.stop(), 0)
        beside, precious = f"{lab.work}/state-a/numbers.new", f"{lab.work}/precious"
        for link in (False, True):
            with open(precious, "w") as file:
                file.write("precious")
            os.chmod(precious, 0o666)
            (os.link if link else lambda _, to: open(to, "w").close())(precious, beside)
            if not link:
                os.chmod(beside, 0o600)
            pair.a.start()
            assert ping(lab, "gwa", *inner(Tunnel(1), 4))[0], pair.a.log()
            equal("exit status", pair.a.stop(), 0)
            with open(precious) as file:
                equal("a file with a link to it", file.read(), "precious")
        pair.a.start()


@test
def the_example_and_the_unit_of_the_readme_work(lab, programs):
    """The configuration as it stands, with the capabilities the unit leaves."""
    with open(os.path.join(os.path.dirname(__file__), "../../plugin/gateway/README.md")) as file:
        readme = file.read()
    example = readme.split("<!-- example: ")[1].split("```toml\n")[1].split("```")[0]
    names = re.search(r"^CapabilityBoundingSet=(.*)$", readme, re.M)[1].split()
    kept = ",".join("+" + name.removeprefix("CAP_").lower() for name in names)
    gateway = Gateway(lab, "gwa", example.replace("/var/lib/sprat-gw", lab.work + "/example"),
                      f"setpriv --bounding-set=-all,{kept} {programs.plain}", start=False)
    for _ in range(2):  # the second start finds the state of the first
        gateway.start()
        assert "memory locked" in gateway.log(), gateway.log()
        equal("exit status", gateway.stop(), 0)


@test
def junk_on_the_receive_path_is_counted_under_asan(lab, programs):
    """Random, cut and changed datagrams at UDP 4500 and protocol 50, and ICMP."""
    if programs.asan is None:
        raise Unavailable("no build with AddressSanitizer was given")
    with open(programs.asan, "rb") as file:
        assert b"__asan_init" in file.read(), "built without AddressSanitizer"
    chance, started = random.Random(4303), time.monotonic()
    tunnels = [Tunnel(1), Tunnel(2, "AES_CBC+SHA256", udp=True), Tunnel(3, family=6),
               Tunnel(4, "AES_GCM_16", 6, udp=True)]
    with Pair(lab, programs.asan, tunnels, b={"audit_rate": 20}) as pair:
        sniffer = Sniffer(lab, "router", "toa")
        for tunnel in tunnels:
            assert ping(lab, "gwa", *inner(tunnel, 4))[0], tunnel.name + pair.b.log()
        good = [body_of(p) for p in sniffer.take() if (esp_of(p) or (1,))[0] % 2 == 0 and esp_of(p)]
        sniffer.close()
        before = pair.b.report().section("from the outer side")[0]
        with lab.inside("router"):
            raw4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
            raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 50)
            udp4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
        ways = [(raw4, (OUTER[4][1], 0)), (raw6, (OUTER[6][1], 0)),
                (udp4, (OUTER[4][1], 4500)), (udp6, (OUTER[6][1], 4500))]
        sent = 0
        for turn in range(6000):
            body = junk(chance, chance.choice(good))
            sock, to = ways[turn % 4]
            sock.sendto(body, to)
            sent += 1
            if turn % 50 == 0:
                icmp.sendto(b"\x03\x04" + checksummed(chance.randbytes(chance.randrange(60))), (OUTER[4][1], 0))
                time.sleep(0.005)
        arrived = lambda: pair.b.report().section("from the outer side")[0] - before
        wait_until(lambda: arrived() >= sent, 5)
        report = pair.b.report()
        total, counts = report.section("from the outer side")
        equal("datagrams counted", total - before, sent)
        assert report.adds_up() and counts["dropped: no-sa"] > 100 and counts["dropped: integrity"] > 100
        assert report.section("ICMP errors received")[0] >= 100, report.text
        lines = pair.b.log().count("sprat-gw: audit ")
        held = report.section("made here")[1]["audit lines held back"]
        assert 20 <= lines <= 20 * (2 + time.monotonic() - started) and held > 1000, f"{lines}, {held} held back"
        for tunnel in tunnels:
            assert ping(lab, "gwa", *inner(tunnel, 6))[0], f"{tunnel.name} after the junk"
        codes = (pair.a.stop(), pair.b.stop())
        found = re.findall(r"(?:ERROR|SUMMARY|runtime error).*", pair.a.log() + pair.b.log())
        equal(f"exit status ({found})", codes, (0, 0))
        equal("reports of the sanitizers", found, [])
        print(f"    {sent} datagrams: {len(counts)} outcomes")


def body_of(packet):
    if packet[0] >> 4 == 4:
        protocol, rest = packet[9], packet[(packet[0] & 15) * 4:]
    else:
        protocol, rest = packet[6], packet[40:]
    return rest[8:] if protocol == 17 else rest


def checksummed(tail):
    """Checksum, and what follows, of an ICMP message that starts 03 04."""
    data = b"\x03\x04\0\0" + tail + b"\0" * (len(tail) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", 0xFFFF - total) + tail


def junk(chance, good):
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(1400))
    if kind == 1:
        return good[: chance.randrange(len(good))]
    if kind == 2:
        return bytes(chance.randrange(9))
    if kind == 3:
        return good[:8] + chance.randbytes(chance.randrange(400))
    changed = bytearray(good + chance.randbytes(chance.randrange(4)) if kind == 4 else good)
    changed[4:8] = struct.pack(">I", chance.randrange(1, 1 << 32))
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


@test
def a_log_that_nobody_reads_does_not_stop_packets(lab, programs):
    """Strangers cause audit lines; with the pipe full these are held back."""
    tunnel = Tunnel(1)
    with Pair(lab, programs.plain, [tunnel], b={"audit_rate": 10000}) as pair:
        equal("exit status", pair.b.stop(), 0)
        with open(pair.b.out_path, "a") as out:
            pair.b.process = lab.popen("gwb", programs.plain, "-c", pair.b.path, stdout=out, stderr=subprocess.PIPE)
        assert wait_until(lambda: ping(lab, "gwa", *inner(tunnel, 4), "-W", "0.3", count=1)[0], 5)
        with lab.inside("router"):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
        for number in range(1000):
            raw.sendto(struct.pack(">II", 0xFFFF, number) + bytes(40), (OUTER[4][1], 0))
            time.sleep(0.0002)
        raw.close()
        assert ping(lab, "gwa", *inner(tunnel, 4))[0], "no packet passes"
        report = pair.b.report()
        total, counts = report.section("from the outer side")
        assert counts["dropped: no-sa"] >= 900 and report.adds_up(), report.text
        assert report.section("made here")[1]["audit lines held back"] > 100, report.text
        equal("exit status", (pair.b.process.send_signal(signal.SIGTERM), pair.b.process.wait(5)), (None, 0))
        said = pair.b.process.stderr.read()
        assert said.endswith(b"\n") and said.count(b" audit ") > 100, said[-300:]


@test
def nat_keepalives_are_sent_after_20_idle_seconds(lab, programs):
    tunnel = Tunnel(1, udp=True)
    with Pair(lab, programs.plain, [tunnel]) as pair:
        assert ping(lab, "gwa", *inner(tunnel, 4), count=1)[0]
        sniffer = Sniffer(lab, "router", "toa")
        started, found = time.monotonic(), []
        while time.monotonic() - started < 23 and not found:
            time.sleep(0.2)
            found = [p for p in sniffer.take() if p[9] == 17 and p[28:29] == b"\xff" and len(p) == 29]
        waited = time.monotonic() - started
        sniffer.close()
        assert found and waited > 17, f"{len(found)} after {waited:.1f} s"
        counted = lambda: pair.b.report().section("from the outer side")[1].get("NAT keepalives", 0)
        assert wait_until(lambda: counted() >= 1, 3)
        assert pair.a.report().section("made here")[1]["NAT keepalives sent"] >= 1


class Programs:
    def __init__(self, plain, asan):
        self.plain = os.path.abspath(plain)
        self.asan = os.path.abspath(asan) if asan and os.path.exists(asan) else None


def main(tests):
    programs = Programs(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    wanted = sys.argv[3:]
    passed = failed = skipped = 0
    lab, reason = None, ""
    try:
        lab = Lab()
    except (Unavailable, OSError) as error:
        reason = str(error)
    for function in tests:
        name = function.__name__
        if wanted and not any(part in name for part in wanted):
            continue
        started = time.monotonic()
        try:
            if lab is None:
                raise Unavailable(reason)
            function(lab, programs)
            print(f"ok {name} ({time.monotonic() - started:.1f} s)", flush=True)
            passed += 1
        except Unavailable as error:
            print(f"SKIP gateway/{name}: {error}", flush=True)
            skipped += 1
        except Exception as error:  # one test must not end the others
            print(f"FAIL {name}: {error}", flush=True)
            traceback.print_exc(limit=4, file=sys.stdout)
            failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(TESTS))
