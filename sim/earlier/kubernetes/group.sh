# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='Kubernetes, etcd and CoreDNS of the minor release before'
tags=netgo,osusergo

kubernetes=$(module_version k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${kubernetes#v}"
# kubeadm and kubectl compare the version they carry with that of the cluster.
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  ldflags+=(-X "$package.gitVersion=$kubernetes" -X "$package.gitMajor=$major" -X "$package.gitMinor=$minor"
    -X "$package.gitTreeState=clean" -X "$package.gitCommit=")
done

# One program for all of Kubernetes, and CoreDNS with few plugins, as in the group of the newer release.
before() { cp --recursive "$HERE"/../toolchain/kubernetes/{kubernetes,coredns} .; }

after() { mv "$bin/server" "$bin/etcd"; }
