#!/bin/bash
# First program of dom0: mounts, modules, bridge, Xen's own daemons, then the agent that the lab talks to.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C TERM=vt100
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /proc/xen
mount -t devpts -o gid=0,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/xen /run/xenstored /var/log/xen/console /var/lib/xenstored /tmp
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
echo 3 > /proc/sys/kernel/printk
hostname dom0
for module in $(cat /lib/modules/load); do
  insmod "/lib/modules/$module" || echo "lab: cannot load $module"
done
found=/lib/modules/$(uname -r)
mkdir "$found"
for module in $(cat /lib/modules/on-demand); do
  ln -s "../$module" "$found/$module"
  echo "$module:" >> "$found/modules.dep"
done
mount -t xenfs xenfs /proc/xen
/sbin/ip link set lo up
/sbin/ip link add xenbr0 type bridge
/sbin/ip addr add 10.0.0.1/24 dev xenbr0
/sbin/ip addr add 192.0.2.1/24 dev xenbr0
/sbin/ip link set xenbr0 up
# A card that is down reads nothing, and its neighbour's QEMU tries to send without a pause.
/sbin/ip link set eth0 up
/sbin/ip link set eth1 up
mount -t ext4 /dev/vdc /srv || echo "lab: cannot mount /srv"
# Names that domain files of real hosts have.
mkdir -p /boot /dev/vg0
ln -s /srv/guest/vmlinuz /boot/vmlinuz
ln -s /srv/guest/guest.cpio.gz /boot/initrd.img
ln -s ../vda /dev/vg0/debian1-disk
ln -s ../vdb /dev/vg0/debian1-swap

tools=$(echo /usr/lib/xen-4.*/bin)
"$tools/xenstored" --pid-file /run/xen/xenstored.pid
for _ in $(seq 200); do [ -S /run/xenstored/socket ] && break; sleep 0.05; done
"$tools/xen-init-dom0"
"$tools/xenconsoled" --pid-file=/run/xen/xenconsoled.pid --log=guest --log-dir=/var/log/xen/console
echo "lab: dom0 is up after $(cut -d' ' -f1 /proc/uptime) s"
cd /root
/usr/bin/lab-agent < /dev/null
echo "lab: the agent has ended"
poweroff -f
