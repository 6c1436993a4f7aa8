# shellcheck shell=bash source-path=SCRIPTDIR
# Lets the root file system fill the machine's disk. Parameter: GIB (size that the disk is to have)
source prelude.sh
source disk.sh
alone_on_node
fill_disk / "$GIB"
