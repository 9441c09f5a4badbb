#!/bin/busybox sh
# First program of a guest: modules, then the root disk, by the name in root= or the one that today's kernels use.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
bb=/bin/busybox
for module in $($bb cat /lib/modules/load); do $bb insmod "/lib/modules/$module"; done
echo "MARK kernel $($bb uname -r) vcpus $($bb grep -c ^processor /proc/cpuinfo) $($bb grep MemTotal /proc/meminfo)"
echo "MARK cmdline $($bb cat /proc/cmdline)"
root=
for word in $($bb cat /proc/cmdline); do
  case $word in root=*) root=${word#root=/dev/} ;; esac
done
if [ -z "$root" ]; then
  echo "MARK noroot"
  exec $bb sh -c 'exec setsid cttyhack sh; :' < /dev/hvc0 > /dev/hvc0 2>&1
fi
# hda1 is xvda in kernels of today: they keep the letter of an hd or sd disk and drop the partition's number.
letters=${root#*d}
found=
for _ in $($bb seq 300); do
  for device in "$root" "xvd$letters" "xvd${letters%%[0-9]*}"; do
    [ -b "/dev/$device" ] && found=$device && break 2
  done
  $bb sleep 0.1
done
echo "MARK root $root found as ${found:-nothing}"
$bb mount -t ext4 "/dev/$found" /new || exec $bb sh
for folder in proc sys dev; do $bb mount --move /$folder /new/$folder; done
exec $bb switch_root /new /sbin/init
