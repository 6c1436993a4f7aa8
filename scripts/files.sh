# shellcheck shell=bash
# Functions of steps that get files on standard input, as render/files.ts writes them.

# read_files FOLDER: puts the files from standard input into a folder, each below its own path.
read_files() {
  local line file=/dev/null
  while IFS= read -r line; do
    case $line in
      '=> /'*)
        file=$1${line#=> }
        mkdir -p "${file%/*}"
        : >"$file"
        ;;
      *) printf '%s\n' "$line" >>"$file" ;;
    esac
  done
}

# put_files FOLDER: makes the machine's files those of the folder, and removes what an earlier run of the step put there and
# this one does not. Fills `changed` with the paths that it touched.
put_files() {
  # shellcheck disable=SC2154  # the prelude's
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
