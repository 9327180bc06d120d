"""Tasks through Apache Beam on Dataflow: a job of the run's own name, adopted, waited for and cancelled by that name."""
