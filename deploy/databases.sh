#!/bin/bash
# Run once by the postgres image, when its volume is new: a database and an owner for each part. Airflow's role cannot
# touch the ledger, and the one that works with the ledger does not own it: `augment-ops audit create` grants it INSERT
# and SELECT.
set -euo pipefail
for part in airflow mlflow augment_ops_owner; do
  variable="${part^^}_DB_PASSWORD"
  psql --set=ON_ERROR_STOP=1 --set=password="${!variable}" --username="$POSTGRES_USER" <<SQL
CREATE ROLE $part LOGIN PASSWORD :'password';
CREATE DATABASE ${part%_owner} OWNER $part;
REVOKE CONNECT ON DATABASE ${part%_owner} FROM PUBLIC;
SQL
done
psql --set=ON_ERROR_STOP=1 --set=password="$AUGMENT_OPS_DB_PASSWORD" --username="$POSTGRES_USER" <<SQL
CREATE ROLE augment_ops LOGIN PASSWORD :'password';
GRANT CONNECT ON DATABASE augment_ops TO augment_ops;
SQL
