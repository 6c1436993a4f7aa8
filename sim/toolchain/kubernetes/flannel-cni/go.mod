module esxi-k8s/sim/toolchain/kubernetes/flannel-cni

go 1.25

require github.com/containernetworking/plugins v0.9.1 // the last with flannel among them

require github.com/containernetworking/cni v0.8.1 // indirect

tool github.com/containernetworking/plugins/plugins/meta/flannel
