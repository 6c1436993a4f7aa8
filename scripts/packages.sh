# shellcheck shell=bash
# Functions of steps that install packages, from the repositories whose files (render/apt.ts) are on the machine already.

keyrings=/etc/apt/keyrings
apt_options=(-q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20)

# refuse WHAT FIX: ends the step before anything was installed.
refuse() {
  echo "$1" | cut -c -300
  echo "nothing was installed on $NODE: $2, then run pulumi up again"
  exit 1
}

# fingerprints FILE: of the keys in it, in one line.
fingerprints() {
  local home
  home=$(mktemp -d)
  gpg --homedir "$home" --batch --quiet --show-keys --with-colons "$1" 2>/dev/null |
    awk -F: '$1 == "pub" { primary = 1 } $1 == "fpr" && primary { print $10; primary = 0 }' | xargs || true
  rm -rf "$home"
}

# fetch_keys: downloads the keys of the repositories, and takes only what has the fingerprint that the configuration names.
fetch_keys() {
  local name url fingerprint proxy ca found fetched options
  [ -e /etc/esxi-k8s/keys ] || return 0
  fetched=$(mktemp)
  while read -r name url fingerprint proxy ca; do
    options=(-fsSL --retry 2 --connect-timeout 20 --max-time 60 --noproxy '*' -o "$fetched")
    [ "$proxy" = - ] || options+=(--noproxy '' --proxy "$proxy")
    [ "$ca" = - ] || options+=(--cacert "$ca")
    found=$(curl "${options[@]}" "$url" 2>&1) ||
      refuse "the key of the package repository $name could not be fetched from $url: $found" \
        "make the repository answer or correct packages.$name (and proxy, if the way leads through one)"
    found=$(fingerprints "$fetched")
    [ "$found" = "$fingerprint" ] ||
      refuse "the key at $url has the fingerprint ${found:-of no key at all}, expected $fingerprint" \
        "find out whose key that is; if it is right, set packages.$name.signingKey to its fingerprint"
    install -D -m 0644 "$fetched" "$keyrings/esxi-k8s-$name.asc"
  done </etc/esxi-k8s/keys
  rm "$fetched"
}

# own_sources: sets the sources that the template came with aside where the configuration has others for the distribution.
own_sources() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/{ubuntu,debian}.sources; do
    if [ -e /etc/apt/sources.list.d/esxi-k8s-distribution.sources ]; then
      [ ! -e "$file" ] || mv "$file" "$file.esxi-k8s.disabled"
    else
      [ ! -e "$file.esxi-k8s.disabled" ] || mv "$file.esxi-k8s.disabled" "$file"
    fi
  done
}

# why FILE: the last thing that apt complained of.
why() { { grep '^[EW]:' "$1" || tail -n 1 "$1"; } | tail -n 1 | cut -c -300; }

# update_lists: asks every repository what it has, the configured ones one by one: then it is clear which fails.
update_lists() {
  local sources name said
  said=$(mktemp)
  own_sources
  for sources in /etc/apt/sources.list.d/esxi-k8s-*.sources; do
    [ -e "$sources" ] || continue
    name=${sources##*/esxi-k8s-} name=${name%.sources}
    apt-get "${apt_options[@]}" -o Dir::Etc::sourcelist="$sources" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 \
      -o APT::Update::Error-Mode=any update >"$said" 2>&1 ||
      refuse "the package repository $name ($(sed -n 's/^URIs: //p' "$sources")) cannot be used: $(why "$said")" \
        "make it answer or correct packages.$name (and proxy, if the way leads through one)"
  done
  # What the template came with may hold more than is needed here, and something of it may be out of order.
  [ -e /etc/apt/sources.list.d/esxi-k8s-distribution.sources ] || apt-get "${apt_options[@]}" update 2>&1 || true
  rm "$said"
}

# installed NAME[=VERSION]: whether a package is there as a whole, of a version that matches.
installed() {
  local status version wanted='*'
  [[ $1 != *=* ]] || wanted=${1#*=}
  # shellcheck disable=SC2016  # dpkg-query's, not the shell's
  read -r status version < <(dpkg-query --show --showformat '${db:Status-Status} ${Version}\n' "${1%%=*}" 2>/dev/null) || return 1
  # shellcheck disable=SC2053  # a pattern
  [[ $status == installed && $version == $wanted ]]
}

# offered NAME[=VERSION]: fails unless a repository has the package, of a version that matches.
offered() {
  local name=${1%%=*} wanted='*' versions version
  [[ $1 != *=* ]] || wanted=${1#*=}
  mapfile -t versions < <(apt-cache madison "$name" | cut -d'|' -f2 | tr -d ' ')
  for version in "${versions[@]}"; do
    # shellcheck disable=SC2053  # a pattern
    [[ $version != $wanted ]] || return 0
  done
  if ((${#versions[@]})); then
    refuse "no package repository of $NODE has $name ${wanted%-\*}, only ${versions[*]:0:5}" \
      "set $([ "$name" = containerd.io ] && echo packages.containerd.version || echo kubernetes.version) to one that is there, or mirror the wanted one"
  fi
  refuse "no package repository of $NODE has $name" \
    "add it to one of them ('make images' lists what machines install), or correct packages and network.dns"
}

# install_packages NAME[=VERSION]...: installs what is missing of these, all of it or nothing. A version may end in `*`.
install_packages() {
  local package said missing=()
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  ((${#missing[@]})) || return 0
  export DEBIAN_FRONTEND=noninteractive
  # What packages install is for everybody to read.
  umask 022
  # A run that was cut off may have left some half way.
  dpkg --configure -a
  fetch_keys
  update_lists
  for package in "${missing[@]}"; do offered "$package"; done
  said=$(mktemp)
  apt_options+=(-y --no-install-recommends --allow-change-held-packages
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)
  apt-get "${apt_options[@]}" --download-only install "${missing[@]}" >"$said" 2>&1 ||
    refuse "the packages ${missing[*]} cannot be fetched: $(why "$said")" "mend the repository that apt names"
  apt-get "${apt_options[@]}" --no-download install "${missing[@]}"
  rm "$said"
  umask 077
}
