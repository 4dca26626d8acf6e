"""What runs the stages beside Airflow and the command line: a room a driver, each as thin as they are."""
