# SPDX-License-Identifier: BSD-3-Clause
"""End to end: a node, the Linux gateway, libcoap's client; the wire between node
and gateway captured, and read by the Wireshark plugin.

    coap-client --- gateway ====== Diet-ESP, tunnel ====== diet-esp-node
    fd00:98::1      fd00:a::1                    fd00:a::302:304:506:708
                                            inside the tunnel: fd00:99::2
"""

import os
import re
import shutil
import struct
import subprocess
import time

from native import SPI_FROM_NODE, SPI_TO_NODE, NativeNode, Wire, between, judge_wire
from peer import COAP_PORT, DIET, ESP, IIV, demo_key

CLIENT, INSIDE = "fd00:98::1", "fd00:99::2"
MODES = {ESP: "esp", IIV: "implicit-iv", DIET: "diet-esp"}
LINKTYPE_IPV6 = 229  # of a capture file: packets begin with their IPv6 header
CONTENT = 69  # code 2.05 as the dissector of CoAP counts it

EHC = """[sa.ehc]
dscp_cda = "lower"
ecn_cda = "lower"
flow_label_cda = "lower"
alignment = 8
esp_spi_lsb = 8
esp_sn_lsb = 8
"""


def sa(direction, spi, mode, ends, inner):
    """One SA in the words of docs/configuration.md, as demo-sa.c has it."""
    key, salt = demo_key(spi)
    transform = "ENCR_AES_CCM_8" if mode == ESP else "ENCR_AES_CCM_8_IIV"
    lines = ["[[sa]]", f'name = "{direction}"', f'direction = "{direction}"', f"spi = {spi}",
             'mode = "tunnel"', f'encr = "{transform}"', f'encr_key = "{key.hex()}"',
             f'salt = "{salt.hex()}"', "[sa.tunnel]", f'source = "{ends[0]}"',
             f'destination = "{ends[1]}"']
    if mode == DIET:
        to_node = direction == "out"
        lines += ["[[sa.selector]]", f'source = "{inner[0]}"', f'destination = "{inner[1]}"',
                  'protocol = "udp"',
                  f'{"destination_ports" if to_node else "source_ports"} = {COAP_PORT}', EHC]
    return "\n".join(lines) + "\n"


def configuration(mode, node):
    """Of the gateway; the plugin reads the same file."""
    here, there = (node.host, node.address), (CLIENT, INSIDE)
    return "\n".join([
        "[gateway]", 'tun = "gw0"', f'tun_addresses = ["{CLIENT}/128"]', 'routes = ["fd00:99::/64"]',
        'state_file = "numbers"', "",
        sa("out", SPI_TO_NODE, mode, here, there),
        sa("in", SPI_FROM_NODE, mode, here[::-1], there[::-1]),
        "[[policy]]", 'direction = "out"', 'action = "protect"', 'sa = "out"',
        f'destination = "{INSIDE}"', "",
        "[[policy]]", 'direction = "in"', 'action = "protect"', f'source = "{INSIDE}"', ""])


def start_gateway(program, directory, text):
    with open(f"{directory}/gw.toml", "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(f"{directory}/gw.toml", 0o600)
    with open(f"{directory}/gw.log", "wb") as log:
        process = subprocess.Popen([program, "-c", "gw.toml"], cwd=directory, stdout=log, stderr=log)
    for _ in range(100):
        time.sleep(0.05)
        with open(f"{directory}/gw.log", encoding="latin-1") as log:
            if "ready" in log.read() or process.poll() is not None:
                break
    return process


def client(*arguments):
    """What libcoap's client prints."""
    program = next(filter(None, (shutil.which(f"coap-client-{n}")
                                 for n in ("notls", "openssl", "gnutls"))))
    done = subprocess.run([program, "-B", "5", *arguments], capture_output=True, timeout=30,
                          check=False)
    return done.stdout.decode("latin-1")


def write_capture(path, packets):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINKTYPE_IPV6))
        for number, packet in enumerate(packets):
            file.write(struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet)


def dissect(plugins, directory):
    """(ICV good, CoAP code) of each packet, by tshark with the plugin."""
    away = [] if os.getuid() else ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    for name in ("gw.toml", "wire.pcap"):
        os.chmod(f"{directory}/{name}", 0o644)
    environment = dict(os.environ, HOME=directory, LC_ALL="C.UTF-8",
                       WIRESHARK_PLUGIN_DIR=f"{directory}/plugins")
    done = subprocess.run(
        away + ["tshark", "-r", f"{directory}/wire.pcap", "-o", f"sprat.config:{directory}/gw.toml",
                "-T", "fields", "-e", "sprat.esp.icv_good", "-e", "coap.code"],
        capture_output=True, env=environment, timeout=60, check=False)
    return [line.split("\t") for line in done.stdout.decode().splitlines()]


def readable_directory(directory, name):
    """tshark runs as somebody else, and every directory above must let it pass."""
    place = f"{directory}/{name}"
    os.makedirs(place)
    for path in (place, directory, os.path.dirname(directory)):
        os.chmod(path, 0o755)
    return place


def one_mode(node_program, tools, place, mode, report):
    name = f"gateway/{MODES[mode]}"
    gateway_program, plugins = tools
    node = NativeNode(node_program, "tun0", "a", f"{place}/node", "--peer", CLIENT,
                      "--gateway", "fd00:a::1", "--inner", INSIDE, "--mode", str(mode),
                      "--remote-port", "0")
    gateway = None
    try:
        report(f"{name}/node", bool(node.wait_for("serving", 10)), node.text()[-300:])
        gateway = start_gateway(gateway_program, place, configuration(mode, node))
        wire = Wire("tun0")
        hello = client("-m", "get", f"coap://[{INSIDE}]/hello")
        report(f"{name}/get", "hello, behind ESP" in hello, hello)
        counts = client("-m", "get", "-s", "4", f"coap://[{INSIDE}]/count")
        seen = [int(n) for n in re.findall(r"count (\d+)", counts)]
        report(f"{name}/observe", len(set(seen)) >= 3 and seen == sorted(seen), counts)
        packets = between(wire.take(), node.host, node.address)
        # The client asks twice; an answer to each, and two counts more.
        judge_wire(name, packets, {node.host: 2, node.address: 4}, report)
        decode(name, packets, (plugins, place), report)
    finally:
        if gateway:
            gateway.terminate()
            gateway.wait(10)
        node.stop()


def decode(name, packets, where, report):
    plugins, place = where
    if not os.path.isdir(plugins) or not shutil.which("tshark"):
        print(f"SKIP contiki/{name}/wireshark: no tshark, or no plugin for it", flush=True)
        return
    write_capture(f"{place}/wire.pcap", packets)
    shutil.copytree(plugins, f"{place}/plugins")
    rows = dissect(plugins, place)
    opened = [row for row in rows if row[0] in ("1", "True")]
    answers = [row for row in opened if row[1] == str(CONTENT)]
    report(f"{name}/wireshark-opens-all", len(opened) == len(packets), rows[:3])
    report(f"{name}/wireshark-shows-coap", len(answers) >= 4, rows[:6])


def run(node_program, tools, directory, report):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for mode, what in MODES.items():
        one_mode(node_program, tools, readable_directory(directory, what), mode, report)
