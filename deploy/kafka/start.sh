#!/bin/sh
# Fill in the settings, make the storage the first time, and become the broker.
# KAFKA_HOME, SETTINGS, ADVERTISED, CLUSTER_ID; ADMIN_PASSWORD_FILE where the settings want one.
set -eu
umask 077
filled=${FILLED:-/tmp/server.properties}
password=""
[ -z "${ADMIN_PASSWORD_FILE:-}" ] || password=$(cat "$ADMIN_PASSWORD_FILE")
# The password goes through files, never through arguments, which every process of the machine may read.
printf 's|@ADVERTISED@|%s|\ns|@ADMIN_PASSWORD@|%s|\n' "$ADVERTISED" "$password" >"$filled.sed"
sed -f "$filled.sed" "$SETTINGS" >"$filled"
set --
if [ -n "$password" ]; then
    printf '%s\n' --add-scram "SCRAM-SHA-512=[name=admin,password=$password]" >"$filled.arguments"
    set -- "@$filled.arguments"
fi
# It would print the hashed credential into the log; what goes wrong is said on the other stream.
"$KAFKA_HOME/bin/kafka-storage.sh" format --ignore-formatted -t "$CLUSTER_ID" -c "$filled" "$@" >/dev/null
rm -f "$filled.sed" "$filled.arguments"
exec "$KAFKA_HOME/bin/kafka-server-start.sh" "$filled"
