#!/bin/bash
# Run once by the postgres image, when its volume is new: a database and an owner for each part. Airflow's role cannot
# touch the ledger.
set -euo pipefail
for part in airflow mlflow augment_ops; do
  variable="${part^^}_DB_PASSWORD"
  psql --set=ON_ERROR_STOP=1 --set=password="${!variable}" --username="$POSTGRES_USER" <<SQL
CREATE ROLE $part LOGIN PASSWORD :'password';
CREATE DATABASE $part OWNER $part;
REVOKE CONNECT ON DATABASE $part FROM PUBLIC;
SQL
done
