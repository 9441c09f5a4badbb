#!/bin/busybox sh
# First program of the neighbour: its two interfaces, what it serves, then the agent that the lab talks to.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for module in $(cat /lib/modules/load); do insmod "/lib/modules/$module"; done
ip link set lo up
number=0
for address in 198.51.100.2/24 203.0.113.2/24; do
  ip link set eth$number up
  ip addr add $address dev eth$number
  number=$((number + 1))
done
httpd -p 0.0.0.0:80 -h /www
nc -ll -p 9 -e wc -c > /dev/null 2>&1 < /dev/null &
/usr/bin/lab-agent < /dev/null
poweroff -f
