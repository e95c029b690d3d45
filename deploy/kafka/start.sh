#!/bin/sh
# Fill in the settings, make the storage the first time, and become the broker.
# KAFKA_HOME, SETTINGS, ADVERTISED, CLUSTER_ID; ADMIN_PASSWORD_FILE where the settings want one.
set -eu
umask 077
filled=${FILLED:-/tmp/server.properties}
password=""
[ -z "${ADMIN_PASSWORD_FILE:-}" ] || password=$(cat "$ADMIN_PASSWORD_FILE")
sed -e "s|@ADVERTISED@|$ADVERTISED|" -e "s|@ADMIN_PASSWORD@|$password|" "$SETTINGS" >"$filled"
if [ -n "$password" ]; then
    set -- --add-scram "SCRAM-SHA-512=[name=admin,password=$password]"
else
    set --
fi
"$KAFKA_HOME/bin/kafka-storage.sh" format --ignore-formatted -t "$CLUSTER_ID" -c "$filled" "$@"
exec "$KAFKA_HOME/bin/kafka-server-start.sh" "$filled"
