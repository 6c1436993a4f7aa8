# shellcheck shell=bash source-path=SCRIPTDIR
# Brings what on this machine differs from what its steps have set back to that, and nothing else.
source prelude.sh
source kept.sh
source packages.sh
source renewal.sh
alone_on_node

packages=() held=() readers=() units='' renew='' mended=0
collect() {
  local kind=$1 name=$2 value=$4
  case $kind in
    package) packages+=("$name=${value#* }") ;;
    hold) held+=("$name") ;;
  esac
}
# Before anything else: what installs a package may write files and start units.
each_difference collect
if ((${#packages[@]})); then
  install_packages "${packages[@]}"
fi
if ((${#held[@]})); then
  apt-mark hold "${held[@]}"
fi

mend() {
  local kind=$1 name=$2 value=$4 reader=$6 mode owner file
  case $kind in
    file)
      read -r _ mode owner <<<"$value"
      install -D -m "$mode" -o "${owner%:*}" -g "${owner#*:}" "$kept/files$name" "$name"
      [ "$reader" = - ] || readers+=("$reader")
      [[ $name != /etc/systemd/* ]] || units=changed
      ;;
    folder)
      for file in "$name"/*; do
        # What is missing there is a file of its own.
        [[ " $value " == *" ${file##*/} "* ]] || mv --backup=numbered "$file" "$(set_aside "$name")"
      done
      [ "$reader" = - ] || readers+=("$reader")
      ;;
    unit)
      systemctl enable --quiet "$name"
      systemctl start "$name"
      ;;
    # All end together.
    certificate) renew=yes ;;
    kernel) sysctl --quiet --write "$name=$value" ;;
  esac
  mended=$((mended + 1))
  report "$name: mended"
}
# set_aside FOLDER: where files go that are nobody's, since somebody may want them back.
set_aside() {
  mkdir -p "$state/set-aside$1"
  echo "$state/set-aside$1/"
}
mended=$((${#packages[@]} + ${#held[@]}))
each_difference mend
[ -z "$units" ] || systemctl daemon-reload
for reader in $(printf '%s\n' "${readers[@]}" | sort --unique); do
  systemctl reload-or-restart "$reader"
done

[ -z "$renew" ] || renew_certificates

left=''
leave() { left+=" $2"; }
each_difference leave
if [ -n "$left" ]; then
  echo "still not as its step left it:$left"
  exit 1
fi
report "mended: $mended"
