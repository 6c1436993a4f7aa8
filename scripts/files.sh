# shellcheck shell=bash
# Functions of steps that get a text of several files, as render/files.ts writes it.

# read_files FOLDER TEXT: puts the files into a folder, each below its own path. Package sources learn this machine's release.
read_files() {
  local line file=/dev/null codename
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      '=> /'*)
        file=$1${line#=> }
        mkdir -p "${file%/*}"
        : >"$file"
        ;;
      *) printf '%s\n' "${line//"{codename}"/$codename}" >>"$file" ;;
    esac
  done < <(printf %s "$2")
}

# put_files FOLDER: makes the machine's files those of the folder, and removes what an earlier run of the step put there and
# this one does not. Fills `changed` with the paths that it touched.
put_files() {
  # shellcheck disable=SC2154 # the prelude's
  local path list=$state/$STEP.files
  changed=()
  touch "$list"
  (cd "$1" && find . -type f | sed 's/^\.//' | LC_ALL=C sort) >"$list.new"
  while read -r path; do
    rm -f "$path"
    changed+=("$path")
  done < <(LC_ALL=C comm -23 "$list" "$list.new")
  while read -r path; do
    if ! cmp --quiet "$1$path" "$path"; then
      install -D -m 0644 "$1$path" "$path"
      changed+=("$path")
    fi
  done <"$list.new"
  mv "$list.new" "$list"
}

# use_files TEXT: both in one.
use_files() {
  local staged
  staged=$(mktemp -d)
  read_files "$staged" "$1"
  put_files "$staged"
  rm -rf "$staged"
}
