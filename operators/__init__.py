"""What Airflow needs of ours: operators and sensors, the trigger form's params. The library itself knows no Airflow."""
