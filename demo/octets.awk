# SPDX-License-Identifier: MIT OR Apache-2.0
# The parts of each ESP packet, for `make demo`. Fields of a packet, by tabs:
# number, payload lengths of the outer and the inner IPv6 header, IV, Pad Length,
# ICV, UDP length, CoAP code, Info column, octets that Diet-ESP saved.
function row(what, a, b, c, d, e, f, g, h, total) {
  line = sprintf("    %-30s%6s%6s%6s%8s%6s%6s%10s%6s%8s", what, a, b, c, d, e, f, g, h, total)
  sub(/ +$/, "", line)
  print line
}
function message(info) {
  sub(/.*MID:[0-9]+, /, "", info)
  sub(/, TKN:[0-9a-f]+/, "", info)
  sub(/, /, " ", info)
  return info
}
BEGIN {
  row("", "outer", "", "", "inner", "", "", "padding,", "", "")
  row("", "IPv6", "ESP", "IV", "IPv6", "UDP", "CoAP", "trailer", "ICV", "total")
}
$9 == "" {
  split($2, payload, ",")
  total = 40 + payload[1]
  kind = $3 == "" ? "implicit" : "explicit"
  if (kind != before) print "    " kind " IV"
  before = kind
  row("  " message($8), 40, 8, length($3) / 2, 40, 8, $6 - 8, $4 + 2, length($5) / 2, total)
  packets[kind]++
  octets[kind] += total
  coap[kind] += $6 - 8
}
END {
  if (packets["explicit"] && packets["implicit"])
    printf "\n    %d octets of CoAP take %d on the wire with explicit IV, %d with implicit IV.\n",
      coap["explicit"], octets["explicit"], octets["implicit"]
}
