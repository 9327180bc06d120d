"""The start-up script of a TPU's host: installs what the launcher runs, does the work under a time-out, and deletes the TPU.

Cloud TPU runs it at each boot as root. It needs what Cloud TPU's Ubuntu images have: bash, curl, flock, timeout, and Python 3.11,
or pip and a way to the package index to get it (uv). One at a time: of two, the second leaves at once. What the host's program
cannot tell, as it is not there or was killed, the script tells in its place, so that no failure looks like silence.
"""

import shlex
from urllib.parse import quote

from threadmill.errors import ConfigError
from threadmill.training.remote.attempts import AttemptFolder
from threadmill.training.remote.spec import HostSpec

_SHEBANG = "#!/bin/bash"


def startup_script(spec: HostSpec, extra: str) -> str:
    """The script that does ``spec``.

    Args:
        extra: requirements besides threadmill's, such as jax[tpu], with spaces.

    Raises:
        ConfigError: the attempt's folder is not in a bucket.
    """
    folder = AttemptFolder(spec.folder)
    values = {
        "SPEC": folder.spec_uri,
        "ATTEMPT": str(spec.attempt),
        "BUILD": spec.build_id,
        "WHEEL": _path(spec.wheel, read=True),
        "WHEEL_NAME": spec.wheel.rsplit("/", 1)[-1],
        "CONSTRAINTS": _path(spec.constraints, read=True),
        "EXTRA": extra,
        "STATUS": f"{_path(folder.status_uri)}&ifGenerationMatch=0",
        "LOG": _path(folder.log_uri),
        "TPU": spec.tpu,
        "PROJECT": spec.tpu.split("/")[1],
        "MAX_SECONDS": str(max(1, int(spec.max_seconds))),
    }
    assignments = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join([_SHEBANG, *assignments, _BODY])


def _path(uri: str, *, read: bool = False) -> str:
    """Of an object in Cloud Storage's JSON API: to read it, or to write it whole."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not name:
        raise ConfigError(f"{uri} is not in a bucket, where a TPU's host finds it; name a place such as gs://BUCKET/FOLDER")
    encoded = quote(name, safe="")
    if read:
        return f"/storage/v1/b/{bucket}/o/{encoded}?alt=media"
    return f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={encoded}"


# Checked with shellcheck: the assignments above are its only inputs, besides the addresses of emulators in tests.
_BODY = r"""
set -uo pipefail

STORAGE="${STORAGE_EMULATOR_HOST:-https://storage.googleapis.com}"
TPU_REST="${THREADMILL_TPU_REST:-https://tpu.googleapis.com}"
METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"
STATE="${HOME:-/root}/threadmill-$ATTEMPT-$BUILD"
HOST_LOG="$STATE/host.log"
RETRY=(--silent --show-error --retry 5 --retry-delay 2 --retry-all-errors --connect-timeout 20)

token() {
  curl "${RETRY[@]}" --fail -H 'Metadata-Flavor: Google' "$METADATA/instance/service-accounts/default/token" |
    sed -E 's/.*"access_token" *: *"([^"]*)".*/\1/'
}

fetch() { # PATH FILE
  curl "${RETRY[@]}" --fail -H "Authorization: Bearer $(token)" -o "$2" "$STORAGE$1"
}

upload() { # PATH CONTENT-TYPE DATA
  curl "${RETRY[@]}" -o "$STATE/answer" -X POST -H "Authorization: Bearer $(token)" -H "Content-Type: $2" \
    --data-binary "$3" "$STORAGE$1"
}

# The last word, unless the host's program has said it: a second one is refused by the bucket.
report() { # EXIT-CODE KIND MESSAGE
  upload "$STATUS" application/json \
    "{\"exit_code\": $1, \"attempt\": $ATTEMPT, \"error\": \"$3\", \"error_kind\": \"$2\"}"
}

delete_tpu() {
  local code
  while true; do
    code="$(curl "${RETRY[@]}" -o "$STATE/answer" -w '%{http_code}' -X DELETE -H "Authorization: Bearer $(token)" \
      "$TPU_REST/v2/$TPU?force=true")"
    code="${code: -3}" # of several tries, the last one's
    if [ "$code" = 200 ] || [ "$code" = 404 ]; then
      return
    fi
    echo "the TPU is not deleted ($code); asking again"
    sleep 60
  done
}

leave() {
  upload "$LOG" text/plain "@$HOST_LOG"
  delete_tpu
  exit "$1"
}

is_ours() { # PYTHON
  "$1" -c "from threadmill.cloud.package import build_id; raise SystemExit(build_id() != '$BUILD')" >/dev/null 2>&1
}

find_python() {
  for PYTHON in "$STATE/environment/bin/python" python3.11 python3; do
    if is_ours "$PYTHON"; then
      return 0
    fi
  done
  return 1
}

make_environment() {
  python3.11 -m venv "$STATE/environment" && return
  python3 -m pip install --quiet --target "$STATE/uv" uv &&
    PYTHONPATH="$STATE/uv" python3 -m uv venv --seed --python 3.11 "$STATE/environment"
}

install() {
  rm -rf "$STATE/environment"
  fetch "$WHEEL" "$STATE/$WHEEL_NAME" && fetch "$CONSTRAINTS" "$STATE/constraints.txt" && make_environment || return 1
  # EXTRA holds several words.
  # shellcheck disable=SC2086
  "$STATE/environment/bin/python" -m pip install --quiet --constraint "$STATE/constraints.txt" \
    "$STATE/$WHEEL_NAME[gcp,train,jax]" $EXTRA
}

mkdir -p "$STATE"
exec 9>"$STATE/lock"
if ! flock --nonblock 9; then
  echo "another one is at work"
  exit 0
fi
exec >>"$HOST_LOG" 2>&1
echo "boot $(date --utc +%FT%TZ)"
rm -f "${TMPDIR:-/tmp}/libtpu_lockfile" # of a process that was killed: this one is alone here

if ! find_python; then
  if ! install; then
    report 1 "" "threadmill could not be installed on the TPU host: its last lines are in host.log"
    leave 1
  fi
  if ! find_python; then
    report 2 ConfigError "the wheel on the TPU host is not of build $BUILD, which sent the work; run it again with one build"
    leave 2
  fi
fi

[ -s "$STATE/started" ] || date +%s >"$STATE/started" # the time goes on over reboots
DEADLINE=$(($(cat "$STATE/started") + MAX_SECONDS))
LEFT=$((DEADLINE - $(date +%s)))
[ "$LEFT" -ge 1 ] || LEFT=1
export THREADMILL_PROJECT="$PROJECT" THREADMILL_DEADLINE="$DEADLINE" THREADMILL_HOST_LOG="$HOST_LOG"
export THREADMILL_PLATFORM=local THREADMILL_ENGINE=local THREADMILL_WAREHOUSE=duckdb THREADMILL_TRAINER=local
timeout --foreground --kill-after=120 "$LEFT" "$PYTHON" -m threadmill.training.remote.host "$SPEC"
CODE=$?
report "$CODE" "" "the program on the TPU host was ended before it could tell why"
leave "$CODE"
"""
