#!/bin/sh
# First process of the guest. Executes the lines that arrive on the console and closes each
# answer with "@@" and the exit code. Busybox is called by path: by name its shell would run
# an applet instead, and its "ip" applet knows no xfrm.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox stty -echo
echo @@0
while read -r line; do
    eval "$line"
    echo "@@$?"
done
