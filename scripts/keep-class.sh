# shellcheck shell=bash source-path=SCRIPTDIR
# Ends the deletion of a StorageClass that has volumes: nothing could make another one of them, or remove their data, without it. Runs on any
# master that serves, before the class goes.
# Parameter: CLASS
source prelude.sh
source api.sh
source volumes.sh

volumes=$(volumes_of "$CLASS")
if [ -n "$volumes" ]; then
  keeps "$CLASS" "$volumes"
  exit 1
fi
report "no volume is of $CLASS"
