#!/bin/sh
# A container of the plainest kind: ROOT becomes the whole file system, with the system's programs, PROGRAMS, and SOCKETS
# read-only at /run/agentsecrets. Run by: unshare --user --map-root-user --mount --pid --fork
set -e
PATH=$PATH:/usr/sbin:/sbin
root=$1 programs=$2 sockets=$3
shift 3
mount -t tmpfs -o mode=0755 tmpfs "$root"
for at in usr bin sbin lib lib64; do
  if [ -L "/$at" ]; then
    ln -s "$(readlink "/$at")" "$root/$at"
  elif [ -d "/$at" ]; then
    mkdir "$root/$at" && mount --rbind "/$at" "$root/$at"
  fi
done
mkdir -p "$root/proc" "$root/tmp" "$root/dev" "$root/old" "$root/run/agentsecrets" "$root$programs"
mount -t proc proc "$root/proc"
for device in null urandom; do
  : >"$root/dev/$device" && mount --bind "/dev/$device" "$root/dev/$device"
done
mount --bind "$programs" "$root$programs"
mount --bind "$sockets" "$root/run/agentsecrets"
mount -o remount,bind,ro "$root/run/agentsecrets" 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev "$root/run/agentsecrets"
cd "$root"
pivot_root . old
cd /
umount -l /old
export HOME=/root TMPDIR=/tmp
exec "$@"
