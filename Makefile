SHELL := /bin/bash
.DEFAULT_GOAL := help
.SILENT:
.PHONY: node_modules help preflight up preview review changed due deploy drift repair snapshot snapshots restore restore-consul down kubeconfig kubectl demo-check images ui sim-shell sim-down test test-unit test-charts test-e2e test-creation test-destroy test-frontend test-members test-upgrade test-releases test-volumes test-restore test-faults lint crds review-previews bench

# `sim` is the simulated lab; another name is a stack of yours, with the official Pulumi CLI on PATH.
STACK ?= sim
# For several stacks at once, as the workflows have it.
export STACKS ?= ["$(STACK)"]
export PULUMI_SKIP_UPDATE_CHECK = true

ifeq ($(STACK),sim)
PREFLIGHT := sim/prepare
LAB := sim/up
# In the lab's network, with the lab's tool chain and state.
IN := sim/enter
# A lab is there to be thrown away; elsewhere Pulumi shows what it would do and asks.
YES := --yes --skip-preview
UI := node tools/ui.mjs
# Nothing outside of the lab's network could use it.
OUT ?= -
else
PREFLIGHT := tools/official-pulumi
LAB := :
IN :=
# Its addresses can be reached as they are.
UI := node tools/addresses.mjs
endif

help: ## this list
	grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

up: preflight node_modules ## bring the stack up; on a fresh machine this prepares everything first; ARGS go to pulumi up
	$(LAB)
	$(IN) tools/refresh-machines $(STACK)
	$(IN) tools/pulumi-up $(STACK) $(YES) $(ARGS)

preflight:
	$(PREFLIGHT)

preview: preflight node_modules ## show what `make up` would change
	$(LAB)
	$(IN) pulumi preview --diff --stack $(STACK)

review: preflight node_modules ## the preview as pull requests show it, also in artifacts/review-STACK.md; ARGS go to pulumi preview
	$(LAB)
	$(IN) node -r ts-node/register/transpile-only tools/review.ts $(STACK) $(ARGS)

changed: node_modules ## which stacks of STACKS load something that differs from a commit: make changed BASE=origin/main
	node tools/ci/changed-stacks.mjs $(BASE)

due: node_modules ## which stacks of STACKS differ from what they were last deployed from; ONLY=prod for one
	node tools/ci/due-stacks.mjs $(ONLY)

deploy: preflight node_modules ## review again, stop at data at risk that no pull request showed, then bring the stack up
	$(LAB)
	# Before the review: what is deployed is what it shows.
	$(IN) tools/refresh-machines $(STACK)
	$(MAKE) --no-print-directory review STACK=$(STACK)
	node tools/ci/gate.mjs $(STACK)
	$(IN) tools/pulumi-up $(STACK) --yes --skip-preview

drift: preflight node_modules ## what differs from what was deployed, inside of machines too; written to artifacts/
	$(LAB)
	$(IN) node -r ts-node/register/transpile-only tools/drift.ts $(STACK)

repair: preflight node_modules ## bring what `make drift` finds on machines and in the cluster back, and touch nothing else
	$(LAB)
	$(IN) node -r ts-node/register/transpile-only tools/repair.ts $(STACK)

snapshot: node_modules ## have a snapshot of the cluster taken, and fetch it to artifacts/snapshots/, encrypted
	$(IN) node -r ts-node/register/transpile-only tools/snapshots.ts take $(STACK)

snapshots: node_modules ## which snapshots there are, and on which machines
	$(IN) node -r ts-node/register/transpile-only tools/snapshots.ts list $(STACK)

restore: node_modules ## make a cluster anew that lost its quorum or its machines: make restore SNAPSHOT=FILE, or latest
	$(IN) node -r ts-node/register/transpile-only tools/restore.ts cluster $(STACK) '$(SNAPSHOT)' $(YES)

restore-consul: node_modules ## give Consul an earlier store: make restore-consul SNAPSHOT=FILE, or latest
	$(IN) node -r ts-node/register/transpile-only tools/restore.ts consul $(STACK) '$(SNAPSHOT)'

down: node_modules ## destroy the stack's machines
	$(LAB)
	$(IN) tools/free-lock $(STACK)
	$(IN) pulumi destroy $(YES) --stack $(STACK)

kubeconfig: node_modules ## the administrator's kubeconfig to where kubectl looks, or OUT=FILE; of the lab to standard output (OUT=-)
	$(IN) node tools/kubeconfig.mjs $(STACK) $(if $(OUT),--out $(OUT)) $(if $(CONTEXT),--context $(CONTEXT))

kubectl: ## one call, output only: make kubectl ARGS='get nodes'
	$(IN) tools/kubectl $(STACK) $(ARGS)

demo-check: ## ask the demonstration by all its host names; ends with `n/3 sources answer`
	$(IN) node tools/demo-check.mjs $(STACK)

images: node_modules ## what a mirror has to hold for a stack: images, packages, keys
	node -r ts-node/register/transpile-only tools/images.ts $(STACK)

ui: ## publish the lab's web pages on loopback: Consul, Traefik dashboard, HAProxy statistics, demonstration
	$(UI) $(STACK)

sim-shell: ## a shell in the lab's network, with kubectl and pulumi ready
	$(IN) tools/shell $(STACK)

sim-down: ## remove the simulated lab without a trace; built tools stay in the cache folder
	sim/down

test: ## every test, end to end on a simulated lab of its own
	node tests/run.mjs unit lint toolchain charts e2e

test-unit: ## unit tests: seconds, needs only npm
	node tests/run.mjs unit

test-charts: ## the Helm charts: lint, rendering, refused values
	node tests/run.mjs charts

test-e2e: ## end-to-end tests on a simulated lab of their own
	node tests/run.mjs e2e

test-creation: ## a cluster from nothing, RUNS times, from case FROM of SEED on; results in artifacts/creation.jsonl
	node tests/run.mjs creation

test-destroy: ## destroys whatever an interrupted run left, RUNS times as test-creation; results in artifacts/destroy.jsonl
	node tests/run.mjs destroy

test-frontend: ## two HAProxy machines that share an address, likewise; results in artifacts/frontend.jsonl
	node tests/run.mjs frontend

test-members: ## machines come, go and are lost while `make up` is killed, 20 cases likewise in artifacts/members.jsonl; 2 of test-frontend
	node tests/run.mjs members

test-faults: ## what clients see while machines, networks, processes fail, ONLY those with such a name; a table in artifacts/faults.md
	node tests/run.mjs faults

test-upgrade: ## Kubernetes of the release before becomes the newer one, under load, killed at 20 points in 4 cases, likewise
	node tests/run.mjs upgrade

test-releases: ## everything else that machines and the cluster are made of, from releases before; compiles those first
	node tests/run.mjs releases

test-volumes: ## a volume whose node is drained, and lost
	node tests/run.mjs volumes

test-restore: ## the cluster lost in every way, and made anew from snapshots: some 15 minutes
	node tests/run.mjs restore

lint: ## types, ESLint, Prettier, shellcheck, actionlint
	node tests/run.mjs lint

crds: ## write the definitions in charts/*-crds and the shape of Traefik's routes, from the sources of those who define them
	sim/toolchain/build traefik
	rm -f charts/traefik-crds/definitions/*
	generated=$$(dirname "$$(sim/toolchain/build --print traefik)") && \
		cp "$$generated"/crds/*.yaml charts/traefik-crds/definitions/ && cp "$$generated/dynamic.json" routes/traefik-dynamic.json
	rm -f charts/snapshot-crds/definitions/*
	definitions=$$(tools/snapshot-definitions) && \
		install -m 0644 "$$definitions"/snapshot.storage.k8s.io_*.yaml charts/snapshot-crds/definitions/

review-previews: up ## take the previews that the tests of reviews are about from the lab again
	sim/enter node -r ts-node/register/transpile-only tests/previews/take.ts

bench: node_modules ## what it costs, in one run: pulumi up against kubeadm alone, 200 workers, state; COLD=1 compiles before
	node tools/bench.mjs $(if $(COLD),--cold)

# Installed again when the lock file is newer than what npm writes last; the folder itself changes with every cache that a tool keeps in it.
# npm needs no network for packages it has in its own cache.
node_modules: node_modules/.package-lock.json
node_modules/.package-lock.json: package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	touch $@
