#!/bin/sh
# Makes the files of secrets/: random ones for Redis and the gateway, and from the environment those of carrier and model
# (TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, OPENAI_API_KEY). Files that exist are kept. The folder is closed to other users; the
# files in it are not, because each container's own user must read what is mounted into it.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "secrets/$1" ] || printf '%s\n' "$2" >"secrets/$1"; }
if [ ! -s secrets/redis_auth ]; then
  password=$(random)
  printf 'requirepass %s\n' "$password" >secrets/redis_auth
  printf 'redis://:%s@redis:6379/0\n' "$password" >secrets/redis_url
fi
keep gateway_token "$(random)"
keep gateway_read_token "$(random)"
keep twilio_account_sid "${TWILIO_ACCOUNT_SID:?set it, as the carrier shows it}"
keep twilio_auth_token "${TWILIO_AUTH_TOKEN:?set it, as the carrier shows it}"
keep openai_api_key "${OPENAI_API_KEY:?set it}"
chmod 644 secrets/*
