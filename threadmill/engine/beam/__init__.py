"""Tasks through Apache Beam, on any runner: Prism, Flink, Spark, and, in `threadmill.engine.dataflow`, Dataflow."""
