#!/bin/sh
# make-secrets.sh [sandbox]
#
# Creates the files that docker-compose.yml reads its secrets from, below ./secrets or $SECRETS_DIR.
# Existing files stay as they are, so this can be run again at any time.
# With `sandbox`, the key for Reducto is that of the sandbox.
#
# A container sees a secret with the owner and mode of the file on the host, and runs as another user.
# So the files are readable for everybody, and the folder only for its owner.
set -eu

for word; do
  [ "$word" = sandbox ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
done
command -v openssl > /dev/null || { echo 'make-secrets: openssl is needed' >&2; exit 1; }

directory=${SECRETS_DIR:-$(cd "$(dirname "$0")/.." && pwd)/secrets}
umask 077
mkdir -p "$directory"
chmod 700 "$directory"

# keep NAME: writes standard input to the file NAME, atomically, unless it exists.
keep() {
  if [ -e "$directory/$1" ]; then
    cat > /dev/null
    echo "kept     $1"
  else
    cat > "$directory/.$1.new"
    chmod 444 "$directory/.$1.new"
    mv "$directory/.$1.new" "$directory/$1"
    echo "created  $1"
  fi
}

openssl rand -hex 24 | keep postgres-password
echo "postgres://gateway:$(cat "$directory/postgres-password")@postgres:5432/gateway" | keep database-url
echo "1:$(openssl rand -base64 32)" | keep token-keys
echo "1:$(openssl rand -base64 32)" | keep audit-keys
echo "1:$(openssl rand -base64 32)" | keep data-keys
echo "rgw_admin_$(openssl rand -hex 24)" | keep bootstrap-admin-key
openssl rand -hex 16 | keep grafana-password
if [ "${1:-}" = sandbox ]; then echo sandbox-key | keep reducto-api-key; fi
# Empty means "not set".
for name in svix-secrets alert-webhook-url alert-webhook-secret otel-exporter-otlp-headers; do
  printf '' | keep "$name"
done

echo
echo "The secrets are in $directory. Keep a copy of token-keys, audit-keys, and data-keys where the backups are."
if [ ! -e "$directory/reducto-api-key" ]; then
  echo "Missing: the key for Reducto. Write it with"
  echo "  install -m 444 /dev/stdin '$directory/reducto-api-key'"
  echo "paste it, press Enter and Ctrl-D. Then: docker compose up --detach --wait"
elif [ "$(cat "$directory/reducto-api-key")" = sandbox-key ]; then
  echo "reducto-api-key is that of the sandbox. Then:"
  echo "  docker compose --env-file deploy/sandbox.env up --detach --wait"
else
  echo "Then: docker compose up --detach --wait"
fi
