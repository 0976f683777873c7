#!/usr/bin/env bash
# curl against a running server: curl.sh http://127.0.0.1:8080 MODEL [KEY]
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: curl.sh http://127.0.0.1:8080 MODEL [KEY]" >&2; exit 2; }
base=$1 model=$2 key=${3:-unused}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
call() { curl -sS --fail-with-body --max-time 180 -H "Authorization: Bearer $key" "$@"; }
expect() { grep -q -- "$2" <<<"$1" || { echo "expected $2 in: $1" >&2; exit 1; }; }

expect "$(call "$base/v1/models")" "\"$model\""
expect "$(call "$base/v1/chat/completions" -H 'Content-Type: application/json' -d "{\"model\":\"$model\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}")" '"finish_reason":"stop"'
expect "$(call "$base/v1/chat/completions" -N -H 'Content-Type: application/json' -d "{\"model\":\"$model\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}")" 'data: \[DONE\]'
call "$base/v1/audio/speech" -H 'Content-Type: application/json' -d "{\"model\":\"$model\",\"input\":\"hello\",\"voice\":\"marin\",\"response_format\":\"wav\"}" -o "$work/speech.wav"
[ "$(head -c 4 "$work/speech.wav")" = RIFF ] || { echo "the speech is no WAV file" >&2; exit 1; }
expect "$(call "$base/v1/audio/transcriptions" -F "file=@$here/../../samples/sum.wav" -F "model=$model")" '"text"'
# A session begins with an upgrade.
expect "$(curl -sS -i -N --max-time 5 -H "Authorization: Bearer $key" -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
    -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$base/v1/realtime?model=$model" 2>/dev/null | tr -d '\0' | head -c 4000 || true)" '101 Switching Protocols'
echo "curl: passed"
