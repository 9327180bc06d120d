"""The Airflow UI plugin: pages on the datasets."""
