# SPDX-License-Identifier: BSD-3-Clause
"""run.py SUITE DIRECTORY IMAGES [RPL]: one suite of scripts/contiki-test.

SUITE: frame, mesh, losses, border, native; gateway, whose RPL is a gateway and the
directory of the Wireshark plugin. IMAGES is where that script has put
what it built, DIRECTORY is for what comes up on the way. Prints a line for each
thing it looked at.
"""

import sys
import traceback

import border
import frame_table
import gateway
import losses
import mesh
import native


def report(name, good, detail=""):
    if good:
        print(f"ok contiki/{name}", flush=True)
    else:
        print(f"FAIL contiki/{name}: {detail}", flush=True)


def images_of(built, rpl, directory):
    found = {kind: f"{built}/{kind}-{rpl}/cooja/mesh-node.cooja"
             for kind in ("ends", "early", "routers", "stock", "own")}
    found["border"] = f"{built}/border-{rpl}/cooja/border-router.cooja"
    found["directory"] = directory
    return found


def frame(images, rpl, tell):
    table = frame_table.measure(images["ends"], images["routers"], images["directory"])
    print(frame_table.show(table))
    frame_table.check(table, tell)


def main():
    suite, directory, built, *rest = sys.argv[1:]
    try:
        programs = {kind: f"{built}/{kind}/native/diet-esp-{kind}.native"
                    for kind in ("node", "client")}
        if suite == "native":
            native.run(programs, directory, report)
        elif suite == "gateway":
            gateway.run(programs["node"], rest, directory, report)
        else:
            suites = {"frame": frame, "mesh": mesh.run, "losses": losses.run,
                      "border": border.run}
            rpl = rest[0]
            suites[suite](images_of(built, rpl, directory), rpl.lower(), report)
    except Exception:  # a driver that breaks must not look like one that is done
        traceback.print_exc(file=sys.stdout)
        report(f"{suite}/ended", False, "see above")


main()
