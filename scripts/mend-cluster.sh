# shellcheck shell=bash source-path=SCRIPTDIR
# Brings objects of Helm releases back to what was deployed. Parameters: RELEASES
source prelude.sh
source releases.sh

for release in $RELEASES; do
  manifest=$(manifest_of "$release") || {
    echo "Helm knows no release $release: make up deploys it"
    exit 1
  }
  kubectl --namespace "${release%/*}" apply "${owner[@]}" --filename "$manifest"
  report "$release: as it was deployed"
done
