# shellcheck shell=bash source-path=SCRIPTDIR
# Installs HAProxy and gives it its configuration.
# Texts: CONFIG (haproxy.cfg with placeholders), FILES (of package sources). Standard input: the password of the statistics page.
# Parameters: HEALTH (port and path where HAProxy answers), STACK (as which it answers), AFTER (address of the HAProxy machine that
#   takes a configuration before this one; empty for the first)
source prelude.sh
source files.sh
source packages.sh
source kept.sh
alone_on_node
use_files "$FILES"
command -v haproxy >/dev/null || install_packages haproxy

# shellcheck disable=SC2153 # a text
version=$(sha256sum <<<"$CONFIG" | cut --characters=1-12)
answer="esxi-k8s $STACK $version"
text=${CONFIG//@STATS_PASSWORD@/$(cat)}
text=${text//@HEALTH_ANSWER@/$answer}

# answer_of ADDRESS: what HAProxy says there; fails if it says nothing.
answer_of() { curl -sf --max-time 2 --noproxy '*' "http://$1:$HEALTH"; }
serves() { [ "$(answer_of 127.0.0.1)" = "$answer" ]; }
went_first() {
  local said
  # One that says nothing is down, or as new as this one.
  said=$(answer_of "$AFTER" || answer_of "$AFTER") || return 0
  [ "$said" = "$answer" ]
}

config=/etc/haproxy/haproxy.cfg
printf '%s\n' "$text" >"$config.new"
# A bad configuration is found here, while the old one goes on serving.
haproxy -c -q -f "$config.new"
# One machine after the other, so that a configuration that is good in form alone does not meet all of them at once. But this one
# does not depend on the other, whose step may have failed.
[ -z "$AFTER" ] || retry_for 60 "the HAProxy machine $AFTER to take this configuration" went_first || true

cp "$config" "$config.before"
mv "$config.new" "$config"
systemctl enable --quiet haproxy
systemctl reload-or-restart haproxy
if ! retry_for 20 "HAProxy to answer with its new configuration" serves; then
  journalctl --unit haproxy --lines 5 --output cat --no-pager
  mv "$config.before" "$config"
  systemctl reload-or-restart haproxy
  echo "HAProxy does not serve with the new configuration, and has the one before again"
  exit 1
fi
rm "$config.before"
keep file "$config" haproxy
keep package haproxy
keep unit haproxy
all_kept
report "serves $config"
