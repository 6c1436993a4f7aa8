# shellcheck shell=bash source-path=SCRIPTDIR
# Ends the deletion of a StorageClass that has volumes or snapshots: nothing could make another one of them, or remove their data, without it and
# what goes with it. Runs on any master that serves, before the class goes.
# Parameter: CLASS
source prelude.sh
source api.sh
source volumes.sh

why=$(why_kept "$CLASS")
if [ -n "$why" ]; then
  echo "$why"
  exit 1
fi
report "no volume and no snapshot is of $CLASS"
