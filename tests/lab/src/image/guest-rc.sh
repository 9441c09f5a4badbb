#!/bin/sh
# Boot script on a guest's root disk: name, network, and MARK lines that a test reads on the console.
hostname -F /etc/hostname
mount -o remount,rw /
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
address=$(cat /etc/address 2> /dev/null)
for word in $(cat /proc/cmdline); do
  case $word in ip=[0-9]*) address=${word#ip=}; address=${address%%:*} ;; esac
done
ip link set lo up
wait_for_eth0() { for _ in $(seq 50); do [ -e /sys/class/net/eth0 ] && return; sleep 0.1; done; }
[ -d /sys/bus/xen/devices/vif-0 ] && wait_for_eth0
if [ -e /sys/class/net/eth0 ]; then
  mac=$(cat /sys/class/net/eth0/address)
  [ -n "$address" ] || address=10.0.0.$((0x${mac##*:} % 200 + 20))
  ip addr add "$address/24" dev eth0
  ip link set eth0 up
  echo "MARK eth0 mac $mac address $address"
  # For -c 1 busybox sends one packet, which may be lost while the bridge learns.
  heard=silent
  for _ in $(seq 10); do ping -c 1 -W 2 "${address%.*}.1" > /dev/null 2>&1 && heard=answered && break; done
  echo "MARK ping $heard"
else
  echo "MARK eth0 absent"
fi
echo "MARK disks $(ls /sys/class/block | grep -v -e ram -e loop | tr '\n' ' ')"
echo "MARK host $(hostname) up"
