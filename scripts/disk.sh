# shellcheck shell=bash
# How a file system is made to fill a disk that has grown while it was in use.

# fill_disk MOUNTPOINT GIB: grows the partition of a file system and the file system itself, and says how large it is. GIB is the size
# that the disk is to have at least.
fill_disk() {
  local source kind partition disk seen grown=0
  source=$(findmnt --noheadings --first-only --output SOURCE --target "$1")
  kind=$(findmnt --noheadings --first-only --output FSTYPE --target "$1")
  partition=/sys/class/block/${source#/dev/}
  if [ ! -b "$source" ]; then
    report "nothing to grow: $1 is on no disk of this machine, but on $kind"
    return
  fi
  if [ ! -e "$partition/partition" ]; then
    report "nothing to grow: $1 is on $source, which is no partition; what lies between it and the disk is to be grown by hand"
    return
  fi
  disk=$(basename "$(dirname "$(readlink -f "$partition")")")
  # The kernel asks a disk for its size once.
  [ ! -e "/sys/class/block/$disk/device/rescan" ] || echo 1 >"/sys/class/block/$disk/device/rescan"
  seen=$(gib "$disk")
  if ((seen < $2)); then
    echo "$NODE sees a disk of $seen GiB, which is to have $2: restart it, or look at its disk in vCenter"
    return 1
  fi
  # 1 says that it fills the disk already, as after a step that was torn.
  growpart "/dev/$disk" "$(<"$partition/partition")" || grown=$?
  ((grown < 2)) || return "$grown"
  case $kind in
    ext4) resize2fs "$source" || return ;;
    xfs) xfs_growfs "$1" || return ;;
    *)
      echo "$1 is a file system of type $kind, which this program cannot grow: grow it by hand"
      return 1
      ;;
  esac
  report "$1 has $(findmnt --noheadings --raw --first-only --output SIZE --target "$1") of $(gib "$disk") GiB"
}

# gib DEVICE: its size in whole GiB.
gib() { echo $(($(<"/sys/class/block/$1/size") / 2097152)); }
