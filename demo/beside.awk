# SPDX-License-Identifier: MIT OR Apache-2.0
# One exchange over ESP and over Diet-ESP, side by side, for `make demo`: fields as
# for octets.awk. A frame of IEEE 802.15.4 carries 102 octets, as `sprat overhead`
# counts them.
function frames(octets) { return int((octets + 101) / 102) }
function message(info) {
  sub(/.*MID:[0-9]+, /, "", info)
  sub(/, TKN:[0-9a-f]+/, "", info)
  sub(/, /, " ", info)
  return info
}
function row(what, coap, esp, wire, n, esp2, wire2, n2) {
  printf "    %-30s%6s%7s%8s%8s%10s%8s%8s\n", what, coap, esp, wire, n, esp2, wire2, n2
}
{
  split($2, payload, ",")
  esp = payload[1]
  kind = $9 != "" ? "diet" : $3 == "" ? "esp" : "explicit"
  k = ++packets[kind]
  size[kind, k] = esp
  coap[kind, k] = $6 - 8
  said[kind, k] = message($8)
}
END {
  if (!packets["esp"] || packets["diet"] < packets["esp"]) exit 1
  printf "    %-36s%s%s\n", "", "    ESP, implicit IV   ", "          Diet-ESP"
  row("", "CoAP", "ESP", "wire", "frames", "ESP", "wire", "frames")
  for (k = 1; k <= packets["esp"]; k++) {
    a = size["esp", k]; b = size["diet", k]
    row("  " said["esp", k], coap["esp", k], a, a + 40, frames(a + 40), b, b + 40, frames(b + 40))
    sum += a + 40; sum2 += b + 40
    all += frames(a + 40); all2 += frames(b + 40)
    octets += coap["esp", k]
  }
  row("", octets, "", sum, all, "", sum2, all2)
  least = packets["diet"] - 1
  short = packets["esp"] - 1
  printf "\n    %s, %d octets of CoAP: %d octets of ESP, %d of Diet-ESP, %d without SPI and number.\n",
    said["esp", short], coap["esp", short], size["esp", short], size["diet", short], size["diet", least]
}
