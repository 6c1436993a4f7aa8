# shellcheck shell=bash source-path=SCRIPTDIR
# Says which objects of Helm releases are not as they were deployed: a line each, with tabs between `object`, its name and its release.
# The last line is `end`. Parameters: RELEASES
source prelude.sh
source releases.sh

for release in $RELEASES; do
  if ! manifest=$(manifest_of "$release"); then
    tell printf 'object\tthe whole release\t%s\n' "$release"
    continue
  fi
  objects=$(changed_objects "$release" "$manifest")
  while read -r object; do
    [ -z "$object" ] || tell printf 'object\t%s\t%s\n' "$object" "$release"
  done <<<"$objects"
done
tell echo end
