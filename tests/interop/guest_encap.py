"""Runs in the guest: holds the UDP sockets without which it takes no ESP in UDP."""

import os
import socket
import time

UDP_ENCAP, UDP_NO_CHECK6_RX, UDP_ENCAP_ESPINUDP = 100, 102, 2

v4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
v6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
v6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
# RFC 3948 checksums are zero, which an IPv6 socket refuses unless told.
v6.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
for sock, any_address in ((v4, "0.0.0.0"), (v6, "::")):
    sock.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    sock.bind((any_address, 4500))
if os.fork() == 0:
    time.sleep(1 << 30)
