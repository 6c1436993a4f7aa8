# shellcheck shell=bash source-path=SCRIPTDIR
# Functions of steps that remember what they have set on this machine, so that what differs later is found (look-for-drift) and mended
# (mend-drift). The list has a line for each thing, with tabs between KIND, NAME, STEP, VALUE and READER (the unit that reads a file, or
# -). Copies of files are beside it, for root alone.
source certificates.sh
# shellcheck disable=SC2154 # the prelude's
kept=$state/kept
mkdir -p "$kept"

# in_force FILE: whether its certificate is, and will be for a week.
in_force() {
  local end
  end=$(end_of "$1")
  if [[ $end > $(date --utc --date '7 days' +%Y-%m-%dT%H:%M:%SZ) ]]; then echo 'in force'; else echo "until $end"; fi
}

# value_of KIND NAME: what this machine has of it now, in one line; - when it has none.
value_of() {
  local value
  case $1 in
    file) value=$(sha256sum <"$2" | cut --characters=1-12 && stat --format '%a %U:%G' "$2") ;;
    # Programs read whatever is in some folders.
    folder) value=$(find "$2" -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort) ;;
    package) value=$(dpkg-query --show --showformat '${db:Status-Status} ${Version}' "$2") ;;
    hold) value=$(apt-mark showhold "$2" | sed 's/.*/held/') ;;
    unit) value=$(systemctl is-enabled "$2" || true; systemctl is-active "$2" | sed 's/^\(activating\|reloading\)$/active/' || true) ;;
    # One that is renewed is as good as before.
    certificate) value=$(in_force "$2") ;;
    kernel) value=$(sysctl --values "$2") ;;
  esac 2>/dev/null || value=''
  value=${value//$'\n'/ }
  echo "${value:--}"
}

keeping=()
# keep KIND NAME [READER]: remembers what this machine has of it, from the end of the step on; of a unit, that it is to run, however far
# that is.
keep() {
  local value='enabled active'
  [ "$1" = unit ] || value=$(value_of "$1" "$2")
  keeping+=("$1"$'\t'"$2"$'\t'"$STEP"$'\t'"$value"$'\t'"${3:--}")
  [ "$1" != file ] || install -D -m 0600 "$2" "$kept/files.new$2"
}

# keep_files: those that the step has put there from its text (files.sh).
keep_files() {
  local file
  while read -r file; do keep file "$file"; done <"$state/$STEP.files"
}

# keep_kubeadm: what kubeadm has set on a node.
keep_kubeadm() {
  local file
  for file in /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env; do
    # Releases differ in what they write beside the configuration.
    [ ! -e "$file" ] || keep file "$file" kubelet
  done
  keep folder /etc/kubernetes/manifests
  for file in /etc/kubernetes/manifests/*; do
    [ ! -e "$file" ] || keep file "$file"
  done
  keep unit kubelet
}

# all_kept: the step's end. What it remembered before, and what others did of the same things, is forgotten.
all_kept() {
  local ran
  ran=$(sha256sum <<<"$RAN" | cut --characters=1-12)
  keeping+=("step"$'\t'"$STEP"$'\t'"$STEP"$'\t'"$ran"$'\t'-)
  mkdir -p "$kept/files" "$kept/files.new"
  touch "$kept/list"
  {
    awk -F '\t' -v step="$STEP" 'NR == FNR { mine[$1, $2]; next } $3 != step && !(($1, $2) in mine)' \
      <(printf '%s\n' "${keeping[@]}") "$kept/list"
    printf '%s\n' "${keeping[@]}"
  } >"$kept/list.new"
  cp --archive "$kept/files.new/." "$kept/files/"
  rm -rf "$kept/files.new"
  mv "$kept/list.new" "$kept/list"
}

# each_difference FUNCTION: calls it with KIND, NAME, STEP, the value that was set, the one that is there, and READER.
each_difference() {
  local kind name step value reader found
  [ -e "$kept/list" ] || return 0
  while IFS=$'\t' read -r kind name step value reader <&5; do
    [ "$kind" != step ] || continue
    found=$(value_of "$kind" "$name")
    [ "$found" = "$value" ] || "$1" "$kind" "$name" "$step" "$value" "$found" "$reader"
  done 5<"$kept/list"
}
