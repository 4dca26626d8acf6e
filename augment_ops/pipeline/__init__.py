"""The stages and their graph, in one place. Airflow and the command line are thin drivers of it."""
