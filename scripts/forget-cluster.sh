# shellcheck shell=bash source-path=SCRIPTDIR
# Takes a master out of a cluster that is to be restored on another one: it joins that anew. No two of its like may wake up as the old cluster.
source prelude.sh
source forget.sh
alone_on_node
forget_cluster
report "$NODE is out of the old cluster"
