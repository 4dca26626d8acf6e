"""Airflow and MLflow on this machine: started, watched, driven and ended as one stack below one home."""
