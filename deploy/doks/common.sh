# shellcheck shell=bash
# What the scripts of this folder share; sourced by them, which use the names that are set here.
# shellcheck disable=SC2034

cluster=${CLUSTER:-todo-cluster}
region=${REGION:-nyc1}
registry=${REGISTRY:-todo-registry}
node_size=s-2vcpu-4gb
nodes_min=2
nodes_max=4
environment=${ENVIRONMENT:-production}
namespace=todo-$environment
release=todo-app
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Versions that go together; raise them here.
dapr_version=1.18.2
cert_manager_version=v1.19.1
strimzi_version=1.2.0
ingress_version=4.13.3
metrics_server_version=3.13.0

dry_run=0
assume_yes=0

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# options USAGE ARGUMENT…: the options that all scripts have.
options() {
  local usage=$1 argument
  shift
  for argument in "$@"; do
    case $argument in
      --dry-run) dry_run=1 ;;
      --yes) assume_yes=1 ;;
      -h | --help)
        say "$usage"
        exit 0
        ;;
      *) die "there is no option $argument; --help lists them" ;;
    esac
  done
}

# need PROGRAM…: before anything is done.
need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || die "$program is not installed"
  done
}

# run COMMAND…: does it, or says what it would do. What only looks is called without it.
run() {
  if ((dry_run)); then
    printf 'would run:'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

# confirm QUESTION WORD: goes on only when the word is typed, --yes was given, or nothing is done anyway.
confirm() {
  local answer=''
  ((! dry_run && ! assume_yes)) || return 0
  printf '%s\nType "%s" to go on: ' "$1" "$2"
  read -r answer || true
  [[ $answer == "$2" ]] || die 'nothing was done'
}

cluster_exists() { doctl kubernetes cluster get "$cluster" --format ID --no-header >/dev/null 2>&1; }
registry_exists() {
  [[ $(doctl registry get --format Name --no-header 2>/dev/null) == "$registry" ]]
}

# secret_manifest: the Secret todo-backend with what of it is set here. It goes through a pipe, never into
# arguments, which everybody on the machine can read.
secret_manifest() {
  local name value
  printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: todo-backend\ntype: Opaque\ndata:\n'
  for name in DATABASE_URL DATABASE_DIRECT_URL JWT_SECRET AUDIT_KEY OPENAI_API_KEY; do
    value=${!name:-}
    [[ -z $value ]] || printf '  %s: %s\n' "$name" "$(printf '%s' "$value" | base64 -w0)"
  done
}
