# shellcheck shell=bash source-path=SCRIPTDIR
# Tries the share of a StorageClass as volumes will be mounted on this node, so that what is wrong is said here and not by pods that wait.
# Parameters: CLASS, TYPE (nfs | smb), SERVER, SHARE, OPTIONS (of mount, with commas), USERNAME (of smb, with DOMAIN/)
# Standard input: the password (of smb)
source prelude.sh
password=$(cat)
here=storage.classes.$CLASS

case $TYPE in
  nfs) port=2049 package=nfs-common filesystem=nfs4 source=$SERVER:$SHARE options=ro,soft,timeo=100,retrans=1 ;;
  smb) port=445 package=cifs-utils filesystem=cifs source=//$SERVER/$SHARE options=ro ;;
esac
# fail WHAT FIX: in the words of a step that somebody has to act upon.
fail() {
  echo "$1"
  echo "$2, then run pulumi up again"
  exit 1
}

program=mount.${filesystem/nfs4/nfs}
command -v "$program" >/dev/null ||
  fail "$NODE has no $program, which mounts $source" "use a template with the package $package, or kubernetes.install: packages"
timeout 10 bash -c ": </dev/tcp/$SERVER/$port" ||
  fail "$NODE does not reach $SERVER at port $port" "make it answer there, or correct $here.server"

# What an NFS server says it exports; one of version 4 alone does not say.
exports=
if [ "$TYPE" = nfs ] && exports=$(timeout 20 showmount --no-headers --exports "$SERVER" 2>/dev/null); then
  exports=$(awk '{ print $1 }' <<<"$exports" | sort)
fi

modprobe "${filesystem/nfs4/nfs}" 2>/dev/null || true
if ! grep --quiet --word-regexp "$filesystem" /proc/filesystems; then
  if [ -n "$exports" ]; then
    known=no
    while read -r path; do
      [[ $SHARE/ != "${path%/}"/* ]] || known=yes
    done <<<"$exports"
    [ "$known" = yes ] || fail "$SERVER does not export $SHARE, but ${exports//$'\n'/, }" "export it, or correct $here.share"
  fi
  report "$source answers; it was not mounted, because the kernel of $NODE has no $filesystem"
  exit 0
fi

work=$(mktemp -d /run/esxi-k8s-share.XXXXXX)
trap 'on_exit; umount --lazy "$work/share" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
mkdir "$work/share"
if [ "$TYPE" = smb ]; then
  {
    echo "username=${USERNAME##*/}"
    echo "password=$password"
    [[ $USERNAME != */* ]] || echo "domain=${USERNAME%%/*}"
  } >"$work/login"
  options+=,credentials=$work/login
fi
said=$(timeout 60 mount --types "${filesystem/nfs4/nfs}" --options "$options${OPTIONS:+,$OPTIONS}" "$source" "$work/share" 2>&1) || {
  said=$(grep . <<<"$said" | head -n 1 | cut --characters=1-250)
  case $TYPE in
    nfs) fail "$NODE cannot mount $source: ${said:-no answer within a minute}${exports:+ ($SERVER exports ${exports//$'\n'/, })}" \
      "let the server export it to this node, or correct $here.share and mountOptions" ;;
    smb) fail "$NODE cannot mount $source as $USERNAME: ${said:-no answer within a minute}" \
      "correct $here (share, user, mountOptions), or the password: smbPasswords.$CLASS" ;;
  esac
}
umount "$work/share"
report "$source can be mounted"
