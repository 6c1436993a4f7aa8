#!/usr/bin/env bash
# Refuses the jobs that a runner near a vCenter is not there for. A copy on the runner's machine is run before each job:
# ACTIONS_RUNNER_HOOK_JOB_STARTED=/opt/esxi-k8s/runner-gate.sh
# A workflow's own conditions do not do: a fork's pull request brings its own workflows.
set -euo pipefail

refuse() {
  echo "this runner does not run $1" >&2
  exit 1
}

workflow=${GITHUB_WORKFLOW_REF#"$GITHUB_REPOSITORY/.github/workflows/"}
event=$GITHUB_EVENT_NAME
case ${workflow%%@*}:$event in
  preview.yml:pull_request)
    from=$(jq --raw-output '.pull_request.head.repo.full_name' "$GITHUB_EVENT_PATH")
    [[ $from == "$GITHUB_REPOSITORY" ]] || refuse "pull requests of forks, and this one comes from $from"
    ;;
  drift.yml:schedule) ;; # only the default branch has a schedule
  deploy.yml:push | deploy.yml:workflow_dispatch | drift.yml:workflow_dispatch)
    branch=$(jq --raw-output '.repository.default_branch' "$GITHUB_EVENT_PATH")
    [[ $GITHUB_REF == "refs/heads/$branch" ]] || refuse "${workflow%%@*} of $GITHUB_REF, only of $branch"
    ;;
  *) refuse "${workflow%%@*} on $event" ;;
esac
